//! A request encoded once, to be sent as often as it takes.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::ClientConfig;
use crate::{
    api::{Request, RequestProblem},
    ids::Api,
    wire::{Chunks, EncodeError, Encoder},
};

/// A body that is encoded, with what a connection must know of it.
///
/// Header, client id and correlation id come from the connection, so that a retry on another connection only renumbers.
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) api: Api,
    pub(crate) body: Chunks,
    pub(crate) reply: Reply,
    pub(crate) changes_state: bool,
    pub(crate) server_wait: Duration,
    pub(crate) timeout: Option<Duration>,
}

/// Whether a broker answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It does.
    Expected,
    /// It does not: a produce with acks = 0.
    None,
}

/// Why a request was not prepared. Nothing was sent; mend the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareError {
    /// It is legal on the wire, and would lose data or hang.
    Problem(RequestProblem),
    /// It does not fit the wire.
    Encode(EncodeError),
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(_) => f.write_str("the request was refused before it was sent"),
            Self::Encode(_) => f.write_str("the request cannot be encoded"),
        }?;
        write!(f, ": {}", std::error::Error::source(self).expect("both kinds have a source"))
    }
}

impl std::error::Error for PrepareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Encode(error) => Some(error),
        }
    }
}

impl Prepared {
    /// Encodes a request as it is: nothing but what the wire cannot hold is refused.
    ///
    /// # Errors
    /// The request does not fit the wire.
    pub fn new<R: Request>(request: &R) -> Result<Self, EncodeError> {
        let mut encoder = Encoder::new();
        request.encode(&mut encoder)?;
        Ok(Self {
            api: R::API,
            body: encoder.finish(),
            reply: if request.expects_response() { Reply::Expected } else { Reply::None },
            changes_state: request.changes_state(),
            server_wait: request.server_wait(),
            timeout: None,
        })
    }

    /// Checks a request, by the broker's profile and as [`Request::check`] does, and encodes it.
    ///
    /// # Errors
    /// The request would lose data or hang, or does not fit the wire.
    pub fn checked<R: Request>(request: &R, config: &ClientConfig) -> Result<Self, PrepareError> {
        if !config.profile.knows(R::API) {
            return Err(PrepareError::Problem(RequestProblem::NotKnown { api: R::API, profile: config.profile }));
        }
        request.check(config.profile, &config.limits).map_err(PrepareError::Problem)?;
        Self::new(request).map_err(PrepareError::Encode)
    }

    /// Any bytes under any key: for proxies, tests and requests this crate does not know. It counts as one that changes
    /// the broker's state.
    #[must_use]
    pub fn raw(api: Api, body: Bytes, reply: Reply) -> Self {
        Self { api, body: body.into(), reply, changes_state: true, server_wait: Duration::ZERO, timeout: None }
    }

    /// With a timeout of its own instead of the connection's. What the broker may rightly wait is added to either.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Its key and version.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api
    }

    /// Whether the broker will answer.
    #[must_use]
    pub fn reply(&self) -> Reply {
        self.reply
    }

    /// Its body's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Bytes of the body that are copied behind the header when it is sent.
    pub(crate) fn small_len(&self) -> usize {
        self.body.small_len()
    }

    /// Whether its body has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
