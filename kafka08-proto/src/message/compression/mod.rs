//! Decompression and compression of message sets.
//!
//! A [`Budget`] limits the number of decompressed bytes. The uncompressed size in the compressed data is checked before
//! memory is allocated.

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

/// The number of bytes that decompression may still produce. One budget applies to all wrappers of one response
/// together.
///
/// Create one budget for each response, from the [`Limits`] of the connection. Decompressing a wrapper subtracts the
/// number of produced bytes from the budget, even if the wrapper is damaged or too large.
#[derive(Clone, Debug)]
pub struct Budget {
    left: usize,
    /// The initial budget, in bytes. Used in errors and to choose buffer sizes.
    limit: usize,
}

impl Budget {
    /// Creates a budget with this number of bytes.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { left: bytes, limit: bytes }
    }

    /// The number of bytes that are left.
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

/// The reason why a wrapper cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateProblem {
    /// The compressed bytes do not have the codec's format, or are incomplete.
    Malformed,
    /// A checksum inside the compressed bytes does not match.
    Checksum,
    /// The uncompressed size in the compressed data is larger than the format allows.
    Ratio {
        /// The uncompressed size in the compressed data, in bytes.
        claimed: usize,
    },
    /// The decompressed set is larger than what is left of the [`Budget`].
    OverBudget {
        /// The initial budget, in bytes: `Limits::max_inflated`.
        limit: usize,
    },
    /// The codec is not compiled in: the crate feature of the same name is not enabled.
    MissingFeature,
}

impl fmt::Display for InflateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the compressed bytes are malformed"),
            Self::Checksum => f.write_str("a checksum in the compressed bytes does not match"),
            Self::Ratio { claimed } => write!(f, "it claims to expand to {claimed} bytes, more than its format allows"),
            Self::OverBudget { limit } => {
                write!(f, "it expands to more than the limit of {limit} bytes (Limits::max_inflated)")
            }
            Self::MissingFeature => {
                f.write_str("this build of kafka08-proto lacks the feature of that name: enable it")
            }
        }
    }
}

/// Decompresses message sets. Create one inflater and use it for all sets, because an inflater reuses its decompressors
/// and the memory of the last set.
///
/// While a set is decompressed, the memory in use is at most one and a half times the [`Budget`]. A decompressed set
/// uses memory of at most eight times its length, or 64 KiB if that is more. The next set reuses this memory if the set
/// and all `Bytes` that share its memory have been dropped.
#[derive(Default)]
pub struct Inflater {
    gzip: gzip::Inflate,
    snappy: snappy::Inflate,
    lz4: lz4::Inflate,
    lz4_header: Lz4Header,
    /// The memory of the last set. A caller may still hold it.
    spare: Bytes,
}

/// The header checksums of lz4 frames that an [`Inflater`] accepts. See the source of 0.8.2, `KafkaLZ4BlockInputStream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lz4Header {
    /// The checksum of 0.8.2 and the checksum of the LZ4 specification. For consumers, because later brokers send the
    /// second one.
    #[default]
    Any,
    /// Only the checksum of 0.8.2, as a broker of 0.8.2 does. A producer that writes the checksum of the specification
    /// then gets the same error as from that broker.
    Kafka,
}

impl Inflater {
    /// Creates an inflater. Decompressors are allocated on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the header checksums of lz4 frames that are accepted. Default: [`Lz4Header::Any`].
    #[must_use]
    pub fn with_lz4_header(mut self, accepted: Lz4Header) -> Self {
        self.lz4_header = accepted;
        self
    }

    /// Decompresses bytes, which need not be a message set. Use this method if you parse the entries yourself.
    /// [`Inflater::open`] does the same for a wrapper.
    ///
    /// # Errors
    /// Returns the reason why the bytes cannot be decompressed. The produced bytes are subtracted from the budget in any
    /// case. After [`InflateProblem::OverBudget`], the same bytes can be decompressed with another budget.
    pub fn inflate(&mut self, codec: Codec, compressed: &[u8], budget: &mut Budget) -> Result<Bytes, InflateProblem> {
        let mut to = Output::new(std::mem::take(&mut self.spare), budget.left, budget.limit);
        let done = match codec {
            Codec::Gzip => self.gzip.inflate(compressed, &mut to),
            Codec::Snappy => self.snappy.inflate(compressed, &mut to),
            #[cfg(feature = "lz4")]
            Codec::Lz4 if self.lz4_header == Lz4Header::Kafka && lz4::has_specified_header(compressed) => {
                Err(InflateProblem::Checksum)
            }
            Codec::Lz4 => self.lz4.inflate(compressed, &mut to),
        };
        // The bytes are also subtracted after an error, because the work was done. Otherwise a response with many
        // wrappers that are damaged at their ends would cause unlimited work.
        budget.left -= to.used();
        let (bytes, spare) = to.finish();
        self.spare = spare;
        done.map(|()| bytes)
    }

    /// Decompresses the set of a wrapper. If entries of that set are wrappers, these are not decompressed.
    ///
    /// # Errors
    /// The problem is always [`MessageProblem::Inflate`]. The entries after the wrapper can still be read. After
    /// [`InflateProblem::OverBudget`], the wrapper can be decompressed with another budget.
    pub fn open(&mut self, wrapper: &Wrapper<'_>, budget: &mut Budget) -> Result<MessageSet, MessageError> {
        let Wrapper { offset, codec, value, at, origin } = *wrapper;
        match self.inflate(codec, value, budget) {
            Ok(bytes) => Ok(MessageSet::new(bytes, origin)),
            Err(problem) => Err(MessageError { offset, at, problem: MessageProblem::Inflate { codec, problem } }),
        }
    }
}

/// Compresses message sets. Create one deflater and use it for all sets, because a deflater reuses its compressors.
#[derive(Default)]
pub struct Deflater {
    gzip: gzip::Deflate,
    snappy: snappy::Deflate,
    lz4: lz4::Deflate,
}

/// Compression with this codec is not compiled in: the crate feature of the same name is not enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingFeature(pub Codec);

impl fmt::Display for MissingFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this build of kafka08-proto lacks the feature \"{}\": enable it, or use another codec", self.0)
    }
}

impl std::error::Error for MissingFeature {}

impl Deflater {
    /// Creates a deflater. Compressors are allocated on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses bytes, in the framing that Kafka 0.8 expects for the codec. The result is the value of a wrapper; see
    /// [`EntryWriter::write_wrapper`](super::EntryWriter::write_wrapper).
    ///
    /// [`MessageSetBuilder::build_compressed`](super::MessageSetBuilder::build_compressed) compresses the messages of a
    /// builder.
    ///
    /// # Errors
    /// Returns an error if the codec is not compiled in.
    pub fn deflate(&mut self, codec: Codec, plain: &[u8]) -> Result<Vec<u8>, MissingFeature> {
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
