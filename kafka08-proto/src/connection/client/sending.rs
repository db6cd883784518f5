//! Commands: how requests are staged.

use std::time::Instant;

use bytes::Buf as _;

use super::{
    ClientConnection,
    entry::{Entry, State},
};
use crate::{
    api::{Reply, Request, RequestHeader},
    connection::{
        PrepareError, Prepared, SendError, Ticket,
        prepared::{self, ClientId, Terms},
    },
    frame::{LENGTH_PREFIX, Span},
    ids::{CorrelationId, Sequence},
    wire::Chunks,
};

impl ClientConnection {
    /// Whether a request would be staged now. Otherwise it would be refused as busy or closed.
    #[must_use]
    pub fn can_send(&self) -> bool {
        #[cfg(kafka08_canary)]
        if crate::canary::ExceedsLimit.is_planted() {
            return self.life.can_send() && !self.ledger.is_stalled() && self.ledger.len() <= self.config.max_in_flight;
        }
        self.life.can_send()
            && !self.ledger.is_stalled()
            // Events that nobody takes count too. Otherwise a caller that only sends would fill the queue of events without a bound.
            && self.ledger.len() + self.events.len() < self.config.max_in_flight
            && self.queue.remaining() < self.config.max_staged
    }

    /// Checks, encodes and stages a typed request. Its deadline runs from `now`.
    ///
    /// # Errors
    /// The request was refused, and nothing of the connection has changed. At [`SendError::Busy`] move bytes and take events,
    /// then try again. After other errors the same call fails again.
    pub fn request<R: Request>(&mut self, now: Instant, request: &R) -> Result<Ticket<R>, SendError> {
        let refused = |problem| SendError::Prepare(PrepareError::Problem(problem));
        // Nothing of the connection changes before the last error of this function: a request that is refused leaves no trace.
        prepared::check(request, &self.config).map_err(refused)?;
        let (sequence, entry) = self.admit(now, &Terms::of(request))?;
        self.encode_header(&entry, &ClientId::OfConnection)?;
        let unencodable = |error| SendError::Prepare(PrepareError::Encode(error));
        request.encode(&mut self.scratch).map_err(unencodable)?;
        Ok(Ticket::new(self.id, self.stage(sequence, entry, &Chunks::default())?))
    }

    /// Stages a request that is encoded already: for a retry, for forwarding, or for a request with a timeout of its own. Its
    /// deadline runs from `now`, or from the time given by [`Prepared::called_at`].
    ///
    /// # Errors
    /// As [`ClientConnection::request`], and [`SendError::TimedOut`] if the time of the request was over before this call.
    pub fn send(&mut self, now: Instant, prepared: &Prepared) -> Result<CorrelationId, SendError> {
        let (sequence, entry) = self.admit(now, &prepared.terms)?;
        self.encode_header(&entry, &prepared.client_id)?;
        self.stage(sequence, entry, &prepared.body)
    }

    /// The claim to the response of the request to which [`ClientConnection::send`] gave this id. `None` if the id is in the
    /// range of another API than that of `R`. All APIs that 0.8 does not know share one range, so among those the id does not
    /// tell which one it is.
    #[must_use]
    pub fn ticket<R: Request>(&self, id: CorrelationId) -> Option<Ticket<R>> {
        let key = Some(R::API.key).filter(|key| key.name().is_some());
        (id.api_key() == key).then(|| Ticket::new(self.id, id))
    }

    /// Gives a request its place in the order of sending, if there is room for it.
    fn admit(&mut self, now: Instant, request: &Terms) -> Result<(Sequence, Entry), SendError> {
        if !self.life.can_send() {
            return Err(SendError::Closed(Box::new(self.how_closed())));
        }
        if !self.can_send() {
            return Err(SendError::Busy);
        }
        // The time that the request spent in a channel in front of this connection counts against its deadline.
        let at = request.called_at.unwrap_or(now);
        let timeout = request.timeout.unwrap_or(self.config.request_timeout);
        let deadline = self.ledger.deadline(at, timeout, request.traits.server_wait);
        // It would be staged only to be withdrawn by the next timeout, and could be written in between.
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(SendError::TimedOut { after: now.saturating_duration_since(at) });
        }
        self.rest.note_moved_at(now);
        // A copy: the number is used up only when the frame is staged. Correlation ids would have gaps otherwise, and a reader of
        // a capture would look for the missing requests.
        let mut sequence = self.sequence;
        let (id, serial) =
            // After 2^27 requests the ids come round. The id of a request that is still in flight is skipped.
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
        // The frame is known by its place among all bytes ever staged. The queue merges small frames, so that it has no frames of
        // its own to refer to.
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
}
