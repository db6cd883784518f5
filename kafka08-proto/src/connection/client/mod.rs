//! The client's end.

mod ledger;
mod send_error;

use std::{collections::VecDeque, fmt, time::Instant};

use bytes::{Buf as _, Bytes};
use ledger::{Entry, Ledger, State};
pub use send_error::SendError;

use super::{
    ClientConfig, ClientEvent, CloseReason, Closed, Connection, Disconnect, Fate, Heard, MatchError, Prepared, Reply,
    RequestError, ResponseFrame, Ticket,
};
use crate::{
    api::{Request, RequestHeader},
    frame::{FrameDecoder, LENGTH_PREFIX, SendQueue},
    ids::{CorrelationId, Sequence},
    wire::Encoder,
};

/// A client's end of one connection to a broker.
///
/// *Commands*: [`ClientConnection::request`] and [`ClientConnection::send`] stage a request and give its correlation id at
/// once; [`ClientConnection::forget`], [`ClientConnection::cancel`] and [`ClientConnection::close`] take back. The rest is
/// the [`Connection`] trait: bytes in and out, then [`Connection::poll_event`] until it returns `None`.
///
/// Requests leave in the order they were sent, and answers come in that order: a 0.8 broker works on one request of a
/// connection at a time. An answer that is out of turn ends the connection.
///
/// *Time.* A request's deadline is the time of its call, plus its timeout, plus what the broker may rightly wait for it and
/// for all in front of it. When it passes and nothing of the request was written, it is withdrawn and the connection lives.
/// If part of it was written, the connection ends, because nothing may follow a torn frame. If all of it was, the request
/// fails and leaves a tombstone that swallows a late answer; while such a tombstone is first in line nothing can be sent, and
/// the connection ends when no live request is left behind it.
pub struct ClientConnection {
    config: ClientConfig,
    decoder: FrameDecoder,
    queue: SendQueue,
    sequence: Sequence,
    ledger: Ledger,
    events: VecDeque<ClientEvent>,
    disconnect: Option<Disconnect>,
    over: bool,
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
    /// A connection on which nothing was sent yet.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self {
            decoder: FrameDecoder::new(config.limits.max_frame),
            sequence: Sequence::starting_at(config.first_sequence),
            queue: SendQueue::default(),
            ledger: Ledger::default(),
            events: VecDeque::new(),
            disconnect: None,
            over: false,
            stats: ClientStats::default(),
            config,
        }
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

    /// Whether a request would be taken now, and not be refused as busy.
    #[must_use]
    pub fn can_send(&self) -> bool {
        !self.has_ended()
            && !self.ledger.is_stalled()
            && self.ledger.len() < self.config.max_in_flight
            && self.queue.remaining() < self.config.max_staged
    }

    /// Checks, encodes and stages a request. Its deadline runs from `now`.
    ///
    /// # Errors
    /// [`SendError::Busy`]: take events, then try again. Anything else will not pass by waiting.
    pub fn request<R: Request>(&mut self, now: Instant, request: &R) -> Result<Ticket<R>, SendError> {
        let prepared = Prepared::checked(request, &self.config).map_err(SendError::Prepare)?;
        self.send(now, &prepared).map(Ticket::of)
    }

    /// Stages a prepared request. Its deadline runs from `now`, which may be earlier than this call: time that it spent in
    /// a channel counts.
    ///
    /// # Errors
    /// [`SendError::Busy`]: take events, then try again. Anything else will not pass by waiting.
    pub fn send(&mut self, now: Instant, prepared: &Prepared) -> Result<CorrelationId, SendError> {
        if self.has_ended() {
            return Err(SendError::Closed);
        }
        if !self.can_send() {
            return Err(SendError::Busy);
        }
        let mut sequence = self.sequence;
        let header = RequestHeader {
            api: prepared.api,
            correlation_id: sequence.next(prepared.api.key, |id| self.ledger.knows(id)),
            client_id: self.config.client_id.clone(),
        };
        let len = header.len() + prepared.len();
        let too_large = SendError::TooLarge { len, max: self.config.limits.max_request };
        let size = i32::try_from(len).map_err(|_| too_large.clone())?;
        if len > self.config.limits.max_request {
            return Err(too_large);
        }
        let mut frame = Encoder::with_capacity(LENGTH_PREFIX + header.len() + prepared.small_len());
        frame.int32(size);
        header.encode(&mut frame).map_err(SendError::ClientId)?;
        prepared.body.iter().for_each(|chunk| frame.blob(chunk));

        self.sequence = sequence;
        self.stats.sent += 1;
        self.ledger.push(
            now,
            prepared.timeout.unwrap_or(self.config.request_timeout),
            Entry {
                id: header.correlation_id,
                api: prepared.api,
                frame: self.queue.push(frame.finish()),
                state: State::Live,
                awaits_response: prepared.reply == Reply::Expected,
                changes_state: prepared.changes_state,
                server_wait: prepared.server_wait,
                deadline: None,
            },
        );
        Ok(header.correlation_id)
    }

    /// Gives up the answer to a request: it is still written, its answer is swallowed, and no event will name it.
    pub fn forget(&mut self, id: CorrelationId) {
        self.note_written();
        match self.ledger.live_mut(id) {
            Some(entry) => entry.state = State::Forgotten,
            None => self.events.retain(|event| event.ended() != Some(id)),
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
    /// gentle end, wait first until [`Connection::wants_write`] is false.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    fn has_ended(&self) -> bool {
        self.over || self.disconnect.is_some()
    }

    /// Moves requests whose last byte was taken on to where answers are waited for.
    fn note_written(&mut self) {
        let Self { ledger, queue, events, .. } = self;
        ledger.promote(queue, |id| events.push_back(ClientEvent::Written(id)));
    }

    /// Takes a response; `None` if nobody waits for it any more.
    fn handle_frame(&mut self, mut frame: Bytes) -> Result<Option<ResponseFrame>, MatchError> {
        let got = CorrelationId(frame.try_get_i32().expect("the smallest frame has four bytes"));
        let answered = self.ledger.answer(got, &frame)?;
        self.stats.responses += 1;
        self.stats.quirk_id_zero += u64::from(answered.id != got);
        if answered.state != State::Live {
            self.stats.swallowed += 1;
            return Ok(None);
        }
        let fate_if_malformed = answered.fate_once_written();
        Ok(Some(ResponseFrame { id: answered.id, api: answered.api, body: frame, fate_if_malformed }))
    }

    /// Ends the connection if the request first in line has timed out, no live one is left, and no frame is here that could
    /// be the late answer.
    fn end_if_hopeless(&mut self) {
        if !self.decoder.has_frame()
            && let Some(id) = self.ledger.hopeless()
        {
            self.end(CloseReason::NoAnswer(id));
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if self.over {
            return;
        }
        self.note_written();
        self.over = true;
        for (id, fate) in self.ledger.drain() {
            self.events.push_back(ClientEvent::Failed { id, error: RequestError::Closed(reason.clone()), fate });
        }
        self.queue.clear();
        self.decoder = FrameDecoder::new(self.config.limits.max_frame);
        let unconfirmed = self.ledger.take_unconfirmed();
        self.events.push_back(ClientEvent::Closed(Closed { reason, unconfirmed }));
    }

    fn why_disconnected(&self, how: Disconnect) -> CloseReason {
        let heard = match self.decoder.pending() {
            0 if self.stats.responses == 0 => Heard::Nothing,
            0 => Heard::Frames,
            bytes => Heard::PartOfFrame { bytes },
        };
        CloseReason::Disconnected {
            how,
            heard,
            waiting_for: self.ledger.first().map(|entry| entry.api),
            unconfirmed: self.ledger.unconfirmed(),
        }
    }
}

impl Connection for ClientConnection {
    type Event = ClientEvent;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        (self.decoder.space(), &mut self.queue)
    }

    fn received(&mut self, n: usize) {
        if self.has_ended() {
            self.stats.ignored_bytes += n as u64;
        } else {
            self.decoder.filled(n);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.has_ended() {
            self.stats.ignored_bytes += bytes.len() as u64;
        } else {
            self.decoder.extend(bytes);
        }
    }

    fn wants_read(&self) -> bool {
        !self.has_ended()
            && self.events.is_empty()
            && !self.decoder.has_frame()
            && !self.ledger.has_written_news(&self.queue)
    }

    fn wants_write(&self) -> bool {
        !self.has_ended() && self.queue.has_remaining()
    }

    fn handle_disconnect(&mut self, how: Disconnect) {
        self.disconnect.get_or_insert(how);
    }

    fn poll_event(&mut self, _: Instant) -> Option<ClientEvent> {
        self.note_written();
        while self.events.is_empty() && !self.over {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => match self.handle_frame(frame) {
                    Ok(Some(response)) => {
                        self.end_if_hopeless();
                        return Some(ClientEvent::Response(response));
                    }
                    Ok(None) => {}
                    Err(error) => self.end(CloseReason::Match(error)),
                },
                Ok(None) => {
                    match self.disconnect {
                        Some(how) => self.end(self.why_disconnected(how)),
                        None => self.end_if_hopeless(),
                    }
                    break;
                }
                Err(error) => self.end(CloseReason::Frame(error)),
            }
        }
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.has_ended() || self.decoder.has_frame() {
            return None;
        }
        self.ledger.next_deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.has_ended() || self.decoder.has_frame() {
            return;
        }
        self.note_written();
        let Self { ledger, queue, events, .. } = self;
        let torn = ledger.expire(now, queue, |id, fate| {
            events.push_back(ClientEvent::Failed { id, error: RequestError::TimedOut, fate });
        });
        match torn {
            Some(id) => self.end(CloseReason::TornFrame(id)),
            None => self.end_if_hopeless(),
        }
    }

    fn is_over(&self) -> bool {
        self.over && self.events.is_empty()
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnection")
            .field("in_flight", &self.ledger.len())
            .field("decoder", &self.decoder)
            .field("queue", &self.queue)
            .field("disconnect", &self.disconnect)
            .field("over", &self.over)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
