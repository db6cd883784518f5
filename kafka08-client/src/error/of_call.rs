//! How a call fails for the user of a handle.

use std::fmt;

use kafka08_proto::{
    api::RequestProblem,
    connection::{PrepareError, SendError},
    fate::Fate,
    ids::TopicPartition,
};

use super::CallFailure;

/// The most partitions that a text lists.
const LISTED: usize = 3;

/// Why a call to a cluster has failed, or has failed in parts. `T` is the response of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterCallError<T> {
    /// The request would lose data or hang, or names what brokers do not accept. It was not sent.
    Request(RequestProblem),
    /// The request is a produce with acks = 0, which is never answered. It was not sent.
    NoAnswer,
    /// As many calls are open as the client takes. The request was not sent.
    Busy,
    /// The whole call has failed.
    Failed(Box<CallFailure>),
    /// Some partitions have failed, or all.
    Partial {
        /// What brokers have answered, put together. The partitions that have failed are missing.
        response: Box<T>,
        /// The partitions that have no answer, with the reason. There is at least one.
        failed: Vec<(TopicPartition, CallFailure)>,
    },
}

impl<T> ClusterCallError<T> {
    /// What was answered, if anything was.
    #[must_use]
    pub fn response(&self) -> Option<&T> {
        if let Self::Partial { response, .. } = self { Some(response) } else { None }
    }

    /// What was answered, if anything was.
    #[must_use]
    pub fn into_response(self) -> Option<T> {
        if let Self::Partial { response, .. } = self { Some(*response) } else { None }
    }

    /// The partitions that have failed. Empty if the whole call has failed.
    #[must_use]
    pub fn failed(&self) -> &[(TopicPartition, CallFailure)] {
        if let Self::Partial { failed, .. } = self { failed } else { &[] }
    }

    /// Whether a broker may have acted on what has failed. The worst of all partitions.
    #[must_use]
    pub fn fate(&self) -> Fate {
        let is_maybe = match self {
            Self::Request(_) | Self::NoAnswer | Self::Busy => false,
            Self::Failed(failure) => failure.fate == Fate::MaybeApplied,
            Self::Partial { failed, .. } => failed.iter().any(|(_, failure)| failure.fate == Fate::MaybeApplied),
        };
        if is_maybe { Fate::MaybeApplied } else { Fate::NotApplied }
    }
}

impl<T> fmt::Display for ClusterCallError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(problem) => write!(f, "{}", SendError::Prepare(PrepareError::Problem(problem.clone()))),
            Self::NoAnswer => f.write_str("a produce with acks = 0 is never answered: use a producer, or other acks"),
            Self::Busy => f.write_str("not sent, too many calls are open: wait for some of them, then try again"),
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::Partial { failed, .. } => {
                write!(f, "{} failed: ", Partitions(failed.len()))?;
                for (n, (of, failure)) in failed.iter().take(LISTED).enumerate() {
                    f.write_str(if n == 0 { "" } else { "; " })?;
                    write!(f, "{of}: {failure}")?;
                }
                match failed.len().saturating_sub(LISTED) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
        }
    }
}

struct Partitions(usize);

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("1 partition has") } else { write!(f, "{} partitions have", self.0) }
    }
}

impl<T: fmt::Debug> std::error::Error for ClusterCallError<T> {}
