//! Why a probe could not find out a release, with a text that says what to do.

use std::{fmt, io, sync::Arc};

use super::api_versions::API_VERSIONS;
use crate::{
    connection::{CloseReason, Disconnect, Heard, Progress, RequestError, SendError},
    error_code::ErrorCode,
    ids::{Api, HostPort},
    wire::DecodeError,
};

/// Why a [`Probe`](super::Probe) did not find out the release of a broker. The text says what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undetermined {
    /// The address of the broker, if [`ClientConfig::with_peer`](crate::ClientConfig::with_peer) has set it.
    pub peer: Option<Arc<HostPort>>,
    /// What happened.
    pub reason: UndeterminedReason,
}

/// What kept a [`Probe`](super::Probe) from finding out the release of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UndeterminedReason {
    /// The driver could not connect. Probe again when a broker listens there.
    NotConnected(io::ErrorKind),
    /// The settings do not allow a request of the probe, for example because of `Limits::max_request`. Change them.
    NotSent(SendError),
    /// A request was not answered, and the connection did not end in a way that tells something about the release. Probe
    /// again, unless the text says that the peer speaks another protocol.
    NoAnswer {
        /// The request.
        api: Api,
        /// How the request ended.
        error: RequestError,
        /// How far the request had come.
        progress: Progress,
    },
    /// The peer closed a connection on ListOffsets and a second one on ApiVersions, and sent nothing on either. It is not a
    /// Kafka broker, or does not allow this client.
    NothingAnswered,
    /// The peer closed a connection on ListOffsets v0, and listed this request in its response to ApiVersions. Releases from
    /// 0.10 to 3.9 do so on a listener that requires authentication.
    KnownButRefused,
    /// The peer closed a connection on ListOffsets, and answered ApiVersions with an error. No release up to 4.1 does so.
    VersionsRefused(ErrorCode),
    /// A response could not be decoded. The peer is not a Kafka broker.
    Malformed {
        /// The request.
        api: Api,
        /// What is wrong with the response.
        error: DecodeError,
    },
}

impl fmt::Display for Undetermined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.peer {
            Some(peer) => write!(f, "the release of {peer} is unknown: {}", self.reason),
            None => write!(f, "the release is unknown: {}", self.reason),
        }
    }
}

/// The text is complete.
impl std::error::Error for Undetermined {}

impl fmt::Display for UndeterminedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(kind) => {
                write!(f, "no connection could be made ({kind}): check the address, and that a broker listens there")
            }
            Self::NotSent(error) => write!(f, "the settings do not allow a request of the probe: {error}"),
            Self::NoAnswer { api, error, progress } => no_answer(f, Name(*api), error, *progress),
            Self::NothingAnswered => f.write_str(
                "the peer closed one connection on ListOffsets v0 and another on ApiVersions v0, and sent nothing on either: it \
                 is not a Kafka broker, speaks TLS, requires authentication, does not allow this client, or was stopping; \
                 check the address and the port, then probe again",
            ),
            Self::KnownButRefused => f.write_str(
                "the broker closed the connection on ListOffsets v0, although it lists this request as known: it requires \
                 authentication (SASL), which Kafka 0.8 does not have, or it was stopping; use a listener without \
                 authentication, then probe again",
            ),
            Self::VersionsRefused(code) => write!(
                f,
                "the peer closed the connection on ListOffsets v0, and answered ApiVersions v0 with {code}: no release of Kafka \
                 up to 4.1 does so; look up the version on the broker's host"
            ),
            Self::Malformed { api, error } => write!(
                f,
                "the response to {} cannot be decoded ({error}): the peer is not a Kafka broker; check the address and the port",
                Name(*api)
            ),
        }
    }
}

/// The name of a request, also of ApiVersions, which has none in [`ApiKey`](crate::ids::ApiKey).
#[derive(Clone, Copy)]
struct Name(Api);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == API_VERSIONS { f.write_str("ApiVersions v0") } else { write!(f, "{}", self.0) }
    }
}

fn no_answer(f: &mut fmt::Formatter<'_>, asked: Name, error: &RequestError, progress: Progress) -> fmt::Result {
    let (how, heard) = match error {
        RequestError::TimedOut { after } => {
            return write!(
                f,
                "the peer did not answer {asked} within {after:?} ({progress}): it is overloaded, or not a Kafka broker; check \
                 the address and the port, or probe again with a longer request timeout"
            );
        }
        RequestError::Closed(CloseReason::Disconnected { how, heard, .. }) => (how, heard),
        // The bytes from the peer are not frames, or do not answer the request. The reason says what they look like.
        RequestError::Closed(reason) => return write!(f, "the peer did not answer {asked}: {reason}"),
    };
    match how {
        Disconnect::Eof => f.write_str("the peer closed the connection")?,
        Disconnect::Error(kind) => write!(f, "the connection failed ({kind})")?,
    }
    match (heard, progress) {
        (Heard::PartOfFrame { bytes }, _) => {
            write!(f, " after {bytes} bytes of its response to {asked}: the peer or the network stopped; probe again")
        }
        (_, Progress::NotSent | Progress::PartlySent) => {
            write!(f, " before {asked} was sent: the peer is stopping, or does not allow this client; probe again")
        }
        // This is no evidence: the connection failed, or the peer closed it on a request that it has answered before.
        _ => write!(f, " instead of answering {asked}: the peer is stopping, or the network failed; probe again"),
    }
}
