//! The commands that answer calls.

use bytes::Bytes;

use super::{
    ServerConnection,
    call::{Answer, Call, Frame},
    life::Life,
};
use crate::{
    api::Encode,
    connection::{CallId, RespondError},
    frame::Span,
    wire::Encoder,
};

impl ServerConnection {
    /// Answers a call with the response of one API or with an [`AnyResponse`](crate::api::AnyResponse).
    ///
    /// # Errors
    /// The call is not open, or the response is longer than the wire can hold.
    pub fn respond<E: Encode>(&mut self, call: CallId, body: &E) -> Result<(), RespondError> {
        let id = self.open_call(call)?.correlation_id;
        let mut encoder = Encoder::new();
        body.encode(&mut encoder).map_err(RespondError::Encode)?;
        self.end_call(call, Answer::Ready(Frame::new(id, encoder.finish()).map_err(RespondError::Encode)?))
    }

    /// Answers a call with a body that is already encoded.
    ///
    /// # Errors
    /// The call is not open, or the body is longer than the wire can hold.
    pub fn respond_raw(&mut self, call: CallId, body: Bytes) -> Result<(), RespondError> {
        let id = self.open_call(call)?.correlation_id;
        self.end_call(call, Answer::Ready(Frame::new(id, body.into()).map_err(RespondError::Encode)?))
    }

    /// Writes bytes as they are, in the place of the response to a call, which stays open: end it with
    /// [`ServerConnection::finish`]. Nothing is added to the bytes, not even a length.
    ///
    /// A proxy passes the frame of a response on with this method, also in pieces. A test of a client sends a response that
    /// is broken.
    ///
    /// # Errors
    /// The call is not open, or a call in front of it is not ended.
    pub fn write_raw(&mut self, call: CallId, bytes: &[u8]) -> Result<(), RespondError> {
        self.open_call(call)?;
        if self.index(call) != Some(0) {
            return Err(RespondError::NotFirst);
        }
        self.rest.note_moved();
        if !matches!(self.life, Life::Failed(_)) {
            let start = self.queue.end();
            self.queue.put(bytes);
            self.unwritten.push_back(Span { start, end: self.queue.end() });
        }
        Ok(())
    }

    /// Ends a call that expects no response, such as a produce with acks = 0: see [`RequestFrame::traits`]. Responses of later
    /// calls are held back until it is ended. Does nothing if the call is not open.
    ///
    /// [`RequestFrame::traits`]: crate::connection::RequestFrame::traits
    pub fn finish(&mut self, call: CallId) {
        // A call that is not open owes nothing either.
        let _ = self.end_call(call, Answer::Nothing);
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
        // Answers leave in the order of the requests: those that were given early have waited here for this one.
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
}
