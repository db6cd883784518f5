//! A request that is encoded once and can be sent several times.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{ClientConfig, PrepareError, RequestFrame};
use crate::{
    api::{Reply, Request, RequestProblem, RequestTraits},
    ids::{Api, Text},
    wire::{Chunks, EncodeError, Encoder},
};

/// Room for the body of a small request, in bytes, so that encoding it allocates once.
const SMALL_BODY: usize = 128;

/// A request whose body is encoded, with what a connection must know of the request.
///
/// The connection writes the header, with the client id and the correlation id. So the same value can be sent again, also on
/// another connection. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) terms: Terms,
    pub(crate) body: Chunks,
    pub(crate) client_id: ClientId,
}

/// What a connection must know of a request besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) api: Api,
    pub(crate) traits: RequestTraits,
    pub(crate) timeout: Option<Duration>,
    pub(crate) called_at: Option<Instant>,
}

impl Terms {
    pub(crate) fn of<R: Request>(request: &R) -> Self {
        let reply = if request.expects_response() { Reply::Expected } else { Reply::None };
        let (changes_state, server_wait) = (request.changes_state(), request.server_wait());
        Self::new(R::API, RequestTraits { reply, changes_state, server_wait })
    }

    fn new(api: Api, traits: RequestTraits) -> Self {
        Self { api, traits, timeout: None, called_at: None }
    }
}

/// Who a request says it comes from.
#[derive(Clone, Debug)]
pub(crate) enum ClientId {
    /// What the connection's settings say.
    OfConnection,
    /// Who sent it first: it is forwarded.
    Original(Option<Text>),
}

impl Prepared {
    /// Encodes a request without checking it.
    ///
    /// # Errors
    /// The request holds something longer than the wire can say.
    pub fn new<R: Request>(request: &R) -> Result<Self, EncodeError> {
        let mut encoder = Encoder::with_capacity(SMALL_BODY);
        request.encode(&mut encoder)?;
        Ok(Self { terms: Terms::of(request), body: encoder.finish(), client_id: ClientId::OfConnection })
    }

    /// Checks a request against the broker's profile and by [`Request::check`], and encodes it.
    ///
    /// # Errors
    /// The request would lose data or hang, or does not fit the wire.
    pub fn checked<R: Request>(request: &R, config: &ClientConfig) -> Result<Self, PrepareError> {
        check(request, config).map_err(PrepareError::Problem)?;
        Self::new(request).map_err(PrepareError::Encode)
    }

    /// Takes any bytes as the body of a request of any key. `reply` says whether the broker will answer. This is for tests and
    /// for requests that this crate does not know. The request counts as one that changes the broker's state, and that the
    /// broker answers without waiting.
    #[must_use]
    pub fn raw(api: Api, body: Bytes, reply: Reply) -> Self {
        // Of bytes that are not understood the worst is assumed: sending them again may do something twice.
        let traits = RequestTraits { reply, changes_state: true, server_wait: Duration::ZERO };
        Self { terms: Terms::new(api, traits), body: body.into(), client_id: ClientId::OfConnection }
    }

    /// Takes a request that a server has received, to send it on. This is for proxies. The body is not decoded, and the
    /// client id stays. Whether and when the broker answers is read from the first bytes ([`RequestFrame::traits`]).
    #[must_use]
    pub fn forward(request: &RequestFrame) -> Self {
        let client_id = ClientId::Original(request.header.client_id.clone());
        let terms = Terms::new(request.header.api, request.traits());
        Self { terms, body: request.body.clone().into(), client_id }
    }

    /// Sets a timeout for this request, instead of the connection's. The request's `server_wait` is added to either.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.terms.timeout = Some(timeout);
        self
    }

    /// Sets the time from which the deadline runs, so that time which the request spends in a channel counts. By default the
    /// deadline runs from the time at which the request is given to the connection.
    #[must_use]
    pub fn called_at(mut self, at: Instant) -> Self {
        self.terms.called_at = Some(at);
        self
    }

    /// The time set by [`Prepared::called_at`].
    #[must_use]
    pub fn called(&self) -> Option<Instant> {
        self.terms.called_at
    }

    /// The timeout set by [`Prepared::with_timeout`].
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.terms.timeout
    }

    /// How long the broker may wait before it answers, as the request allows.
    #[must_use]
    pub fn server_wait(&self) -> Duration {
        self.terms.traits.server_wait
    }

    /// The key and version of the request.
    #[must_use]
    pub fn api(&self) -> Api {
        self.terms.api
    }

    /// Whether the broker answers the request.
    #[must_use]
    pub fn reply(&self) -> Reply {
        self.terms.traits.reply
    }

    /// The length of the body, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether the body is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Refuses what the broker's release does not know, and what [`Request::check`] finds.
pub(super) fn check<R: Request>(request: &R, config: &ClientConfig) -> Result<(), RequestProblem> {
    if !config.profile.knows(R::API) {
        return Err(RequestProblem::NotKnown { api: R::API, profile: config.profile });
    }
    request.check(config.profile, &config.limits)
}
