//! The length of the next frame, which is in front of it.

use super::{FrameError, LENGTH_PREFIX, LooksLike};

/// The smallest frame, in bytes: a response without a body.
const SMALLEST: i32 = 4;

/// What stands at the front of bytes that were received.
pub(super) enum Front {
    /// Not even a length.
    Nothing,
    /// A frame of this many bytes, length prefix included.
    Frame(usize),
    Bad(FrameError),
}

impl Front {
    #[inline]
    pub(super) fn of(received: &[u8], max_frame: usize) -> Self {
        let Some(&prefix) = received.first_chunk::<LENGTH_PREFIX>() else {
            return Self::Nothing;
        };
        let len = i32::from_be_bytes(prefix);
        match usize::try_from(len) {
            Ok(size) if len >= SMALLEST && size <= max_frame => Self::Frame(size.saturating_add(LENGTH_PREFIX)),
            Ok(_) if len >= SMALLEST => {
                Self::Bad(FrameError::TooLarge { len, max: max_frame, looks_like: LooksLike::from_prefix(prefix) })
            }
            _ => Self::Bad(FrameError::TooSmall { len, looks_like: LooksLike::from_prefix(prefix) }),
        }
    }
}
