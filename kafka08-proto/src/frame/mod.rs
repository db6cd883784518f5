//! The byte stream as frames: four bytes of length, then as many bytes.
//!
//! This layer knows nothing of what the frames hold.

mod decoder;
mod error;
mod front;
mod send_queue;
mod spares;

pub use decoder::FrameDecoder;
pub use error::{FrameError, LooksLike};
pub use send_queue::SendQueue;
pub(crate) use send_queue::{Span, Taken};

/// Bytes of the length in front of each frame.
pub(crate) const LENGTH_PREFIX: usize = 4;
