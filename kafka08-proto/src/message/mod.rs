//! Message sets: a lazy reader that borrows the bytes, a builder that copies keys and values once, and compression.
//!
//! This layer defines the layout of messages. It does not depend on the requests that contain message sets. Source:
//! `Message` and `ByteBufferMessageSet` of 0.8.2, magic 0.
// A message set is a sequence of entries, without a count. `max_bytes` of a fetch can cut the last entry at any byte.
//
//     entry     offset: i64   size: i32   message                                            ENTRY_HEADER = 12
//     message   crc: u32   magic: i8   attributes: i8   key: bytes   value: bytes            SMALLEST_MESSAGE = 14
//     bytes     length: i32, then as many bytes; -1 is null
//
//     size        the length of the message in bytes
//     crc         covers the message bytes after the crc; no checksum covers offset and size
//     attributes  the lower three bits are the codec
//
// With a codec, the message is a wrapper: its value is a compressed set. A broker replaces the offsets that a producer
// writes. The wrapper gets the offset of its last inner message:
//
//     produced    wrapper 2 [ 0 1 2 ]    or  wrapper 2 [ 0 0 0 ]
//     fetched     wrapper 42 [ 40 41 42 ]

mod builder;
mod compression;
mod cursor;
mod entries;
mod entry;
mod error;
mod hop;
mod inner;
mod inspect;
mod set;
mod step;
mod visit;
mod writer;

pub use builder::{CompressError, MessageSetBuilder};
pub use compression::{Budget, Deflater, InflateProblem, Inflater, Lz4Header, MissingFeature};
pub use cursor::Cursor;
pub use entries::Entries;
pub use entry::{Codec, Entry, Message, Tail, Wrapper};
pub use error::{MessageError, MessageProblem};
pub use hop::Hop;
pub use inspect::{Codecs, Inspection, Opened, SetProblem};
pub use set::{MessageSet, Origin};
pub use visit::Visit;
pub use writer::{EntryWriter, SetFull};

/// The number of bytes before each message: the offset and the size.
pub(crate) const ENTRY_HEADER: usize = 12;
/// The size of the smallest message: checksum, magic, attributes, null key, null value.
pub(crate) const SMALLEST_MESSAGE: usize = 14;
/// The size of a message's checksum, in bytes.
pub(crate) const CRC: usize = 4;
