//! The server's end.

use std::{collections::VecDeque, fmt, io, time::Instant};

use bytes::{Buf as _, Bytes};

use super::{
    CallId, Connection, Disconnect, Heard, RequestFrame, ServerCloseReason, ServerConfig, ServerEvent, rest::Rest,
};
use crate::{
    api::{AnyResponse, Body, RequestHeader},
    frame::{FrameDecoder, SendQueue, Span, Taken},
    ids::{ConnectionId, CorrelationId},
    wire::{Chunks, EncodeError, Encoder},
};

/// A server's end of one connection with a client: for brokers, proxies and mocks.
///
/// Every [`ServerEvent::Request`] must be ended, by [`ServerConnection::respond`], [`ServerConnection::respond_raw`] or
/// [`ServerConnection::finish`], in any order: bytes leave in the order of the requests. A call stays open until the
/// transport has taken its answer, and [`ServerConfig::with_max_open_calls`] and [`ServerConfig::with_max_staged`] bound what
/// is open: beyond them nothing is read, so a client that does not read its answers is not served further. The rest is the
/// [`Connection`] trait.
pub struct ServerConnection {
    id: ConnectionId,
    config: ServerConfig,
    decoder: FrameDecoder,
    queue: SendQueue,
    /// Calls that are not ended, or ended behind one that is not.
    calls: VecDeque<Call>,
    /// The number of the first of `calls`.
    first: u64,
    /// Calls of `calls` that are not ended.
    unanswered: usize,
    /// Bytes of answers in `calls`, which wait behind one that is not ended.
    held: usize,
    /// Answers in `queue`: the transport has not taken all of them.
    unwritten: VecDeque<Span>,
    /// When the frame that has begun to arrive must be complete.
    frame_deadline: Option<Instant>,
    responses: u64,
    disconnect: Option<Disconnect>,
    /// Set when nothing more is read; the event is still to be taken.
    closing: Option<ServerCloseReason>,
    over: bool,
    rest: Rest,
}

struct Call {
    correlation_id: CorrelationId,
    answer: Answer,
}

enum Answer {
    Open,
    Ready(Frame),
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

impl std::error::Error for RespondError {}

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
            responses: 0,
            disconnect: None,
            closing: None,
            over: false,
            rest: Rest::default(),
            config,
        }
    }

    /// The identity that it was given.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
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
        self.end_call(call, Answer::Ready(Frame::new(id, encoder.finish()).map_err(RespondError::Encode)?))
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
        self.end_call(call, Answer::Ready(Frame::new(id, body.into()).map_err(RespondError::Encode)?))
    }

    /// Ends a call to which nothing is owed: a produce with acks = 0. Does nothing if it is not open.
    pub fn finish(&mut self, call: CallId) {
        // A call that is not open owes nothing either.
        let _ = self.end_call(call, Answer::Nothing);
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

    fn index(&self, call: CallId) -> Option<usize> {
        let number = call.number.checked_sub(self.first).filter(|_| call.connection == self.id)?;
        usize::try_from(number).ok()
    }

    fn open_call(&mut self, call: CallId) -> Result<&mut Call, RespondError> {
        let found = self.index(call).and_then(|index| self.calls.get_mut(index));
        found.filter(|call| matches!(call.answer, Answer::Open)).ok_or(RespondError::NotOpen)
    }

    fn end_call(&mut self, call: CallId, answer: Answer) -> Result<(), RespondError> {
        let len = answer.len();
        self.open_call(call)?.answer = answer;
        self.unanswered -= 1;
        self.held += len;
        self.rest.note_moved();
        while let Some(call) = self.calls.pop_front_if(|call| !matches!(call.answer, Answer::Open)) {
            self.first += 1;
            self.held -= call.answer.len();
            // Once the transport has failed nobody can take it, and the connection could never be over.
            if let Answer::Ready(frame) = call.answer
                && !matches!(self.disconnect, Some(Disconnect::Error(_)))
            {
                let start = self.queue.end();
                self.queue.put(&frame.head);
                self.queue.put_chunks(&frame.body);
                self.unwritten.push_back(Span { start, end: self.queue.end() });
                self.responses += 1;
            }
        }
        Ok(())
    }

    /// Forgets answers that the transport has taken.
    fn note_written(&mut self) {
        let Self { unwritten, queue, .. } = self;
        while unwritten.pop_front_if(|answer| queue.taken(*answer) == Taken::All).is_some() {}
    }

    fn end(&mut self, reason: ServerCloseReason) {
        if self.closing.is_none() && !self.over {
            self.closing = Some(reason);
            self.calls.clear();
            self.unanswered = 0;
            self.held = 0;
            self.frame_deadline = None;
            self.decoder = FrameDecoder::new(self.config.max_frame);
        }
    }

    fn has_ended(&self) -> bool {
        self.over || self.closing.is_some() || self.disconnect.is_some()
    }

    /// Whether one more request may be given out.
    fn may_open(&self) -> bool {
        let written = self.unwritten.partition_point(|answer| self.queue.taken(*answer) == Taken::All);
        let open = self.calls.len() + self.unwritten.len() - written;
        open < self.config.max_open_calls && self.held + self.queue.remaining() < self.config.max_staged
    }

    fn handle_frame(&mut self, frame: &Bytes) -> Option<ServerEvent> {
        match RequestHeader::split(frame) {
            Ok((header, body)) => {
                let call = CallId { connection: self.id, number: self.first + self.calls.len() as u64 };
                self.calls.push_back(Call { correlation_id: header.correlation_id, answer: Answer::Open });
                self.unanswered += 1;
                Some(ServerEvent::Request(RequestFrame { call, header, body }))
            }
            Err(error) => {
                self.end(ServerCloseReason::Header(error));
                None
            }
        }
    }

    fn why_disconnected(&self, how: Disconnect) -> ServerCloseReason {
        let heard = match self.decoder.pending() {
            0 if self.first + self.calls.len() as u64 == 0 => Heard::Nothing,
            0 => Heard::Frames,
            bytes => Heard::PartOfFrame { bytes },
        };
        ServerCloseReason::Disconnected { how, heard }
    }
}

impl Connection for ServerConnection {
    type Event = ServerEvent;

    fn buffers(&mut self) -> (&mut [u8], &mut SendQueue) {
        (self.decoder.space(), &mut self.queue)
    }

    fn received(&mut self, n: usize) {
        self.rest.note_moved();
        if !self.has_ended() {
            self.decoder.filled(n);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.rest.note_moved();
        if !self.has_ended() {
            self.decoder.extend(bytes);
        }
    }

    /// Also false while as much is open as may be: a broker does not read from a client that it owes an answer.
    fn wants_read(&self) -> bool {
        !self.has_ended() && self.may_open() && !self.decoder.has_frame()
    }

    fn wants_write(&self) -> bool {
        self.queue.has_remaining()
    }

    /// Nobody can take an answer any more, so this is the end of the transport.
    fn handle_write_failed(&mut self, kind: io::ErrorKind) {
        self.handle_disconnect(Disconnect::Error(kind));
    }

    /// A client that has only closed its sending side still gets the answers to what it asked.
    fn handle_disconnect(&mut self, how: Disconnect) {
        if how != Disconnect::Eof {
            // Also behind an end of reading: what is staged can never leave.
            self.disconnect = Some(how);
            self.queue.clear();
            self.unwritten.clear();
        }
        self.disconnect.get_or_insert(how);
    }

    fn poll_event(&mut self, now: Instant) -> Option<ServerEvent> {
        self.note_written();
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
                Err(error) => self.end(ServerCloseReason::Frame(error)),
            }
        }
        let owes_nothing = |how: &Disconnect| self.unanswered == 0 || *how != Disconnect::Eof;
        if let Some(how) = self.disconnect.filter(|how| !self.decoder.has_frame() && owes_nothing(how)) {
            self.end(self.why_disconnected(how));
        }
        let keeps_memory = self.decoder.can_release() || self.queue.can_release();
        self.rest.note_time(now, keeps_memory);
        let reason = self.closing.take()?;
        self.over = true;
        Some(ServerEvent::Closed(reason))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.has_ended() || self.decoder.has_frame() {
            return None;
        }
        [self.frame_deadline, self.rest.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.has_ended() || self.decoder.has_frame() {
            return;
        }
        if self.frame_deadline.is_some_and(|deadline| deadline <= now) {
            self.end(ServerCloseReason::SlowRequest { received: self.decoder.pending() });
        } else if self.rest.is_over(now) {
            self.decoder.release();
            self.queue.release();
            self.calls.shrink_to_fit();
            self.unwritten.shrink_to_fit();
        }
    }

    fn is_over(&self) -> bool {
        self.over && !self.queue.has_remaining()
    }
}

/// A response as it leaves.
struct Frame {
    /// Length and correlation id.
    head: [u8; 8],
    body: Chunks,
}

impl Frame {
    fn new(id: CorrelationId, body: Chunks) -> Result<Self, EncodeError> {
        const MAX: usize = i32::MAX as usize;
        let len = body.len().saturating_add(4);
        let size = i32::try_from(len).map_err(|_| EncodeError { field: "response", len, max: MAX })?;
        let mut head = [0; 8];
        let (front, back) = head.split_at_mut(4);
        front.copy_from_slice(&size.to_be_bytes());
        back.copy_from_slice(&id.0.to_be_bytes());
        Ok(Self { head, body })
    }
}

impl Answer {
    /// Bytes it takes on the wire.
    fn len(&self) -> usize {
        match self {
            Self::Ready(frame) => frame.head.len() + frame.body.len(),
            Self::Open | Self::Nothing => 0,
        }
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
            .field("disconnect", &self.disconnect)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
