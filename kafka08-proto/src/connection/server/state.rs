//! The server's end of a connection: what it keeps, and what follows from that.

use std::{collections::VecDeque, fmt, time::Instant};

use bytes::Buf as _;

use super::{ServerConfig, call::Call, life::Life};
use crate::{
    connection::{Disconnect, Heard, ServerCloseReason, rest::Rest},
    frame::{FrameDecoder, SendQueue, Span, Taken},
    ids::ConnectionId,
};

/// A server's end of one connection with a client: for brokers, proxies and mocks.
///
/// Every [`ServerEvent::Request`](crate::ServerEvent::Request) must be ended, by [`ServerConnection::respond`], [`ServerConnection::respond_raw`] or
/// [`ServerConnection::finish`], in any order: bytes leave in the order of the requests. A call stays open until the
/// transport has taken its answer, and [`ServerConfig::with_max_open_calls`] and [`ServerConfig::with_max_staged`] bound what
/// is open: beyond them nothing is read, so a client that does not read its answers is not served further. The rest is the
/// [`Connection`](crate::Connection) trait.
///
/// *States.* Nothing moves the connection back:
///
/// ```text
///   open --- the client closes its side ---> half closed     reads nothing; requests that are here in full still come
///     |                                           |          out, and all answers leave
///     +---------- the transport fails ------------+--> failed      the same, but answers are dropped
///     |                                           |      |
///     | close; bytes that are no requests; too    |      | every request that was here has come out, and while
///     | slow a request                            |      | half closed each is answered
///     v                                           v      v
///   ending --- poll_event gives the end ---> over            answers that were staged before still leave
/// ```
pub struct ServerConnection {
    pub(super) id: ConnectionId,
    pub(super) config: ServerConfig,
    pub(super) decoder: FrameDecoder,
    pub(super) queue: SendQueue,
    /// Calls that are not ended, or ended behind one that is not.
    pub(super) calls: VecDeque<Call>,
    /// The number of the first of `calls`.
    pub(super) first: u64,
    /// Calls of `calls` that are not ended.
    pub(super) unanswered: usize,
    /// Bytes of answers in `calls`, which wait behind one that is not ended.
    pub(super) held: usize,
    /// Answers in `queue`: the transport has not taken all of them.
    pub(super) unwritten: VecDeque<Span>,
    /// When the frame that has begun to arrive must be complete.
    pub(super) frame_deadline: Option<Instant>,
    /// When bytes came last.
    pub(super) last_read: Option<Instant>,
    /// Nothing was read since then because as much was open as may be. The client could not go on with its frame either.
    pub(super) has_paused: bool,
    pub(super) responses: u64,
    pub(super) life: Life,
    pub(super) rest: Rest,
}

impl ServerConnection {
    /// A connection on which nothing has come yet. `id` tells it apart from the process's other connections: its calls are
    /// answered nowhere else.
    #[must_use]
    pub fn new(config: ServerConfig, id: ConnectionId) -> Self {
        Self {
            id,
            decoder: FrameDecoder::new(config.max_frame),
            queue: SendQueue::default(),
            calls: VecDeque::new(),
            first: 0,
            unanswered: 0,
            held: 0,
            unwritten: VecDeque::new(),
            frame_deadline: None,
            last_read: None,
            has_paused: false,
            responses: 0,
            life: Life::Open,
            rest: Rest::default(),
            config,
        }
    }

    /// The identity that it was given.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Ends the connection, as a 0.8 broker refuses: nothing more is read, answers that were given and are not behind an
    /// open call still leave.
    pub fn close(&mut self) {
        self.end(ServerCloseReason::Local);
    }

    /// Responses that were staged so far.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.responses
    }

    /// Forgets answers that the transport has taken.
    pub(super) fn note_written(&mut self) {
        let Self { unwritten, queue, .. } = self;
        while unwritten.pop_front_if(|answer| queue.taken(*answer) == Taken::All).is_some() {}
    }

    pub(super) fn end(&mut self, reason: ServerCloseReason) {
        if self.gives_requests() {
            self.life = Life::Ending(reason);
            self.calls.clear();
            self.unanswered = 0;
            self.held = 0;
            self.frame_deadline = None;
            // Requests that came before the end are not given out behind it.
            self.decoder = FrameDecoder::new(self.config.max_frame);
        }
    }

    /// Whether requests that are here in full come out.
    pub(super) fn gives_requests(&self) -> bool {
        matches!(self.life, Life::Open | Life::HalfClosed | Life::Failed(_))
    }

    /// Whether bytes of the client are taken.
    pub(super) fn can_read(&self) -> bool {
        matches!(self.life, Life::Open)
    }

    /// Bytes have come. Returns whether they are still of use.
    pub(super) fn note_read(&mut self, now: Instant) -> bool {
        self.rest.note_moved_at(now);
        self.last_read = Some(now);
        self.resume(now);
        self.can_read()
    }

    /// The time in which nothing was read is not counted against the frame that is arriving.
    pub(super) fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.has_paused) && self.frame_deadline.is_some() {
            self.frame_deadline = now.checked_add(self.config.frame_timeout);
        }
    }

    /// Whether one more request may be given out.
    pub(super) fn may_open(&self) -> bool {
        // An answer counts until the transport has taken it. Otherwise a client that does not read would have the server answer,
        // and hold, everything that it can ask for.
        let written = self.unwritten.partition_point(|answer| self.queue.taken(*answer) == Taken::All);
        let open = self.calls.len() + self.unwritten.len() - written;
        open < self.config.max_open_calls && self.held + self.queue.remaining() < self.config.max_staged
    }

    pub(super) fn why_disconnected(&self, how: Disconnect) -> ServerCloseReason {
        let heard = match self.decoder.pending() {
            // Both numbers together count the requests that were ever given out.
            0 if self.first + self.calls.len() as u64 == 0 => Heard::Nothing,
            0 => Heard::Frames,
            bytes => Heard::PartOfFrame { bytes },
        };
        ServerCloseReason::Disconnected { how, heard }
    }
}

impl fmt::Debug for ServerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConnection")
            .field("id", &self.id)
            .field("unanswered", &self.unanswered)
            .field("unwritten", &self.unwritten.len())
            .field("decoder", &self.decoder)
            .field("queue", &self.queue)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
