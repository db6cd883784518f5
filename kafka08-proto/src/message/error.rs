//! What is wrong with one message of a set.

use std::fmt;

use super::{Codec, InflateProblem};
use crate::ids::Offset;

/// One entry of a message set that cannot be used.
///
/// Unless the problem is [`MessageProblem::Size`], the entries behind it are still read. A stored message stays as it is:
/// fetching again brings the same bytes, so a consumer either stops here or goes on at the next offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageError {
    /// The offset that the entry itself claims. In a zero-filled tail it is 0 and means nothing.
    pub offset: Offset,
    /// Where the entry begins, in bytes from the set's start. For a message inside a compressed entry that set is the one
    /// inside, when decompressed.
    pub at: usize,
    /// What is wrong with it.
    pub problem: MessageProblem,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageProblem {
    /// The checksum does not match: the message was damaged at rest or on its way.
    Crc {
        /// The checksum that the message carries.
        stored: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// The size is below 14 bytes, which no message has. Nothing behind it can be found.
    Size(i32),
    /// The layout is one of a later release. From format 2 on its checksum is not looked at, for it stands elsewhere.
    ///
    /// Format 1 inside a compressed set is stored by brokers of 0.8.2 as it comes, and format 2 is sent unconverted by some
    /// later brokers as the mark that ends a transaction. Neither is damage.
    Magic(i8),
    /// The attributes name a codec that does not exist.
    Codec(u8),
    /// The key's length does not fit the message.
    KeyLength(i32),
    /// The value's length does not fit the message.
    ValueLength(i32),
    /// A compressed set could not be opened.
    Inflate {
        /// How it is compressed.
        codec: Codec,
        /// Why not.
        problem: InflateProblem,
    },
    /// A compressed set inside a compressed set. Brokers of 0.8 flatten what they get; 0.9.0.1 stores it as it comes.
    Nested,
    /// The offset does not follow the one before, as those of a fetched set do, or lies in front of the one asked for. It
    /// does not move the position.
    NotAscending {
        /// The offset of the entry before, or the one in front of what was asked for.
        after: Offset,
    },
    /// The offset lies at or above the end that the reader was given: the answer's high watermark, or inside a compressed
    /// entry the offset behind that entry's. It does not move the position.
    AboveEnd {
        /// The offset that all entries lie below.
        end: Offset,
    },
    /// A compressed set ends in the middle of a message: the producer wrote it so, and what is cut off was never stored.
    CutInside,
    /// The offsets inside a compressed entry neither end at the entry's own nor can be made to: the messages cannot be placed.
    InnerOffsets {
        /// Messages inside.
        messages: usize,
        /// The offset of the last of them.
        last: Offset,
    },
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message at offset {} (byte {} of its set) ", self.offset, self.at)?;
        match self.problem {
            MessageProblem::Crc { stored, computed } => {
                write!(f, "is damaged: its checksum is {stored:08x}, its bytes give {computed:08x}")
            }
            MessageProblem::Size(n) => write!(f, "claims a size of {n}: the rest of the set cannot be read"),
            MessageProblem::Magic(n) => write!(f, "has format {n}, which Kafka 0.8 does not know"),
            MessageProblem::Codec(n) => write!(f, "is compressed with codec {n}, which Kafka 0.8 does not know"),
            MessageProblem::KeyLength(n) => write!(f, "claims a key of {n} bytes, which it does not hold"),
            MessageProblem::ValueLength(n) => write!(f, "claims a value of {n} bytes, which it does not hold"),
            MessageProblem::Inflate { codec, problem } => {
                write!(f, "is compressed with {codec} and cannot be opened: {problem}")
            }
            MessageProblem::Nested => f.write_str("is a compressed set inside a compressed set"),
            MessageProblem::NotAscending { after } => write!(f, "stands behind offset {after}"),
            MessageProblem::AboveEnd { end } => write!(f, "has an offset that is not below {end}, where the log ends"),
            MessageProblem::CutInside => f.write_str("is a compressed set that ends in the middle of a message"),
            MessageProblem::InnerOffsets { messages, last } => {
                write!(
                    f,
                    "is a compressed set of {messages} messages whose last offset is {last}: they cannot be placed"
                )
            }
        }
    }
}

impl std::error::Error for MessageError {}
