//! How calls to a cluster fail.

use std::{fmt, sync::Arc};

use kafka08_proto::{
    HostPort,
    api::LeaderProblem,
    connection::{Progress, RequestError, SendError},
    fate::Fate,
    ids::NodeId,
    wire::DecodeError,
};

/// Why one partition of a call, or a whole call, has failed, and what is known of its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallFailure {
    /// Why the last attempt has failed, or why there was none.
    pub cause: Cause,
    /// How many times the request was sent.
    pub attempts: u32,
    /// Whether a broker may have acted on the request, over all attempts.
    pub fate: Fate,
}

/// Why an attempt has failed, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// No broker could be connected to. Lists what happened at each address.
    Unreachable(Arc<Unreachable>),
    /// Metadata names no leader that can be used.
    NoLeader(LeaderProblem),
    /// The broker is listed with an address that cannot be used.
    Endpoint {
        /// The broker.
        node: NodeId,
        /// What is wrong with its address.
        problem: EndpointProblem,
    },
    /// A request was sent, and ended without an answer.
    Request {
        /// The broker's address.
        peer: HostPort,
        /// Why the request ended.
        error: RequestError,
        /// How far the request had come.
        progress: Progress,
    },
    /// The answer cannot be decoded.
    Malformed {
        /// The broker's address.
        peer: HostPort,
        /// What is wrong with the answer.
        error: DecodeError,
    },
    /// The deadline of the call has passed before the request was answered.
    Unanswered {
        /// The broker's address.
        peer: HostPort,
    },
    /// The answer lacks the partition.
    Incomplete,
    /// The broker did not answer for a time, and another broker leads the partition by now.
    Silent {
        /// The broker's address.
        peer: HostPort,
    },
    /// The request was refused before it was sent: it would lose data or hang, or it does not fit the wire.
    NotSent(SendError),
    /// The release of the broker does not know the request.
    Release {
        /// The broker's address.
        peer: HostPort,
        /// What was found out about its release.
        found: String,
    },
    /// The deadline has passed before an attempt could be made: the request waited for a connection, for metadata, or
    /// for the coordinator.
    DeadlinePassed,
    /// The cluster was closed.
    Closed,
}

/// What happened at each address that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Unreachable {
    /// The last failure of each address, in the order of first trying.
    pub attempts: Vec<(HostPort, Arc<str>)>,
}

/// Why a broker's address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointProblem {
    /// The port is not between 1 and 65535.
    Port(i32),
    /// The host is empty, too long, or has characters that no host name has.
    Host,
    /// The endpoint filter of the settings refuses it.
    Refused,
}

impl fmt::Display for EndpointProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "port {port} is not between 1 and 65535"),
            Self::Host => f.write_str("the host is not a host name"),
            Self::Refused => f.write_str("the endpoint filter refuses it"),
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no broker could be reached")?;
        for (n, (_, reason)) in self.attempts.iter().enumerate() {
            write!(f, "{}{reason}", if n == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(all) => write!(f, "{all}"),
            Self::NoLeader(problem) => write!(f, "metadata names no usable leader ({problem:?})"),
            Self::Endpoint { node, problem } => {
                write!(
                    f,
                    "broker {node} advertises an address that cannot be used: {problem}; correct advertised.host.name and advertised.port of that broker, or set an endpoint filter"
                )
            }
            Self::Request { peer, error, progress } => write!(f, "the request to {peer} failed: {error}; {progress}"),
            Self::Malformed { peer, error } => write!(f, "the answer of {peer} cannot be decoded: {error}"),
            Self::Unanswered { peer } => write!(f, "{peer} has not answered before the deadline of the call"),
            Self::Incomplete => f.write_str("the broker has answered without this partition"),
            Self::Silent { peer } => write!(f, "{peer} did not answer, and is not the leader any more"),
            Self::NotSent(error) => write!(f, "{error}"),
            Self::Release { peer, found } => write!(f, "{peer} does not know the request: it is {found}"),
            Self::DeadlinePassed => f.write_str("the deadline has passed before the request could be sent"),
            Self::Closed => f.write_str("the client was closed"),
        }
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, attempts, fate } = self;
        write!(f, "{cause} ({attempts} attempts, {fate})")
    }
}

impl std::error::Error for CallFailure {}
