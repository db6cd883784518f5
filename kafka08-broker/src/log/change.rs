//! What a storage must do to follow a log, and what it gives back at the start.

use bytes::Bytes;
use kafka08_proto::ids::{Offset, Timestamp};

use super::Pieces;

/// One change of a log, for its storage. A segment is named by its base offset.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Append bytes to a segment. Create the segment if it does not exist.
    Append {
        /// The segment.
        base: Offset,
        /// Complete entries.
        bytes: Pieces,
    },
    /// Create an empty segment, which is the active one from now on.
    Roll {
        /// The segment.
        base: Offset,
    },
    /// Shorten a segment.
    Truncate {
        /// The segment.
        base: Offset,
        /// The length that remains, in bytes.
        bytes: u64,
    },
    /// Delete a segment.
    Delete {
        /// The segment.
        base: Offset,
    },
    /// Replace the contents of a segment, but not the time of its last append.
    Replace {
        /// The segment.
        base: Offset,
        /// The time of the last append.
        modified: Timestamp,
        /// Complete entries.
        bytes: Pieces,
    },
}

/// A segment that a storage has read.
#[derive(Clone, Debug)]
pub(crate) struct StoredSegment {
    /// The base offset.
    pub(crate) base: Offset,
    /// The time of the last append.
    pub(crate) modified: Timestamp,
    /// The contents. Each element has complete entries, and at most [`BLOCK`](super::blocks::BLOCK) bytes unless it is a
    /// single entry.
    pub(crate) blocks: Vec<Bytes>,
}
