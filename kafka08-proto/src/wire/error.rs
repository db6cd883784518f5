//! The error of a body that cannot be decoded.

use std::fmt;

/// A body does not have the layout of its API and version.
///
/// The error concerns this body only: the frames behind it can still be read. Do not send the request again, because
/// the peer would send the same bytes again; it may speak another version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeError {
    /// The body that was read, for example "Metadata response".
    pub body: &'static str,
    /// The field that could not be read.
    pub field: &'static str,
    /// The position at which the field begins, in bytes from the start of the body.
    pub at: usize,
    /// The problem with the field.
    pub problem: DecodeProblem,
}

impl DecodeError {
    /// Creates the error for a problem with `field`, which begins `at` bytes behind the start of `body`.
    #[must_use]
    pub const fn new(body: &'static str, field: &'static str, at: usize, problem: DecodeProblem) -> Self {
        Self { body, field, at, problem }
    }
}

/// The problem with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeProblem {
    /// The body ends before the field does.
    Truncated {
        /// The number of bytes that the field needs.
        needed: usize,
        /// The number of bytes that are left in the body.
        left: usize,
    },
    /// A length or a count is negative, and not the -1 of a null that the field allows.
    Negative(i32),
    /// An array claims more elements than the rest of the body can hold.
    CountTooLarge {
        /// The number of elements that the array claims.
        count: usize,
        /// The number of elements that the rest of the body can hold.
        fit: usize,
    },
    /// A string is not UTF-8, or is too long once its invalid bytes are replaced.
    NotUtf8,
    /// A number is not one of the values that the field allows.
    OutOfRange(i64),
    /// This many bytes follow the body. Only [`Body::decode_strict`](crate::api::Body::decode_strict) reports it.
    Trailing(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, field, at, problem } = self;
        write!(f, "malformed {body}: {field} at byte {at} ")?;
        match problem {
            DecodeProblem::Truncated { needed, left } => {
                write!(f, "needs {}, {left} {} left", Count(*needed, "byte"), if *left == 1 { "is" } else { "are" })
            }
            DecodeProblem::Negative(n) => write!(f, "is {n}, which is neither a length nor null"),
            DecodeProblem::CountTooLarge { count, fit } => {
                write!(f, "claims {}, but the rest of the body can hold only {fit}", Count(*count, "element"))
            }
            DecodeProblem::NotUtf8 => f.write_str("is not UTF-8"),
            DecodeProblem::OutOfRange(n) => write!(f, "is {n}, which is not allowed"),
            DecodeProblem::Trailing(n) => write!(f, "is followed by {} too many", Count(*n, "byte")),
        }
    }
}

/// A number with its noun: "1 byte", "2 bytes".
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

impl std::error::Error for DecodeError {}
