//! One connection of a client with a broker.
//!
//! A link is the protocol's [`ServerConnection`] and what the cluster knows beside it. It moves bytes and computes deadlines.
//! It never touches the state of a broker.
//!
//! Three independent facts say how far a link has ended: the client has closed its side (`has_eof`), nothing can be moved any
//! more (`is_broken`), and the connection has written everything and is over.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_proto::{Connection, Disconnect, ServerConnection, api::RequestHeader, frame::SendQueue, ids::NodeId};

use crate::{
    apis::Caller,
    faults::{Plan, Step},
    purgatory::WaitId,
    timers::TimerKey,
    wire::Answer,
};

/// A request that is being served.
#[derive(Debug)]
pub(super) struct Open {
    /// Who asked. An answer is written only for this call.
    pub(super) caller: Caller,
    /// The header of the request, for its correlation id.
    pub(super) header: RequestHeader,
    /// What goes wrong with the answer.
    pub(super) plan: Plan,
    /// The answer for the partitions that a rule refuses.
    pub(super) refused: Option<Answer>,
    /// Whether the request has an answer: all have, except a produce with acks 0.
    pub(super) has_answer: bool,
    /// The number of the request in the history.
    pub(super) number: u64,
    /// What the request waits for.
    pub(super) wait: Option<WaitId>,
}

/// One connection of a client with a broker, for a driver, which moves its bytes.
///
/// The driver reads and writes through the [`Connection`] trait, and then calls
/// [`Cluster::handle_io`](crate::Cluster::handle_io). Events are taken by the cluster, so [`Connection::poll_event`] returns
/// nothing here.
#[derive(Debug)]
pub struct Link {
    /// The protocol: frames, the order of calls, and the bytes to write.
    pub(super) connection: ServerConnection,
    pub(super) node: NodeId,
    pub(super) peer: Option<SocketAddr>,
    /// The request that is being served, or waits. There is at most one, as with a real broker.
    pub(super) open: Option<Open>,
    /// What is still to be done for the open call.
    pub(super) script: VecDeque<Step>,
    /// The frame of an answer that is sent behind the next one.
    pub(super) held: Option<Bytes>,
    /// Whether nothing is read any more, because of a rule.
    pub(super) is_deaf: bool,
    /// Whether the client has closed its side.
    pub(super) has_eof: bool,
    /// Whether nothing can be read or written any more.
    pub(super) is_broken: bool,
    /// Whether the connection is in the queue of those to serve.
    pub(super) is_queued: bool,
    /// Whether the connection is in the queue of those that the driver must look at.
    pub(super) is_ready: bool,
    /// How many requests were taken up, for rules that count.
    pub(super) requests: u64,
    /// When the last request came, or the connection was made.
    pub(super) last_request: Instant,
    /// When the client last took a byte of an answer, or an answer was written to an empty queue.
    pub(super) last_taken: Instant,
    /// The bytes of answers that the client had not taken when the link was last looked at.
    pub(super) unsent: usize,
    /// The timer that looks at the deadline. It may be earlier than the deadline, and never later.
    pub(super) timer: Option<(Instant, TimerKey)>,
}

impl Link {
    pub(super) fn new(connection: ServerConnection, node: NodeId, peer: Option<SocketAddr>, now: Instant) -> Self {
        Self {
            connection,
            node,
            peer,
            open: None,
            script: VecDeque::new(),
            held: None,
            is_deaf: false,
            has_eof: false,
            is_broken: false,
            is_queued: false,
            is_ready: false,
            requests: 0,
            last_request: now,
            last_taken: now,
            unsent: 0,
            timer: None,
        }
    }

    /// The broker that the client is connected to.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The address of the client. `None` if the connection has no socket.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Whether the driver has told that nothing can be read or written any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_broken
    }

    /// Notes how many bytes the client has left unread. Returns how many there were before, and are now.
    pub(super) fn note_unsent(&mut self, now: Instant) -> (usize, usize) {
        let unsent = self.connection.buffers().1.remaining();
        let before = std::mem::replace(&mut self.unsent, unsent);
        // New bytes alone do not count: a client that takes nothing would be kept alive by its own requests.
        if unsent < before || before == 0 {
            self.last_taken = now;
        }
        (before, unsent)
    }

    /// The time by which the client has to do something.
    pub(super) fn deadline(&self, write_timeout: Duration, idle_timeout: Duration) -> Option<Instant> {
        let frame = self.connection.poll_timeout();
        let write = (self.unsent > 0).then(|| self.last_taken.checked_add(write_timeout)).flatten();
        // A client that waits for an answer is not idle.
        let is_idle = self.open.is_none() && self.unsent == 0;
        // A long poll may have taken longer than the timeout, so the time counts from its answer on.
        let last_active = self.last_request.max(self.last_taken);
        let idle = is_idle.then(|| last_active.checked_add(idle_timeout)).flatten();
        [frame, write, idle].into_iter().flatten().min()
    }
}

impl Connection for Link {
    type Event = Infallible;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        self.connection.buffers()
    }

    fn handle_read(&mut self, now: Instant, n: usize) {
        self.connection.handle_read(now, n);
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.connection.handle_bytes(now, bytes);
    }

    fn wants_read(&self) -> bool {
        !self.is_deaf && self.connection.wants_read()
    }

    fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    fn handle_write_failed(&mut self, kind: io::ErrorKind) {
        self.connection.handle_write_failed(kind);
    }

    fn handle_disconnect(&mut self, how: Disconnect) {
        self.has_eof = true;
        self.is_broken |= how != Disconnect::Eof;
        self.connection.handle_disconnect(how);
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn is_over(&self) -> bool {
        self.connection.is_over()
    }
}
