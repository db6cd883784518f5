//! Threads as a runtime of kafka08-async: each task has a thread of its own, which sleeps in `poll(2)`.
//!
//! | file | what it owns |
//! |---|---|
//! | `park` | callers that wait for a future |
//! | `work` | work that blocks, such as looking up a name |
//! | `bell` | wakes a thread that may sleep |
//! | `source`, `turn` | descriptors, what a thread's task waits for, and the wait |
//! | `run` | the loop of a task's thread |
//! | `stream` | streams that register what they wait for |
//! | `socket` | connecting and accepting |

mod bell;
mod park;
mod run;
mod socket;
mod source;
mod stream;
mod turn;
mod work;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Instant,
};

use kafka08_async::{HostPort, Runtime, Timer};

#[doc(hidden)]
pub use bell::{Bell, Ring};
#[doc(hidden)]
pub use park::block_on;
pub(crate) use park::block_on_within;
pub(crate) use run::run;
pub use socket::{Listener, Socket};
#[doc(hidden)]
pub use stream::Registration;
pub use stream::{Pollable, Polled};

use crate::connect;

/// Threads as a runtime: each task has a thread of its own, which sleeps in `poll(2)`. It is a marker and has no values.
#[derive(Debug)]
pub enum Threads {}

impl Runtime for Threads {
    type Timer = Deadline;
    type TcpStream = Socket;
    type TcpListener = Listener;

    fn now() -> Instant {
        Instant::now()
    }

    /// Starts a thread. If the system has none left, the task is dropped, which ends everything that waits for it.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        let thread = thread::Builder::new().name("kafka08".to_owned());
        // The task is dropped too if the thread has no descriptors for its wake-ups.
        let _ = thread.spawn(move || run(task));
    }

    /// Looks up a name on a thread of its own, because the system's call blocks and has no time limit. If nobody waits any
    /// more, the thread ends with the system's call.
    async fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
        // An address needs no thread.
        if let Ok(address) = target.host().parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, target.port())]);
        }
        let target = target.clone();
        work::on_thread("kafka08-look-up", move || connect::look_up(&target)).await
    }

    async fn connect(address: SocketAddr) -> io::Result<Socket> {
        Socket::connect(address).await
    }

    async fn accept(listener: &Listener) -> io::Result<Socket> {
        listener.accept().await
    }
}

/// A time for which a task waits. It fires after the thread has looked at its descriptors, so that what has arrived in time is
/// found first.
#[derive(Debug)]
pub struct Deadline {
    at: Instant,
    /// Distinguishes the timers of a thread.
    number: u64,
    /// What is registered, if anything.
    registered: Option<Instant>,
}

impl Deadline {
    fn forget(&mut self) {
        if let Some(registered) = self.registered.take() {
            turn::forget_timer((registered, self.number));
        }
    }
}

impl Timer for Deadline {
    fn at(deadline: Instant) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { at: deadline, number: NEXT.fetch_add(1, Ordering::Relaxed), registered: None }
    }

    fn reset(&mut self, deadline: Instant) {
        if deadline != self.at {
            self.forget();
            self.at = deadline;
        }
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let has_fired = turn::wait_until((self.at, self.number), cx);
        self.registered = (!has_fired).then_some(self.at);
        if has_fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Makes a listener one that a task can wait for.
pub(crate) fn listener(listener: TcpListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    Ok(Listener::new(Arc::new(listener)))
}

#[cfg(test)]
mod tests;
