//! Why a request was not prepared.

use std::fmt;

use crate::{api::RequestProblem, wire::EncodeError};

/// Why a request was not prepared. Nothing was sent. Change the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareError {
    /// The request is legal on the wire, but would lose data or hang.
    Problem(RequestProblem),
    /// The request holds something longer than the wire can say.
    Encode(EncodeError),
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => write!(f, "the request was refused before it was sent: {problem}"),
            Self::Encode(error) => write!(f, "the request cannot be encoded: {error}: shorten it"),
        }
    }
}

impl std::error::Error for PrepareError {}
