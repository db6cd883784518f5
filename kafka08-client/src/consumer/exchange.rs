//! Where a consumer and its assignment meet.

use std::time::Instant;

use kafka08_proto::ids::NodeId;

use super::{
    Consumer, ConsumerEvent,
    state::Life,
    track::{Stage, Track},
};
use crate::assignment::{Assignment, PartitionIndex};

impl Consumer {
    /// Puts what has come into the assignment, and takes what was changed there. Call it in each turn, after time was told or
    /// bytes were moved, and before outputs are taken.
    ///
    /// Costs what has changed and what has come, whatever the number of partitions. Nothing waits or is sent here, so the lock
    /// around an assignment is held briefly.
    pub fn exchange(&mut self, with: &mut Assignment, now: Instant) {
        self.take_news(now);
        self.look_at = None;
        if self.life != Life::Open {
            self.take_last(with, now);
            return;
        }
        // Before the partitions, which they change.
        while let Some(topic) = with.poll_changed_topic() {
            self.renew_topic(with, now, topic);
        }
        self.list_topics(with);
        // Before the answers: what was sought meanwhile is not wanted any more.
        while let Some(at) = with.poll_changed() {
            self.renew(with, now, at);
        }
        // Before the answers: what has come begins where reading has started.
        self.give_starts(with);
        while let Some(answered) = self.answers.pop_front() {
            self.deliver(with, now, answered);
        }
        self.drive_interval(with, now);
        while let Some(commit) = with.poll_commit() {
            self.add_commit(now, commit);
        }
        while let Some((partition, error, behind)) = with.poll_halted() {
            self.events.push_back(ConsumerEvent::Corrupt { partition, error, behind });
        }
        self.drive_looks(now);
        // Behind the look-ups: a start that needs none is known by now.
        self.give_back(with);
        for node in std::mem::take(&mut self.starved) {
            let Some(before) = self.nodes.get(&node).map(|state| state.undelivered) else { continue };
            self.note_held(with, node);
            let held = with.undelivered_of(node);
            if held.bytes < before.bytes || held.sets == 0 && before.sets > 0 {
                self.to_ask.insert(node);
            } else {
                self.starved.insert(node);
            }
        }
        self.tells_starved = false;
        if !self.starved.is_empty() {
            with.set_starved();
        }
    }

    /// An event, if there is one already. Who shares an assignment between threads takes events with this after [`Consumer::exchange`],
    /// before the assignment is unlocked: there it says that a partition has ended, and an event says why.
    pub fn poll_event(&mut self) -> Option<ConsumerEvent> {
        self.events.pop_front()
    }

    /// Takes the last commits of a consumer that closes. Each ends as failed if it is closed, so that nobody waits for it.
    fn take_last(&mut self, with: &mut Assignment, now: Instant) {
        if let Life::Closing { until, is_last_asked } = self.life {
            if !is_last_asked {
                self.drive_interval(with, now);
            }
            self.life = Life::Closing { until, is_last_asked: true };
        }
        while let Some(commit) = with.poll_commit() {
            self.add_commit(now, commit);
        }
        self.close_when_over(now);
    }

    /// Notes what has come of a broker and was not taken. If that is much, what is left of a response is all that is kept of it.
    pub(super) fn note_held(&mut self, with: &mut Assignment, node: NodeId) {
        let brokers = self.nodes.len();
        if let Some(state) = self.nodes.get_mut(&node) {
            with.compact(node, self.terms.room_of(brokers, state.parts.len()) / 2);
            state.undelivered = with.undelivered_of(node);
        }
    }

    /// Looks at a partition again that was changed.
    fn renew(&mut self, with: &Assignment, now: Instant, at: PartitionIndex) {
        let Some(assigned) = with.assigned(at) else {
            self.forget(at);
            return;
        };
        let is_new = self.tracks.get(&at).is_none_or(|track| track.epoch != assigned.epoch);
        if is_new {
            // What is left of an earlier epoch goes: its fetch may be in flight, and its answer is dropped.
            let track = Track::new(assigned.of.clone(), assigned.epoch, assigned.start, assigned.end);
            // Before the old one is forgotten, so that what is known of its topic stays.
            self.watch(now, &track.of.topic);
            self.forget(at);
            self.by_name.insert(track.of.clone(), at);
            self.tracks.insert(at, track);
            self.to_look.insert(at);
        }
        let Some(track) = self.tracks.get_mut(&at) else { return };
        track.is_idle = assigned.is_idle;
        track.waiting = assigned.waiting;
        if assigned.is_over {
            // Its user has stopped, so what is on its way is not wanted any more.
            return self.finish(at);
        }
        let leader = track.leader;
        // Something of it may have been taken, so there may be room.
        if let Some(node) = leader {
            if let Some(state) = self.nodes.get_mut(&node) {
                state.undelivered = with.undelivered_of(node);
            }
            self.to_ask.insert(node);
        }
        if is_new {
            self.start_if_known(now, at);
        }
    }

    /// Reads a partition no longer.
    fn forget(&mut self, at: PartitionIndex) {
        self.unplace(at);
        self.to_look.remove(&at);
        let Some(track) = self.tracks.remove(&at) else { return };
        if self.by_name.get(&track.of) == Some(&at) {
            self.by_name.remove(&track.of);
        }
        self.unwatch(&track.of.topic);
    }

    /// Tells the assignment where partitions have started.
    fn give_starts(&mut self, with: &mut Assignment) {
        for (at, epoch, offset) in self.returns.started.drain(..) {
            with.handle_started(at, epoch, offset);
        }
    }

    /// Tells the assignment which partitions have started and ended.
    fn give_back(&mut self, with: &mut Assignment) {
        self.give_starts(with);
        for (at, epoch) in self.returns.ended.drain(..) {
            with.handle_end(at, epoch);
        }
    }

    /// A partition that was pausing is asked for again.
    pub(super) fn try_again(&mut self, now: Instant, at: PartitionIndex) {
        let Some(track) = self.tracks.get_mut(&at) else { return };
        track.is_pausing = false;
        match track.stage {
            Stage::Starting(_) => {
                self.to_look.insert(at);
                self.drive_looks(now);
            }
            Stage::Reading { .. } => self.place(now, at),
            Stage::Over => {}
        }
    }
}
