//! Both kinds of owners, and the handle of the tests.

use std::{
    collections::VecDeque,
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use futures_util::future::{AbortHandle, abortable};
use kafka08_async::{
    HostPort, Runtime, Wrap,
    fleet::{Caller, Fleet, Owner},
    proto::ClientConfig,
};
use kafka08_client::machine::LinkId;

use crate::{
    echoes::{Echoes, Event},
    homes::Home,
};

/// How long anything may take, many times what it takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What the owner tells the test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    Event(Event),
    /// The task is gone.
    End,
}

/// What the handle and the owner share.
pub(crate) struct Shared {
    machine: Mutex<Echoes>,
    /// How often a link was touched, and at most in one poll of the task.
    touches: AtomicUsize,
    most: AtomicUsize,
    /// How often the machine was to meet what handles share.
    pub(crate) exchanges: AtomicUsize,
}

/// The owner whose machine is behind a lock.
pub(crate) struct Locked {
    shared: Arc<Shared>,
    news: Sender<News>,
    /// Called for each event, in the task.
    hook: Hook,
}

pub(crate) type Hook = Box<dyn FnMut(&Event) + Send>;

impl Owner for Locked {
    type Machine = Echoes;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Echoes) -> T) -> T {
        let mut machine = self.shared.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.is_touched = false;
        let result = work(&mut machine);
        self.shared.touches.fetch_add(usize::from(machine.is_touched), SeqCst);
        result
    }

    fn exchange(&mut self, _: Instant) {
        self.shared.exchanges.fetch_add(1, SeqCst);
    }

    fn handle_event(&mut self, event: Event, _: Instant) {
        (self.hook)(&event);
        // A test that has ended listens no more.
        let _ = self.news.send(News::Event(event));
    }

    fn handle_end(&mut self) {
        let _ = self.news.send(News::End);
    }
}

/// A handle of a machine behind a lock.
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    news: Receiver<News>,
    caller: Caller,
    task: AbortHandle,
}

/// Starts a fleet.
pub(crate) fn start<H: Home>(config: ClientConfig) -> Handle {
    start_on::<H, H::Rt>(config, |_| {})
}

/// Starts a fleet on another runtime than that of its task, with a hook for each event.
pub(crate) fn start_on<H: Home, Rt>(config: ClientConfig, hook: impl FnMut(&Event) + Send + 'static) -> Handle
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    let (sender, news) = mpsc::channel();
    let shared = Arc::new(Shared {
        machine: Mutex::new(Echoes::new(config)),
        touches: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        exchanges: AtomicUsize::new(0),
    });
    let caller = Caller::default();
    let owner = Locked { shared: Arc::clone(&shared), news: sender, hook: Box::new(hook) };
    let fleet = Fleet::<Rt, _>::new(owner, &caller).run();
    let (task, abort) = abortable(measured(Arc::clone(&shared), fleet));
    H::start(async {
        let _ = task.await;
    });
    Handle { shared, news, caller, task: abort }
}

/// Notes the largest number of touches in one poll.
async fn measured(shared: Arc<Shared>, fleet: impl Future<Output = ()>) {
    let mut fleet = pin!(fleet);
    std::future::poll_fn(|cx| {
        let before = shared.touches.load(SeqCst);
        let polled = fleet.as_mut().poll(cx);
        shared.most.fetch_max(shared.touches.load(SeqCst) - before, SeqCst);
        polled
    })
    .await;
}

/// A fleet that is always busy must not disturb the next test.
impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Handle {
    /// Calls the machine, as handles do.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Echoes, Instant) -> T) -> T {
        let mut machine = self.shared.machine.lock().expect("no panic");
        let result = work(&mut machine, Instant::now());
        drop(machine);
        self.caller.call();
        result
    }

    /// Opens a link, and lets it ask.
    pub(crate) fn open(&self, to: SocketAddr, times: usize, window: usize) -> LinkId {
        self.with(|machine, now| {
            let link = machine.open(host_port(to), LIMIT);
            machine.ask(now, link, times, window);
            link
        })
    }

    /// The next news.
    pub(crate) fn next(&self) -> News {
        match self.news.recv_timeout(LIMIT) {
            Ok(news) => news,
            Err(RecvTimeoutError::Timeout) => panic!("nothing has come"),
            Err(RecvTimeoutError::Disconnected) => panic!("the owner is gone"),
        }
    }

    /// The next event, but for what was written and who has connected.
    pub(crate) fn next_outcome(&self) -> Event {
        loop {
            match self.next() {
                News::Event(Event::Sent(_) | Event::Connected(_)) => {}
                News::Event(event) => return event,
                News::End => panic!("the task has ended"),
            }
        }
    }

    /// Waits for so many answers on any links.
    pub(crate) fn wait_answered(&self, mut answers: usize) {
        while answers > 0 {
            let event = self.next_outcome();
            assert!(matches!(event, Event::Answered(_)), "{event:?}");
            answers -= 1;
        }
    }

    /// Waits until so many links are connected.
    pub(crate) fn wait_connected(&self, mut links: usize) {
        while links > 0 {
            let news = self.next();
            assert!(matches!(news, News::Event(Event::Connected(_))), "{news:?}");
            links -= 1;
        }
    }

    /// Waits until the task has ended.
    pub(crate) fn wait_ended(&self) {
        while self.next() != News::End {}
    }

    /// Aborts the task.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }

    /// How often links were touched since the last call, and at most in one poll.
    pub(crate) fn take_touches(&self) -> (usize, usize) {
        (self.shared.touches.swap(0, SeqCst), self.shared.most.swap(0, SeqCst))
    }
}

pub(crate) fn host_port(address: SocketAddr) -> HostPort {
    address.to_string().parse().expect("an address is a host and a port")
}

/// What is to be asked on which link, and what was answered.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) asked: VecDeque<LinkId>,
    pub(crate) answered: usize,
    pub(crate) is_closed: bool,
}

/// The owner that has a machine, and shares a desk.
pub(crate) struct Owned {
    pub(crate) machine: Echoes,
    pub(crate) desk: Arc<Mutex<Desk>>,
    /// Answers that were not put on the desk yet.
    pub(crate) answers: usize,
    pub(crate) news: Sender<News>,
}

impl Owner for Owned {
    type Machine = Echoes;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Echoes) -> T) -> T {
        work(&mut self.machine)
    }

    fn exchange(&mut self, now: Instant) {
        let mut desk = self.desk.lock().expect("no panic");
        while let Some(link) = desk.asked.pop_front() {
            self.machine.ask(now, link, 1, 1);
        }
        desk.answered += std::mem::take(&mut self.answers);
        if desk.is_closed {
            self.machine.close();
        }
    }

    fn handle_event(&mut self, event: Event, _: Instant) {
        if matches!(event, Event::Answered(_)) {
            self.answers += 1;
        }
        let _ = self.news.send(News::Event(event));
    }

    fn handle_end(&mut self) {
        let _ = self.news.send(News::End);
    }
}
