//! Why a body could not be read.

use std::fmt;

/// A body does not have the layout that its API and version say.
///
/// Only the request it belongs to is concerned; the connection's framing is intact. Asking again would bring the same
/// bytes, unless the peer is not what it seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeError {
    /// The body that was read, for example "Metadata response".
    pub body: &'static str,
    /// The field at which it failed.
    pub field: &'static str,
    /// Where the field begins, in bytes from the body's start.
    pub at: usize,
    /// What is wrong there.
    pub problem: DecodeProblem,
}

impl DecodeError {
    /// The error that `field` of `body`, which begins `at` bytes behind the body's start, has this problem.
    #[must_use]
    pub const fn new(body: &'static str, field: &'static str, at: usize, problem: DecodeProblem) -> Self {
        Self { body, field, at, problem }
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeProblem {
    /// The body ends before the field does.
    Truncated {
        /// Bytes the field takes.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A length or a count below zero where null is not allowed.
    Negative(i32),
    /// An array claims more elements than the bytes that are left could hold.
    CountTooLarge {
        /// Elements claimed.
        count: usize,
        /// Elements that fit into what is left.
        fit: usize,
    },
    /// A string is not UTF-8.
    NotUtf8,
    /// A number that is none of those the field may have.
    OutOfRange(i64),
    /// Bytes follow the body. Only [`Body::decode_strict`](crate::api::Body::decode_strict) minds.
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
                write!(f, "claims {}, what is left can hold {fit}", Count(*count, "element"))
            }
            DecodeProblem::NotUtf8 => f.write_str("is not UTF-8"),
            DecodeProblem::OutOfRange(n) => write!(f, "is {n}, which it may not be"),
            DecodeProblem::Trailing(n) => write!(f, "is followed by {} too many", Count(*n, "byte")),
        }
    }
}

/// A number of things, in words: "1 byte", "2 bytes".
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

impl std::error::Error for DecodeError {}
