//! A request encoded once, to be sent as often as it takes.

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

/// A body that is encoded, with what a connection must know of it.
///
/// Header, client id and correlation id come from the connection, so that a retry on another connection only renumbers.
/// Cloning is cheap.
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
    /// Encodes a request as it is: nothing but what the wire cannot hold is refused.
    ///
    /// # Errors
    /// The request does not fit the wire.
    pub fn new<R: Request>(request: &R) -> Result<Self, EncodeError> {
        let mut encoder = Encoder::with_capacity(SMALL_BODY);
        request.encode(&mut encoder)?;
        Ok(Self { terms: Terms::of(request), body: encoder.finish(), client_id: ClientId::OfConnection })
    }

    /// Checks a request, by the broker's profile and as [`Request::check`] does, and encodes it.
    ///
    /// # Errors
    /// The request would lose data or hang, or does not fit the wire.
    pub fn checked<R: Request>(request: &R, config: &ClientConfig) -> Result<Self, PrepareError> {
        check(request, config).map_err(PrepareError::Problem)?;
        Self::new(request).map_err(PrepareError::Encode)
    }

    /// Any bytes under any key, answered or not as `reply` says: for tests and requests this crate does not know. It counts
    /// as one that changes the broker's state, and that the broker answers without waiting.
    #[must_use]
    pub fn raw(api: Api, body: Bytes, reply: Reply) -> Self {
        // Of bytes that are not understood the worst is assumed: sending them again may do something twice.
        let traits = RequestTraits { reply, changes_state: true, server_wait: Duration::ZERO };
        Self { terms: Terms::new(api, traits), body: body.into(), client_id: ClientId::OfConnection }
    }

    /// A request as it came to a server, to be sent on: for proxies. Its body is not decoded, its client id stays, and how
    /// long the broker may take to answer, if at all, is read from its first bytes ([`RequestFrame::traits`]).
    #[must_use]
    pub fn forward(request: &RequestFrame) -> Self {
        let client_id = ClientId::Original(request.header.client_id.clone());
        let terms = Terms::new(request.header.api, request.traits());
        Self { terms, body: request.body.clone().into(), client_id }
    }

    /// With a timeout of its own instead of the connection's. The request's `server_wait` is added to either.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.terms.timeout = Some(timeout);
        self
    }

    /// With the time of the call that asked for it, from which its deadline runs: time that it spends in a channel counts.
    /// Otherwise the deadline runs from the time at which it is given to the connection.
    #[must_use]
    pub fn called_at(mut self, at: Instant) -> Self {
        self.terms.called_at = Some(at);
        self
    }

    /// The time of the call that asked for it, if that was said.
    #[must_use]
    pub fn called(&self) -> Option<Instant> {
        self.terms.called_at
    }

    /// Its own timeout, if it has one.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.terms.timeout
    }

    /// How long the broker may rightly take before it answers.
    #[must_use]
    pub fn server_wait(&self) -> Duration {
        self.terms.traits.server_wait
    }

    /// Its key and version.
    #[must_use]
    pub fn api(&self) -> Api {
        self.terms.api
    }

    /// Whether the broker will answer.
    #[must_use]
    pub fn reply(&self) -> Reply {
        self.terms.traits.reply
    }

    /// Its body's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether its body has no bytes.
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
