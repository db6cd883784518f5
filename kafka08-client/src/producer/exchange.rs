//! Where a producer and its accumulator meet.

use std::time::Instant;

use super::{Life, ProduceCause, Producer, ProducerEvent, flushes::Waits};
use crate::accumulator::{Accumulator, BatchId, Leads, Listing, Stuck, Wanted};

impl<C: Clone> Producer<C> {
    /// Takes the batches that are ready, and tells the accumulator about room, topics and ends. Call it in each turn,
    /// after time was told or bytes were moved, and before outputs are taken.
    ///
    /// Costs what is ready and what has ended, whatever the number of partitions. Nothing waits or is sent here, so the
    /// lock around an accumulator is held briefly.
    pub fn exchange(&mut self, with: &mut Accumulator<C>, now: Instant) {
        self.take_news(now);
        // Before batches are taken: after the deadline they end, and are not sent.
        if let Some(deadline) = with.closing() {
            self.begin_close(with, now, deadline);
        }
        self.exchange_topics(with, now);
        // With an abort, everything ends; otherwise, what was not taken in time.
        let until = (self.life != Life::Aborting).then_some(now);
        // Before the ready ones: what has expired must not be sent any more.
        while let Some(batch) = with.poll_expired(until) {
            match until {
                None => self.batches.end_unsent(batch, ProduceCause::Aborted),
                Some(_) => self.batches.expired_unsent(batch),
            }
            // What is not charged any more is room.
            self.freed = true;
        }
        self.give_back(with);
        if self.life != Life::Aborting {
            while let Some(batch) = with.poll_ready(now) {
                self.batches.add(&mut self.cluster, now, batch);
            }
            // Partitions may have turned out to be stuck.
            self.give_back(with);
        }
        // Behind the batches, for a flush that finds none left ends at once.
        while let Some((id, before)) = with.poll_flush() {
            self.flushes.begin(Some(id), before);
        }
        self.advance_flushes(with.oldest());
        if std::mem::take(&mut self.freed) && with.poll_room() {
            self.batches.events.push_back(ProducerEvent::Room);
        }
        // Behind what was given back and taken: only then topics rest.
        while let Some(name) = with.poll_forgotten() {
            self.cluster.forget_topic(&name);
        }
        // Last: what was given back above may have made batches ready, which changes the time.
        self.look_at = with.asleep();
        self.end_close(with.oldest(), now);
    }

    /// Tells the accumulator what has become of its batches.
    fn give_back(&mut self, with: &mut Accumulator<C>) {
        let returns = std::mem::take(&mut self.batches.returns);
        for (part, stuck) in returns.stuck {
            self.freed |= stuck == Stuck::No;
            with.set_stuck(part, stuck);
        }
        for (part, bytes) in returns.released {
            self.freed = true;
            with.handle_released(part, bytes);
        }
        for batch in returns.ended {
            with.handle_ended(batch);
        }
    }

    fn exchange_topics(&mut self, with: &mut Accumulator<C>, now: Instant) {
        while let Some(name) = with.poll_wanted() {
            self.cluster.want_topic(now, &name);
        }
        for name in std::mem::take(&mut self.listed) {
            let Some(topic) = self.cluster.view().topic(&name) else { continue };
            let leads = |usable: bool| if usable { Leads::Yes } else { Leads::No };
            let partitions = topic.partitions().map(|(id, partition)| (id, leads(partition.leader.is_ok())));
            if with.handle_topic(&name, partitions) == Listing::First {
                self.batches.events.push_back(ProducerEvent::Topic { topic: name, problem: None });
            }
        }
        for (topic, code) in std::mem::take(&mut self.problems) {
            match with.handle_no_topic(&topic) {
                // Its partitions are known, and it may come back.
                Wanted::Known => continue,
                Wanted::Yes => {}
                Wanted::No => self.cluster.forget_topic(&topic),
            }
            self.batches.events.push_back(ProducerEvent::Topic { topic, problem: Some(code) });
        }
    }

    /// Ends the flushes that wait for nothing any more, in order. `oldest` is the oldest batch that has not ended.
    fn advance_flushes(&mut self, oldest: Option<BatchId>) {
        loop {
            match self.flushes.first() {
                Waits::None => return,
                Waits::Batches { before } if oldest.is_some_and(|oldest| oldest < before) => return,
                Waits::Batches { .. } if self.confirms && self.life != Life::Aborting => {
                    self.flushes.confirm(self.batches.mark());
                    self.batches.confirm_all();
                }
                Waits::Confirmation(mark) if !self.batches.is_settled(mark) && self.life != Life::Aborting => return,
                Waits::Batches { .. } | Waits::Confirmation(_) => {
                    let counts = self.batches.counts;
                    if let Some((id, failed, unconfirmed)) = self.flushes.end(counts.failed, counts.unconfirmed) {
                        self.batches.events.push_back(ProducerEvent::Flushed { id, failed, unconfirmed });
                    }
                }
            }
        }
    }

    fn begin_close(&mut self, with: &Accumulator<C>, now: Instant, deadline: Instant) {
        #[cfg(kafka08_canary)]
        let deadline =
            kafka08_proto::canary::ClosesLate.pick(deadline + std::time::Duration::from_secs(3600), deadline);
        match self.life {
            Life::Open => {
                self.flushes.begin(None, with.next_batch());
                self.life = Life::Closing(deadline);
            }
            Life::Closing(_) => self.life = Life::Closing(deadline),
            Life::Aborting | Life::Over => return,
        }
        if deadline <= now {
            self.abort(now);
        }
    }

    /// Closes the cluster when everything has ended.
    fn end_close(&mut self, oldest: Option<BatchId>, now: Instant) {
        let is_idle = oldest.is_none() && self.flushes.first() == Waits::None;
        match self.life {
            Life::Closing(_) if is_idle => {
                self.life = Life::Over;
                self.cluster.close(now);
            }
            Life::Aborting if is_idle => self.life = Life::Over,
            _ => {}
        }
    }

    /// Ends everything that is left, and all connections.
    pub(super) fn abort(&mut self, now: Instant) {
        self.life = Life::Aborting;
        self.batches.abort(&mut self.cluster, now);
        // What was not written stays unwritten, as its records were told.
        self.cluster.links().abort(now);
        // What was in flight is let go now: behind the exchange that follows, nobody takes it any more.
        self.cluster.take_news(now);
        self.take_news(now);
        self.batches.tell_unconfirmed();
        self.cluster.close(now);
    }
}
