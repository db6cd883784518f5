//! Room in the buffer: which records are refused for want of it.

use super::{Accumulator, AppendError, PartIndex};

/// Whether the room of partitions that cannot be sent to at the moment is kept for somebody who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is not kept: whoever comes first gets it.
    No,
    /// It is kept: records for such partitions are refused as [`AppendError::Full`].
    Yes,
}

impl<C: Default> Accumulator<C> {
    /// Refuses a record that is too large, or that has no room.
    #[inline]
    pub(super) fn admit(&mut self, at: PartIndex, entry: usize) -> Result<(), AppendError> {
        if entry > self.max_entry {
            return Err(AppendError::TooLarge { entry, max: self.max_entry });
        }
        self.make_room(at, entry)
    }

    #[inline]
    pub(super) fn make_room(&mut self, at: PartIndex, bytes: usize) -> Result<(), AppendError> {
        let stuck = self.parts.get(at).is_some_and(|part| part.stuck);
        // One dead leader must not take the room of all others.
        if stuck && (self.kept == Kept::Yes || self.stuck + bytes > self.buffer / 2) {
            self.refused = true;
            self.refused_at = Some(at);
            return Err(AppendError::Full { stuck: true, wake: false });
        }
        let charged = self.charged;
        #[cfg(kafka08_canary)]
        let charged = kafka08_proto::canary::KeepsRoom.pick(charged + kafka08_proto::canary::kept(), charged);
        if charged + bytes > self.buffer {
            self.refused = true;
            // Batches that linger hold the room that this record needs.
            self.force();
            return Err(AppendError::Full { stuck: false, wake: self.wakes() });
        }
        Ok(())
    }
}

impl<C> Accumulator<C> {
    /// The bytes of all batches: open, waiting, and in flight.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.charged
    }

    /// Sets whether the room of partitions that cannot be sent to at the moment is kept. Handles keep it for the caller
    /// who has waited the longest, so that no other overtakes. Default: [`Kept::No`].
    pub fn keep_stuck_room(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// The partition that the last record was for that was refused with [`AppendError::Full`] and `stuck`. Callers that wait for
    /// the same partition need not all try when there may be room.
    #[must_use]
    pub fn refused_at(&self) -> Option<PartIndex> {
        self.refused_at
    }
}
