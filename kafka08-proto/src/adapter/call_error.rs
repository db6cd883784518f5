//! How a call of a client can end without its response.

use std::{fmt, io, sync::Arc};

use crate::{
    connection::{ClientEvent, Closed, Fate, PROBE_IT, Progress, RedeemError, RequestError, SendError},
    ids::{Api, CorrelationId, HostPort},
    wire::DecodeError,
};

/// Why a call of a client has ended without its response.
///
/// [`CallError::fate`] says whether the broker may have acted on the request. If the transport has failed, the error of the
/// system is the [source](std::error::Error::source).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The request was not sent.
    NotSent(SendError),
    /// The request has no response to wait for, because it is a produce with acks = 0. It was not sent. Use
    /// `send_and_forget`.
    NoResponseExpected,
    /// The request has ended without a response.
    Failed {
        /// The address of the broker, if it is known.
        peer: Option<Arc<HostPort>>,
        /// The correlation id of the request.
        id: CorrelationId,
        /// The key and version of the request.
        api: Api,
        /// Why the request has ended.
        error: RequestError,
        /// How far the request had come when it ended.
        progress: Progress,
        /// Whether the broker may have acted on the request.
        fate: Fate,
        /// The error of the system, if the transport has failed.
        io: Option<Arc<io::Error>>,
    },
    /// The response cannot be decoded. The connection can still be used.
    Malformed {
        /// The address of the broker, if it is known.
        peer: Option<Arc<HostPort>>,
        /// The correlation id of the request.
        id: CorrelationId,
        /// What is wrong with the response.
        error: DecodeError,
        /// Whether the broker may have acted on the request.
        fate: Fate,
    },
    /// The connection has ended before all staged requests could be written.
    Closed(Closed),
    /// The response was taken already, or the request was given up, or another client has sent it.
    NotOutstanding(CorrelationId),
}

impl CallError {
    /// Whether the broker may have acted on the request.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Self::NotSent(_) | Self::NoResponseExpected => Fate::NotApplied,
            Self::Failed { fate, .. } | Self::Malformed { fate, .. } => *fate,
            // Nothing is known of the request by now, so the worst is said.
            Self::Closed(_) | Self::NotOutstanding(_) => Fate::MaybeApplied,
        }
    }

    /// The correlation id of the request, if it was given one.
    #[must_use]
    pub fn id(&self) -> Option<CorrelationId> {
        match self {
            Self::Failed { id, .. } | Self::Malformed { id, .. } | Self::NotOutstanding(id) => Some(*id),
            Self::NotSent(_) | Self::NoResponseExpected | Self::Closed(_) => None,
        }
    }

    /// The error for the call whose request this event ends. `None` if the event is not [`ClientEvent::Failed`].
    #[must_use]
    pub fn from_event(event: ClientEvent, peer: Option<&Arc<HostPort>>, io: Option<&Arc<io::Error>>) -> Option<Self> {
        match event {
            ClientEvent::Failed { id, api, error, progress, fate, .. } => {
                // A request that timed out did not fail for what happened to the transport before or after.
                let io = io.filter(|_| error.is_of_transport()).cloned();
                Some(Self::Failed { peer: peer.cloned(), id, api, error, progress, fate, io })
            }
            _ => None,
        }
    }

    /// The error for a call whose response could not be redeemed.
    #[must_use]
    pub fn from_redeem(id: CorrelationId, peer: Option<&Arc<HostPort>>, error: RedeemError) -> Self {
        match error {
            RedeemError::Malformed { error, fate } => Self::Malformed { peer: peer.cloned(), id, error, fate },
            RedeemError::NotMine(_) => Self::NotOutstanding(id),
        }
    }

    /// Writes the error beside the text of `closed`. If the request has failed with that connection, the text of `closed`
    /// says why, and says it once.
    pub(super) fn fmt_beside(&self, closed: Option<&Closed>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, closed) {
            (Self::Failed { peer, id, api, error: RequestError::Closed(reason), progress, fate, .. }, Some(closed))
                if *reason == closed.reason =>
            {
                write!(f, "{api} (request {}){} failed with the connection; {progress} ({fate})", id.0, To(peer))
            }
            _ => fmt::Display::fmt(self, f),
        }
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

/// " to broker1:9092", if it is known.
struct To<'a>(&'a Option<Arc<HostPort>>);

impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(peer) => write!(f, " to {peer}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => write!(f, "{error}"),
            Self::NoResponseExpected => {
                f.write_str("a produce with acks = 0 is never answered: use send_and_forget, or other acks")
            }
            Self::Failed { peer, id, api, error, progress, fate, .. } => {
                write!(f, "{api} (request {}){} failed: {error}; {progress}", id.0, To(peer))?;
                if let RequestError::TimedOut { .. } = error {
                    write!(f, ": {}", progress.advice())?;
                }
                write!(f, " ({fate})")
            }
            Self::Malformed { peer, id, error, fate } => {
                write!(f, "the answer to request {id:?}{} cannot be decoded: {error}; {PROBE_IT} ({fate})", To(peer))
            }
            Self::Closed(closed) => write!(f, "{closed}"),
            Self::NotOutstanding(id) => {
                write!(
                    f,
                    "request {id:?} has no answer to wait for: the answer was taken before, the request was given up, or another \
                     client sent it; wait once for each request, with the client that sent it"
                )
            }
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { io: Some(io), .. } => Some(io.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, time::Duration};

    use super::*;
    use crate::{
        connection::{ClientConfig, ClientConnection, Connection as _, Disconnect},
        ids::{ApiKey, ConnectionId},
    };

    #[test]
    fn what_the_system_said_is_the_source_of_a_failure_of_the_transport() {
        let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
        connection.handle_disconnect(Disconnect::Error(io::ErrorKind::BrokenPipe));
        let Some(ClientEvent::Closed(closed)) = connection.poll_event() else { panic!("it has ended") };
        let event = ClientEvent::Failed {
            connection: ConnectionId(0),
            id: CorrelationId(0),
            api: Api::v0(ApiKey::METADATA),
            error: RequestError::Closed(closed.reason),
            progress: Progress::Unanswered,
            fate: Fate::NotApplied,
        };
        let io = Arc::new(io::Error::from(io::ErrorKind::BrokenPipe));
        let error = CallError::from_event(event, None, Some(&io)).expect("it has failed");
        assert_eq!(error.source().map(ToString::to_string), Some(io.to_string()));
    }

    #[test]
    fn a_request_that_timed_out_did_not_fail_for_what_the_system_said() {
        let event = ClientEvent::Failed {
            connection: ConnectionId(0),
            id: CorrelationId(0),
            api: Api::v0(ApiKey::METADATA),
            error: RequestError::TimedOut { after: Duration::from_secs(1) },
            progress: Progress::Unanswered,
            fate: Fate::NotApplied,
        };
        let io = Arc::new(io::Error::from(io::ErrorKind::BrokenPipe));
        let error = CallError::from_event(event, None, Some(&io)).expect("it has failed");
        assert!(error.source().is_none(), "{error:?}");
    }
}
