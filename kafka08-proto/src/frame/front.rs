//! The length prefix of a frame.

use super::{FrameError, LENGTH_PREFIX, LooksLike};

/// The size of the smallest frame, in bytes. It is a response without a body, which has only a correlation id.
const SMALLEST: i32 = 4;

/// What the first received bytes that belong to no earlier frame are.
pub(super) enum Front {
    /// Fewer than four bytes, so the length is not known.
    Nothing,
    /// The beginning of a frame of this many bytes, length prefix included.
    Frame(usize),
    /// A length that no frame has.
    Bad(FrameError),
}

impl Front {
    /// Reads the length at the start of `received`.
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
