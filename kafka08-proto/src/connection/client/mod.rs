//! The client's end.

mod deadlines;
mod ending;
mod entry;
mod events;
mod ledger;
mod life;
mod send_error;
mod stream;

use std::{fmt, time::Instant};

use bytes::{Buf as _, Bytes};
use entry::{Entry, State};
use events::Events;
use ledger::Ledger;
use life::Life;
pub use send_error::SendError;

use super::{
    ClientConfig, ClientEvent, CloseReason, Fate, MatchError, PrepareError, Prepared, Reply, ResponseFrame, Ticket,
    prepared::{self, ClientId, Terms},
    rest::Rest,
};
use crate::{
    api::{Request, RequestHeader},
    frame::{FrameDecoder, LENGTH_PREFIX, SendQueue, Span},
    ids::{ConnectionId, CorrelationId, Sequence},
    wire::{Chunks, Encoder},
};

/// A client's end of one connection to a broker.
///
/// *Commands*: [`ClientConnection::request`] and [`ClientConnection::send`] stage a request and give its correlation id at
/// once; [`ClientConnection::forget`], [`ClientConnection::cancel`] and [`ClientConnection::close`] take back. The rest is
/// the [`Connection`](super::Connection) trait: bytes in and out, then [`poll_event`](super::Connection::poll_event) until it
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
/// *Time and states of a request.* A request's deadline is the time of its call, plus its timeout, plus what the broker may rightly wait for it and
/// for all in front of it. When it passes and nothing of the request was written or offered, it is withdrawn and the
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
    id: ConnectionId,
    config: ClientConfig,
    decoder: FrameDecoder,
    queue: SendQueue,
    sequence: Sequence,
    /// Requests that have not ended.
    ledger: Ledger,
    /// Not yet taken. Together with the ledger bounded by `max_in_flight`, because sending stops there.
    events: Events,
    /// What is encoded before it is staged; empty between calls.
    scratch: Encoder,
    life: Life,
    /// When bytes of the peer came last.
    last_heard: Option<Instant>,
    rest: Rest,
    stats: ClientStats,
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

/// What became of a request that was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// Nothing of it was written, and nothing will be: the broker never sees it.
    Withdrawn,
    /// Some of it was written. The rest will be, and its answer is swallowed: the broker may act on it.
    Abandoned,
    /// It has ended already, or was never sent here.
    NotOutstanding,
}

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

    /// Whether a request would be taken now, and not be refused as busy.
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.life.can_send()
            && !self.ledger.is_stalled()
            && self.ledger.len() + self.events.len() < self.config.max_in_flight
            && self.queue.remaining() < self.config.max_staged
    }

    /// Checks, encodes and stages a request. Its deadline runs from `now`.
    ///
    /// # Errors
    /// [`SendError::Busy`]: take events, then try again. Anything else will not pass by waiting.
    pub fn request<R: Request>(&mut self, now: Instant, request: &R) -> Result<Ticket<R>, SendError> {
        let refused = |problem| SendError::Prepare(PrepareError::Problem(problem));
        prepared::check(request, &self.config).map_err(refused)?;
        let (sequence, entry) = self.admit(now, &Terms::of(request))?;
        self.encode_header(&entry, &ClientId::OfConnection)?;
        let unencodable = |error| SendError::Prepare(PrepareError::Encode(error));
        request.encode(&mut self.scratch).map_err(unencodable)?;
        Ok(Ticket::new(self.id, self.stage(sequence, entry, &Chunks::default())?))
    }

    /// Stages a prepared request. Its deadline runs from `now`, or from the time given by [`Prepared::called_at`].
    ///
    /// # Errors
    /// [`SendError::Busy`]: take events, then try again. Anything else will not pass by waiting.
    pub fn send(&mut self, now: Instant, prepared: &Prepared) -> Result<CorrelationId, SendError> {
        let (sequence, entry) = self.admit(now, &prepared.terms)?;
        self.encode_header(&entry, &prepared.client_id)?;
        self.stage(sequence, entry, &prepared.body)
    }

    /// The claim to the answer of a request that [`ClientConnection::send`] gave this id; `None` if the id's range says
    /// another API. APIs that 0.8 does not know share a range.
    #[must_use]
    pub fn ticket<R: Request>(&self, id: CorrelationId) -> Option<Ticket<R>> {
        let key = Some(R::API.key).filter(|key| key.name().is_some());
        (id.api_key() == key).then(|| Ticket::new(self.id, id))
    }

    /// Finds a request its place in line, if there is one.
    fn admit(&mut self, now: Instant, request: &Terms) -> Result<(Sequence, Entry), SendError> {
        if !self.life.can_send() {
            return Err(SendError::Closed(Box::new(self.how_closed())));
        }
        if !self.can_send() {
            return Err(SendError::Busy);
        }
        let at = request.called_at.unwrap_or(now);
        let timeout = request.timeout.unwrap_or(self.config.request_timeout);
        let deadline = self.ledger.deadline(at, timeout, request.traits.server_wait);
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(SendError::TimedOut { after: now.saturating_duration_since(at) });
        }
        self.rest.note_moved_at(now);
        let mut sequence = self.sequence;
        let (id, serial) =
            sequence.next(request.api.key, |id, serial| self.ledger.may_repeat(serial) && self.ledger.knows(id));
        let entry = Entry {
            id,
            serial,
            api: request.api,
            frame: Span { start: 0, end: 0 },
            state: State::Live,
            awaits_response: request.traits.reply == Reply::Expected,
            changes_state: request.traits.changes_state,
            server_wait: request.traits.server_wait,
            at,
            deadline,
        };
        Ok((sequence, entry))
    }

    /// Begins a frame in `scratch`.
    fn encode_header(&mut self, entry: &Entry, client_id: &ClientId) -> Result<(), SendError> {
        let client_id = match client_id {
            ClientId::OfConnection => self.config.client_id.as_ref(),
            ClientId::Original(id) => id.as_ref(),
        };
        self.scratch.begin_with_length();
        RequestHeader::encode_parts(entry.api, entry.id, client_id, &mut self.scratch).map_err(SendError::ClientId)
    }

    /// Stages a frame of what stands in `scratch`, with `body` behind it.
    fn stage(&mut self, sequence: Sequence, mut entry: Entry, body: &Chunks) -> Result<CorrelationId, SendError> {
        let len = self.scratch.len() - LENGTH_PREFIX + body.len();
        let max = self.config.limits.max_request;
        let size = i32::try_from(len).ok().filter(|_| len <= max).ok_or(SendError::TooLarge { len, max })?;
        entry.frame.start = self.queue.end();
        self.queue.put_frame(size, &mut self.scratch);
        self.queue.put_chunks(body);
        entry.frame.end = self.queue.end();
        self.sequence = sequence;
        self.stats.sent += 1;
        let id = entry.id;
        self.ledger.push(entry);
        Ok(id)
    }

    /// Gives up the answer to a request: it is still written, its answer is swallowed, and no event will name it.
    pub fn forget(&mut self, id: CorrelationId) {
        self.note_written();
        if !self.ledger.forget(id) {
            self.events.remove(id);
        }
        self.end_if_hopeless();
    }

    /// Takes a request back if nothing of it was written, and forgets it otherwise.
    pub fn cancel(&mut self, id: CorrelationId) -> Cancelled {
        self.note_written();
        let cancelled = self.ledger.cancel(id, &mut self.queue);
        self.end_if_hopeless();
        cancelled
    }

    /// Ends the connection here and now. Requests that have not ended fail, and what was not written is dropped: for a
    /// gentle end, wait first until [`wants_write`](super::Connection::wants_write) is false.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    /// Ends the connection because nobody is left to move its bytes: the task or thread that owned the transport is gone.
    /// Otherwise as [`ClientConnection::close`].
    pub fn abandon(&mut self) {
        self.end(CloseReason::Abandoned);
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
    fn note_written(&mut self) {
        let Self { id: connection, ledger, queue, events, .. } = self;
        let connection = *connection;
        ledger.promote(queue, |id| events.push(ClientEvent::Written { connection, id }));
    }

    /// Takes a response; `None` if nobody waits for it any more.
    fn handle_frame(&mut self, mut frame: Bytes) -> Result<Option<ResponseFrame>, MatchError> {
        let got = CorrelationId(frame.try_get_i32().expect("the smallest frame has four bytes"));
        if self.ledger.awaiting() == 0 {
            let Self { id: connection, ledger, queue, events, .. } = self;
            let connection = *connection;
            ledger.promote_offered(got, &frame, queue, |id| events.push(ClientEvent::Written { connection, id }));
        }
        let answered = self.ledger.answer(got, &frame)?;
        self.stats.responses += 1;
        self.stats.quirk_id_zero += u64::from(answered.id != got);
        if answered.state != State::Live {
            self.stats.swallowed += 1;
            return Ok(None);
        }
        let fate_if_malformed = answered.fate_once_written();
        let (connection, id, api) = (self.id, answered.id, answered.api);
        Ok(Some(ResponseFrame { connection, id, api, body: frame, fate_if_malformed }))
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

#[cfg(test)]
mod tests;
