//! Commits that the consumer makes by itself, every so often.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use kafka08_proto::ids::{Offset, Text, TopicPartition};

use super::{
    Consumer,
    committing::Failed,
    event::ConsumerEvent,
    state::{Due, Life},
};
use crate::{
    assignment::{Assignment, CommitId, Epoch},
    config::{IntervalCommit, OffsetStore},
};

/// What was stored is stored again after this time, because brokers of 0.8.2 forget what was not for a day
/// (`offsets.retention.minutes`).
const AGAIN: Duration = Duration::from_secs(3600);

/// What is committed every so often, and how far that is.
#[derive(Debug)]
pub(super) struct Interval {
    group: Text,
    store: OffsetStore,
    every: Duration,
    is_due: bool,
    /// What was stored of the partitions that are assigned, and when. A new epoch stores even the same offset again, because somebody
    /// else may have committed meanwhile.
    stored: BTreeMap<TopicPartition, ((Epoch, Offset), Instant)>,
    /// Commits that have not ended: one, and one more while the consumer closes.
    open: BTreeMap<CommitId, Open>,
}

/// A commit that has not ended.
#[derive(Debug)]
struct Open {
    since: Instant,
    offsets: BTreeMap<TopicPartition, (Epoch, Offset)>,
}

impl Interval {
    pub(super) fn new(terms: &IntervalCommit) -> Self {
        let IntervalCommit { group, store, every } = terms.clone();
        Self { group, store, every, is_due: false, stored: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// What has passed and is not stored, or not lately.
    fn unstored(&mut self, with: &Assignment, now: Instant) -> BTreeMap<TopicPartition, (Epoch, Offset)> {
        // Built anew each time, so that partitions that were unassigned take no memory.
        let stored = std::mem::take(&mut self.stored);
        let mut unstored = BTreeMap::new();
        for (of, epoch, offset) in with.committable_of_epochs() {
            let is_late = |since: Instant| now.saturating_duration_since(since) >= AGAIN;
            match stored.get(of) {
                Some(known) if known.0 == (epoch, offset) && !is_late(known.1) => {
                    self.stored.insert(of.clone(), *known);
                }
                _ => drop(unstored.insert(of.clone(), (epoch, offset))),
            }
        }
        unstored
    }
}

impl Consumer {
    /// Commits what has passed, if the time for that has come, and sets the next time.
    pub(super) fn drive_interval(&mut self, with: &mut Assignment, now: Instant) {
        let is_closing = self.life != Life::Open;
        let Some(interval) = &mut self.interval else { return };
        let has_work = !self.tracks.is_empty() || !self.wanted.is_empty();
        if has_work && !is_closing && !self.timers.has(&Due::Commit) {
            self.timers.set(Due::Commit, now.checked_add(interval.every));
        }
        let is_due = std::mem::take(&mut interval.is_due);
        // The next interval takes what has passed since. A consumer that closes has no next one.
        if !is_closing && (!is_due || !interval.open.is_empty()) {
            return;
        }
        let unstored = interval.unstored(with, now);
        if unstored.is_empty() {
            return;
        }
        // Through the assignment, which gives it a number and its place behind what callers have asked for.
        let offsets = unstored.iter().map(|(of, (_, offset))| (of.clone(), *offset)).collect();
        let id = with.commit_offsets(interval.group.clone(), interval.store, offsets);
        interval.open.insert(id, Open { since: now, offsets: unstored });
    }

    pub(super) fn note_interval_due(&mut self) {
        if let Some(interval) = &mut self.interval {
            interval.is_due = true;
        }
    }

    /// Whether the assignment has to be met for a commit.
    pub(super) fn is_interval_due(&self) -> bool {
        self.interval.as_ref().is_some_and(|interval| interval.is_due)
    }

    /// Tells the end of a commit.
    pub(super) fn tell_commit(&mut self, id: CommitId, mut failed: Failed) {
        let own = self.interval.as_mut().and_then(|interval| Some((interval.open.remove(&id)?, interval)));
        let Some((Open { since, mut offsets }, interval)) = own else {
            let failed = failed.into_iter().collect();
            self.events.push_back(ConsumerEvent::Committed { id, failed });
            return;
        };
        // What has failed is unstored at the next interval, whether or not more has passed by then.
        offsets.retain(|of, _| !failed.contains_key(of));
        interval.stored.extend(offsets.into_iter().map(|(of, stored)| (of, (stored, since))));
        // Of a consumer that closes, the last commit has these partitions again, and its end counts.
        failed.retain(|of, _| interval.open.values().all(|open| !open.offsets.contains_key(of)));
        if !failed.is_empty() {
            let failed = failed.into_iter().collect();
            self.events.push_back(ConsumerEvent::NotCommitted { failed });
        }
    }
}
