//! The client's end of a connection: what it keeps.

use std::{fmt, time::Instant};

use super::{ClientConfig, events::Events, ledger::Ledger, life::Life};
use crate::{
    connection::{ClientEvent, rest::Rest},
    frame::{FrameDecoder, SendQueue},
    ids::{ConnectionId, Sequence},
    wire::Encoder,
};

/// A client's end of one connection to a broker.
///
/// *Commands*: [`ClientConnection::request`] and [`ClientConnection::send`] stage a request and give its correlation id at
/// once; [`ClientConnection::forget`], [`ClientConnection::cancel`] and [`ClientConnection::close`] take back. The rest is
/// the [`Connection`](crate::Connection) trait: bytes in and out, then [`poll_event`](crate::Connection::poll_event) until it
/// returns `None`.
///
/// *States of the connection.* Each failure moves it to the right, and nothing moves it back:
///
/// ```text
///   open ----------------------> write failed ---------------> disconnected -------------> closed
///   sends and reads              sends nothing, reads          reads nothing; frames       only events are
///      |                         the answers still owed        that are here come out      left to be taken
///      |                              |                             |                           ^
///      | close, abandon; bytes that are no frames; an answer out of turn; a torn frame;         |
///      | no answer, and nobody waits for another one                |                           |
///      +------------------------------+-----------------------------+---------------------------+
///
///   open -> write failed:   handle_write_failed
///   .. -> disconnected:     handle_disconnect
///   write failed -> closed: no answer is owed any more
///   disconnected -> closed: poll_event has given out every frame that was here
/// ```
///
/// Requests leave in the order they were sent, and answers come in that order: a 0.8 broker works on one request of a
/// connection at a time. An answer that is out of turn ends the connection.
///
/// *Time and states of a request.* A request's deadline is the time of its call, plus its timeout, plus what the broker may
/// rightly wait for it and for all in front of it. When it passes and nothing of the request was written or offered, it is withdrawn and the
/// connection lives. If part of it was, the connection ends, because nothing may follow a torn frame. If all of it was
/// written, the request fails and leaves a tombstone that swallows a late answer; while such a tombstone is first in line
/// nothing can be sent, and the connection ends when no live request is left behind it.
///
/// ```text
///              request, send
///                    |
///                    v        deadline, cancel
///                 staged ------------------------> withdrawn
///                    |
///                    | first byte taken, or offered
///                    v        deadline
///                touched ------------------------> the connection ends (TornFrame)
///                    |
///                    | last byte taken
///         acks = 0   v
///   written <---- in line ---- answer -----------> answered
///                    |
///                    | deadline, forget, cancel
///                    v
///                tombstone --- answer -----------> swallowed
/// ```
pub struct ClientConnection {
    pub(super) id: ConnectionId,
    pub(super) config: ClientConfig,
    pub(super) decoder: FrameDecoder,
    pub(super) queue: SendQueue,
    pub(super) sequence: Sequence,
    /// Requests that have not ended.
    pub(super) ledger: Ledger,
    /// Not yet taken. Together with the ledger bounded by `max_in_flight`, because sending stops there.
    pub(super) events: Events,
    /// What is encoded before it is staged; empty between calls.
    pub(super) scratch: Encoder,
    pub(super) life: Life,
    /// When bytes of the peer came last.
    pub(super) last_heard: Option<Instant>,
    pub(super) rest: Rest,
    pub(super) stats: ClientStats,
}

/// What a connection has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientStats {
    /// Requests staged.
    pub sent: u64,
    /// Responses received, swallowed ones included.
    pub responses: u64,
    /// Responses to requests that were forgotten or had timed out.
    pub swallowed: u64,
    /// ConsumerMetadata errors with correlation id 0, a bug of 0.8.2 that is accepted.
    pub quirk_id_zero: u64,
    /// Bytes that came when the connection was over.
    pub ignored_bytes: u64,
}

/// A point in the stream of everything that a connection has staged: see [`ClientConnection::staged_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StagedTo(u64);

impl ClientConnection {
    /// A connection on which nothing was sent yet. `id` tells it apart from the process's other connections: its tickets
    /// redeem no other's answers.
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

    /// The identity that it was given.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.stats
    }

    /// Requests that have not ended, tombstones included: what [`ClientConfig::with_max_in_flight`] bounds.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.ledger.len()
    }

    /// Requests that are written and not answered, tombstones included: for as long as there are any, reading may bring
    /// something.
    #[must_use]
    pub fn awaiting(&self) -> usize {
        self.ledger.awaiting()
    }

    /// The end of what is staged now. [`ClientConnection::has_left`] tells when everything in front of it has left.
    #[must_use]
    pub fn staged_to(&self) -> StagedTo {
        StagedTo(self.queue.end())
    }

    /// Whether the transport has taken everything that was staged in front of this point of this connection, except for
    /// what was withdrawn or has failed. Requests that were staged later do not matter.
    #[must_use]
    pub fn has_left(&self, point: StagedTo) -> bool {
        self.queue.has_taken(point.0)
    }

    /// Moves requests whose last byte was taken on to where answers are waited for.
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
