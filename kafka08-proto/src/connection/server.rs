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
    /// When bytes came last.
    last_read: Option<Instant>,
    /// Nothing was read since then because as much was open as may be. The client could not go on with its frame either.
    has_paused: bool,
    responses: u64,
    life: Life,
    rest: Rest,
}

/// The states of a server's connection. It only ever moves on to a later one.
#[derive(Debug)]
enum Life {
    /// Requests are read and answers leave.
    Open,
    /// The client has closed its sending side: nothing is read any more, requests that are here in full still come out, and
    /// answers leave.
    HalfClosed,
    /// The transport has failed: requests that are here in full still come out, and answers are dropped.
    Failed(io::ErrorKind),
    /// Nothing more comes out but the end itself.
    Ending(ServerCloseReason),
    /// The end was told: only answers that were staged before still leave.
    Over,
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
                && !matches!(self.life, Life::Failed(_))
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
        if self.gives_requests() {
            self.life = Life::Ending(reason);
            self.calls.clear();
            self.unanswered = 0;
            self.held = 0;
            self.frame_deadline = None;
            self.decoder = FrameDecoder::new(self.config.max_frame);
        }
    }

    /// Whether requests that are here in full come out.
    fn gives_requests(&self) -> bool {
        matches!(self.life, Life::Open | Life::HalfClosed | Life::Failed(_))
    }

    /// Whether bytes of the client are taken.
    fn can_read(&self) -> bool {
        matches!(self.life, Life::Open)
    }

    /// Bytes have come. Returns whether they are still of use.
    fn note_read(&mut self, now: Instant) -> bool {
        self.rest.note_moved_at(now);
        self.last_read = Some(now);
        self.resume(now);
        self.can_read()
    }

    /// The time in which nothing was read is not counted against the frame that is arriving.
    fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.has_paused) && self.frame_deadline.is_some() {
            self.frame_deadline = now.checked_add(self.config.frame_timeout);
        }
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

    fn handle_read(&mut self, now: Instant, n: usize) {
        if self.note_read(now) {
            self.decoder.filled(n);
        }
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if self.note_read(now) {
            self.decoder.extend(bytes);
        }
    }

    /// Also false while as much is open as may be: a broker does not read from a client that it owes an answer.
    fn wants_read(&self) -> bool {
        self.can_read() && self.may_open() && !self.decoder.has_frame()
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
            // In every state: what is staged can never leave.
            self.queue.clear();
            self.unwritten.clear();
        }
        match (&self.life, how) {
            (Life::Open, Disconnect::Eof) => self.life = Life::HalfClosed,
            (Life::Open | Life::HalfClosed, Disconnect::Error(kind)) => self.life = Life::Failed(kind),
            _ => {}
        }
    }

    fn poll_event(&mut self) -> Option<ServerEvent> {
        self.note_written();
        while self.gives_requests() {
            if !self.may_open() {
                self.has_paused = true;
                break;
            }
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    self.frame_deadline = None;
                    if let Some(event) = self.handle_frame(&frame) {
                        return Some(event);
                    }
                }
                Ok(None) => {
                    if self.decoder.pending() > 0 && self.frame_deadline.is_none() {
                        self.frame_deadline = self.last_read.and_then(|at| at.checked_add(self.config.frame_timeout));
                    }
                    break;
                }
                Err(error) => self.end(ServerCloseReason::Frame(error)),
            }
        }
        if !self.decoder.has_frame() {
            match self.life {
                Life::HalfClosed if self.unanswered == 0 => self.end(self.why_disconnected(Disconnect::Eof)),
                Life::Failed(kind) => self.end(self.why_disconnected(Disconnect::Error(kind))),
                _ => {}
            }
        }
        let keeps_memory = self.decoder.can_release() || self.queue.can_release();
        self.rest.set(keeps_memory);
        if !matches!(self.life, Life::Ending(_)) {
            return None;
        }
        match std::mem::replace(&mut self.life, Life::Over) {
            Life::Ending(reason) => Some(ServerEvent::Closed(reason)),
            _ => None,
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if !self.can_read() || self.decoder.has_frame() {
            return None;
        }
        [self.frame_deadline, self.rest.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.can_read() || self.decoder.has_frame() {
            return;
        }
        if self.frame_deadline.is_some() {
            self.resume(now);
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
        matches!(self.life, Life::Over) && !self.queue.has_remaining()
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
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
