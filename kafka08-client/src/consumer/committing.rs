//! Commits: one in flight for each group and store, the later ones together in the next.

use std::{collections::BTreeMap, time::Instant};

use kafka08_proto::{
    api::{OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse},
    error_code::ErrorCode,
    ids::{Offset, Text, TopicPartition},
};

use super::{
    Consumer,
    calls::{begin, outcomes},
    event::{CommitCause, ConsumerEvent},
};
use crate::{
    assignment::{CommitId, ToCommit},
    cluster::{Answer, CallId, Claim, Ended, Redeem, Routed},
    config::OffsetStore,
    error::Cause,
};

/// The commits of one group to one store.
#[derive(Debug, Default)]
pub(super) struct Group {
    in_flight: Option<CallId>,
    /// What the next request has: the last offset of each partition counts.
    next: BTreeMap<TopicPartition, Offset>,
    waiting: Vec<Waiting>,
}

/// A commit, and its partitions.
#[derive(Debug)]
struct Waiting {
    id: CommitId,
    parts: Vec<TopicPartition>,
}

/// A commit request that is on its way.
#[derive(Debug)]
pub(super) struct Committing {
    group: (Text, OffsetStore),
    asked: Vec<TopicPartition>,
    commits: Vec<Waiting>,
    claim: AnyClaim,
}

#[derive(Debug)]
enum AnyClaim {
    ZooKeeper(Claim<OffsetCommitRequestV0>),
    Kafka(Claim<OffsetCommitRequestV1>),
}

/// The partitions that were not stored, with the reason.
type Failed = Vec<(TopicPartition, CommitCause)>;

impl Consumer {
    /// Takes a commit that was asked for.
    pub(super) fn add_commit(&mut self, now: Instant, commit: ToCommit) {
        let ToCommit { id, group, store, offsets } = commit;
        if offsets.is_empty() {
            // Nothing has passed. An empty request would be answered with an empty list, which proves nothing.
            self.events.push_back(ConsumerEvent::Committed { id, failed: Vec::new() });
            return;
        }
        let key = (group, store);
        let state = self.groups.entry(key.clone()).or_default();
        // Two requests of one group in flight could be stored in any order, if one of them is sent again.
        state.waiting.push(Waiting { id, parts: offsets.iter().map(|(of, _)| of.clone()).collect() });
        state.next.extend(offsets);
        self.drive_group(now, &key);
    }

    /// Sends the next request of a group, unless one is in flight.
    fn drive_group(&mut self, now: Instant, key: &(Text, OffsetStore)) {
        let Some(state) = self.groups.get_mut(key).filter(|state| state.in_flight.is_none()) else { return };
        if state.next.is_empty() {
            self.groups.remove(key);
            return;
        }
        let offsets = std::mem::take(&mut state.next);
        let commits = std::mem::take(&mut state.waiting);
        let asked: Vec<_> = offsets.keys().cloned().collect();
        let (group, store) = key.clone();
        let begun = match store {
            OffsetStore::ZooKeeper => {
                let request = offsets.into_iter().fold(OffsetCommitRequestV0::new(group), |all, (of, offset)| {
                    all.with(of.topic, of.partition, offset)
                });
                begin(&mut self.cluster, now, request, AnyClaim::ZooKeeper)
            }
            OffsetStore::Kafka => {
                let request = offsets.into_iter().fold(OffsetCommitRequestV1::new(group), |all, (of, offset)| {
                    all.with(of.topic, of.partition, offset, Text::default())
                });
                begin(&mut self.cluster, now, request, AnyClaim::Kafka)
            }
        };
        match begun {
            Ok((call, claim)) => {
                state.in_flight = Some(call);
                self.committing.insert(call, Committing { group: key.clone(), asked, commits, claim });
            }
            Err(cause) => {
                let failed = asked.into_iter().map(|of| (of, CommitCause::Attempt(cause.clone()))).collect();
                self.tell_committed(commits, &failed);
                self.groups.remove(key);
            }
        }
    }

    /// Takes the end of a commit request.
    pub(super) fn take_committed(&mut self, now: Instant, committing: Committing, ended: Ended) {
        let Committing { group, asked, commits, claim } = committing;
        let failed = match claim {
            AnyClaim::ZooKeeper(claim) => failures(asked, claim.redeem(ended)),
            AnyClaim::Kafka(claim) => failures(asked, claim.redeem(ended)),
        };
        self.tell_committed(commits, &failed);
        // A group that nobody commits for any more is forgotten by the next line.
        if let Some(state) = self.groups.get_mut(&group) {
            state.in_flight = None;
        }
        self.drive_group(now, &group);
    }

    /// Tells each commit of a request which of its partitions have failed.
    fn tell_committed(&mut self, commits: Vec<Waiting>, failed: &Failed) {
        for Waiting { id, parts } in commits {
            let failed = failed.iter().filter(|(of, _)| parts.contains(of)).cloned().collect();
            self.events.push_back(ConsumerEvent::Committed { id, failed });
        }
    }

    /// Ends the commits that have not ended.
    pub(super) fn abandon_commits(&mut self) {
        let open = std::mem::take(&mut self.committing).into_values();
        let mut commits: Vec<_> = open.flat_map(|committing| committing.commits).collect();
        commits.extend(std::mem::take(&mut self.groups).into_values().flat_map(|group| group.waiting));
        for Waiting { id, parts } in commits {
            let failed = parts.into_iter().map(|of| (of, CommitCause::Attempt(Cause::Closed))).collect();
            self.events.push_back(ConsumerEvent::Committed { id, failed });
        }
    }
}

/// The partitions that were not stored. One that the answer lacks was not (T1).
fn failures<R: Routed<Response = OffsetCommitResponse>>(
    asked: Vec<TopicPartition>,
    answer: Result<Answer<R>, Redeem>,
) -> Failed {
    let code =
        |of: &TopicPartition, answer: &OffsetCommitResponse| answer.topics.find(&of.topic, of.partition).copied();
    let cause = |outcome| match outcome {
        Ok(ErrorCode::NONE) => None,
        Ok(code) => Some(CommitCause::Refused(code)),
        Err(cause) => Some(CommitCause::Attempt(cause)),
    };
    outcomes(asked, answer, code).into_iter().filter_map(|(of, outcome)| Some((of, cause(outcome)?))).collect()
}
