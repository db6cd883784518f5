//! What a producer does with an accumulator: it takes batches, and gives back room, topics, and ends.

use std::time::Instant;

use kafka08_proto::ids::{PartitionId, Text, TopicPartition};

use super::{
    Accumulator, Asleep, Batch, BatchId, FlushId,
    parts::PartIndex,
    topics::{Asked, Leads},
};

impl<C> Accumulator<C> {
    /// The bytes of a batch were let go, and its partition may send the next.
    pub(crate) fn handle_released(&mut self, at: PartIndex, bytes: usize) {
        let part = self.parts.get_mut(at).expect("a batch has a partition");
        part.taken = part.taken.checked_sub(1).expect("only a taken batch is released");
        // Behind the count: only now the partition may have another batch in flight.
        self.schedule.renew(at, part);
        self.discharge(at, bytes);
    }

    /// All records of a batch have ended.
    pub(crate) fn handle_ended(&mut self, batch: BatchId) {
        self.live.remove(&batch);
    }

    /// Whether a partition can be sent to at the moment.
    pub(crate) fn set_stuck(&mut self, at: PartIndex, stuck: Stuck) {
        let part = self.parts.get_mut(at).expect("a batch has a partition");
        match (part.stuck, stuck) {
            (false, Stuck::Yes) => self.stuck += part.bytes,
            (true, Stuck::No) => self.stuck -= part.bytes,
            _ => {}
        }
        part.stuck = stuck == Stuck::Yes;
    }

    /// Metadata lists a topic with these partitions, in ascending order. What is not known here was not asked for.
    pub(crate) fn handle_topic(&mut self, name: &str, listed: impl Iterator<Item = (PartitionId, Leads)>) -> Listing {
        let Some(&at) = self.by_name.get(name) else { return Listing::Again };
        let Some(topic) = self.topics.get_mut(at) else { return Listing::Again };
        let was_known = topic.len() != 0;
        let parts = &mut self.parts;
        topic.list(listed, |id| parts.add(at, id));
        self.resting.renew(at, topic);
        if !was_known && topic.len() != 0 { Listing::First } else { Listing::Again }
    }

    /// A topic that was asked for cannot be used yet. Returns whether somebody has appended to it since the last answer,
    /// so that it is still wanted.
    pub(crate) fn handle_no_topic(&mut self, name: &str) -> Wanted {
        let Some(&at) = self.by_name.get(name) else { return Wanted::No };
        let Some(topic) = self.topics.get_mut(at) else { return Wanted::No };
        if topic.len() != 0 {
            return Wanted::Known;
        }
        if topic.asked == Asked::Again {
            topic.asked = Asked::Before;
            return Wanted::Yes;
        }
        if topic.busy > 0 {
            // Its partitions are not listed any more. Their records would wait in vain if nobody asked whether they are back.
            return Wanted::Known;
        }
        topic.asked = Asked::No;
        self.resting.renew(at, topic);
        Wanted::No
    }

    /// The next topic that has to be asked for.
    pub(crate) fn poll_wanted(&mut self) -> Option<Text> {
        let topic = self.topics.get_mut(self.wanted.pop_front()?)?;
        // The append that asked counts for the first answer, too.
        topic.asked = Asked::Again;
        Some(topic.name.clone())
    }

    /// The next flush that was not handed over, and the first batch that it does not wait for.
    pub(crate) fn poll_flush(&mut self) -> Option<(FlushId, BatchId)> {
        self.flushes.pop_front()
    }

    /// The number of the next batch.
    pub(crate) fn next_batch(&self) -> BatchId {
        BatchId(self.next_batch)
    }

    /// The oldest batch whose records have not all ended. `None` if there is none.
    pub(crate) fn oldest(&self) -> Option<BatchId> {
        self.live.first().copied()
    }

    /// Until when everything must have ended, after a close.
    pub(crate) fn closing(&self) -> Option<Instant> {
        self.closing
    }

    /// Whether there may be room now for somebody who was refused. Said once for each refusal.
    pub(crate) fn poll_room(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// Takes the batches whose delivery timeout is over until `now`, one after the other; or every batch, if `now` is
    /// `None`. They are not charged any more.
    pub(crate) fn poll_expired(&mut self, now: Option<Instant>) -> Option<Batch<C>> {
        let at = self.schedule.next_expired(&mut self.parts, now)?;
        let batch = self.take_out(at)?;
        self.discharge(at, batch.bytes.len());
        Some(batch)
    }

    /// Takes the batches that are ready, one after the other. Each stays charged until [`Accumulator::handle_released`].
    pub(crate) fn poll_ready(&mut self, now: Instant) -> Option<Batch<C>> {
        // Lingers first: what they make ready is taken in the same call.
        self.schedule.end_lingers(&mut self.parts, Some(now));
        while let Some(at) = self.schedule.next_ready(&mut self.parts) {
            let part = self.parts.get_mut(at).expect("only places that exist are ready");
            if part.taken >= self.schedule.max_taken {
                continue;
            }
            // Before it is taken out, because that looks whether the partition may have another one.
            part.taken += 1;
            // It stood in the list because its batch was closed, or may be closed now.
            if let Some(batch) = self.take_out(at) {
                return Some(batch);
            }
            // The batch has expired meanwhile.
            if let Some(part) = self.parts.get_mut(at) {
                part.taken -= 1;
            }
        }
        None
    }

    /// The machine has taken what there was. Returns when it has to look again by itself.
    pub(crate) fn asleep(&mut self) -> Option<Instant> {
        let due = self.schedule.due();
        // An append compares its batch with this time, and wakes the machine if it is earlier.
        self.asleep = Asleep::Until(due);
        due
    }

    /// Takes the oldest batch of a partition.
    fn take_out(&mut self, at: PartIndex) -> Option<Batch<C>> {
        let part = self.parts.get_mut(at)?;
        // The open batch is closed only when it is taken, so it grows while another one is in flight.
        if part.closed.is_empty() {
            part.close();
        }
        let batch = part.closed.pop_front();
        self.schedule.renew(at, part);
        let topic = self.topics.get_mut(part.topic).expect("a partition has a topic");
        topic.unstick(at);
        let to = TopicPartition { topic: topic.name.clone(), partition: part.id };
        Some(batch?.addressed(at, to))
    }

    fn discharge(&mut self, at: PartIndex, bytes: usize) {
        let Some(part) = self.parts.get_mut(at) else { return };
        if part.bytes > 0 && part.bytes == bytes {
            let topic = self.topics.get_mut(part.topic).expect("a partition has a topic");
            topic.busy -= 1;
            self.resting.renew(part.topic, topic);
        }
        part.bytes -= bytes;
        self.charged -= bytes;
        self.stuck -= if part.stuck { bytes } else { 0 };
    }
}

#[cfg(kafka08_canary)]
impl<C> Drop for Accumulator<C> {
    fn drop(&mut self) {
        kafka08_proto::canary::keep(self.charged);
    }
}

/// Whether a partition cannot be sent to at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// It cannot: no leader, a pause before a retry, or a broker that does not answer.
    Yes,
    /// It can.
    No,
}

/// Whether a topic is still asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Somebody has appended to it since the last answer.
    Yes,
    /// Nobody has.
    No,
    /// Its partitions are known from earlier answers, or were, and their records wait.
    Known,
}

/// Whether a listing tells partitions of a topic that had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// It does, so that records can be appended from now on.
    First,
    /// It does not.
    Again,
}
