use std::{
    future::poll_fn,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use kafka08_async::{Timer as _, Wrap as _, futures_io::AsyncRead as _};

use super::{Deadline, Polled, Socket, Threads, run};

const MOMENT: Duration = Duration::from_millis(50);

/// A waker that counts, and wakes a task.
struct Counter {
    wakes: AtomicUsize,
    task: Waker,
}

impl Counter {
    fn new(cx: &Context<'_>) -> Arc<Self> {
        Arc::new(Self { wakes: AtomicUsize::new(0), task: cx.waker().clone() })
    }

    fn wakes(&self) -> usize {
        self.wakes.load(SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, SeqCst);
        self.task.wake_by_ref();
    }
}

/// A socket, and its other end.
fn pair() -> (Polled<Socket>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let far = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (near, _) = listener.accept().expect("it is connected");
    (Threads::wrap(Socket::new(near).expect("a setting")), far)
}

/// Reads once with a waker of its own. Returns whether that was possible.
fn read(stream: &mut Polled<Socket>, waker: &Arc<Counter>) -> bool {
    let waker = Waker::from(Arc::clone(waker));
    Pin::new(stream).poll_read(&mut Context::from_waker(&waker), &mut [0; 8]).is_ready()
}

/// The counters of a task, which are made in its first poll.
async fn counters<const N: usize>() -> [Arc<Counter>; N] {
    poll_fn(|cx| Poll::Ready(std::array::from_fn(|_| Counter::new(cx)))).await
}

/// Polls nothing until the condition holds when the task is woken.
async fn until(mut holds: impl FnMut() -> bool) {
    poll_fn(|_| if holds() { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[test]
fn a_stream_that_is_not_polled_again_still_wakes_who_polled_it() {
    let ((mut one, mut far_one), (mut other, mut far_other)) = (pair(), pair());
    run(async {
        let [first, second] = counters().await;
        assert!(!read(&mut one, &first) && !read(&mut other, &second));
        far_one.write_all(b"1").expect("it is there");
        until(|| first.wakes() == 1).await;
        assert_eq!(second.wakes(), 0, "the other has nothing");
        // Only the first is polled now.
        assert!(read(&mut one, &first) && !read(&mut one, &first));
        far_other.write_all(b"1").expect("it is there");
        until(|| second.wakes() == 1).await;
        assert!(read(&mut other, &second));
        assert_eq!(first.wakes(), 1);
    })
    .expect("a pipe");
}

#[test]
fn a_stream_that_is_dropped_closes_at_once() {
    let ((mut dropped, mut far), (mut kept, mut far_kept)) = (pair(), pair());
    far.set_read_timeout(Some(Duration::from_secs(10))).expect("a setting");
    run(async {
        let [counter, waiting] = counters().await;
        assert!(!read(&mut dropped, &counter) && !read(&mut kept, &waiting));
        drop(dropped);
        assert_eq!(far.read(&mut [0]).expect("it ends"), 0);
        far_kept.write_all(b"1").expect("it is there");
        until(|| waiting.wakes() == 1).await;
        assert_eq!(counter.wakes(), 0);
    })
    .expect("a pipe");
}

#[test]
fn a_stream_that_never_waited_takes_no_other_stream_along() {
    let ((mut waiting, mut far), (new, _far_new)) = (pair(), pair());
    run(async {
        let [counter] = counters().await;
        assert!(!read(&mut waiting, &counter));
        // Its place is that of the other, because it has none of its own.
        drop(new);
        far.write_all(b"1").expect("it is there");
        until(|| counter.wakes() == 1).await;
    })
    .expect("a pipe");
}

#[test]
fn a_stream_that_another_thread_drops_is_closed_before_the_next_wait() {
    let (mut dropped, mut far) = pair();
    let (sender, ended) = mpsc::channel();
    run(async {
        let [counter] = counters().await;
        assert!(!read(&mut dropped, &counter));
        thread::spawn(move || drop(dropped)).join().expect("no panic");
        thread::spawn(move || {
            assert_eq!(far.read(&mut [0]).expect("it ends"), 0);
            sender.send(()).expect("the test waits");
            counter.task.wake_by_ref();
        });
        until(|| ended.try_recv().is_ok()).await;
    })
    .expect("a pipe");
}

#[test]
fn a_timer_fires_after_the_thread_has_looked_at_its_sockets() {
    let (mut stream, mut far) = pair();
    run(async {
        let [reader, timer] = counters().await;
        let waker = Waker::from(Arc::clone(&timer));
        let cx = &mut Context::from_waker(&waker);
        let mut deadline = Deadline::at(Instant::now() + MOMENT);
        assert!(deadline.poll_fired(cx).is_pending() && !read(&mut stream, &reader));
        far.write_all(b"1").expect("it is there");
        thread::sleep(2 * MOMENT);
        assert!(deadline.poll_fired(cx).is_pending(), "nobody has looked at the socket");
        until(|| timer.wakes() == 1).await;
        assert_eq!(reader.wakes(), 1, "the socket was looked at");
        assert!(deadline.poll_fired(cx).is_ready());
    })
    .expect("a pipe");
}

#[test]
fn timers_that_were_dropped_or_set_again_do_not_fire_at_their_first_time() {
    run(async {
        let [counter, last] = counters().await;
        let (waker, waker_of_last) = (Waker::from(Arc::clone(&counter)), Waker::from(Arc::clone(&last)));
        let cx = &mut Context::from_waker(&waker);
        let started = Instant::now();
        let (mut dropped, mut later) = (Deadline::at(started + MOMENT), Deadline::at(started + MOMENT));
        assert!(dropped.poll_fired(cx).is_pending() && later.poll_fired(cx).is_pending());
        drop(dropped);
        later.reset(started + 3 * MOMENT);
        assert!(later.poll_fired(&mut Context::from_waker(&waker_of_last)).is_pending());
        until(|| last.wakes() == 1).await;
        assert!(started.elapsed() >= 3 * MOMENT && later.poll_fired(cx).is_ready());
        assert_eq!(counter.wakes(), 0);
    })
    .expect("a pipe");
}
