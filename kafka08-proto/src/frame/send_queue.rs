//! What is to be written.

use std::{collections::VecDeque, fmt, io::IoSlice};

use bytes::{Buf, BufMut as _, Bytes, BytesMut};

use super::LENGTH_PREFIX;
use crate::wire::{Chunks, Encoder, SPLICE_FROM};

/// Bytes of small things that are staged in one block, and leave as one chunk. A page more or less changes nothing: it is
/// large enough that a block holds some hundred small requests, and small enough that taking one back costs little.
const BLOCK: usize = 16 << 10;

/// Whole frames waiting to be written.
///
/// A driver sees it as a [`Buf`]: write what [`Buf::chunks_vectored`] or [`Buf::chunk`] gives, then [`Buf::advance`] by what
/// the transport took. A driver that submits buffers and learns later (`io_uring`) must advance when it submits.
///
/// A frame of which nothing was taken can be withdrawn, and one partly taken cannot be overtaken. A stream that may keep
/// bytes it has not reported as taken, such as a TLS layer, needs [`SendQueue::note_offered`] as well.
#[derive(Default)]
pub struct SendQueue {
    /// Sealed bytes, in the order of writing.
    chunks: VecDeque<Chunk>,
    /// Small frames staged behind `chunks`. Still growing; sealed when it is full or something large follows.
    block: BytesMut,
    /// Position of the first byte of `block`.
    block_at: u64,
    /// Position behind the last staged byte.
    end: u64,
    /// Position behind the last byte that was in an attempt to write.
    offered: u64,
    /// Bytes in `chunks` and `block`.
    remaining: usize,
}

/// Sealed bytes, never empty.
struct Chunk {
    /// Position of the first byte that is left.
    at: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// Where a frame lies in the stream of all bytes that were ever staged, its length prefix included. Positions are not used
/// again, not even those of a withdrawn frame, so spans are in the order of staging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// How much of a frame may have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing was taken, or even offered to a stream that may keep what it does not report.
    Nothing,
    /// Some of it was taken or offered, and its last byte was not.
    Some,
    /// It was offered to its last byte, to a stream that did not report that byte as taken: all of it may have left.
    Offered,
    /// The transport took its last byte.
    All,
}

impl SendQueue {
    /// Notes that the next `n` bytes are about to be written to a stream that may keep bytes it does not report as taken.
    ///
    /// TLS layers do: a write that would block may have encrypted the bytes already, and expects the same ones again. The
    /// frames these bytes belong to count as touched from now on. They are not withdrawn, and one that was offered to its
    /// end may have reached the peer whole. Do not call it for a bare socket: there, what a write does not report as taken
    /// has not left.
    pub fn note_offered(&mut self, n: usize) {
        let mut left = n as u64;
        for chunk in &self.chunks {
            let step = left.min(chunk.bytes.len() as u64);
            self.offered = self.offered.max(chunk.at + step);
            left -= step;
            if left == 0 {
                return;
            }
        }
        self.offered = self.offered.max(self.block_at + left.min(self.block.len() as u64));
    }

    /// Position behind everything that is staged: where the next frame begins.
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
        if self.block.capacity() - self.block.len() < bytes.len() && !self.block.try_reclaim(bytes.len()) {
            self.block.reserve(bytes.len().max(BLOCK));
        }
        self.block.put_slice(bytes);
        self.note_staged(bytes.len());
    }

    /// Stages a frame that was encoded behind [`Encoder::begin_with_length`], and leaves the encoder empty with its memory.
    pub(crate) fn put_frame(&mut self, len: i32, encoder: &mut Encoder) {
        let is_one_piece = encoder.put_length(len);
        let (chunks, rest) = encoder.pieces();
        let mut room_for_length = LENGTH_PREFIX;
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

    /// Stages chunks that others keep too.
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

    /// Position of the first byte that was not taken.
    fn taken_to(&self) -> u64 {
        match self.chunks.front() {
            Some(chunk) => chunk.at,
            None if self.block.is_empty() => self.end,
            None => self.block_at,
        }
    }

    /// Whether everything in front of this position was taken.
    pub(crate) fn has_taken(&self, end: u64) -> bool {
        end <= self.taken_to()
    }

    pub(crate) fn taken(&self, frame: Span) -> Taken {
        let taken = self.taken_to();
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

    /// Takes back a frame of which [`Taken::Nothing`] is true.
    pub(crate) fn withdraw(&mut self, frame: Span) {
        debug_assert_eq!(self.taken(frame), Taken::Nothing, "a touched frame must be written to its end");
        self.remaining -= usize::try_from(frame.end - frame.start).unwrap_or(0);
        if frame.end == self.end && frame.start >= self.block_at && !self.block.is_empty() {
            // The last frame of the block, as it is when a request is taken back that was just made.
            self.block.truncate(usize::try_from(frame.start - self.block_at).unwrap_or(0));
            // What follows has later positions, and a block has no gap.
            self.seal();
            return;
        }
        self.seal();
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

    /// Drops everything, torn frames included: the connection is dead.
    pub(crate) fn clear(&mut self) {
        *self = Self { end: self.end, block_at: self.end, offered: self.offered, ..Self::default() };
    }

    /// Whether [`SendQueue::release`] would give memory back.
    pub(crate) fn can_release(&self) -> bool {
        self.remaining == 0 && self.block.capacity() + self.chunks.capacity() > 0
    }

    /// Gives memory back that is not in use.
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
}

impl fmt::Debug for SendQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendQueue").field("bytes", &self.remaining).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
