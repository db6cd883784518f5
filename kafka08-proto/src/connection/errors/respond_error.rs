//! Why an answer was not taken.

use std::fmt;

use crate::wire::EncodeError;

/// Why an answer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespondError {
    /// The call was ended before, is not of this connection, or the connection is closed. Drop the answer.
    NotOpen,
    /// The answer does not fit the wire. The call is still open: answer something smaller, or close.
    Encode(EncodeError),
}

impl fmt::Display for RespondError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => {
                f.write_str("the call is not open: it was ended before, or its connection is closed; drop the answer")
            }
            Self::Encode(error) => {
                write!(f, "{error}: the call is still open, give it a smaller answer or close the connection")
            }
        }
    }
}

impl std::error::Error for RespondError {}
