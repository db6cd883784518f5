//! The server's end.

use std::{collections::VecDeque, fmt, time::Instant};

use bytes::{Buf as _, Bytes};

use super::{CallId, CloseReason, Connection, Disconnect, Heard, RequestFrame, ServerConfig, ServerEvent};
use crate::{
    api::{AnyResponse, Body, RequestHeader},
    frame::{FrameDecoder, LENGTH_PREFIX, SendQueue},
    ids::CorrelationId,
    wire::{Chunks, EncodeError, Encoder},
};

/// A server's end of one connection with a client: for brokers, proxies and mocks.
///
/// Every [`ServerEvent::Request`] must be ended, by [`ServerConnection::respond`], [`ServerConnection::respond_raw`] or
/// [`ServerConnection::finish`], in any order: bytes leave in the order of the requests. Until a call is ended, no further
/// request is read, beyond those that [`ServerConfig::with_max_open_calls`] allows. The rest is the [`Connection`] trait.
pub struct ServerConnection {
    config: ServerConfig,
    decoder: FrameDecoder,
    queue: SendQueue,
    /// Calls that are open, or ended behind one that is.
    calls: VecDeque<Call>,
    /// The number of the first of `calls`.
    first: u64,
    open: usize,
    /// When the frame that has begun to arrive must be complete.
    frame_deadline: Option<Instant>,
    responses: u64,
    disconnect: Option<Disconnect>,
    /// Set when nothing more is read; the event is still to be taken.
    closing: Option<CloseReason>,
    over: bool,
}

struct Call {
    correlation_id: CorrelationId,
    answer: Answer,
}

enum Answer {
    Open,
    Ready(Chunks),
    /// Nothing is owed.
    Nothing,
}

/// Why an answer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespondError {
    /// The call was ended before, is not of this connection, or the connection is closed. Drop the answer.
    NotOpen,
    /// The answer does not fit the wire. The call is still open: answer something smaller, or close.
    Encode(EncodeError),
}

impl fmt::Display for RespondError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("the call is not open: it was ended before, or its connection is closed"),
            Self::Encode(error) => write!(f, "{error}: the call is still open"),
        }
    }
}

impl std::error::Error for RespondError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotOpen => None,
            Self::Encode(error) => Some(error),
        }
    }
}

impl ServerConnection {
    /// A connection on which nothing has come yet.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self {
            decoder: FrameDecoder::new(config.max_frame),
            queue: SendQueue::default(),
            calls: VecDeque::new(),
            first: 0,
            open: 0,
            frame_deadline: None,
            responses: 0,
            disconnect: None,
            closing: None,
            over: false,
            config,
        }
    }

    /// Answers a call.
    ///
    /// # Errors
    /// The call is not open, or the answer does not fit the wire.
    pub fn respond<B: Body>(&mut self, call: CallId, body: &B) -> Result<(), RespondError> {
        self.respond_with(call, |encoder| body.encode(encoder))
    }

    fn respond_with(
        &mut self,
        call: CallId,
        encode: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<(), RespondError> {
        let id = self.open_call(call)?.correlation_id;
        let mut encoder = Encoder::new();
        encode(&mut encoder).map_err(RespondError::Encode)?;
        self.end_call(call, Answer::Ready(frame(id, &encoder.finish()).map_err(RespondError::Encode)?))
    }

    /// Answers a call with the response of any API.
    ///
    /// # Errors
    /// The call is not open, or the answer does not fit the wire.
    pub fn respond_any(&mut self, call: CallId, response: &AnyResponse) -> Result<(), RespondError> {
        self.respond_with(call, |encoder| response.encode(encoder))
    }

    /// Answers a call with a body that is encoded already.
    ///
    /// # Errors
    /// The call is not open, or the answer does not fit the wire.
    pub fn respond_raw(&mut self, call: CallId, body: Bytes) -> Result<(), RespondError> {
        let id = self.open_call(call)?.correlation_id;
        self.end_call(call, Answer::Ready(frame(id, &body.into()).map_err(RespondError::Encode)?))
    }

    /// Ends a call to which nothing is owed: a produce with acks = 0. Does nothing if it is not open.
    pub fn finish(&mut self, call: CallId) {
        // A call that is not open owes nothing either.
        let _ = self.end_call(call, Answer::Nothing);
    }

    /// Ends the connection, as a 0.8 broker refuses: nothing more is read, answers that were given and are not behind an
    /// open call still leave.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    /// Responses that were staged so far.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.responses
    }

    fn index(&self, call: CallId) -> Option<usize> {
        usize::try_from(call.0.checked_sub(self.first)?).ok()
    }

    fn open_call(&mut self, call: CallId) -> Result<&mut Call, RespondError> {
        let found = self.index(call).and_then(|index| self.calls.get_mut(index));
        found.filter(|call| matches!(call.answer, Answer::Open)).ok_or(RespondError::NotOpen)
    }

    fn end_call(&mut self, call: CallId, answer: Answer) -> Result<(), RespondError> {
        self.open_call(call)?.answer = answer;
        self.open -= 1;
        while let Some(call) = self.calls.pop_front_if(|call| !matches!(call.answer, Answer::Open)) {
            self.first += 1;
            // Once the transport has failed nobody can take it, and the connection could never be over.
            if let Answer::Ready(frame) = call.answer
                && !matches!(self.disconnect, Some(Disconnect::Error(_)))
            {
                self.queue.push(frame);
                self.responses += 1;
            }
        }
        Ok(())
    }

    fn end(&mut self, reason: CloseReason) {
        if self.closing.is_none() && !self.over {
            self.closing = Some(reason);
            self.first += self.calls.len() as u64;
            self.calls.clear();
            self.open = 0;
            self.frame_deadline = None;
            self.decoder = FrameDecoder::new(self.config.max_frame);
        }
    }

    fn has_ended(&self) -> bool {
        self.over || self.closing.is_some() || self.disconnect.is_some()
    }

    fn may_open(&self) -> bool {
        self.open < self.config.max_open_calls
    }

    fn handle_frame(&mut self, frame: &Bytes) -> Option<ServerEvent> {
        match RequestHeader::split(frame) {
            Ok((header, body)) => {
                let call = CallId(self.first + self.calls.len() as u64);
                self.calls.push_back(Call { correlation_id: header.correlation_id, answer: Answer::Open });
                self.open += 1;
                Some(ServerEvent::Request(RequestFrame { call, header, body }))
            }
            Err(error) => {
                self.end(CloseReason::Header(error));
                None
            }
        }
    }

    fn why_disconnected(&self, how: Disconnect) -> CloseReason {
        let heard = match self.decoder.pending() {
            0 if self.first + self.calls.len() as u64 == 0 => Heard::Nothing,
            0 => Heard::Frames,
            bytes => Heard::PartOfFrame { bytes },
        };
        CloseReason::Disconnected { how, heard, waiting_for: None, unconfirmed: 0 }
    }
}

impl Connection for ServerConnection {
    type Event = ServerEvent;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        (self.decoder.space(), &mut self.queue)
    }

    fn received(&mut self, n: usize) {
        if !self.has_ended() {
            self.decoder.filled(n);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if !self.has_ended() {
            self.decoder.extend(bytes);
        }
    }

    /// Also false while as many calls are open as may be: a broker does not read from a client that it owes an answer.
    fn wants_read(&self) -> bool {
        !self.has_ended() && self.may_open() && !self.decoder.has_frame()
    }

    fn wants_write(&self) -> bool {
        self.queue.has_remaining()
    }

    /// A client that has only closed its sending side still gets the answers to what it asked.
    fn handle_disconnect(&mut self, how: Disconnect) {
        self.disconnect.get_or_insert(how);
        if how != Disconnect::Eof {
            self.queue.clear();
        }
    }

    fn poll_event(&mut self, now: Instant) -> Option<ServerEvent> {
        while !self.over && self.closing.is_none() && self.may_open() {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    self.frame_deadline = None;
                    if let Some(event) = self.handle_frame(&frame) {
                        return Some(event);
                    }
                }
                Ok(None) => {
                    if self.decoder.pending() > 0 && self.frame_deadline.is_none() {
                        self.frame_deadline = now.checked_add(self.config.frame_timeout);
                    }
                    break;
                }
                Err(error) => self.end(CloseReason::Frame(error)),
            }
        }
        let owes_nothing = |how: &Disconnect| self.open == 0 || *how != Disconnect::Eof;
        if let Some(how) = self.disconnect.filter(|how| !self.decoder.has_frame() && owes_nothing(how)) {
            self.end(self.why_disconnected(how));
        }
        let reason = self.closing.take()?;
        self.over = true;
        Some(ServerEvent::Closed(reason))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.frame_deadline.filter(|_| !self.has_ended() && !self.decoder.has_frame())
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.end(CloseReason::SlowRequest);
        }
    }

    fn is_over(&self) -> bool {
        self.over && !self.queue.has_remaining()
    }
}

/// A response as it leaves: length, id, body.
fn frame(id: CorrelationId, body: &Chunks) -> Result<Chunks, EncodeError> {
    const MAX: usize = i32::MAX as usize;
    let len = body.len() + 4;
    let size = i32::try_from(len).map_err(|_| EncodeError { field: "response", len, max: MAX })?;
    let mut encoder = Encoder::with_capacity(LENGTH_PREFIX + 4 + body.small_len());
    encoder.int32(size);
    encoder.int32(id.0);
    body.iter().for_each(|chunk| encoder.blob(chunk));
    Ok(encoder.finish())
}

impl fmt::Debug for ServerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConnection")
            .field("open", &self.open)
            .field("decoder", &self.decoder)
            .field("queue", &self.queue)
            .field("disconnect", &self.disconnect)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
