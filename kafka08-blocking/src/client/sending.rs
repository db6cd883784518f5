//! Requests on their way into the connection.

use std::{
    io::{Read, Write},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_proto::{
    Connection as _,
    adapter::CallError,
    api::Request,
    connection::{PrepareError, Prepared, Reply, SendError},
    ids::{Api, CorrelationId},
};

use super::Client;
use crate::pending::{Pending, Undecoded};

/// Failures that nobody waits for and no flush has told, from which on sending is refused as busy. As many more as are in
/// flight may still come. A few hundred bytes each; more than any caller would look at one by one.
pub const MAX_UNTOLD: usize = 4096;

/// Staged bytes from which on a request is not kept for company. Some hundred small requests, or one large one: the cost of a
/// `write` is then small beside that of copying the bytes.
const WORTH_A_WRITE: usize = 16 << 10;

impl<S: Read + Write + AsFd> Client<S> {
    /// Sends a request and returns at once, with the claim to its answer.
    ///
    /// If nothing was in flight, it is written now. Otherwise it may stay staged, with up to 16 KiB of others, until the next
    /// call of [`Client::write`], [`Client::wait`], [`Client::try_wait`], [`Client::call`], [`Client::turn`],
    /// [`Client::flush`], [`Client::send_and_forget`] or [`Client::close`]: the caller that sends a batch and then takes its
    /// answers gets few writes, and the one that turns to other work calls [`Client::write`] first.
    ///
    /// *Time*: where too much is staged, or requests whose claims were dropped are in flight, it moves bytes until there is
    /// room, for no longer than the request's own timeout. The deadline of the answer runs from this call.
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, it has no answer to wait for, or the connection has ended.
    /// Or as many claims as may be in flight are held, or too many failures are untold ([`SendError::Busy`], at once: take
    /// answers, or flush); or there was no room in its time ([`SendError::TimedOut`]).
    pub fn send<R: Request>(&mut self, request: &R) -> Result<Pending<R>, CallError> {
        if !request.expects_response() {
            return Err(CallError::NoResponseExpected);
        }
        let called = Instant::now();
        // Looked at before sending: an end of the stream that is here already refuses the request instead of losing it.
        let was_idle = self.look_if_idle(called);
        self.find_place()?;
        let staged = match self.connection.request(called, request) {
            Ok(ticket) => Staged { id: ticket.id(), was_idle },
            Err(SendError::Busy) => {
                // Encoded once for all attempts. Where there is room, which is the rule, the request is encoded into the connection.
                let prepared =
                    Prepared::new(request).map_err(|error| SendError::Prepare(PrepareError::Encode(error)))?;
                self.stage(called, prepared)?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(self.claim(staged, R::API))
    }

    /// [`Client::send`] with a timeout of the request's own, instead of [`ClientConfig::with_request_timeout`].
    ///
    /// # Errors
    /// As [`Client::send`].
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub fn send_with_timeout<R: Request>(&mut self, request: &R, timeout: Duration) -> Result<Pending<R>, CallError> {
        let prepared = self.prepared(request)?.with_timeout(timeout);
        let id = self.send_claimed(prepared)?;
        Ok(id.typed().expect("the claim is to a request of this type"))
    }

    /// [`Client::send`] of a request that is encoded already: for retries, and for proxies that forward. It is sent as it is,
    /// and its time runs from this call. The answer is not decoded, unless the claim is given its type.
    ///
    /// ```no_run
    /// use kafka08_blocking::{Client, proto::{ClientConfig, api::MetadataRequest, connection::Prepared}};
    ///
    /// let config = ClientConfig::default();
    /// let prepared = Prepared::checked(&MetadataRequest::all(), &config)?;
    /// for broker in ["broker1:9092", "broker2:9092"] {
    ///     let mut client = Client::connect(broker, config.clone())?;
    ///     let pending = client.send_prepared(&prepared)?;
    ///     match pending.typed::<MetadataRequest>() {
    ///         Ok(pending) => println!("{:?}", client.wait(pending)?),
    ///         Err(pending) => println!("{:?}", client.wait_undecoded(pending)?),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<Pending<Undecoded>, CallError> {
        self.send_claimed(prepared.clone())
    }

    /// Sends a request whose answer, if it has one, nobody will take: above all a produce with acks = 0.
    ///
    /// What is staged is written, as far as the stream takes it now. [`Client::flush`] tells that everything has left, or that
    /// this request failed. That the broker has acted on one with acks = 0 nothing tells, unless a later answer on the
    /// connection does; see [`Client::closed`].
    ///
    /// *Time*: where too much is staged, or too many requests are in flight, it moves bytes until there is room, for no longer
    /// than the request's own timeout. The deadline of the request runs from this call.
    ///
    /// # Errors
    /// Nothing was sent: the request should not be sent as it is, or the connection has ended. Or too many failures are untold
    /// ([`SendError::Busy`], at once: flush); or there was no room in its time ([`SendError::TimedOut`]).
    pub fn send_and_forget<R: Request>(&mut self, request: &R) -> Result<CorrelationId, CallError> {
        let prepared = self.prepared(request)?;
        self.send_unclaimed(prepared)
    }

    /// [`Client::send_and_forget`] with a timeout of the request's own.
    ///
    /// # Errors
    /// As [`Client::send_and_forget`].
    pub fn send_and_forget_with_timeout<R: Request>(
        &mut self,
        request: &R,
        timeout: Duration,
    ) -> Result<CorrelationId, CallError> {
        let prepared = self.prepared(request)?.with_timeout(timeout);
        self.send_unclaimed(prepared)
    }

    /// [`Client::send_and_forget`] of a request that is encoded already. It is sent as it is, and its time runs from this call.
    ///
    /// # Errors
    /// As [`Client::send_and_forget`].
    pub fn send_prepared_and_forget(&mut self, prepared: &Prepared) -> Result<CorrelationId, CallError> {
        self.send_unclaimed(prepared.clone())
    }

    fn prepared<R: Request>(&self, request: &R) -> Result<Prepared, CallError> {
        Ok(Prepared::checked(request, self.config()).map_err(SendError::Prepare)?)
    }

    fn send_claimed(&mut self, prepared: Prepared) -> Result<Pending<Undecoded>, CallError> {
        if prepared.reply() == Reply::None {
            return Err(CallError::NoResponseExpected);
        }
        let (api, called) = (prepared.api(), Instant::now());
        self.look_if_idle(called);
        self.find_place()?;
        let staged = self.stage(called, prepared)?;
        Ok(self.claim(staged, api))
    }

    fn send_unclaimed(&mut self, prepared: Prepared) -> Result<CorrelationId, CallError> {
        let called = Instant::now();
        self.look_if_idle(called);
        self.check_open()?;
        let staged = self.stage(called, prepared)?;
        self.let_leave(&staged);
        Ok(staged.id)
    }

    /// With nothing in flight, looks at what has arrived: an end of the connection refuses the request, which otherwise would
    /// be written to nobody. Returns whether nothing was in flight.
    fn look_if_idle(&mut self, now: Instant) -> bool {
        let was_idle = self.connection.in_flight() == 0;
        if was_idle {
            self.read(now);
        }
        was_idle
    }

    /// Checks that one more answer may be claimed.
    fn find_place(&mut self) -> Result<(), CallError> {
        let has_place = |client: &Self| client.claims.len() < client.config().max_in_flight();
        if !has_place(self) {
            // Some claims may have been dropped.
            self.step();
        }
        self.check_open()?;
        if has_place(self) { Ok(()) } else { Err(SendError::Busy.into()) }
    }

    /// Checks that the connection has not ended and that there is room for one more failure to be told.
    fn check_open(&self) -> Result<(), CallError> {
        if let Some(closed) = &self.closed {
            return Err(SendError::Closed(Box::new(closed.clone())).into());
        }
        if self.untold.len() < MAX_UNTOLD { Ok(()) } else { Err(SendError::Busy.into()) }
    }

    /// Stages a request, after making room for it in the time that it has.
    fn stage(&mut self, called: Instant, prepared: Prepared) -> Result<Staged, CallError> {
        let until = called.checked_add(prepared.timeout().unwrap_or_else(|| self.config().request_timeout()));
        let prepared = prepared.called_at(called);
        loop {
            let now = Instant::now();
            // Asked in each round: while room is made, what was in flight may have ended.
            let was_idle = self.connection.in_flight() == 0;
            match self.connection.send(now, &prepared) {
                Err(SendError::Busy) => {}
                other => return Ok(Staged { id: other?, was_idle }),
            }
            if until.is_some_and(|until| until <= now) {
                let after = now.saturating_duration_since(called);
                return Err(SendError::TimedOut { after }.into());
            }
            self.turn_until(until);
        }
    }

    /// Makes the claim to the answer of a request that was staged, and writes if it is worth it.
    fn claim<R>(&mut self, staged: Staged, api: Api) -> Pending<R> {
        // Before anything is written: the answer may come in the same turn.
        self.claims.insert(staged.id);
        if staged.was_idle || self.connection.buffers().1.remaining() >= WORTH_A_WRITE {
            self.let_leave(&staged);
        }
        Pending::new(self.connection.id(), staged.id, api, self.dropped.clone())
    }

    fn let_leave(&mut self, staged: &Staged) {
        if staged.was_idle {
            // What had arrived was read just now, and nothing else is staged that could have expired.
            self.write_staged();
        } else {
            self.step();
        }
    }
}

/// A request that the connection has taken.
struct Staged {
    id: CorrelationId,
    /// Nothing was in flight before.
    was_idle: bool,
}
