//! What a driver of many sockets sees of a machine.

use std::{
    fmt, io,
    time::{Duration, Instant},
};

use kafka08_proto::{ClientConnection, HostPort, adapter::ConnectError};

/// Names one connection of a machine. Numbers count up and are never used again, so late news of an old link cannot be
/// taken for news of a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// What a machine wants its driver to do, or an event for the machine's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<E> {
    /// Connect to a broker, and tell the result with [`Machine::handle_connected`] or
    /// [`Machine::handle_connect_failed`].
    Connect {
        /// The name of the new link.
        link: LinkId,
        /// Where to connect. The driver looks the name up, away from the thread or task that moves bytes.
        to: HostPort,
        /// How long the lookup and all attempts may take together. Each address gets an even share of what is left.
        within: Duration,
    },
    /// Close the socket of this link, or give up connecting it.
    Drop(LinkId),
    /// Requests were staged on this link: write them.
    Write(LinkId),
    /// An event for the user of the machine.
    Event(E),
}

/// A state machine that owns any number of connections. A driver moves their bytes and tells the time.
///
/// # Driver rules
///
/// 1. Take outputs with [`Machine::poll_output`] until `None`. Do so after every other method. Then stop if
///    [`Machine::is_over`] returns true.
/// 2. Pump each link whose socket is ready or that an [`Output::Write`] has named, at most 64 in a turn. Call
///    [`Machine::handle_progress`] after each.
/// 3. If no link is ready and the time of [`Machine::poll_timeout`] has come, look at the sockets once more without
///    waiting, and read what is there. Only then call [`Machine::handle_timeout`], so that an answer that is here is not
///    timed out, also after the process was stopped.
/// 4. Wait until a socket is ready, a connect attempt ends, the machine's user calls, or the time of
///    [`Machine::poll_timeout`] has come.
///
/// After a failed write, go on reading the link: responses may be waiting.
pub trait Machine {
    /// What the machine tells its user.
    type Event;

    /// Returns the next thing to do, or an event, or `None`. Does a bounded amount of work.
    fn poll_output(&mut self, now: Instant) -> Option<Output<Self::Event>>;

    /// The connection of a link that is connected and not dropped, to move its bytes. Its events and its timeouts are
    /// the machine's: leave `poll_event` and `handle_timeout` alone.
    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection>;

    /// Tells that a link is connected. Ignored if the link was dropped meanwhile.
    fn handle_connected(&mut self, link: LinkId, now: Instant);

    /// Tells that a link could not be connected. Ignored if the link was dropped meanwhile.
    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant);

    /// Tells what the system has said of a failed read or write, for the texts of errors. Call it before the
    /// [`Machine::handle_progress`] that follows the failure. Default: does nothing.
    fn handle_io_error(&mut self, link: LinkId, error: &io::Error) {
        let _ = (link, error);
    }

    /// Tells that bytes were moved on a link, or that its stream has ended. Only this link is looked at.
    fn handle_progress(&mut self, link: LinkId, now: Instant);

    /// The latest time at which to call [`Machine::handle_timeout`]: the earliest deadline of all links and of the
    /// machine itself.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Tells the time. Only what is due is looked at.
    fn handle_timeout(&mut self, now: Instant);

    /// Whether nothing is left to tell or to write, after the machine was closed.
    fn is_over(&self) -> bool;
}
