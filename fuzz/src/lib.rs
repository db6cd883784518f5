//! What is fuzzed: each function takes any bytes, and panics if a promise is broken. The targets only call them, and
//! `tests/replay.rs` runs them over the committed corpora.

mod bodies;
mod broker_stream;
#[expect(clippy::indexing_slicing, reason = "an index out of range is a mistake of the harness: it shall panic")]
mod clients;
mod connection;
#[cfg(feature = "differential")]
pub mod differential;
mod input;
mod messages;
mod sim;
mod stream;
mod whole_way;

pub use bodies::{requests, responses};
pub use broker_stream::broker_stream;
pub use clients::clients;
pub use connection::connection;
pub use messages::{decompress, message_set};
pub use sim::sim;
pub use stream::{chunking, frame};
pub use whole_way::whole_way;

/// A target: panics if a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 11] = [
    ("frame", frame),
    ("chunking", chunking),
    ("requests", requests),
    ("responses", responses),
    ("message_set", message_set),
    ("decompress", decompress),
    ("connection", connection),
    ("clients", clients),
    ("sim", sim),
    ("whole_way", whole_way),
    ("broker_stream", broker_stream),
];
