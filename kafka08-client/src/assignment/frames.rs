//! How much memory fetched sets hold that nobody has taken.

use std::collections::BTreeMap;

use kafka08_proto::ids::NodeId;

/// A response that sets share. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameId(u64);

/// Responses of which some set was not taken. Each counts in full, because one set keeps the memory of all.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frames: BTreeMap<FrameId, Frame>,
    by_node: BTreeMap<NodeId, Undelivered>,
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
}

impl Frames {
    /// Counts a response that has no sets yet.
    pub(super) fn begin(&mut self, node: NodeId, bytes: usize) -> FrameId {
        let id = FrameId(self.next);
        self.next += 1;
        // Without sets it counts until its end is told, so that nothing is fetched meanwhile.
        self.frames.insert(id, Frame { node, bytes, sets: 0 });
        self.by_node.entry(node).or_default().bytes += bytes;
        id
    }

    pub(super) fn add_set(&mut self, id: FrameId, is: Is) {
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.sets += 1;
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
    pub(super) fn remove_set(&mut self, id: FrameId, is: Is) {
        if is == Is::Deliverable {
            self.pause_set(id);
        }
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.sets = frame.sets.saturating_sub(1);
        }
        self.end_if_empty(id);
    }

    /// Counts a response no more if it has no sets.
    pub(super) fn end_if_empty(&mut self, id: FrameId) {
        let Some(frame) = self.frames.get(&id).filter(|frame| frame.sets == 0) else { return };
        if let Some(undelivered) = self.by_node.get_mut(&frame.node) {
            undelivered.bytes = undelivered.bytes.saturating_sub(frame.bytes);
            if undelivered.bytes == 0 {
                self.by_node.remove(&frame.node);
            }
        }
        self.frames.remove(&id);
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
