//! The state of a client's connection.

use std::{fmt, time::Instant};

use bytes::Buf as _;

use super::{ClientConfig, events::Events, ledger::Ledger, life::Life};
use crate::{
    connection::{ClientEvent, rest::Rest},
    frame::{FrameDecoder, SendQueue},
    ids::{ConnectionId, Sequence},
    wire::Encoder,
};

/// The client's end of a connection to one broker.
///
/// The commands [`ClientConnection::request`] and [`ClientConnection::send`] stage a request and return its correlation id at
/// once. [`ClientConnection::forget`], [`ClientConnection::cancel`] and [`ClientConnection::close`] give up requests. Bytes,
/// time and events go through the [`Connection`](crate::Connection) trait. The terms are explained in the
/// [module](crate::connection).
///
/// Requests are written in the order in which they were staged. Responses arrive in the same order, because a 0.8 broker
/// processes one request of a connection at a time. A response out of that order ends the connection.
///
/// # States of the connection
///
/// A connection only moves to the right:
///
/// ```text
///   open ----------------------> write failed ---------------> disconnected -------------> closed
///   sends and reads              sends nothing, reads          reads nothing, gives        only events are
///      |                         the responses still due       out the frames received     left to be taken
///      |                              |                             |                           ^
///      | close, abandon; bytes that are not frames; a response out of order; a torn frame;      |
///      | no response, and no live request is left                   |                           |
///      +------------------------------+-----------------------------+---------------------------+
///
///   open -> write failed:   handle_write_failed
///   .. -> disconnected:     handle_disconnect
///   write failed -> closed: no response is due any more
///   disconnected -> closed: poll_event has given out every frame that was received
/// ```
///
/// # States of a request
///
/// The deadline of a request is the time of its call, plus its timeout, plus the time for which this request and all requests
/// in front of it let the broker wait (`max_wait` of a fetch, `timeout` of a produce). At the deadline the request fails. What
/// else happens depends on how far it has come:
///
/// - If no byte of it was taken or offered, it is withdrawn, and the connection goes on.
/// - If some of it was taken or offered, and its last byte was not taken, the connection ends, because nothing may follow a
///   torn frame.
/// - If all of it was taken, it leaves a tombstone, which drops the late response. While a request that has timed out is the
///   next to be answered, nothing can be sent. The connection ends when no live request is left behind it.
///
/// A request that was given up with `forget`, or with `cancel` when it was touched, is written to its end and then leaves a
/// tombstone, too. It stops nothing until its deadline has passed.
///
/// ```text
///              request, send
///                    |
///                    v        deadline, cancel
///                 staged ------------------------> withdrawn
///                    |
///                    | first byte taken, or offered
///       last byte    v        deadline
///       taken,    touched -----------------------> the connection ends (TornFrame)
///       acks = 0  /  |
///   written <----+   | last byte taken
///                    v         response
///                 in line -----------------------> answered
///                    |
///                    | deadline, forget, cancel; or given up before
///                    v         response
///                tombstone ----------------------> dropped
/// ```
pub struct ClientConnection {
    pub(super) id: ConnectionId,
    pub(super) config: ClientConfig,
    pub(super) decoder: FrameDecoder,
    pub(super) queue: SendQueue,
    pub(super) sequence: Sequence,
    /// The requests that have not ended.
    pub(super) ledger: Ledger,
    /// The events that were not taken yet. Events and requests together are bounded by `max_in_flight`.
    pub(super) events: Events,
    /// A request is encoded here before it is staged. Empty between calls.
    pub(super) scratch: Encoder,
    pub(super) life: Life,
    /// When bytes of the peer arrived last.
    pub(super) last_heard: Option<Instant>,
    pub(super) rest: Rest,
    pub(super) stats: ClientStats,
}

/// Counts of what a connection has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientStats {
    /// Requests that were staged.
    pub sent: u64,
    /// Responses that were received, dropped ones included.
    pub responses: u64,
    /// Responses that were dropped, because their requests were given up or had timed out.
    pub dropped_responses: u64,
    /// ConsumerMetadata responses with correlation id 0 instead of their own. This is a bug of 0.8.2, which is tolerated.
    pub quirk_id_zero: u64,
    /// Bytes that arrived after the connection had ended.
    pub ignored_bytes: u64,
}

/// A position in the stream of all bytes that a connection has ever staged. See [`ClientConnection::staged_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StagedTo(u64);

impl ClientConnection {
    /// Creates a connection on which nothing was sent yet. `id` must differ from those of the process's other connections:
    /// a ticket of one connection does not redeem a response of another.
    #[must_use]
    pub fn new(config: ClientConfig, id: ConnectionId) -> Self {
        Self {
            id,
            decoder: FrameDecoder::new(config.limits.max_frame),
            sequence: Sequence::starting_at(config.first_sequence),
            queue: SendQueue::default(),
            ledger: Ledger::default(),
            events: Events::default(),
            scratch: Encoder::new(),
            life: Life::Open,
            last_heard: None,
            rest: Rest::default(),
            stats: ClientStats::default(),
            config,
        }
    }

    /// The identity that the connection was given.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The settings of the connection.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// What the connection has done so far.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.stats
    }

    /// The number of requests that have not ended, tombstones included. [`ClientConfig::with_max_in_flight`] bounds it.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.ledger.len()
    }

    /// The number of requests that were written and not answered, tombstones included. While it is 0, no response is due.
    #[must_use]
    pub fn awaiting(&self) -> usize {
        self.ledger.awaiting()
    }

    /// The number of bytes that are staged and were not taken.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.queue.remaining()
    }

    /// Whether requests can be staged, now or once there is room. False after a failed write, and once the transport or the
    /// connection has ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.life.can_send()
    }

    /// Whether the request that is to be answered next has timed out. Nothing can be sent until its late response has arrived.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.ledger.is_stalled()
    }

    /// The position behind everything that is staged now. [`ClientConnection::has_left`] tells when the transport has taken
    /// all of it.
    #[must_use]
    pub fn staged_to(&self) -> StagedTo {
        StagedTo(self.queue.end())
    }

    /// Whether the transport has taken everything that was staged in front of `point`, except what was withdrawn or has
    /// failed. `point` must be of this connection. Requests that were staged later do not matter.
    #[must_use]
    pub fn has_left(&self, point: StagedTo) -> bool {
        self.queue.has_taken(point.0)
    }

    /// Moves requests whose last byte was taken to the list of those that wait for responses.
    pub(super) fn note_written(&mut self) {
        // Called first in every method that looks at requests: the transport takes bytes from the queue without telling.
        let Self { id: connection, ledger, queue, events, .. } = self;
        let connection = *connection;
        ledger.promote(queue, |id| events.push(ClientEvent::Written { connection, id }));
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnection")
            .field("id", &self.id)
            .field("peer", &self.config.peer)
            .field("in_flight", &self.ledger.len())
            .field("decoder", &self.decoder)
            .field("queue", &self.queue)
            .field("life", &self.life)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
