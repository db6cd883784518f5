//! Why a response was not staged.

use std::fmt;

use crate::wire::EncodeError;

/// Why a response was not staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespondError {
    /// The call was ended before, is not of this connection, or the connection has ended. Drop the response.
    NotOpen,
    /// A call in front of it is not ended, so its bytes cannot be written yet. End that call first.
    NotFirst,
    /// The response is longer than the wire can hold. The call is still open: give it a smaller response, or close the
    /// connection.
    Encode(EncodeError),
}

impl fmt::Display for RespondError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => {
                f.write_str("the call is not open: it was ended before, or its connection is closed; drop the answer")
            }
            Self::NotFirst => f.write_str(
                "a call in front of it is not ended, and responses are written in order: end that call first",
            ),
            Self::Encode(error) => {
                write!(f, "{error}: the call is still open, give it a smaller answer or close the connection")
            }
        }
    }
}

impl std::error::Error for RespondError {}
