//! The memory of a log: frozen blocks that are shared with responses, and a tail that grows.

use std::collections::VecDeque;

use bytes::Bytes;
use kafka08_proto::ids::Offset;

use super::{
    Pieces,
    entry::{Next, RawEntry, entries, run_within},
};

/// The size of a block, in bytes. An entry that is larger has a block of its own.
pub(crate) const BLOCK: usize = 64 << 10;
/// The memory of a reference count that `Bytes` allocates when a block is shared for the first time, in bytes.
const SHARED: usize = 24;
/// A tail grows by this fraction of its capacity.
// Doubling would leave up to half of the memory of a small log unused. The bytes of a full block were copied about five
// times.
const GROWTH: usize = 4;

/// A frozen block.
#[derive(Debug)]
struct Block {
    /// The position of its first byte.
    at: u64,
    /// An offset that is above all entries of this block and at or below those of the next one.
    end: Offset,
    bytes: Bytes,
    /// The allocated memory, in bytes.
    held: usize,
    /// Who allocated the memory.
    owner: Owner,
}

/// Who allocated the memory of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// This log, or its storage.
    This,
    /// Another replica, with which the block is shared.
    Leader,
}

/// Which offsets the entries of an append get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// The next offsets of the log.
    Assign,
    /// Those that they have.
    Keep,
}

/// The bytes of a log.
///
/// A position is the number of bytes in front of a byte, counted from the creation of the log. Positions do not change
/// when old blocks are dropped.
// Blocks do not cross segments, because `freeze` is called when a new segment begins.
//
//     start_at            tail_at       end_at
//     | block | block | … | tail        |
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
    /// Entries that are not frozen yet. At most `BLOCK` bytes.
    tail: Vec<u8>,
    tail_at: u64,
    /// The offset of the next message.
    next: Offset,
    /// The sum of `held` of all blocks.
    held: usize,
    /// The part of `held` whose owner is another replica.
    borrowed: usize,
}

/// A part of a block.
pub(super) struct Chunk<'a> {
    /// The bytes from a position to the end of the block.
    pub(super) bytes: &'a [u8],
    /// The block, if the position is at its start and its memory can be shared.
    pub(super) whole: Option<Whole<'a>>,
}

/// A whole block that another log can share.
pub(super) struct Whole<'a> {
    bytes: &'a Bytes,
    end: Offset,
    held: usize,
}

impl Blocks {
    /// Creates an empty log whose next message gets the offset `next`.
    pub(super) fn starting_at(next: Offset) -> Self {
        Self { next, ..Self::default() }
    }

    /// The offset of the next message.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// Moves the offset of the next message.
    pub(super) fn set_next(&mut self, next: Offset) {
        self.next = next;
    }

    /// The position of the first byte.
    pub(super) fn start_at(&self) -> u64 {
        self.blocks.front().map_or(self.tail_at, |block| block.at)
    }

    /// The position behind the last byte.
    pub(super) fn end_at(&self) -> u64 {
        self.tail_at + self.tail.len() as u64
    }

    /// The number of bytes.
    pub(super) fn len(&self) -> usize {
        distance(self.start_at(), self.end_at())
    }

    /// The allocated memory, in bytes, without this value itself.
    pub(super) fn memory(&self) -> usize {
        self.held + self.tail.capacity() + self.blocks.capacity() * size_of::<Block>()
    }

    /// The part of the memory that is shared with the replica that allocated it, in bytes.
    pub(super) fn borrowed(&self) -> usize {
        self.borrowed
    }

    /// Appends complete entries.
    pub(super) fn push(&mut self, mut bytes: &[u8], numbering: Numbering) {
        while !bytes.is_empty() {
            let mut run = run_within(bytes, BLOCK.saturating_sub(self.tail.len()));
            if run == 0 {
                if !self.tail.is_empty() {
                    self.freeze();
                    continue;
                }
                let Next::Entry(large) = RawEntry::first_of(bytes) else { return };
                run = large.bytes.len();
            }
            let (now, rest) = bytes.split_at(run);
            self.extend_tail(now, numbering);
            if self.tail.len() >= BLOCK {
                self.freeze();
            }
            bytes = rest;
        }
    }

    /// Appends complete entries to the tail.
    fn extend_tail(&mut self, bytes: &[u8], numbering: Numbering) {
        let from = self.tail.len();
        let needed = from + bytes.len();
        if needed > self.tail.capacity() {
            let grown = (self.tail.capacity() + self.tail.capacity() / GROWTH).min(BLOCK).max(needed);
            self.tail.reserve_exact(grown - from);
        }
        self.tail.extend_from_slice(bytes);
        if numbering == Numbering::Keep {
            if let Some(last) = entries(bytes).last() {
                self.next = last.offset().next();
            }
            return;
        }
        let mut at = from;
        for entry in entries(bytes) {
            if let Some(field) = self.tail.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()) {
                *field = self.next.0.to_be_bytes();
            }
            self.next = self.next.next();
            at += entry.bytes.len();
        }
    }

    /// Turns the tail into a block.
    pub(super) fn freeze(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let mut tail = std::mem::take(&mut self.tail);
        // The block stays as long as its messages, and most blocks are nearly full.
        if tail.capacity() - tail.len() > tail.len() / 16 {
            tail.shrink_to_fit();
        }
        let held = tail.capacity() + SHARED;
        self.push_block(Bytes::from(tail), self.next, held, Owner::This);
    }

    fn push_block(&mut self, bytes: Bytes, end: Offset, held: usize, owner: Owner) {
        let at = self.tail_at;
        self.tail_at += bytes.len() as u64;
        self.held += held;
        if owner == Owner::Leader {
            self.borrowed += held;
        }
        self.blocks.push_back(Block { at, end, bytes, held, owner });
    }

    /// Appends a block of another replica, and shares its memory.
    pub(super) fn share(&mut self, whole: &Whole<'_>) {
        self.freeze();
        self.next = whole.end;
        self.push_block(whole.bytes.clone(), whole.end, whole.held, Owner::Leader);
    }

    /// Appends complete entries that the caller has allocated.
    pub(super) fn adopt(&mut self, bytes: Bytes) {
        let Some(last) = entries(&bytes).last().map(|entry| entry.offset()) else { return };
        self.freeze();
        self.next = last.next();
        let held = bytes.len() + SHARED;
        self.push_block(bytes, self.next, held, Owner::This);
    }

    /// The position of the first entry whose offset is `offset` or more. A compressed entry has the offset of its last
    /// message.
    pub(super) fn position(&self, offset: Offset) -> u64 {
        if offset >= self.next {
            return self.end_at();
        }
        let index = self.blocks.partition_point(|block| block.end <= offset);
        let (at, bytes) =
            self.blocks.get(index).map_or((self.tail_at, &self.tail[..]), |block| (block.at, &block.bytes));
        let before: usize =
            entries(bytes).take_while(|entry| entry.offset() < offset).map(|entry| entry.bytes.len()).sum();
        at + before as u64
    }

    /// The index of the block that holds a position. The number of blocks stands for the tail.
    fn index(&self, at: u64) -> usize {
        self.blocks.partition_point(|block| block.at <= at).saturating_sub(usize::from(at < self.tail_at))
    }

    /// The bytes from a position to the end of its block.
    pub(super) fn chunk(&self, at: u64) -> Chunk<'_> {
        let Some(block) = self.blocks.get(self.index(at)) else {
            return Chunk { bytes: self.tail.get(distance(self.tail_at, at)..).unwrap_or_default(), whole: None };
        };
        let bytes = block.bytes.get(distance(block.at, at)..).unwrap_or_default();
        let whole = (at == block.at).then_some(Whole { bytes: &block.bytes, end: block.end, held: block.held });
        Chunk { bytes, whole }
    }

    /// The bytes between two positions. Frozen blocks are shared, and bytes of the tail are copied.
    pub(super) fn slices(&self, from: u64, to: u64) -> Pieces {
        let mut pieces = Pieces::default();
        let mut at = from.max(self.start_at());
        let to = to.min(self.end_at());
        for block in self.blocks.range(self.index(at).min(self.blocks.len())..) {
            if at >= to {
                return pieces;
            }
            let start = distance(block.at, at);
            let end = block.bytes.len().min(distance(block.at, to));
            pieces.push(part_of(&block.bytes, start, end));
            at = block.at + end as u64;
        }
        let tail = self.tail.get(distance(self.tail_at, at)..distance(self.tail_at, to)).unwrap_or_default();
        pieces.push(Bytes::copy_from_slice(tail));
        pieces
    }

    /// Drops the bytes from a position on. The position must be the start of an entry, or the end.
    pub(super) fn truncate(&mut self, at: u64) {
        if at >= self.tail_at {
            self.tail.truncate(distance(self.tail_at, at));
            self.tail.shrink_to_fit();
            return;
        }
        self.tail = Vec::new();
        while let Some(block) = self.blocks.pop_back_if(|block| block.at + block.bytes.len() as u64 > at) {
            self.release(&block);
            self.tail_at = block.at;
            // A slice would keep the memory of the whole block. Such a block has several entries, so the copy is small.
            let kept = block.bytes.get(..distance(block.at, at)).unwrap_or_default();
            self.tail = Vec::from(kept);
        }
    }

    /// Drops the blocks in front of a position, which must be the start of a block or of the tail.
    pub(super) fn drop_before(&mut self, at: u64) {
        while let Some(block) = self.blocks.pop_front_if(|block| block.at < at) {
            self.release(&block);
        }
        if self.blocks.is_empty() && self.tail_at < at {
            self.tail_at = at;
            self.tail = Vec::new();
        }
        self.shrink();
    }

    fn release(&mut self, block: &Block) {
        self.held -= block.held;
        if block.owner == Owner::Leader {
            self.borrowed -= block.held;
        }
    }

    /// Returns the memory of the list after many blocks were dropped.
    fn shrink(&mut self) {
        if self.blocks.capacity() > 4 * self.blocks.len().max(4) {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }

    /// Drops the oldest block, or half of the last one. Returns the offset behind the dropped entries, or `None` if there
    /// is at most one entry.
    pub(super) fn drop_oldest(&mut self) -> Option<Offset> {
        if self.blocks.len() + usize::from(!self.tail.is_empty()) > 1 {
            let block = self.blocks.pop_front()?;
            self.release(&block);
            self.shrink();
            return Some(block.end);
        }
        let bytes = self.blocks.front().map_or(&self.tail[..], |block| &block.bytes);
        let half = run_within(bytes, bytes.len() / 2);
        // The first entry may be larger than half of the block.
        let cut = if half > 0 { half } else { entries(bytes).next()?.bytes.len() };
        if cut == bytes.len() {
            return None;
        }
        let (dropped, kept) = bytes.split_at(cut);
        let end = entries(dropped).last()?.offset().next();
        let kept = Vec::from(kept);
        let Some(block) = self.blocks.pop_front() else {
            self.tail = kept;
            self.tail_at += cut as u64;
            return Some(end);
        };
        self.release(&block);
        // It stays a block, because it may belong to an earlier segment than the tail.
        let held = kept.len() + SHARED;
        self.held += held;
        let at = block.at + cut as u64;
        self.blocks.push_front(Block { at, end: block.end, bytes: Bytes::from(kept), held, owner: Owner::This });
        Some(end)
    }

    /// Visits the bytes between two positions, both of which are the start of a block or of the tail.
    pub(super) fn contents(&self, from: u64, to: u64) -> impl Iterator<Item = RawEntry<'_>> {
        let blocks = self.blocks.iter().map(|block| (block.at, &block.bytes[..]));
        blocks
            .chain([(self.tail_at, &self.tail[..])])
            .filter(move |&(at, _)| from <= at && at < to)
            .flat_map(|(_, bytes)| entries(bytes))
    }

    /// Moves the blocks from a position on to the end of another log.
    pub(super) fn move_from(&mut self, at: u64, to: &mut Self) {
        to.freeze();
        for block in self.blocks.drain(self.index(at).min(self.blocks.len())..) {
            to.push_block(block.bytes, block.end, block.held, block.owner);
        }
        to.tail = std::mem::take(&mut self.tail);
        to.next = self.next;
    }
}

/// A part of a block. A small part is copied: it would keep the memory of the whole block for as long as a client does not read it.
fn part_of(block: &Bytes, start: usize, end: usize) -> Bytes {
    if end.saturating_sub(start) < block.len() / 4 {
        return block.get(start..end).map(Bytes::copy_from_slice).unwrap_or_default();
    }
    block.slice(start..end)
}

/// The number of bytes between two positions; 0 if they are in the other order.
pub(super) fn distance(from: u64, to: u64) -> usize {
    usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX)
}
