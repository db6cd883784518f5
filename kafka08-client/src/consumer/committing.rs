//! Commits: one in flight for each group and store, the later ones together in the next.

use std::{collections::BTreeMap, time::Instant};

use kafka08_proto::{
    api::{OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse, RequestProblem, check_topic_name},
    connection::{PrepareError, SendError},
    error_code::ErrorCode,
    ids::{Offset, Text, TopicPartition},
};

use super::{
    Consumer,
    calls::{begin, outcomes},
    event::CommitCause,
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
    waiting: Waiting,
}

/// Commits by their partitions. Most commits of a group are of the same ones, and share their names.
type Waiting = BTreeMap<Vec<TopicPartition>, Vec<CommitId>>;

/// A commit request that is on its way.
#[derive(Debug)]
pub(super) struct Committing {
    group: (Text, OffsetStore),
    asked: Vec<TopicPartition>,
    commits: Waiting,
    claim: AnyClaim,
}

#[derive(Debug)]
enum AnyClaim {
    ZooKeeper(Claim<OffsetCommitRequestV0>),
    Kafka(Claim<OffsetCommitRequestV1>),
}

/// The partitions that were not stored, with the reason.
pub(super) type Failed = BTreeMap<TopicPartition, CommitCause>;

impl Consumer {
    /// Takes a commit that was asked for.
    pub(super) fn add_commit(&mut self, now: Instant, commit: ToCommit) {
        let ToCommit { id, group, store, offsets } = commit;
        if offsets.is_empty() {
            // Nothing has passed. An empty request would be answered with an empty list, which proves nothing.
            self.tell_commit(id, Failed::new());
            return;
        }
        let names = offsets.iter().map(|(of, _)| &of.topic);
        if let Some((topic, problem)) =
            names.filter_map(|name| Some((name.clone(), check_topic_name(name).err()?))).next()
        {
            // The request would be refused as a whole, with what others commit.
            let problem = PrepareError::Problem(RequestProblem::TopicName { topic, problem });
            let cause = CommitCause::Attempt(Cause::NotSent(SendError::Prepare(problem)));
            self.tell_commit(id, offsets.into_iter().map(|(of, _)| (of, cause.clone())).collect());
            return;
        }
        let key = (group, store);
        let state = self.groups.entry(key.clone()).or_default();
        // Two requests of one group in flight could be stored in any order, if one of them is sent again.
        let mut parts: Vec<_> = offsets.iter().map(|(of, _)| of.clone()).collect();
        parts.sort_unstable();
        parts.dedup();
        state.waiting.entry(parts).or_default().push(id);
        #[cfg(kafka08_canary)]
        let offsets = offsets
            .into_iter()
            .map(|(of, offset)| (of, kafka08_proto::canary::StoresTheLast.pick(Offset(offset.0 - 1), offset)))
            .collect::<Vec<_>>();
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
    fn tell_committed(&mut self, commits: Waiting, failed: &Failed) {
        let mut told = BTreeMap::new();
        for (parts, ids) in commits {
            let cause = |of: TopicPartition| failed.get(&of).map(|cause| (of, cause.clone()));
            // Each partition is looked for once, however many commits have it.
            let of_parts: Failed =
                if failed.is_empty() { Failed::new() } else { parts.into_iter().filter_map(cause).collect() };
            told.extend(ids.into_iter().map(|id| (id, of_parts.clone())));
        }
        // In the order in which they were asked for.
        for (id, failed) in told {
            self.tell_commit(id, failed);
        }
    }

    /// Ends the commits that have not ended.
    pub(super) fn abandon_commits(&mut self) {
        let sent = std::mem::take(&mut self.committing).into_values().map(|committing| committing.commits);
        let unsent = std::mem::take(&mut self.groups).into_values().map(|group| group.waiting);
        for commits in sent.chain(unsent).collect::<Vec<_>>() {
            let parts = commits.keys().flatten().cloned();
            let failed = parts.map(|of| (of, CommitCause::Attempt(Cause::Closed))).collect();
            self.tell_committed(commits, &failed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConsumerConfig;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
    fn commits_of_the_same_partitions_that_wait_share_their_names_and_each_is_told_of_its_own() {
        let now = Instant::now();
        let mut consumer = Consumer::new(&ConsumerConfig::default());
        let group = Text::from_static("g");
        let mut assignment = crate::assignment::Assignment::new(&ConsumerConfig::default());
        let mut commit = |consumer: &mut Consumer, partitions: std::ops::Range<i32>| {
            let offsets = partitions.map(|n| (TopicPartition::new("t", n), Offset(1))).collect();
            let id = assignment.commit_offsets(group.clone(), OffsetStore::Kafka, offsets);
            consumer.add_commit(now, assignment.poll_commit().expect("it was asked for"));
            id
        };
        let first = commit(&mut consumer, 0..1);
        let mut all: Vec<_> = (0..10_000).map(|_| (commit(&mut consumer, 0..3), 3)).collect();
        all.push((commit(&mut consumer, 2..4), 2));
        let waiting = &consumer.groups[&(group.clone(), OffsetStore::Kafka)].waiting;
        assert_eq!(waiting.len(), 2, "one list of names for those of the same partitions");
        consumer.close(now);
        let told: Vec<_> = consumer
            .events
            .iter()
            .filter_map(|event| match event {
                crate::consumer::ConsumerEvent::Committed { id, failed } => Some((*id, failed.len())),
                _ => None,
            })
            .collect();
        assert_eq!(told, [vec![(first, 1)], all].concat(), "no number is lost, and all are in order");
    }
}
