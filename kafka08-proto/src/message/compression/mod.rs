//! Opening and making compressed sets.
//!
//! Everything here is bounded by a [`Budget`]: what a few bytes can claim to become is checked before it is allocated.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(not(all(feature = "gzip", feature = "snappy", feature = "lz4")))]
mod missing;
mod output;
#[cfg(feature = "snappy")]
mod snappy;

use std::fmt;

use bytes::Bytes;
#[cfg(not(feature = "gzip"))]
use missing as gzip;
#[cfg(not(feature = "lz4"))]
use missing as lz4;
#[cfg(not(feature = "snappy"))]
use missing as snappy;

use self::output::Output;
use super::{Codec, MessageError, MessageProblem, MessageSet, Wrapper};
use crate::limits::Limits;

/// How many bytes may still come out of decompression: of one wrapper, and of all of a response together.
///
/// Make one for each response, from its connection's [`Limits`]; each wrapper that is opened takes from it what was inflated,
/// also if it turns out to be damaged or too large.
#[derive(Clone, Debug)]
pub struct Budget {
    left: usize,
    limit: usize,
}

impl Budget {
    /// A budget of this many bytes.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { left: bytes, limit: bytes }
    }

    /// What is left, in bytes.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }
}

impl From<&Limits> for Budget {
    fn from(limits: &Limits) -> Self {
        Self::new(limits.max_inflated)
    }
}

/// Why a wrapper could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateProblem {
    /// The compressed bytes are not what the codec allows, or end early.
    Malformed,
    /// A checksum inside the compressed bytes does not match.
    Checksum,
    /// The compressed bytes claim to hold more than their format can.
    Ratio {
        /// What they claim, in bytes.
        claimed: usize,
    },
    /// They hold more than the [`Budget`] had left.
    OverBudget {
        /// The whole budget, in bytes: `Limits::max_inflated`.
        limit: usize,
    },
    /// This build cannot read the codec: it lacks the crate feature of that name.
    MissingFeature,
}

impl fmt::Display for InflateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the compressed bytes are malformed"),
            Self::Checksum => f.write_str("a checksum in the compressed bytes does not match"),
            Self::Ratio { claimed } => write!(f, "it claims to become {claimed} bytes, more than its format can"),
            Self::OverBudget { limit } => {
                write!(f, "it becomes larger than what is allowed of {limit} bytes (Limits::max_inflated)")
            }
            Self::MissingFeature => f.write_str("this build of kafka08-proto lacks the feature of that name"),
        }
    }
}

/// Opens compressed sets. It keeps its decompressors and the memory of the last set: make one and use it for all.
///
/// While a set is opened, at most one and a half times the [`Budget`] is held. Afterwards a set holds at most eight times its
/// length, or 64 KiB; the same memory serves for the next one if the set and all that shares its memory are gone by then.
#[derive(Default)]
pub struct Inflater {
    gzip: gzip::Inflate,
    snappy: snappy::Inflate,
    lz4: lz4::Inflate,
    /// The memory of the last set, which may still be held.
    spare: Bytes,
}

impl Inflater {
    /// Creates an inflater. Decompressors are made on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decompresses a wrapper's set. Its entries may be wrappers again; who opens those decides how deep to go.
    ///
    /// # Errors
    /// The problem is always [`MessageProblem::Inflate`]. The set around the wrapper can be read on. Of
    /// [`InflateProblem::OverBudget`] the wrapper is not to blame: it can be opened with another budget.
    pub fn open(&mut self, wrapper: &Wrapper<'_>, budget: &mut Budget) -> Result<MessageSet, MessageError> {
        let mut to = Output::new(std::mem::take(&mut self.spare), budget.left, budget.limit);
        let done = match wrapper.codec {
            Codec::Gzip => self.gzip.inflate(wrapper.value, &mut to),
            Codec::Snappy => self.snappy.inflate(wrapper.value, &mut to),
            Codec::Lz4 => self.lz4.inflate(wrapper.value, &mut to),
        };
        // The work was done, whatever came of it.
        budget.left -= to.used();
        let (bytes, spare) = to.finish();
        self.spare = spare;
        match done {
            Ok(()) => Ok(MessageSet::new(bytes, wrapper.origin)),
            Err(problem) => Err(MessageError {
                offset: wrapper.offset,
                at: wrapper.at,
                problem: MessageProblem::Inflate { codec: wrapper.codec, problem },
            }),
        }
    }
}

/// Compresses sets. It keeps its compressors: make one and use it for all.
#[derive(Default)]
pub struct Deflater {
    gzip: gzip::Deflate,
    snappy: snappy::Deflate,
    lz4: lz4::Deflate,
}

/// This build cannot write a codec: it lacks the crate feature of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingFeature(pub Codec);

impl fmt::Display for MissingFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this build of kafka08-proto lacks the feature \"{}\"", self.0)
    }
}

impl std::error::Error for MissingFeature {}

impl Deflater {
    /// Creates a deflater. Compressors are made on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses, in the framing that Kafka 0.8 wants of each codec.
    pub(super) fn deflate(&mut self, codec: Codec, plain: &[u8]) -> Result<Vec<u8>, MissingFeature> {
        match codec {
            Codec::Gzip => self.gzip.deflate(plain),
            Codec::Snappy => self.snappy.deflate(plain),
            Codec::Lz4 => self.lz4.deflate(plain),
        }
        .ok_or(MissingFeature(codec))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}
