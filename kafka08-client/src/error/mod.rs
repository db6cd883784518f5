//! How calls to a cluster fail.

mod bootstrap;
mod of_call;

use std::{fmt, sync::Arc};

use kafka08_proto::{
    HostPort,
    api::LeaderProblem,
    connection::{Progress, RequestError, SendError},
    error_code::ErrorCode,
    fate::Fate,
    ids::NodeId,
    wire::DecodeError,
};

pub use bootstrap::BootstrapError;
pub use of_call::ClusterCallError;

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
    /// The deadline has passed before a broker has answered where the partition is.
    NoMetadata {
        /// Who was asked last. `None` if nobody could be asked.
        asked: Option<HostPort>,
    },
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
        error: Box<RequestError>,
        /// How far the request had come.
        progress: Progress,
        /// What the system has said of the connection, if reading or writing has failed.
        said: Option<Arc<str>>,
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
    /// The broker did not answer for a time, so another one was to be asked.
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
    /// Nothing moves the bytes of the client any more: its task was aborted or has panicked, or its runtime was shut down.
    Abandoned,
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

impl CallFailure {
    /// Creates the failure of a call that was made after its client was closed.
    #[must_use]
    pub fn closed() -> Self {
        Self { cause: Cause::Closed, attempts: 0, fate: Fate::NotApplied }
    }

    /// Creates the failure of a call that nobody drives any more. How often it was sent is not known.
    #[must_use]
    pub fn abandoned(fate: Fate) -> Self {
        Self { cause: Cause::Abandoned, attempts: 0, fate }
    }
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
            Self::NoLeader(problem) => write_leader_problem(f, *problem),
            Self::NoMetadata { asked } => {
                f.write_str("no broker has answered before the deadline of the call where the partition is")?;
                match asked {
                    Some(asked) => write!(f, "; {asked} was asked last: look whether it answers"),
                    None => f.write_str("; none could be asked"),
                }
            }
            Self::Endpoint { node, problem } => {
                write!(
                    f,
                    "broker {node} advertises an address that cannot be used: {problem}; correct advertised.host.name and advertised.port of that broker, or set an endpoint filter"
                )
            }
            Self::Request { peer, error, progress, said } => {
                write!(f, "the request to {peer} failed: {error}; {progress}")?;
                said.as_ref().map_or(Ok(()), |said| write!(f, "; the system says: {said}"))
            }
            Self::Malformed { peer, error } => write!(f, "the answer of {peer} cannot be decoded: {error}"),
            Self::Unanswered { peer } => write!(f, "{peer} has not answered before the deadline of the call"),
            Self::Incomplete => f.write_str("the broker has answered without this partition, or with a part of its first message only"),
            Self::Silent { peer } => write!(f, "{peer} did not answer for a time, so another broker was to be asked"),
            Self::NotSent(error) => write!(f, "{error}"),
            Self::Release { peer, found } => write!(f, "{peer} does not know the request: it is {found}"),
            Self::DeadlinePassed => f.write_str("the deadline has passed before the request could be sent"),
            Self::Closed => f.write_str("the client was closed"),
            Self::Abandoned => f.write_str(
                "the client's task has ended: its runtime was shut down, or the task was aborted or has panicked; create another client",
            ),
        }
    }
}

/// What a user of a client can do, who does not ask for metadata himself.
fn write_leader_problem(f: &mut fmt::Formatter<'_>, problem: LeaderProblem) -> fmt::Result {
    match problem {
        LeaderProblem::TopicMissing => f.write_str("no broker knows the topic: check its name, or create it"),
        LeaderProblem::NoSuchPartition => f.write_str("the topic has no such partition: check the number"),
        LeaderProblem::NoLeader(ErrorCode::NONE) => f.write_str(
            "the partition has no leader: its brokers are down, or an election goes on; try again after a pause",
        ),
        LeaderProblem::BrokerMissing(node) => {
            write!(f, "broker {node} is not in the metadata: check that it runs, or try again after a pause")
        }
        LeaderProblem::TopicRefused(code) => write!(f, "the topic has {code}; {}", code.advice()),
        LeaderProblem::NoLeader(code) => write!(f, "the partition has {code}; {}", code.advice()),
        other => write!(f, "metadata names no usable leader ({other:?})"),
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, attempts, fate } = self;
        write!(f, "{cause} ({attempts} attempts, {fate})")
    }
}

impl std::error::Error for CallFailure {}
