//! OffsetCommit (`KafkaApis.handleOffsetCommitRequest`).
//!
//! Version 0 stores offsets in ZooKeeper, at any broker and at once. Version 1 of 0.8.2 stores them as messages of
//! `__consumer_offsets`: the commit is appended, waits like a produce with acks -1, and is put into the cache of the
//! coordinator when the replicas have it. The limit of offsets is this broker's own.

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{PartitionId, Text, Timestamp},
    profile::Profile,
};

use super::{Caller, Outcome, detached, grouped};
use crate::{
    cluster::Cluster,
    groups::{Committed, OffsetKey, commits_of, is_valid_group},
    purgatory::{Item, Purpose, WaitingProduce},
    state::{Now, Tp},
    wire::{Answer, Commit, Name, Place, Places, Produced, Store},
};

/// How long the replicas of `__consumer_offsets` may take, in milliseconds: `offsets.commit.timeout.ms`.
const COMMIT_TIMEOUT: i32 = 5000;

impl Cluster {
    pub(crate) fn offset_commit(
        &mut self,
        caller: Caller,
        kept_by: Store,
        group: &Name,
        parts: &Places<Commit>,
        now: Now,
    ) -> Outcome {
        match (kept_by, group) {
            (Store::ZooKeeper, group) => Outcome::Answer(self.commit_to_zookeeper(caller, group, parts)),
            (Store::Kafka, None) => {
                let failed = parts.keys().map(|place| (place.clone(), ErrorCode::UNKNOWN));
                Outcome::Answer(Answer::OffsetCommit(grouped(failed, self.seed())))
            }
            (Store::Kafka, Some(group)) => self.commit_to_kafka(caller, group, parts, now),
        }
    }

    fn commit_to_zookeeper(&mut self, caller: Caller, group: &Name, parts: &Places<Commit>) -> Answer {
        // ZooKeeper's path has the word that Java writes for null.
        let group = group.as_ref().map_or_else(|| Text::from("null"), Text::detached);
        let limit = metadata_limit(caller.profile);
        // The weight of all offsets is summed once for each request, and not for each partition of it.
        let mut room = self.state.config.max_offsets.saturating_sub(self.offsets_weight());
        let mut answers = Vec::with_capacity(parts.len());
        for (place, commit) in parts {
            let key = key_of(&group, place);
            // An offset that is stored already takes no more room.
            let weight = if self.zookeeper.get(&key).is_some() { 0 } else { key.weight(None) };
            let error = if !self.knows_topic(place) {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            } else if is_longer(&commit.metadata, limit) {
                ErrorCode::OFFSET_METADATA_TOO_LARGE
            } else if !is_valid_group(&group) || room < weight {
                ErrorCode::UNKNOWN
            } else {
                room -= weight;
                // Neither the partition nor the offset is looked at, and the metadata is dropped.
                self.zookeeper.put(key, commit.offset);
                ErrorCode::NONE
            };
            answers.push((place.clone(), error));
        }
        Answer::OffsetCommit(grouped(answers, self.seed()))
    }

    fn commit_to_kafka(&mut self, caller: Caller, group: &Text, parts: &Places<Commit>, now: Now) -> Outcome {
        let limit = metadata_limit(caller.profile);
        let group = group.detached();
        // The limit is checked before anything is appended, so that a refused commit leaves no message. Commits that wait are
        // not counted yet: the limit of waiting requests bounds by how much they exceed it.
        let is_full = self.offsets_weight().saturating_add(self.added_weight(caller, &group, parts))
            > self.state.config.max_offsets;
        let mut answers = Vec::with_capacity(parts.len());
        let mut offsets = Vec::with_capacity(parts.len());
        for (place, commit) in parts {
            let error = match is_longer(&commit.metadata, limit) {
                true => ErrorCode::OFFSET_METADATA_TOO_LARGE,
                false if is_full => ErrorCode::UNKNOWN,
                false => ErrorCode::NONE,
            };
            let timestamp = if commit.timestamp == Timestamp::NOW { now.wall } else { commit.timestamp };
            let committed = Committed { offset: commit.offset, metadata: detached(&commit.metadata), timestamp };
            let place = Place { topic: detached(&place.topic), partition: place.partition };
            offsets.push((key_of(&group, &place), committed));
            answers.push((place, error));
        }
        if is_full {
            return Outcome::Answer(Answer::OffsetCommit(grouped(answers, self.seed())));
        }
        let stored = offsets.iter().zip(&answers).filter(|(_, (_, error))| error.is_ok());
        let set = commits_of(stored.map(|((key, committed), _)| (key, Some(committed))));
        let partition = self.offsets_partition(&group);
        self.store_commit(caller, partition, &set, answers, offsets, now)
    }

    /// How many offsets a commit adds. Those that are stored already count only for what their metadata grows by.
    fn added_weight(&self, caller: Caller, group: &Text, parts: &Places<Commit>) -> usize {
        let partition = self.offsets_partition(group);
        let stored = self.state.nodes.get(&caller.node).map(|node| &node.offsets);
        let added = parts.iter().map(|(place, commit)| {
            let key = key_of(group, place);
            let before = stored.and_then(|offsets| offsets.get(partition, &key));
            let before = before.map_or(0, |before| key.weight(before.metadata.as_deref()));
            key.weight(commit.metadata.as_deref()).saturating_sub(before)
        });
        added.sum()
    }

    /// Stores a commit as a produce with acks -1.
    fn store_commit(
        &mut self,
        caller: Caller,
        partition: PartitionId,
        set: &Bytes,
        answers: Vec<(Place, ErrorCode)>,
        offsets: Vec<(OffsetKey, Committed)>,
        now: Now,
    ) -> Outcome {
        let found = self.find_offsets_partition(partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        // A coordinator has loaded its partitions before it takes a commit. Loaded later, the cache would hold this commit even
        // if it times out.
        if let Ok(tp) = found
            && self.state.partition(tp).is_some_and(|partition| partition.led_by(caller.node).is_ok())
        {
            self.load_offsets(caller.node, tp, now);
        }
        let appended = found.and_then(|tp| Ok((tp, self.append_as_leader(caller, tp, -1, set, now)?)));
        let (tp, (first, end)) = match appended {
            Ok(appended) => appended,
            Err(error) => {
                let failed = answers.into_iter().map(|(place, own)| (place, coordinator_error(own, error)));
                return Outcome::Answer(Answer::OffsetCommit(grouped(failed, self.seed())));
            }
        };
        let item = Item {
            place: Place { topic: None, partition },
            tp: Some(tp),
            produced: Produced { error: ErrorCode::NONE, offset: first },
            // If every offset was refused nothing was appended, and there is nothing to wait for.
            pending: Some(if set.is_empty() { kafka08_proto::ids::Offset(0) } else { end }),
        };
        let purpose = Purpose::Commit { tp, answers, offsets };
        self.wait_for_replicas(caller, WaitingProduce { acks: -1, items: vec![item], purpose }, COMMIT_TIMEOUT, now)
    }

    /// Answers a commit once it is stored, and puts its offsets into the cache.
    pub(super) fn answer_commit(
        &mut self,
        caller: Caller,
        tp: Tp,
        error: ErrorCode,
        answers: Vec<(Place, ErrorCode)>,
        offsets: Vec<(OffsetKey, Committed)>,
        now: Now,
    ) -> Answer {
        if error.is_ok() {
            self.load_offsets(caller.node, tp, now);
            let node = self.state.nodes.get_mut(&caller.node);
            if let Some(node) = node.filter(|node| node.offsets.is_loaded(tp.partition)) {
                // An offset whose metadata is too long was not stored, and is put into the cache all the same: a bug of 0.8.2.
                for (key, committed) in offsets {
                    node.offsets.put(tp.partition, key, committed);
                }
            }
        }
        let answers = answers.into_iter().map(|(place, own)| (place, coordinator_error(own, error)));
        Answer::OffsetCommit(grouped(answers, self.seed()))
    }
}

/// The code for an offset: its own, or that of the whole commit in the words of a coordinator.
fn coordinator_error(own: ErrorCode, of_all: ErrorCode) -> ErrorCode {
    match of_all {
        _ if !own.is_ok() => own,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_LEADER_FOR_PARTITION => ErrorCode::NOT_COORDINATOR_FOR_CONSUMER,
        other => other,
    }
}

/// The key of an offset. It owns its memory, because it outlives the request. A null topic has the name that Java writes for
/// it.
pub(super) fn key_of(group: &Text, place: &Place) -> OffsetKey {
    let topic = place.topic.as_ref().map_or_else(|| Text::from("null"), Text::detached);
    OffsetKey { group: group.clone(), topic, partition: place.partition }
}

/// The limit of metadata: `offset.metadata.max.bytes`.
fn metadata_limit(profile: Profile) -> usize {
    if profile == Profile::V0_8_2 { 4096 } else { 1024 }
}

/// Whether metadata is longer than the limit. A broker compares the length of Java's string, in UTF-16 units.
fn is_longer(metadata: &Name, limit: usize) -> bool {
    // UTF-8 never has fewer bytes than UTF-16 has units, so most metadata is not counted.
    metadata.as_ref().is_some_and(|metadata| metadata.len() > limit && metadata.encode_utf16().count() > limit)
}
