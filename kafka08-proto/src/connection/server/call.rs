//! One request that is being served, and its answer.

use crate::{
    ids::CorrelationId,
    wire::{Chunks, EncodeError},
};

/// A request that was given out.
pub(super) struct Call {
    pub(super) correlation_id: CorrelationId,
    pub(super) answer: Answer,
}

/// What becomes of a call.
pub(super) enum Answer {
    /// It is still owed.
    Open,
    /// It waits behind a call that is open.
    Ready(Frame),
    /// Nothing is owed.
    Nothing,
}

/// A response as it leaves.
pub(super) struct Frame {
    /// Length and correlation id.
    pub(super) head: [u8; 8],
    pub(super) body: Chunks,
}

impl Frame {
    pub(super) fn new(id: CorrelationId, body: Chunks) -> Result<Self, EncodeError> {
        const MAX: usize = i32::MAX as usize;
        // The length of the frame counts the correlation id, and not itself.
        let len = body.len().saturating_add(4);
        let size = i32::try_from(len).map_err(|_| EncodeError { field: "response", len, max: MAX })?;
        let mut head = [0; 8];
        let (front, back) = head.split_at_mut(4);
        front.copy_from_slice(&size.to_be_bytes());
        back.copy_from_slice(&id.0.to_be_bytes());
        Ok(Self { head, body })
    }
}

impl Answer {
    /// Bytes it takes on the wire.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ready(frame) => frame.head.len() + frame.body.len(),
            Self::Open | Self::Nothing => 0,
        }
    }
}
