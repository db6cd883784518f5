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
mod tests {
    use super::*;

    /// Stages a frame: small parts are copied, upper-case parts spliced.
    fn push(queue: &mut SendQueue, parts: &[&'static [u8]]) -> Span {
        let start = queue.end();
        for part in parts {
            if part[0].is_ascii_uppercase() {
                queue.splice(Bytes::from_static(part));
            } else {
                queue.put(part);
            }
        }
        Span { start, end: queue.end() }
    }

    fn drain(queue: &mut SendQueue) -> Vec<u8> {
        queue.copy_to_bytes(queue.remaining()).to_vec()
    }

    #[test]
    fn small_frames_leave_as_one_chunk_and_large_values_as_they_are() {
        let mut queue = SendQueue::default();
        let value = Bytes::from_static(b"VALUE");
        push(&mut queue, &[b"ab"]);
        push(&mut queue, &[b"cd"]);
        assert_eq!(queue.chunk(), b"abcd");
        queue.splice(value.clone());
        push(&mut queue, &[b"ef"]);
        let mut slices = [IoSlice::new(&[]); 8];
        let count = queue.chunks_vectored(&mut slices);
        assert_eq!(slices[..count].iter().map(|slice| &slice[..]).collect::<Vec<_>>(), [&b"abcd"[..], b"VALUE", b"ef"]);
        assert_eq!(slices[1].as_ptr(), value.as_ptr());
        assert_eq!(drain(&mut queue), b"abcdVALUEef");
    }

    #[test]
    fn a_frame_of_which_nothing_was_taken_can_be_withdrawn_wherever_it_lies() {
        const FRAMES: [&[&[u8]]; 5] = [&[b"abc"], &[b"de", b"FG", b"hi"], &[b"JKL"], &[b"mn"], &[b"pq", b"RS", b"tu"]];
        let whole = |skip: Option<usize>| -> Vec<u8> {
            let kept = FRAMES.iter().enumerate().filter(|(i, _)| Some(*i) != skip);
            kept.flat_map(|(_, parts)| parts.concat()).collect()
        };
        for withdrawn in 0..FRAMES.len() {
            for taken in 0..whole(None).len() {
                let mut queue = SendQueue::default();
                let spans: Vec<_> = FRAMES.iter().map(|parts| push(&mut queue, parts)).collect();
                queue.advance(taken);
                let frame = spans[withdrawn];
                if queue.taken(frame) != Taken::Nothing {
                    assert!(taken as u64 > frame.start);
                    continue;
                }
                queue.withdraw(frame);
                push(&mut queue, &[b"op"]);
                let expected = [&whole(Some(withdrawn))[..], b"op"].concat();
                assert_eq!(queue.remaining(), expected.len() - taken);
                assert_eq!(drain(&mut queue), expected[taken..], "{withdrawn} after {taken}");
                assert!(spans.iter().all(|&span| queue.taken(span) == Taken::All));
            }
        }
    }

    #[test]
    fn what_is_staged_behind_a_withdrawn_frame_has_its_own_position() {
        let mut queue = SendQueue::default();
        let kept = push(&mut queue, &[b"abc"]);
        let withdrawn = push(&mut queue, &[b"de"]);
        queue.withdraw(withdrawn);
        let behind = push(&mut queue, &[b"fgh"]);
        queue.advance(3);
        assert_eq!((queue.taken(kept), queue.taken(behind)), (Taken::All, Taken::Nothing));
        queue.withdraw(behind);
        assert_eq!(queue.remaining(), 0);
        let last = push(&mut queue, &[b"ij"]);
        queue.advance(1);
        assert_eq!(queue.taken(last), Taken::Some);
        assert_eq!(drain(&mut queue), b"j");
    }

    #[test]
    fn an_advance_may_end_anywhere() {
        for step in 1..=10 {
            let mut queue = SendQueue::default();
            let spans: Vec<_> = (0..4).map(|_| push(&mut queue, &[b"abc", b"D", b"ef"])).collect();
            let mut taken = 0;
            while queue.remaining() > 0 {
                let now = step.min(queue.remaining());
                queue.advance(now);
                taken += now;
                for (i, &span) in spans.iter().enumerate() {
                    let expected = match taken.saturating_sub(6 * i) {
                        0 => Taken::Nothing,
                        1..=5 => Taken::Some,
                        _ => Taken::All,
                    };
                    assert_eq!(queue.taken(span), expected);
                }
            }
        }
    }

    #[test]
    fn what_was_offered_counts_as_touched_although_it_was_not_taken() {
        for n in 0..=12 {
            let mut queue = SendQueue::default();
            let spans = [push(&mut queue, &[b"abc"]), push(&mut queue, &[b"DEF"]), push(&mut queue, &[b"ghi"])];
            // Withdrawn frames leave a gap in the positions, which offered bytes do not count.
            let gap = push(&mut queue, &[b"xyz"]);
            let last = push(&mut queue, &[b"jkl"]);
            queue.withdraw(gap);
            queue.note_offered(n);
            for (i, span) in spans.into_iter().chain([last]).enumerate() {
                let expected = match n.saturating_sub(3 * i) {
                    0 => Taken::Nothing,
                    1 | 2 => Taken::Some,
                    _ => Taken::Offered,
                };
                assert_eq!(queue.taken(span), expected, "{n} {i}");
            }
            queue.advance(3);
            assert_eq!(queue.taken(spans[0]), Taken::All);
        }
    }

    #[test]
    fn memory_is_given_back_when_nothing_is_staged() {
        for part in [&b"small"[..], b"LARGE"] {
            let mut queue = SendQueue::default();
            assert!(!queue.can_release());
            push(&mut queue, &[part]);
            assert!(!queue.can_release());
            queue.release();
            assert_eq!(queue.remaining(), 5, "what is staged stays");
            queue.advance(5);
            assert!(queue.can_release());
            let end = queue.end();
            queue.release();
            assert!(!queue.can_release());
            assert_eq!((queue.end(), queue.has_taken(end)), (end, true));
        }
    }

    #[test]
    fn the_block_of_small_frames_is_used_again() {
        let mut queue = SendQueue::default();
        push(&mut queue, &[b"abc"]);
        let block = queue.chunk().as_ptr();
        for _ in 0..100_000 {
            queue.advance(queue.remaining());
            push(&mut queue, &[b"abc"]);
            push(&mut queue, &[b"abc"]);
        }
        let near = queue.chunk().as_ptr().addr().abs_diff(block.addr());
        assert!(near <= 2 * BLOCK, "{near}");
    }
}
