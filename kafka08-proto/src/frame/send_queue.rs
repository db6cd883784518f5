//! The queue of bytes to write.

use std::{collections::VecDeque, fmt, io::IoSlice};

use bytes::{Buf, BufMut as _, Bytes, BytesMut};

use super::LENGTH_PREFIX;
use crate::wire::{Chunks, Encoder, SPLICE_FROM};

/// The most bytes of small values that are staged in one block, which is written as one chunk.
// Some hundred small requests fit, and withdrawing one of them costs little. A few KiB more or less make no difference.
const BLOCK: usize = 16 << 10;

/// Complete frames that wait to be written.
///
/// A driver uses the queue as a [`Buf`]: it writes what [`Buf::chunks_vectored`] or [`Buf::chunk`] returns, and then
/// calls [`Buf::advance`] with the number of bytes that the transport took. A driver that submits buffers and learns
/// the result later (`io_uring`) must advance when it submits. [`Buf::copy_to_bytes`] does so, and returns bytes that the
/// driver owns. The frames of these bytes are not withdrawn: the driver writes all of them, or reports that writing has
/// failed.
///
/// A frame can be withdrawn while none of its bytes are taken. A stream that may keep bytes it does not report as
/// taken, such as a TLS layer, needs [`SendQueue::note_offered`] as well.
// A position counts all bytes that were ever staged. It identifies a byte for good, so a frame is a span of positions,
// and the queue needs no list of frames: what was taken, offered or withdrawn of a frame is a comparison.
//
//     positions   0 ........ taken_to .......... offered ....... block_at ............ end
//                 | taken   | in `chunks`, offered | in `chunks` | in `block`          |
//                 | for     | to the stream and    | or `block`, | small frames,       |
//                 | good    | not taken            | untouched   | still growing       |
//
// `offered` may also lie in front of `taken_to`, because nothing is noted as offered on a bare socket, or within
// `block`. A withdrawn frame leaves a gap: its positions are not used again, so they are in no chunk.
#[derive(Default)]
pub struct SendQueue {
    /// Sealed bytes, in the order of writing.
    chunks: VecDeque<Chunk>,
    /// Small frames that come after `chunks`. The block grows until it is sealed, which makes it a chunk.
    block: BytesMut,
    /// The position of the first byte of `block`.
    block_at: u64,
    /// The position behind the last staged byte.
    end: u64,
    /// The position behind the last byte that was offered to the stream, if the driver notes it.
    offered: u64,
    /// The number of bytes in `chunks` and `block`.
    remaining: usize,
}

/// Bytes that do not change any more. A chunk in the queue is never empty.
struct Chunk {
    /// The position of the first byte that was not taken.
    at: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// The positions of a frame's bytes, length prefix included.
///
/// Positions are never used again, not even those of a withdrawn frame, so spans are in the order of staging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The part of a frame that the peer may have received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// No byte was taken, or noted as offered.
    Nothing,
    /// At least one byte was taken or noted as offered. The last byte was not.
    Some,
    /// The last byte was noted as offered, and not reported as taken. The peer may have received the whole frame.
    Offered,
    /// The transport took the last byte.
    All,
}

impl SendQueue {
    /// Notes that the next `n` bytes are offered to a stream that may keep bytes it does not report as taken. Call it
    /// before the write.
    ///
    /// A TLS layer is such a stream: it may encrypt bytes, report that the write would block, and expect the same bytes
    /// in the next write. From this call on, the frames of these bytes are not withdrawn. A frame that was offered to
    /// its end counts as one that may have reached the peer.
    ///
    /// Do not call this for a bare socket, which has sent exactly the bytes that it reports as taken.
    pub fn note_offered(&mut self, n: usize) {
        // `n` counts bytes and not positions, because withdrawn frames leave gaps between chunks.
        let mut left = n as u64;
        for chunk in &self.chunks {
            let step = left.min(chunk.bytes.len() as u64);
            // The maximum is kept, because a later attempt may offer fewer bytes, and those of the earlier one stay
            // touched.
            self.offered = self.offered.max(chunk.at + step);
            left -= step;
            if left == 0 {
                return;
            }
        }
        self.offered = self.offered.max(self.block_at + left.min(self.block.len() as u64));
    }

    /// The position behind the last staged byte. The next frame begins there.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Stages bytes by copying them.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if self.block.is_empty() {
            self.block_at = self.end;
        }
        if self.block.len() + bytes.len() > BLOCK {
            self.seal();
        }
        // Memory of chunks that have been written is used again before more is allocated.
        if self.block.capacity() - self.block.len() < bytes.len() && !self.block.try_reclaim(bytes.len()) {
            self.block.reserve(bytes.len().max(BLOCK));
        }
        self.block.put_slice(bytes);
        self.note_staged(bytes.len());
    }

    /// Stages the frame that was encoded after [`Encoder::begin_with_length`], and clears the encoder.
    pub(crate) fn put_frame(&mut self, len: i32, encoder: &mut Encoder) {
        let is_one_piece = encoder.put_length(len);
        let (chunks, rest) = encoder.pieces();
        let mut room_for_length = LENGTH_PREFIX;
        // The room for the length is in a frozen chunk: the length is staged here, and the room is skipped below.
        if !is_one_piece {
            self.put(&len.to_be_bytes());
        }
        chunks.for_each(|mut chunk| {
            chunk.advance(std::mem::take(&mut room_for_length));
            self.put_chunk(&chunk);
        });
        self.put(rest);
        encoder.clear();
    }

    /// Stages chunks that the caller keeps too.
    pub(crate) fn put_chunks(&mut self, chunks: &Chunks) {
        chunks.iter().for_each(|chunk| self.put_chunk(chunk));
    }

    fn put_chunk(&mut self, chunk: &Bytes) {
        if chunk.len() < SPLICE_FROM { self.put(chunk) } else { self.splice(chunk.clone()) }
    }

    /// Stages bytes without copying them.
    fn splice(&mut self, bytes: Bytes) {
        self.seal();
        let (at, len) = (self.end, bytes.len());
        self.chunks.push_back(Chunk { at, bytes });
        self.note_staged(len);
        self.block_at = self.end;
    }

    fn note_staged(&mut self, len: usize) {
        self.remaining += len;
        self.end += len as u64;
    }

    fn seal(&mut self) {
        if !self.block.is_empty() {
            let bytes = self.block.split().freeze();
            self.chunks.push_back(Chunk { at: self.block_at, bytes });
        }
        self.block_at = self.end;
    }

    /// The position of the first byte that was not taken.
    fn taken_to(&self) -> u64 {
        // This is computed from what is left, so that gaps of withdrawn frames in front of it count as taken.
        match self.chunks.front() {
            Some(chunk) => chunk.at,
            None if self.block.is_empty() => self.end,
            None => self.block_at,
        }
    }

    /// Whether all bytes in front of this position were taken.
    pub(crate) fn has_taken(&self, end: u64) -> bool {
        end <= self.taken_to()
    }

    /// The part of a frame that the peer may have received.
    pub(crate) fn taken(&self, frame: Span) -> Taken {
        let taken = self.taken_to();
        #[cfg(kafka08_canary)]
        let frame = crate::canary::ReusesBufferAtExpiry.pick(Span { start: frame.start.max(taken), ..frame }, frame);
        if frame.end <= taken {
            Taken::All
        } else if frame.end <= self.offered {
            Taken::Offered
        } else if frame.start < taken.max(self.offered) {
            Taken::Some
        } else {
            Taken::Nothing
        }
    }

    /// Removes a frame from the queue. Its [`SendQueue::taken`] must be [`Taken::Nothing`].
    pub(crate) fn withdraw(&mut self, frame: Span) {
        #[cfg(kafka08_canary)]
        let frame = Span { start: frame.start.max(self.taken_to()), ..frame };
        debug_assert_eq!(self.taken(frame), Taken::Nothing, "a touched frame must be written to its end");
        self.remaining -= usize::try_from(frame.end - frame.start).unwrap_or(0);
        if frame.end == self.end && frame.start >= self.block_at && !self.block.is_empty() {
            // The frame is the last of the block if its request was just made, so this short way is the usual one.
            self.block.truncate(usize::try_from(frame.start - self.block_at).unwrap_or(0));
            // The next frame gets positions behind the withdrawn one, and positions within a block have no gap.
            self.seal();
            return;
        }
        // The block may hold the frame too. From here on there are only chunks, which can be split.
        self.seal();
        // The frame lies in one chunk, or in several if it has spliced values.
        let mut index = self.chunks.partition_point(|chunk| chunk.end() <= frame.start);
        while let Some(chunk) = self.chunks.get_mut(index).filter(|chunk| chunk.at < frame.end) {
            let before = usize::try_from(frame.start.saturating_sub(chunk.at)).unwrap_or(0);
            let behind = usize::try_from(chunk.end().saturating_sub(frame.end)).unwrap_or(0);
            let rest = chunk.bytes.split_off(chunk.bytes.len() - behind);
            chunk.bytes.truncate(before);
            if before > 0 {
                index += 1;
            } else {
                self.chunks.remove(index);
            }
            if behind > 0 {
                self.chunks.insert(index, Chunk { at: frame.end, bytes: rest });
            }
        }
    }

    /// Drops all bytes, also those of a frame that is partly written.
    pub(crate) fn clear(&mut self) {
        // Positions go on where they were, so they stay unique. What is dropped counts as taken, so nobody waits for it.
        *self = Self { end: self.end, block_at: self.end, offered: self.offered, ..Self::default() };
    }

    /// Whether [`SendQueue::release`] would free memory.
    pub(crate) fn can_release(&self) -> bool {
        self.remaining == 0 && self.block.capacity() + self.chunks.capacity() > 0
    }

    /// Frees the memory of the block and of the list of chunks, if nothing is staged.
    pub(crate) fn release(&mut self) {
        if self.remaining == 0 {
            self.clear();
        }
    }
}

impl Buf for SendQueue {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&self.block, |chunk| &chunk.bytes)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let block = Some(&self.block[..]).filter(|block| !block.is_empty());
        let slices = dst.iter_mut().zip(self.chunks.iter().map(|chunk| &chunk.bytes[..]).chain(block));
        slices.map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    /// # Panics
    /// If `n` is more than [`Buf::remaining`].
    fn advance(&mut self, mut n: usize) {
        assert!(n <= self.remaining, "advanced past the end of the send queue");
        self.remaining -= n;
        while n > 0 {
            let Some(chunk) = self.chunks.front_mut() else {
                self.block.advance(n);
                self.block_at += n as u64;
                return;
            };
            let step = n.min(chunk.bytes.len());
            chunk.bytes.advance(step);
            chunk.at += step as u64;
            n -= step;
            if chunk.bytes.is_empty() {
                self.chunks.pop_front();
            }
        }
    }

    /// Takes the next `n` bytes. If they lie in one chunk, they are not copied. So [`Buf::chunk`] tells how many bytes to
    /// take for a write that owns its memory.
    ///
    /// # Panics
    /// If `n` is more than [`Buf::remaining`].
    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        // The block grows in place. As a chunk it does not change any more, so the caller and the queue can share it.
        if self.chunks.is_empty() {
            self.seal();
        }
        let shared = self.chunks.front().filter(|chunk| n <= chunk.bytes.len()).map(|chunk| chunk.bytes.slice(..n));
        if let Some(bytes) = shared {
            self.advance(n);
            return bytes;
        }
        assert!(n <= self.remaining, "taken past the end of the send queue");
        let mut copy = BytesMut::with_capacity(n);
        copy.put(self.take(n));
        copy.freeze()
    }
}

impl fmt::Debug for SendQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendQueue").field("bytes", &self.remaining).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
