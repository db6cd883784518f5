//! How requests enter the client.

use std::{
    io::{Read, Write},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_async::MAX_UNTOLD;
use kafka08_proto::{
    Connection as _,
    adapter::CallError,
    api::Request,
    connection::{PrepareError, Prepared, Reply, SendError},
    ids::{Api, CorrelationId},
};

use super::Client;
use crate::{Undecoded, pending::Pending};

/// The number of staged bytes from which on a request is written at once. They are some hundred small requests or one
/// large request, so that a `write` costs little compared with copying the bytes.
const WORTH_A_WRITE: usize = 16 << 10;

impl<S: Read + Write + AsFd> Client<S> {
    /// Sends a request, and returns the claim to its response at once.
    ///
    /// If nothing was in flight, the request is written now. Otherwise it may stay staged, with up to 16 KiB of other
    /// requests, until the next call of [`Client::write`], [`Client::wait`], [`Client::try_wait`], [`Client::call`],
    /// [`Client::turn`], [`Client::flush`], [`Client::send_and_forget`] or [`Client::close`]. So a batch of requests
    /// needs few writes. If you do other work after sending, call [`Client::write`] first.
    ///
    /// *Time*: if too many bytes are staged, or requests whose claims were dropped are in flight, the call moves bytes
    /// until there is room, for at most the timeout of the request. The deadline of the response counts from this call.
    ///
    /// # Errors
    /// Nothing was sent. The request was refused, expects no response, or the connection has ended. With
    /// [`SendError::Busy`], which is returned at once, too many claims are held or too many failures are unreported;
    /// take responses, or flush. With [`SendError::TimedOut`], there was no room within the timeout of the request.
    pub fn send<R: Request>(&mut self, request: &R) -> Result<Pending<R>, CallError> {
        if !request.expects_response() {
            return Err(CallError::NoResponseExpected);
        }
        let called = Instant::now();
        // Reading comes before sending, so that the request is refused, and not lost, if the stream has ended already.
        let was_idle = self.look_if_idle(called);
        self.find_place()?;
        let before = self.connection.buffers().1.remaining();
        let staged = match self.connection.request(called, request) {
            Ok(ticket) => {
                self.tell_staged(called, ticket.id(), R::API, before);
                Staged { id: ticket.id(), was_idle }
            }
            Err(SendError::Busy) => {
                // The request is encoded once for all attempts. Usually there is room, and the request is encoded into
                // the connection above.
                let prepared =
                    Prepared::new(request).map_err(|error| SendError::Prepare(PrepareError::Encode(error)))?;
                self.stage(called, prepared)?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(self.claim(staged, R::API))
    }

    /// [`Client::send`] with a timeout for this request, instead of [`ClientConfig::with_request_timeout`].
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

    /// [`Client::send`] of a request that is encoded already, for retries and for proxies. The request is sent
    /// unchanged, and its timeout counts from this call. The response is not decoded unless [`Pending::typed`] gives
    /// the claim its type.
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

    /// Sends a request whose response nobody takes, such as a produce with acks = 0.
    ///
    /// Staged requests are written, as far as the stream takes them now. [`Client::flush`] waits until everything was
    /// written, and lists this request if it has failed. If acks = 0, the broker sends no confirmation; only a later
    /// response on the connection can show that the broker has acted on the request. See [`Client::closed`].
    ///
    /// *Time*: if too many bytes are staged, or too many requests are in flight, the call moves bytes until there is
    /// room, for at most the timeout of the request. The deadline of the request counts from this call.
    ///
    /// # Errors
    /// Nothing was sent. The request was refused, or the connection has ended. With [`SendError::Busy`], which is
    /// returned at once, too many failures are unreported; flush. With [`SendError::TimedOut`], there was no room
    /// within the timeout of the request.
    pub fn send_and_forget<R: Request>(&mut self, request: &R) -> Result<CorrelationId, CallError> {
        let prepared = self.prepared(request)?;
        self.send_unclaimed(prepared)
    }

    /// [`Client::send_and_forget`] with a timeout for this request.
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

    /// [`Client::send_and_forget`] of a request that is encoded already. The request is sent unchanged, and its timeout
    /// counts from this call.
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

    /// Reads if nothing is in flight. If that finds the end of the connection, the request is refused, and not written
    /// to a closed connection. Returns whether nothing was in flight.
    fn look_if_idle(&mut self, now: Instant) -> bool {
        let was_idle = self.connection.in_flight() == 0;
        if was_idle {
            self.read(now);
        }
        was_idle
    }

    /// Checks that there is room for one more claim.
    fn find_place(&mut self) -> Result<(), CallError> {
        let has_place = |client: &Self| client.claims.len() < client.config().max_in_flight();
        if !has_place(self) {
            // Some claims may have been dropped meanwhile.
            self.step();
        }
        self.check_open()?;
        if has_place(self) { Ok(()) } else { Err(SendError::Busy.into()) }
    }

    /// Checks that the connection has not ended and that there is room for one more unreported failure.
    fn check_open(&self) -> Result<(), CallError> {
        if let Some(closed) = &self.closed {
            return Err(SendError::Closed(Box::new(closed.clone())).into());
        }
        if self.untold.len() < MAX_UNTOLD { Ok(()) } else { Err(SendError::Busy.into()) }
    }

    /// Stages a request. If there is no room, moves bytes until there is, for at most the timeout of the request.
    fn stage(&mut self, called: Instant, prepared: Prepared) -> Result<Staged, CallError> {
        let until = called.checked_add(prepared.timeout().unwrap_or_else(|| self.config().request_timeout()));
        let prepared = prepared.called_at(called);
        loop {
            let now = Instant::now();
            // This is read in each round, because requests in flight may end while room is made.
            let was_idle = self.connection.in_flight() == 0;
            let before = self.connection.buffers().1.remaining();
            match self.connection.send(now, &prepared) {
                Err(SendError::Busy) => {}
                other => {
                    let id = other?;
                    self.tell_staged(called, id, prepared.api(), before);
                    return Ok(Staged { id, was_idle });
                }
            }
            if until.is_some_and(|until| until <= now) {
                let after = now.saturating_duration_since(called);
                return Err(SendError::TimedOut { after }.into());
            }
            self.turn_until(until);
        }
    }

    /// Tells `tracing` of a request that was staged behind so many bytes.
    fn tell_staged(&mut self, now: Instant, id: CorrelationId, api: Api, before: usize) {
        let bytes = self.connection.buffers().1.remaining() - before;
        self.trace.note_staged(now, id, api, bytes);
        self.teller.tell(self.trace.take());
    }

    /// Makes the claim to the response of a staged request, and writes if enough is staged or nothing was in flight.
    fn claim<R>(&mut self, staged: Staged, api: Api) -> Pending<R> {
        // The claim is inserted before anything is written, because the response may arrive in the same turn.
        self.claims.insert(staged.id);
        if staged.was_idle || self.connection.buffers().1.remaining() >= WORTH_A_WRITE {
            self.let_leave(&staged);
        }
        Pending::new(self.connection.id(), staged.id, api, self.dropped.clone())
    }

    fn let_leave(&mut self, staged: &Staged) {
        if staged.was_idle {
            // Bytes that had arrived were read just now, and no other request is staged that could have expired.
            self.write_staged();
        } else {
            self.step();
        }
    }
}

/// A request that the connection has taken.
struct Staged {
    id: CorrelationId,
    /// Whether nothing was in flight before.
    was_idle: bool,
}
