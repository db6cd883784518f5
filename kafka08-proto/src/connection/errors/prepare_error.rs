//! Why a request was not prepared.

use std::fmt;

use crate::{api::RequestProblem, wire::EncodeError};

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
            Self::Problem(problem) => write!(f, "the request was refused before it was sent: {problem}"),
            Self::Encode(error) => write!(f, "the request cannot be encoded: {error}"),
        }
    }
}

impl std::error::Error for PrepareError {}
