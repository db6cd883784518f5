//! Which memory the decoder reads into.

use bytes::BytesMut;

use super::{FrameDecoder, Front, READ, READ_AFTER_REST, Role};

impl FrameDecoder {
    /// Makes the memory of an earlier large frame the buffer, if that memory is free and another large frame is likely.
    pub(super) fn expect_large(&mut self) {
        // Large frames often follow one another. Otherwise the first 32 KiB of each would be read into the small buffer
        // and then copied, which took a quarter of the time of a consumer.
        if self.end == 0
            && let Some(len) = self.last_large
            && let Some(memory) = self.spares.take(len)
        {
            self.last_large = None;
            let before = self.move_to(memory, 0);
            self.park(before);
            self.role = Role::Expects(len);
        }
    }

    /// Moves the received bytes, within the buffer or to another one, so that the limit lies behind the end.
    pub(super) fn make_room(&mut self) {
        let pending = self.end - self.start;
        let large = self.large_in_front(pending);
        // Moving within the buffer happens at most once for each frame, because the frame then fits the buffer. More
        // than `READ` bytes are pending only if a caller takes no frames; then moving must free as many bytes as it
        // moves.
        if large.is_none() && self.start > 0 && self.buffer.len() >= READ && pending <= READ.max(self.start) {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, pending);
            return;
        }
        let role = self.role;
        let before = self.change_buffer(large, pending);
        match role {
            Role::Reads if large.is_some() => self.park(before),
            Role::Expects(_) | Role::Mixed => self.spares.give_back(before.freeze()),
            Role::Reads | Role::Large(_) => {}
        }
    }

    /// The size of the frame at the front if that frame gets its own memory: it is longer than a read buffer and
    /// incomplete.
    pub(super) fn large_in_front(&self, pending: usize) -> Option<usize> {
        match self.front() {
            Front::Frame(len) if len > READ.max(pending) => Some(len),
            _ => None,
        }
    }

    /// Moves to memory for the `large` frame at the front, or to a read buffer. Returns the former buffer.
    pub(super) fn change_buffer(&mut self, large: Option<usize>, pending: usize) -> BytesMut {
        match large {
            Some(len) => self.use_memory_for(len, pending),
            None => self.use_read_buffer(pending),
        }
    }

    /// Moves to memory for the frame of `len` bytes at the front, or to more of it. Returns the former buffer.
    fn use_memory_for(&mut self, len: usize, pending: usize) -> BytesMut {
        let memory = match self.spares.take(len) {
            Some(memory) => memory,
            None => {
                // The length is only a claim, so memory doubles until it fits. The first step is as large as what this
                // peer has filled before. Sizes are rounded up, so that the memory also fits a next frame that is a
                // little larger.
                let most = len.checked_next_multiple_of(READ).unwrap_or(len);
                BytesMut::zeroed(most.min(self.spares.largest().max(READ.max(2 * pending))))
            }
        };
        self.role = Role::Large(len);
        self.move_to(memory, pending)
    }

    /// Moves to a read buffer of at least twice the size of the pending bytes. Returns the former buffer.
    pub(super) fn use_read_buffer(&mut self, pending: usize) -> BytesMut {
        let parked = std::mem::take(&mut self.parked);
        let memory = if self.role != Role::Reads && 2 * pending <= parked.len() {
            parked
        } else {
            let size = if self.buffer.is_empty() { READ_AFTER_REST } else { READ };
            BytesMut::zeroed(size.max(2 * pending))
        };
        self.role = Role::Reads;
        self.move_to(memory, pending)
    }

    /// Keeps a read buffer for the time after the large frames.
    fn park(&mut self, buffer: BytesMut) {
        // Another size is the small first one, or one that grew because a caller took no frames.
        if buffer.len() == READ {
            self.parked = buffer;
        }
    }

    /// Makes `memory` the buffer and copies the pending bytes to its start. Returns the former buffer.
    fn move_to(&mut self, mut memory: BytesMut, pending: usize) -> BytesMut {
        let received = self.buffer.get(self.start..self.end).unwrap_or_default();
        memory.split_at_mut(pending).0.copy_from_slice(received);
        (self.start, self.end) = (0, pending);
        std::mem::replace(&mut self.buffer, memory)
    }
}
