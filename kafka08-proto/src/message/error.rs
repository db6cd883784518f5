//! The error of one entry of a message set.

use std::fmt;

use super::{Codec, InflateProblem};
use crate::ids::Offset;

/// An entry of a message set is invalid or cannot be read.
///
/// The later entries can still be read, unless the problem is [`MessageProblem::Size`]. A broker does not repair a
/// stored message, so another fetch returns the same bytes. A consumer either stops, or continues at the next offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageError {
    /// The offset in the entry. If the entry consists of zeros, this offset has no meaning.
    pub offset: Offset,
    /// The position of the entry, in bytes from the start of its set. For a message in a compressed set, the position
    /// is in the decompressed set.
    pub at: usize,
    /// The problem with the entry.
    pub problem: MessageProblem,
}

/// The problem with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageProblem {
    /// The checksum does not match: the message was damaged in storage or during transfer.
    Crc {
        /// The checksum in the message.
        stored: u32,
        /// The checksum of the message's bytes.
        computed: u32,
    },
    /// The size is below 14 bytes, the size of the smallest message. The later entries cannot be found.
    Size(i32),
    /// The message has the format of a later release. In format 2 and later, the checksum is at a different position
    /// and is not verified.
    ///
    /// This is not damage. Brokers of 0.8.2 store messages of format 1 in a compressed set unchanged. Some later
    /// brokers send the end marker of a transaction in format 2 without conversion.
    Magic(i8),
    /// The attributes contain a codec that Kafka 0.8 does not support.
    Codec(u8),
    /// The key's length does not fit the message.
    KeyLength(i32),
    /// The value's length does not fit the message.
    ValueLength(i32),
    /// A compressed set could not be decompressed.
    Inflate {
        /// The codec.
        codec: Codec,
        /// The problem with the compressed bytes.
        problem: InflateProblem,
    },
    /// A compressed set contains another compressed set. Brokers of 0.8 flatten such sets; 0.9.0.1 stores them
    /// unchanged.
    Nested,
    /// In a fetched set, the entry's offset is not higher than the offset of the previous entry, or is lower than the
    /// requested offset. The next offset to fetch does not change.
    NotAscending {
        /// The entry's offset must be higher than this offset.
        after: Offset,
    },
    /// The entry's offset is not below the end that the caller set, usually the high watermark of the response. For a
    /// message in a compressed set: its offset is higher than the wrapper's offset. The next offset to fetch does not
    /// change.
    AboveEnd {
        /// The exclusive upper bound for the offsets.
        end: Offset,
    },
    /// A compressed set ends in the middle of a message. The producer compressed an incomplete set, so no broker has
    /// the missing bytes.
    CutInside,
    /// The offsets in a compressed set are neither absolute nor relative from 0, so the log offsets of its messages
    /// cannot be determined.
    InnerOffsets {
        /// The number of messages in the compressed set.
        messages: usize,
        /// The inner offset of the last message.
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
            MessageProblem::KeyLength(n) => write!(f, "has a key length of {n}, which does not fit the message"),
            MessageProblem::ValueLength(n) => write!(f, "has a value length of {n}, which does not fit the message"),
            MessageProblem::Inflate { codec, problem } => {
                write!(f, "is compressed with {codec} and cannot be opened: {problem}")
            }
            MessageProblem::Nested => f.write_str("is a compressed set inside a compressed set"),
            MessageProblem::NotAscending { after } => write!(f, "has an offset that is not above {after}"),
            MessageProblem::AboveEnd { end } => {
                write!(f, "has an offset that is not below {end}, where the log or the compressed set ends")
            }
            MessageProblem::CutInside => f.write_str("is a compressed set that ends in the middle of a message"),
            MessageProblem::InnerOffsets { messages, last } => {
                write!(
                    f,
                    "is a compressed set of {messages} messages whose last offset is {last}: their offsets in the log \
                     are not known"
                )
            }
        }
    }
}

impl std::error::Error for MessageError {}
