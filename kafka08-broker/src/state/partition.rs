//! A partition and its replicas.
//!
//! This file owns the fields and the questions that are asked of them. What changes them is beside it: `replication` moves
//! messages and high watermarks, and `elections` moves leaders.
//!
//! The offsets of a partition are ordered: the start of a log, then its high watermark, then its end. Messages between the
//! last two are in doubt: an election may remove them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset, Timestamp},
};

use crate::{log::Log, purgatory::WaitId};

/// One copy of a partition.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) node: NodeId,
    pub(crate) log: Log,
    /// The high watermark as this replica knows it. A follower learns it with its next fetch.
    pub(crate) high_watermark: Offset,
    /// Whether the replica does not fetch, because a test holds it back.
    pub(crate) is_held: bool,
    /// Since when the replica lacks messages of its leader.
    pub(crate) behind_since: Option<Instant>,
    /// What survives a crash of the machine. A crash of the process alone loses nothing.
    pub(crate) flushed: Offset,
}

impl Replica {
    /// Whether the replica can fetch from its leader, if these brokers run.
    pub(crate) fn fetches(&self, running: &[NodeId]) -> bool {
        !self.is_held && running.contains(&self.node)
    }

    /// Drops the messages from `to` on. Nothing that the replica knows reaches beyond its end.
    pub(crate) fn truncate(&mut self, to: Offset, now: Timestamp) {
        let to = to.max(self.log.start());
        self.log.truncate(to, now);
        self.high_watermark = self.high_watermark.min(to);
        self.flushed = self.flushed.min(to);
    }

    /// The offset at which the active segment begins.
    pub(crate) fn active_base(&self) -> Offset {
        self.log.segments().next_back().map_or(Offset(0), |(base, ..)| base)
    }

    /// The messages of all segments below the high watermark, in one piece.
    pub(crate) fn visible_set(&self) -> Bytes {
        let bases = self.log.segments().map(|(base, ..)| base.max(self.log.start()));
        let bases: Vec<Offset> = bases.filter(|base| *base < self.high_watermark).collect();
        let mut whole = BytesMut::with_capacity(self.log.bytes());
        // A read ends with its segment.
        for base in bases {
            let pieces = self.log.read(base, usize::MAX, self.high_watermark).unwrap_or_default();
            pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
        }
        whole.freeze()
    }
}

/// A partition: its replicas, and what the controller has decided.
#[derive(Debug)]
pub(crate) struct Partition {
    /// The replicas, the preferred leader first.
    pub(crate) replicas: Vec<Replica>,
    /// The leader that the controller has elected. It may be down until the controller notices.
    pub(crate) leader: Option<NodeId>,
    /// The replicas in sync, the leader among them. With 0.8.0 also clients: see `strangers`.
    pub(crate) isr: Vec<NodeId>,
    /// The highest high watermark of any leader: consumers could read what lies below it, and producers were told that it is
    /// stored. An election that removes it notes a loss, and lowers it.
    pub(crate) visible: Offset,
    /// Clients that a leader of 0.8.0 takes for followers, because they gave a replica id, how far they have read, and
    /// when they last fetched.
    pub(crate) strangers: BTreeMap<NodeId, (Offset, Instant)>,
    /// Whether a timer will look whether they still fetch.
    pub(crate) watches_strangers: bool,
    /// The fetches that wait for messages of this partition.
    pub(crate) fetches: BTreeSet<WaitId>,
    /// The produces that wait for replicas of this partition.
    pub(crate) produces: BTreeSet<WaitId>,
    /// Whether a timer will have the followers fetch.
    pub(crate) will_replicate: bool,
}

impl Partition {
    pub(crate) fn new(replicas: &[NodeId], now: Timestamp) -> Self {
        let replica = |&node| Replica {
            node,
            log: Log::new(now),
            high_watermark: Offset(0),
            is_held: false,
            behind_since: None,
            flushed: Offset(0),
        };
        Self {
            replicas: replicas.iter().map(replica).collect(),
            leader: None,
            isr: replicas.to_vec(),
            visible: Offset(0),
            strangers: BTreeMap::new(),
            watches_strangers: false,
            fetches: BTreeSet::new(),
            produces: BTreeSet::new(),
            will_replicate: false,
        }
    }

    pub(crate) fn replica(&self, node: NodeId) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.node == node)
    }

    pub(crate) fn replica_mut(&mut self, node: NodeId) -> Option<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.node == node)
    }

    /// The leader's replica.
    pub(crate) fn led(&self) -> Option<&Replica> {
        self.replica(self.leader?)
    }

    /// The leader's replica and the others.
    pub(crate) fn leader_and_followers(&mut self) -> Option<(&mut Replica, Vec<&mut Replica>)> {
        let leader = self.leader?;
        let (mut led, followers): (Vec<_>, Vec<_>) =
            self.replicas.iter_mut().partition(|replica| replica.node == leader);
        Some((led.pop()?, followers))
    }

    /// The replica of `node`, if it is the leader's.
    ///
    /// # Errors
    /// The broker has no replica of the partition, or follows another leader.
    pub(crate) fn led_by(&self, node: NodeId) -> Result<&Replica, ErrorCode> {
        let replica = self.replica(node).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if self.leader == Some(node) { Ok(replica) } else { Err(ErrorCode::NOT_LEADER_FOR_PARTITION) }
    }

    /// How far every replica in sync holds the log.
    pub(crate) fn held_by_all(&self) -> Option<Offset> {
        let ends = self.isr.iter().filter_map(|node| match self.replica(*node) {
            // The log of a replica is here, so its end is known exactly. Of a client only what it asked for is known.
            Some(replica) => Some(replica.log.end()),
            None => self.strangers.get(node).map(|(offset, _)| *offset),
        });
        ends.min()
    }

    /// How many replicas in sync hold everything below `offset`, the leader included.
    pub(crate) fn holders(&self, offset: Offset) -> usize {
        let in_sync = self.isr.iter().filter_map(|node| self.replica(*node));
        in_sync.filter(|replica| replica.log.end() >= offset).count()
    }
}
