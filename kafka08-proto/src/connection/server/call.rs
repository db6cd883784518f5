//! One request that is being served, and its response.

use crate::{
    ids::CorrelationId,
    wire::{Chunks, EncodeError},
};

/// A request that was given out by `poll_event`.
pub(super) struct Call {
    pub(super) correlation_id: CorrelationId,
    pub(super) answer: Answer,
}

/// The state of a call.
pub(super) enum Answer {
    /// The call is not answered.
    Open,
    /// The response waits until the calls in front of it are answered.
    Ready(Frame),
    /// The call was ended without a response.
    Nothing,
}

/// The frame of a response.
pub(super) struct Frame {
    /// The length of the frame and the correlation id.
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
    /// The length on the wire, in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ready(frame) => frame.head.len() + frame.body.len(),
            Self::Open | Self::Nothing => 0,
        }
    }
}
