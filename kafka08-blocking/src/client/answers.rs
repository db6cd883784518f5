//! How responses leave the client.

use std::{
    io::{Read, Write},
    os::fd::AsFd,
};

use kafka08_proto::{adapter::CallError, api::Request, connection::ResponseFrame};

use super::{Client, claims::Outcome};
use crate::{Undecoded, pending::Pending};

impl<S: Read + Write + AsFd> Client<S> {
    /// Sends a request and waits for its response.
    ///
    /// *Time*: the timeout of the request, from this call, plus the time for which this request and all requests in
    /// front of it let the broker wait.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Client::wait`]. [`CallError::fate`] says whether the broker may have acted on the
    /// request.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, CallError> {
        let pending = self.send(request)?;
        self.wait(pending)
    }

    /// Waits for a response, and writes staged requests. Other responses that arrive meanwhile are kept until they are
    /// taken.
    ///
    /// *Time*: until the deadline of the request, which counts from the call that sent it.
    ///
    /// # Errors
    /// The request has failed, or its response is malformed, or another client has sent it. [`CallError::fate`] says
    /// whether the broker may have acted on the request.
    pub fn wait<R: Request>(&mut self, pending: Pending<R>) -> Result<R::Response, CallError> {
        let outcome = self.wait_for(&pending);
        self.decoded(pending, outcome)
    }

    /// [`Client::wait`] for a request that was sent by [`Client::send_prepared`]. The response is not decoded.
    ///
    /// # Errors
    /// As [`Client::wait`].
    pub fn wait_undecoded(&mut self, pending: Pending<Undecoded>) -> Result<ResponseFrame, CallError> {
        let outcome = self.wait_for(&pending);
        self.settled(pending, outcome).map_err(|error| *error)
    }

    /// Takes a response if it has arrived. Reads and writes as much as possible without waiting first.
    ///
    /// # Errors
    /// If the response has not arrived, the outer error returns the claim. The inner error is that of [`Client::wait`].
    pub fn try_wait<R: Request>(&mut self, pending: Pending<R>) -> Result<Result<R::Response, CallError>, Pending<R>> {
        match self.look_for(&pending) {
            Some(outcome) => Ok(self.decoded(pending, outcome)),
            None => Err(pending),
        }
    }

    /// [`Client::try_wait`] for a request that was sent by [`Client::send_prepared`]. The response is not decoded.
    ///
    /// # Errors
    /// As [`Client::try_wait`].
    pub fn try_wait_undecoded(
        &mut self,
        pending: Pending<Undecoded>,
    ) -> Result<Result<ResponseFrame, CallError>, Pending<Undecoded>> {
        match self.look_for(&pending) {
            Some(outcome) => Ok(self.settled(pending, outcome).map_err(|error| *error)),
            None => Err(pending),
        }
    }

    fn wait_for<R>(&mut self, pending: &Pending<R>) -> Outcome {
        loop {
            if let Some(outcome) = self.take(pending) {
                return outcome;
            }
            self.turn_until(None);
        }
    }

    fn look_for<R>(&mut self, pending: &Pending<R>) -> Option<Outcome> {
        if let Some(outcome) = self.take(pending) {
            return Some(outcome);
        }
        // The loop runs until nothing moves, because a TLS layer may hold a whole response that polling the socket does
        // not show.
        while self.step() {
            if let Some(outcome) = self.take(pending) {
                return Some(outcome);
            }
        }
        self.take(pending)
    }

    /// Returns how the request has ended, if it has.
    fn take<R>(&mut self, pending: &Pending<R>) -> Option<Outcome> {
        if pending.connection() == self.connection.id() {
            self.claims.take(pending.id())
        } else {
            Some(Err(Box::new(CallError::NotOutstanding(pending.id()))))
        }
    }

    /// Ends the claim of a request that has ended.
    fn settled<R>(&self, pending: Pending<R>, outcome: Outcome) -> Outcome {
        // A claim of another client is not settled, so that the other client learns that it was dropped.
        if pending.connection() == self.connection.id() {
            pending.settle();
        }
        outcome
    }

    fn decoded<R: Request>(&self, pending: Pending<R>, outcome: Outcome) -> Result<R::Response, CallError> {
        let id = pending.id();
        let frame = self.settled(pending, outcome).map_err(|error| *error)?;
        let ticket = self.connection.ticket::<R>(id).expect("the id belongs to a request of this API");
        ticket.redeem(frame).map_err(|error| CallError::from_redeem(id, self.config().peer(), error))
    }
}
