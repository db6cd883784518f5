//! Requests that wait, from the moment at which they begin to until they are answered.
//!
//! A request that waits is in the purgatory, in the list of each partition that it waits for, and, if it has a deadline, in
//! the timers. [`Cluster::wait`] puts it into all of them, and [`Cluster::stop_waiting`] takes it out of all. An entry that
//! is left behind in one of them would be looked at for ever.
//!
//! Three things end a wait: a partition moves and the request has enough, its time is over, or its connection ends. Only the
//! first two give an answer.

use std::time::Duration;

use kafka08_proto::{error_code::ErrorCode, profile::Profile};

use super::{Caller, Outcome, fetch::CountedBy, grouped};
use crate::{
    cluster::{Cluster, ClusterDue},
    purgatory::{Item, Purpose, WaitId, Waiting, WaitingProduce},
    state::{Moved, Now, Tp},
    wire::{Answer, Place},
};

impl Cluster {
    /// Whether one more request may wait. If not, the request is answered at once.
    pub(super) fn has_room_to_wait(&self) -> bool {
        self.purgatory.len() < self.state.config.max_waiting
    }

    /// Lets a request wait for at most this many milliseconds, or for ever.
    pub(super) fn wait(&mut self, caller: Caller, what: Waiting, millis: Option<i64>, now: Now) {
        let id = self.purgatory.next_id();
        let after = millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
        // A time that the clock cannot express is taken as no deadline.
        let at = after.and_then(|after| now.instant.checked_add(after));
        let timer = at.map(|at| self.timers.add(at, ClusterDue::Wait(id)));
        for tp in self.tps_of_wait(&what) {
            if let Some(partition) = self.state.partition_mut(tp) {
                match what {
                    Waiting::Fetch(_) => partition.fetches.insert(id),
                    Waiting::Produce(_) => partition.produces.insert(id),
                };
            }
        }
        self.purgatory.add(caller, what, timer);
        // Last: from here on the end of the connection also ends the wait.
        self.note_wait(caller, id);
    }

    fn tps_of_wait(&self, what: &Waiting) -> Vec<Tp> {
        match what {
            Waiting::Fetch(fetch) => self.tps_of(&fetch.parts),
            Waiting::Produce(produce) => produce.items.iter().filter_map(|item| item.tp).collect(),
        }
    }

    /// Lets a produce wait for its replicas, unless they have everything already.
    pub(super) fn wait_for_replicas(
        &mut self,
        caller: Caller,
        mut what: WaitingProduce,
        timeout: i32,
        now: Now,
    ) -> Outcome {
        // The replicas are asked before the timeout is looked at: without a lag the followers have the messages already, and
        // the answer is a success even if the timeout is 0.
        if self.is_satisfied(caller, &mut what) || !self.may_wait(caller, timeout) {
            return Outcome::Answer(self.answer_of(caller, what, now));
        }
        // Only 0.8.0 and 0.8.1 come here with a negative timeout. `DelayedItem` turns it into a time that never comes.
        let never_ends = timeout < 0;
        self.wait(caller, Waiting::Produce(what), (!never_ends).then_some(i64::from(timeout)), now);
        Outcome::Waits
    }

    /// Whether a produce with this timeout waits at all. 0.8.2 answers at once if the timeout is negative, earlier releases
    /// never end the wait.
    fn may_wait(&self, caller: Caller, timeout: i32) -> bool {
        let waits = timeout > 0 || (timeout < 0 && caller.profile < Profile::V0_8_2);
        waits && self.has_room_to_wait()
    }

    /// Looks at each partition that is still pending. Returns whether none is left.
    fn is_satisfied(&self, caller: Caller, produce: &mut WaitingProduce) -> bool {
        let acks = produce.acks;
        for item in &mut produce.items {
            if let Some(error) = self.verdict(caller, acks, item) {
                item.pending = None;
                item.produced.error = error;
            }
        }
        produce.items.iter().all(|item| item.pending.is_none())
    }

    /// The result of a partition whose replicas are waited for, if there is one (`DelayedProduce`, `Partition`).
    fn verdict(&self, caller: Caller, acks: i16, item: &Item) -> Option<ErrorCode> {
        let required = item.pending?;
        let Some(partition) = item.tp.and_then(|tp| self.state.partition(tp)) else {
            return Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        // A broker that has lost the partition cannot know any more whether the replicas have the messages.
        let leader = match partition.led_by(caller.node) {
            Ok(leader) => leader,
            Err(error) => return Some(error),
        };
        if acks > 0 {
            let wanted = usize::try_from(acks).unwrap_or(usize::MAX);
            return (partition.holders(required) >= wanted).then_some(ErrorCode::NONE);
        }
        // The releases ask this in two ways: 0.8.2 compares the high watermark, earlier ones count the replicas in sync that
        // have the messages. The high watermark is the least of those, so the result is the same.
        if leader.high_watermark < required {
            return None;
        }
        let has_enough = partition.isr.len() >= usize::from(self.state.config.min_insync);
        Some(match caller.profile {
            Profile::V0_8_2 if !has_enough => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            _ => ErrorCode::NONE,
        })
    }

    /// The answer to a produce, or to a commit that was stored as one. What is pending has timed out.
    fn answer_of(&mut self, caller: Caller, produce: WaitingProduce, now: Now) -> Answer {
        let mut items = produce.items;
        for item in &mut items {
            if item.pending.take().is_some() {
                item.produced.error = ErrorCode::REQUEST_TIMED_OUT;
            }
        }
        match produce.purpose {
            Purpose::Produce => {
                let items = items.into_iter().map(|item| (item.place, item.produced));
                Answer::Produce(grouped(items, self.seed()))
            }
            Purpose::Commit { tp, answers, offsets } => {
                let error = items.first().map_or(ErrorCode::NONE, |item| item.produced.error);
                self.answer_commit(caller, tp, error, answers, offsets, now)
            }
        }
    }

    /// Answers what no longer has to wait, after something has moved. Producers are answered before consumers.
    pub(crate) fn settle(&mut self, now: Now) {
        loop {
            // Taken in rounds, so that what an answer moves in its turn is settled before the caller goes on.
            let moved = self.state.take_moved(now);
            if moved.is_empty() {
                return;
            }
            for moved in &moved {
                let (Moved::HighWatermark { tp, .. } | Moved::Replicas(tp) | Moved::Leader(tp)) = *moved;
                self.settle_produces(tp, now);
            }
            for moved in moved {
                match moved {
                    Moved::HighWatermark { tp, bytes } => self.add_to_fetches(tp, bytes, CountedBy::HighWatermark),
                    Moved::Leader(tp) => {
                        self.note_coordinator(tp, now);
                        self.wake_fetches(tp);
                    }
                    Moved::Replicas(_) => {}
                }
            }
        }
    }

    fn settle_produces(&mut self, tp: Tp, now: Now) {
        let Some(partition) = self.state.partition(tp) else { return };
        // Copied, because ending a wait changes the list.
        let ids: Vec<WaitId> = partition.produces.iter().copied().collect();
        ids.into_iter().for_each(|id| self.settle_produce(id, now));
    }

    /// Answers a produce that waits, if nothing is left to wait for.
    pub(crate) fn settle_produce(&mut self, id: WaitId, now: Now) {
        // The wait is taken out while it is looked at, and put back unless it is over.
        let Some(mut wait) = self.purgatory.remove(id) else { return };
        let is_over = match &mut wait.what {
            Waiting::Produce(produce) => self.is_satisfied(wait.caller, produce),
            Waiting::Fetch(_) => false,
        };
        self.purgatory.put_back(id, wait);
        if is_over {
            self.end_wait(id, now);
        }
    }

    /// Counts bytes for the fetches that wait for a partition, and answers those that have enough.
    pub(super) fn add_to_fetches(&mut self, tp: Tp, bytes: usize, counted_by: CountedBy) {
        let Some(partition) = self.state.partition(tp) else { return };
        if partition.fetches.is_empty() {
            return;
        }
        let active = partition.led().map(|leader| leader.active_base());
        let ids: Vec<WaitId> = partition.fetches.iter().copied().collect();
        let topic = self.state.topics.get(tp.topic).map(|topic| topic.name.clone());
        let place = Place { topic, partition: tp.partition };
        for id in ids {
            let Some(wait) = self.purgatory.get_mut(id) else { continue };
            let counts = match wait.caller.profile {
                Profile::V0_8_2 => CountedBy::HighWatermark,
                _ => CountedBy::Produce,
            };
            let Waiting::Fetch(fetch) = &mut wait.what else { continue };
            // Otherwise a fetch of 0.8.2 would count each message twice: when it is produced and when it is replicated.
            if counts != counted_by {
                continue;
            }
            fetch.have = fetch.have.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
            // What lies on an older segment is sent at once (`DelayedFetch.isSatisfied`, case D). Only the offset of this partition
            // may be compared: a base of another log says nothing about it.
            let offset = fetch.parts.get(&place).map(|part| part.offset);
            let is_behind = || offset.zip(active).is_some_and(|(offset, base)| offset < base);
            if fetch.have >= fetch.min_bytes || (counted_by == CountedBy::HighWatermark && is_behind()) {
                self.woken.push_back(id);
            }
        }
    }

    /// Answers the fetches of 0.8.2 that wait for a partition whose leader has changed.
    fn wake_fetches(&mut self, tp: Tp) {
        let Some(partition) = self.state.partition(tp) else { return };
        let ids: Vec<WaitId> = partition.fetches.iter().copied().collect();
        for id in ids {
            // Earlier releases let the fetch wait until its time is over, and then answer with the error.
            if self.purgatory.get_mut(id).is_some_and(|wait| wait.caller.profile == Profile::V0_8_2) {
                self.woken.push_back(id);
            }
        }
    }

    /// Answers the fetches that were found to have enough. This comes after the answer of the producer that woke them. If there are
    /// too many bytes for one turn, the next turn goes on.
    pub(crate) fn answer_woken(&mut self, now: Now) {
        while !self.has_answered_enough()
            && let Some(id) = self.woken.pop_front()
        {
            self.end_wait(id, now);
        }
    }

    /// Answers everything that no longer has to wait: the end of a command.
    pub(crate) fn settle_all(&mut self, now: Now) {
        self.settle(now);
        self.answer_woken(now);
    }

    /// Answers a request that waits, with what there is.
    pub(crate) fn end_wait(&mut self, id: WaitId, now: Now) {
        let Some((caller, what)) = self.stop_waiting(id) else { return };
        let answer = match what {
            Waiting::Fetch(fetch) => self.fetch_now(caller, &fetch),
            Waiting::Produce(produce) => self.answer_of(caller, produce, now),
        };
        self.answer_later(caller, answer, now);
    }

    /// Forgets that a request waits.
    pub(crate) fn stop_waiting(&mut self, id: WaitId) -> Option<(Caller, Waiting)> {
        let wait = self.purgatory.remove(id)?;
        // A timer that is left would only cost memory: it finds no wait. A client that polls often would have thousands of
        // them.
        if let Some(timer) = wait.timer {
            self.timers.cancel(timer);
        }
        for tp in self.tps_of_wait(&wait.what) {
            if let Some(partition) = self.state.partition_mut(tp) {
                partition.fetches.remove(&id);
                partition.produces.remove(&id);
            }
        }
        Some((wait.caller, wait.what))
    }
}
