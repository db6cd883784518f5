//! Frames of the byte stream: a length of four bytes, then as many bytes.
//!
//! This layer does not know what the frames hold.

mod decoder;
mod error;
mod front;
mod send_queue;
mod spares;

pub use decoder::FrameDecoder;
pub use error::{FrameError, LooksLike};
pub use send_queue::SendQueue;
pub(crate) use send_queue::{Span, Taken};

/// The number of bytes of the length in front of each frame.
pub(crate) const LENGTH_PREFIX: usize = 4;
