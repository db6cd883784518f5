//! The state of a server's connection.

use std::{collections::VecDeque, fmt, time::Instant};

use bytes::Buf as _;

use super::{ServerConfig, call::Call, life::Life};
use crate::{
    connection::{Disconnect, Heard, ServerCloseReason, rest::Rest},
    frame::{FrameDecoder, SendQueue, Span, Taken},
    ids::ConnectionId,
};

/// The server's end of a connection with one client, for brokers, proxies and mocks.
///
/// Each [`ServerEvent::Request`](crate::ServerEvent::Request) opens a *call*. End every call, in any order, by
/// [`ServerConnection::respond`], [`ServerConnection::respond_raw`] or [`ServerConnection::finish`]. Responses are written in
/// the order of the requests. Bytes, time and events go through the [`Connection`](crate::Connection) trait.
///
/// A call stays open until the transport has taken its response. [`ServerConfig::with_max_open_calls`] and
/// [`ServerConfig::with_max_staged`] bound what is open. Beyond them nothing is read, so a client that does not read its
/// responses is not served further.
///
/// # States
///
/// A connection never moves back:
///
/// ```text
///   open --- the client closes its side ---> half closed     reads nothing, gives out the requests received, writes
///     |                                           |          responses
///     +---------- the transport fails ------------+--> failed      the same, but responses are dropped
///     |                                           |      |
///     | close; bytes that are not requests;       |      | every request received was given out; while half closed,
///     | a request that arrives too slowly         |      | each was answered too
///     v                                           v      v
///   ending --- poll_event gives the end ---> over            writes the responses that were staged before
/// ```
pub struct ServerConnection {
    pub(super) id: ConnectionId,
    pub(super) config: ServerConfig,
    pub(super) decoder: FrameDecoder,
    pub(super) queue: SendQueue,
    /// The calls that are not ended, and those that were ended behind one that is not.
    pub(super) calls: VecDeque<Call>,
    /// The number of the first call of `calls`.
    pub(super) first: u64,
    /// How many calls of `calls` are not ended.
    pub(super) unanswered: usize,
    /// The bytes of the responses in `calls`.
    pub(super) held: usize,
    /// Where the responses lie in `queue` that the transport has not taken completely.
    pub(super) unwritten: VecDeque<Span>,
    /// The time by which the frame that is arriving must be complete.
    pub(super) frame_deadline: Option<Instant>,
    /// When bytes arrived last.
    pub(super) last_read: Option<Instant>,
    /// Whether the server has stopped reading since `last_read`, because as many calls were open as may be. The client could
    /// not continue its frame either.
    pub(super) has_paused: bool,
    pub(super) responses: u64,
    pub(super) life: Life,
    pub(super) rest: Rest,
}

impl ServerConnection {
    /// Creates a connection on which nothing was received yet. `id` must differ from those of the process's other
    /// connections: a call of one connection cannot be answered on another.
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

    /// The identity that the connection was given.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Ends the connection. This is how a 0.8 broker refuses a request. Nothing more is read. Responses are still written if
    /// all calls in front of them were answered.
    pub fn close(&mut self) {
        self.end(ServerCloseReason::Local);
    }

    /// How many responses were staged so far.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.responses
    }

    /// Forgets the responses that the transport has taken.
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

    /// Whether requests that were received completely are given out.
    pub(super) fn gives_requests(&self) -> bool {
        matches!(self.life, Life::Open | Life::HalfClosed | Life::Failed(_))
    }

    /// Whether bytes from the client are received.
    pub(super) fn can_read(&self) -> bool {
        matches!(self.life, Life::Open)
    }

    /// Notes that bytes have arrived. Returns whether they are to be kept.
    pub(super) fn note_read(&mut self, now: Instant) -> bool {
        self.rest.note_moved_at(now);
        self.last_read = Some(now);
        self.resume(now);
        self.can_read()
    }

    /// Gives the arriving frame its whole time again if the server has not read meanwhile.
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
