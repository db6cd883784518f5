//! Message sets: read lazily and borrowed, built in one copy, compressed or not.
//!
//! This layer knows the layout of a log's messages, and nothing of the requests that carry them. Source: `Message` and
//! `ByteBufferMessageSet` of 0.8.2, magic 0.

mod builder;
mod compression;
mod cursor;
mod entries;
mod entry;
mod error;
mod inner;
mod inspect;
mod set;
mod visit;
mod writer;

pub use builder::{CompressError, MessageSetBuilder};
pub use compression::{Budget, Deflater, InflateProblem, Inflater, MissingFeature};
pub use cursor::Cursor;
pub use entries::Entries;
pub use entry::{Codec, Entry, Message, Tail, Wrapper};
pub use error::{MessageError, MessageProblem};
pub use inspect::{Codecs, Inspection, Opened, SetProblem};
pub use set::{MessageSet, Origin};
pub use visit::Visit;
pub use writer::{EntryWriter, SetFull};

/// Bytes in front of each message: its offset and its size.
pub(crate) const ENTRY_HEADER: usize = 12;
/// The smallest message: checksum, magic, attributes, null key, null value.
pub(crate) const SMALLEST_MESSAGE: usize = 14;
/// Bytes of a message that its checksum does not cover: the checksum.
pub(crate) const CRC: usize = 4;
