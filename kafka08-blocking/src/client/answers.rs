//! Answers on their way out of the connection.

use std::{
    io::{Read, Write},
    os::fd::AsFd,
};

use kafka08_proto::{adapter::CallError, api::Request, connection::ResponseFrame};

use super::{Client, claims::Outcome};
use crate::pending::{Pending, Undecoded};

impl<S: Read + Write + AsFd> Client<S> {
    /// Sends a request and waits for its answer.
    ///
    /// *Time*: the request's timeout, from this call, and what the broker may rightly wait for it and for those in front.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Client::wait`]; [`CallError::fate`] says whether the broker may have acted on it.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, CallError> {
        let pending = self.send(request)?;
        self.wait(pending)
    }

    /// Waits for an answer. Others that come meanwhile are kept for those who ask for them. Writes what is staged.
    ///
    /// *Time*: the request's deadline, which runs from the call that sent it.
    ///
    /// # Errors
    /// The request has failed, or its answer is malformed; [`CallError::fate`] says whether the broker may have acted on
    /// it. Or it was sent by another client.
    pub fn wait<R: Request>(&mut self, pending: Pending<R>) -> Result<R::Response, CallError> {
        let outcome = self.wait_for(&pending);
        self.decoded(pending, outcome)
    }

    /// [`Client::wait`] for the answer to a request that was [sent as it was prepared](Client::send_prepared).
    ///
    /// # Errors
    /// As [`Client::wait`].
    pub fn wait_undecoded(&mut self, pending: Pending<Undecoded>) -> Result<ResponseFrame, CallError> {
        let outcome = self.wait_for(&pending);
        self.settled(pending, outcome).map_err(|error| *error)
    }

    /// Takes an answer if it is here, after moving what moves without waiting. Writes what is staged.
    ///
    /// # Errors
    /// The claim comes back if the answer is not here. The inner error is that of [`Client::wait`].
    pub fn try_wait<R: Request>(&mut self, pending: Pending<R>) -> Result<Result<R::Response, CallError>, Pending<R>> {
        match self.look_for(&pending) {
            Some(outcome) => Ok(self.decoded(pending, outcome)),
            None => Err(pending),
        }
    }

    /// [`Client::try_wait`] for the answer to a request that was [sent as it was prepared](Client::send_prepared).
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
        // Until nothing moves: a TLS layer may hold a whole answer that no poll of the socket would tell of.
        while self.step() {
            if let Some(outcome) = self.take(pending) {
                return Some(outcome);
            }
        }
        self.take(pending)
    }

    /// How the request ended, if it has.
    fn take<R>(&mut self, pending: &Pending<R>) -> Option<Outcome> {
        if pending.connection() == self.connection.id() {
            self.claims.take(pending.id())
        } else {
            Some(Err(Box::new(CallError::NotOutstanding(pending.id()))))
        }
    }

    /// Takes a claim whose request has ended out of use.
    fn settled<R>(&self, pending: Pending<R>, outcome: Outcome) -> Outcome {
        // Another client's claim stays its own, which hears of it being dropped.
        if pending.connection() == self.connection.id() {
            pending.settle();
        }
        outcome
    }

    fn decoded<R: Request>(&self, pending: Pending<R>, outcome: Outcome) -> Result<R::Response, CallError> {
        let id = pending.id();
        let frame = self.settled(pending, outcome).map_err(|error| *error)?;
        let ticket = self.connection.ticket::<R>(id).expect("the id was given for this request's API");
        ticket.redeem(frame).map_err(|error| CallError::from_redeem(id, self.config().peer(), error))
    }
}
