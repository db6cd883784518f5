//! What is to be written.

use std::{collections::VecDeque, fmt, io::IoSlice};

use bytes::{Buf, Bytes};

use crate::wire::Chunks;

/// Whole frames waiting to be written, each a list of chunks.
///
/// A driver sees it as a [`Buf`]: write what [`Buf::chunks_vectored`] gives, then [`Buf::advance`] by what the transport
/// took. A driver that submits buffers and learns later (`io_uring`) must advance when it submits. The queue knows where
/// frames begin and how much of each was taken, so that a frame of which nothing was taken can be withdrawn, and one partly
/// taken cannot be overtaken.
#[derive(Default)]
pub struct SendQueue {
    chunks: VecDeque<Bytes>,
    frames: VecDeque<Frame>,
    /// The number of the first of `frames`.
    first: u64,
    /// Bytes in `chunks`.
    remaining: usize,
}

struct Frame {
    len: usize,
    /// Bytes the transport took.
    taken: usize,
    /// How many of the queue's chunks are this frame's.
    chunks: usize,
}

/// Numbers the frames of a connection, in the order of their writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameNumber(u64);

impl FrameNumber {
    /// Whether no frame was staged between `earlier` and this one.
    pub(crate) fn follows(self, earlier: Self) -> bool {
        earlier.0 + 1 == self.0
    }
}

/// How much of a frame the transport took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Nothing,
    Some,
    All,
}

impl SendQueue {
    /// Stages a frame, its length included.
    pub(crate) fn push(&mut self, frame: Chunks) -> FrameNumber {
        let before = self.chunks.len();
        self.remaining += frame.len();
        let len = frame.len();
        self.chunks.extend(frame);
        self.frames.push_back(Frame { len, taken: 0, chunks: self.chunks.len() - before });
        FrameNumber(self.first + self.frames.len() as u64 - 1)
    }

    pub(crate) fn taken(&self, number: FrameNumber) -> Taken {
        match self.index(number).and_then(|index| self.frames.get(index)) {
            None => Taken::All,
            Some(frame) if frame.taken == 0 => Taken::Nothing,
            Some(_) => Taken::Some,
        }
    }

    /// Takes back a frame of which nothing was taken; does nothing to any other.
    pub(crate) fn withdraw(&mut self, number: FrameNumber) {
        let Some(index) = self.index(number) else { return };
        let before: usize = self.frames.iter().take(index).map(|frame| frame.chunks).sum();
        if let Some(frame) = self.frames.get_mut(index).filter(|frame| frame.taken == 0) {
            self.chunks.drain(before..before + frame.chunks);
            self.remaining -= frame.len;
            // Its place stays, so that the numbers behind it do; it leaves with the frame in front of it.
            *frame = Frame { len: 0, taken: 0, chunks: 0 };
            self.drop_finished();
        }
    }

    /// Drops everything, torn frames included: the connection is dead.
    pub(crate) fn clear(&mut self) {
        self.first += self.frames.len() as u64;
        self.frames.clear();
        self.chunks.clear();
        self.remaining = 0;
    }

    fn index(&self, number: FrameNumber) -> Option<usize> {
        number.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok())
    }

    fn drop_finished(&mut self) {
        while self.frames.front().is_some_and(|frame| frame.taken == frame.len) {
            self.frames.pop_front();
            self.first += 1;
        }
    }
}

impl Buf for SendQueue {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let slices = dst.iter_mut().zip(&self.chunks);
        slices.map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    /// # Panics
    /// If `n` is more than [`Buf::remaining`].
    fn advance(&mut self, mut n: usize) {
        assert!(n <= self.remaining, "advanced past the end of the send queue");
        self.remaining -= n;
        while n > 0 {
            let (Some(chunk), Some(frame)) = (self.chunks.front_mut(), self.frames.front_mut()) else {
                unreachable!("the chunks hold `remaining` bytes, and each belongs to a frame")
            };
            let step = n.min(chunk.len());
            chunk.advance(step);
            frame.taken += step;
            n -= step;
            if chunk.is_empty() {
                self.chunks.pop_front();
                frame.chunks -= 1;
            }
            self.drop_finished();
        }
    }
}

impl fmt::Debug for SendQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendQueue").field("frames", &self.frames.len()).field("bytes", &self.remaining).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(parts: &[&'static [u8]]) -> Chunks {
        parts.iter().map(|part| Bytes::from_static(part)).collect()
    }

    fn drain(queue: &mut SendQueue) -> Vec<u8> {
        queue.copy_to_bytes(queue.remaining()).to_vec()
    }

    #[test]
    fn a_frame_of_which_nothing_was_taken_can_be_withdrawn_and_no_other() {
        let mut queue = SendQueue::default();
        let first = queue.push(chunks(&[b"ab", b"cd"]));
        let second = queue.push(chunks(&[b"ef", b"gh"]));
        let third = queue.push(chunks(&[b"ij"]));
        queue.advance(3);
        assert_eq!([first, second, third].map(|n| queue.taken(n)), [Taken::Some, Taken::Nothing, Taken::Nothing]);
        queue.withdraw(first);
        queue.withdraw(second);
        assert_eq!(queue.remaining(), 3);
        assert_eq!(drain(&mut queue), b"dij");
        assert_eq!([first, third].map(|n| queue.taken(n)), [Taken::All, Taken::All]);
        assert!(queue.frames.is_empty());
    }

    #[test]
    fn an_advance_may_end_anywhere() {
        for step in 1..=10 {
            let mut queue = SendQueue::default();
            let numbers: Vec<_> = (0..4).map(|_| queue.push(chunks(&[b"abc", b"d", b"ef"]))).collect();
            let mut taken = 0;
            while queue.remaining() > 0 {
                let now = step.min(queue.remaining());
                queue.advance(now);
                taken += now;
                for (i, &number) in numbers.iter().enumerate() {
                    let expected = match taken.saturating_sub(6 * i) {
                        0 => Taken::Nothing,
                        1..=5 => Taken::Some,
                        _ => Taken::All,
                    };
                    assert_eq!(queue.taken(number), expected);
                }
            }
        }
    }
}
