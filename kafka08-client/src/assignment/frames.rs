//! How much memory fetched sets hold that nobody has taken.

use std::collections::{BTreeMap, BTreeSet};

use kafka08_proto::ids::NodeId;

use super::PartitionIndex;

/// A response that sets share. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameId(u64);

/// Responses of which some set was not taken. Each counts in full, because one set keeps the memory of all.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frames: BTreeMap<FrameId, Frame>,
    by_node: BTreeMap<NodeId, Undelivered>,
    /// Responses whose sets that were not taken are at most half of them.
    wasteful: BTreeSet<(NodeId, FrameId)>,
    next: u64,
}

/// What has come from one broker and was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Undelivered {
    /// The bytes of its responses.
    pub(crate) bytes: usize,
    /// The number of sets that can be taken now, because their partitions are not paused.
    pub(crate) sets: usize,
}

/// Whether a set can be taken, or waits until its partition is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Deliverable,
    Paused,
}

#[derive(Debug)]
struct Frame {
    node: NodeId,
    bytes: usize,
    /// The number of its sets that were not taken.
    sets: usize,
    /// The bytes of these sets.
    left: usize,
    /// The partitions of all its sets.
    parts: Vec<PartitionIndex>,
}

impl Frames {
    /// Counts a response that has no sets yet.
    pub(super) fn begin(&mut self, node: NodeId, bytes: usize) -> FrameId {
        let id = FrameId(self.next);
        self.next += 1;
        // Without sets it counts until its end is told, so that nothing is fetched meanwhile.
        self.frames.insert(id, Frame { node, bytes, sets: 0, left: 0, parts: Vec::new() });
        self.by_node.entry(node).or_default().bytes += bytes;
        id
    }

    pub(super) fn add_set(&mut self, id: FrameId, of: PartitionIndex, bytes: usize, is: Is) {
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.sets += 1;
            frame.left += bytes;
            frame.parts.push(of);
        }
        if is == Is::Deliverable {
            self.resume_set(id);
        }
    }

    /// The partition of one of its sets was resumed.
    pub(super) fn resume_set(&mut self, id: FrameId) {
        let node = self.frames.get(&id).and_then(|frame| self.by_node.get_mut(&frame.node));
        if let Some(undelivered) = node {
            undelivered.sets += 1;
        }
    }

    /// The partition of one of its sets was paused.
    pub(super) fn pause_set(&mut self, id: FrameId) {
        let node = self.frames.get(&id).and_then(|frame| self.by_node.get_mut(&frame.node));
        if let Some(undelivered) = node {
            undelivered.sets = undelivered.sets.saturating_sub(1);
        }
    }

    /// One of its sets was taken or dropped.
    pub(super) fn remove_set(&mut self, id: FrameId, bytes: usize, is: Is) {
        if is == Is::Deliverable {
            self.pause_set(id);
        }
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.sets = frame.sets.saturating_sub(1);
            frame.left = frame.left.saturating_sub(bytes);
        }
        self.end(id);
    }

    /// Counts a response no more if none of its sets is left. All of its sets were added.
    pub(super) fn end(&mut self, id: FrameId) {
        let Some(frame) = self.frames.get(&id) else { return };
        let key = (frame.node, id);
        if frame.sets > 0 {
            // From a half on, so that what is copied is never more than what is let go.
            if frame.left <= frame.bytes / 2 {
                self.wasteful.insert(key);
            }
            return;
        }
        self.wasteful.remove(&key);
        if let Some(frame) = self.frames.remove(&id) {
            self.count_less(frame.node, frame.bytes);
        }
    }

    /// The next response of a broker that keeps much more memory than its sets need, with the partitions of these sets. The
    /// caller copies the sets, so that they alone count from now on.
    pub(super) fn poll_wasteful(&mut self, node: NodeId) -> Option<(FrameId, Vec<PartitionIndex>)> {
        let key = *self.wasteful.range((node, FrameId(0))..).next().filter(|(of, _)| *of == node)?;
        self.wasteful.remove(&key);
        let frame = self.frames.get_mut(&key.1)?;
        let less = frame.bytes - frame.left;
        frame.bytes = frame.left;
        let parts = std::mem::take(&mut frame.parts);
        self.count_less(node, less);
        Some((key.1, parts))
    }

    fn count_less(&mut self, node: NodeId, bytes: usize) {
        if let Some(undelivered) = self.by_node.get_mut(&node) {
            undelivered.bytes = undelivered.bytes.saturating_sub(bytes);
            if undelivered.bytes == 0 {
                self.by_node.remove(&node);
            }
        }
    }

    /// What has come from one broker.
    pub(super) fn of_node(&self, node: NodeId) -> Undelivered {
        self.by_node.get(&node).copied().unwrap_or_default()
    }

    /// The bytes of all responses.
    pub(super) fn total(&self) -> usize {
        self.by_node.values().map(|undelivered| undelivered.bytes).sum()
    }
}
