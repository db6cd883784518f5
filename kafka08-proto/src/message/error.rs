//! The error of one entry of a message set.

use std::fmt;

use super::{Codec, InflateProblem};
use crate::ids::Offset;

/// An entry of a message set cannot be used.
///
/// The entries behind it can still be read, unless the problem is [`MessageProblem::Size`]. A broker does not repair a
/// stored message, so fetching it again returns the same bytes. A consumer either stops, or continues at the next
/// offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageError {
    /// The offset that the entry claims. It has no meaning if the entry consists of zeros.
    pub offset: Offset,
    /// The position of the entry, in bytes from the start of its set. For a message of a compressed entry, that set is
    /// the decompressed one.
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
    /// The size is below 14 bytes, the size of the smallest message. The entries behind it cannot be found.
    Size(i32),
    /// The message has the format of a later release. From format 2 on the checksum is elsewhere and is not compared.
    ///
    /// This is not damage. Brokers of 0.8.2 store format 1 inside a compressed set as it comes, and some later brokers
    /// send the end marker of a transaction in format 2 without converting it.
    Magic(i8),
    /// The attributes name a codec that Kafka 0.8 does not know.
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
    /// A compressed set lies inside a compressed set. Brokers of 0.8 flatten such sets; 0.9.0.1 stores them as they
    /// come.
    Nested,
    /// The offset in a fetched set is not above that of the entry before, or is below the offset that was fetched. The
    /// entry does not move the position.
    NotAscending {
        /// The offset that this one had to be above.
        after: Offset,
    },
    /// The offset is not below the end that the reader was given, which is the high watermark of the response; inside a
    /// compressed entry it is above that entry's own offset. The entry does not move the position.
    AboveEnd {
        /// The offset that all entries lie below.
        end: Offset,
    },
    /// A compressed set ends in the middle of a message. The producer compressed an incomplete set, so no broker has
    /// the rest.
    CutInside,
    /// The offsets inside a compressed entry are neither absolute nor counted from 0, so the offsets of its messages in
    /// the log are not known.
    InnerOffsets {
        /// The number of messages inside.
        messages: usize,
        /// The offset of the last message inside.
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
