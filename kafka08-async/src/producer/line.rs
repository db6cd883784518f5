//! Callers that wait for room or for a topic, in the order in which they began to wait.
//!
//! Room is kept for whoever is woken: while somebody waits for it, nobody else appends. So each caller that stops waiting
//! lets the next one try.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use kafka08_client::{accumulator::PartIndex, error::Unreachable};
use kafka08_proto::error_code::ErrorCode;

use super::error::SendError;
use crate::{sharing::News, waker::keep_waker};

/// Identifies a caller that waits. Whoever came later has a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(u64);

/// What a caller waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Room in the buffer.
    Room,
    /// Room in the part of the buffer for partitions that cannot be sent to.
    StuckRoom(Stuck),
    /// The partitions of this topic.
    Topic(Box<str>),
}

/// Callers that wait for room of partitions that cannot be sent to, and of which one tries for all: if it still has no room,
/// neither have the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stuck {
    /// The partition. `None` if it is not known.
    pub(super) at: Option<PartIndex>,
    pub(super) pinned: Pinned,
}

/// Whether a record can go to one partition only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pinned {
    /// It has a key, or names its partition.
    Yes,
    /// The next attempt may take it to another partition, so that it does not wait behind those that cannot leave.
    No,
}

/// What a caller may do when it is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Wait,
    Try,
    Fail(SendError),
}

#[derive(Debug)]
struct Waiter {
    waits_for: For,
    turn: Turn,
    /// When it stops waiting for a topic. `None` if the clock cannot represent the time.
    deadline: Option<Instant>,
    /// What brokers have said of its topic last.
    problem: Option<ErrorCode>,
    waker: Option<Waker>,
}

/// Everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Line {
    next: u64,
    waiters: BTreeMap<Number, Waiter>,
    room: BTreeSet<Number>,
    /// By what they wait for, so that an event wakes one for each partition, and not each of them.
    stuck_room: BTreeMap<Stuck, BTreeSet<Number>>,
    topics: BTreeMap<Box<str>, BTreeSet<Number>>,
    /// Of those who wait for a topic.
    deadlines: BTreeSet<(Instant, Number)>,
}

impl Line {
    /// Whether room is kept for somebody, so that a newcomer has to wait.
    pub(super) fn keeps_room(&self) -> bool {
        !self.room.is_empty()
    }

    /// Whether somebody waits for room of partitions that cannot be sent to.
    pub(super) fn keeps_stuck_room(&self) -> bool {
        !self.stuck_room.is_empty()
    }

    /// What a caller may do. It waits again, or leaves, after it has tried.
    pub(super) fn turn(&self, number: Number) -> Turn {
        self.waiters.get(&number).map_or(Turn::Try, |waiter| waiter.turn.clone())
    }

    /// Whether a caller waits for room of partitions that cannot be sent to.
    pub(super) fn is_stuck(&self, number: Number) -> bool {
        self.waiters.get(&number).is_some_and(|waiter| matches!(waiter.waits_for, For::StuckRoom(_)))
    }

    /// Polled while it has no turn.
    pub(super) fn keep_waiting(&mut self, number: Number, cx: &Context<'_>, news: &mut News) {
        if let Some(waiter) = self.waiters.get_mut(&number) {
            news.discard(keep_waker(&mut waiter.waker, cx));
        }
    }

    /// A caller begins to wait. It waits for a topic until `deadline`.
    pub(super) fn join(
        &mut self,
        waits_for: For,
        deadline: Option<Instant>,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Number {
        let number = Number(self.next);
        self.next += 1;
        let waker = Some(cx.waker().clone());
        let waiter = Waiter { waits_for, turn: Turn::Wait, deadline, problem: None, waker };
        self.waiters.insert(number, waiter);
        self.list(number, news);
        number
    }

    /// A caller has tried, and waits again.
    pub(super) fn wait_again(&mut self, number: Number, waits_for: For, cx: &Context<'_>, news: &mut News) {
        let Some(waiter) = self.waiters.get_mut(&number) else { return };
        let had_turn = mem::replace(&mut waiter.turn, Turn::Wait) != Turn::Wait;
        news.discard(keep_waker(&mut waiter.waker, cx));
        // It keeps its place in front, and keeps the turn from the others. What it lacks is what they wait for, so the
        // next event gives it the turn again.
        if waiter.waits_for == waits_for {
            // The time of a wait for a topic may have come while it had the turn.
            self.list(number, news);
            return;
        }
        self.unlist(number, had_turn, news);
        if let Some(waiter) = self.waiters.get_mut(&number) {
            waiter.waits_for = waits_for;
        }
        self.list(number, news);
    }

    /// A caller has what it wanted, or is dropped. The next one may try.
    pub(super) fn leave(&mut self, number: Number, news: &mut News) {
        let had_turn = self.turn(number) != Turn::Wait;
        self.unlist(number, had_turn, news);
        if let Some(waiter) = self.waiters.remove(&number) {
            news.discard(waiter.waker);
        }
    }

    fn list(&mut self, number: Number, news: &mut News) {
        let Some(waiter) = self.waiters.get(&number) else { return };
        match &waiter.waits_for {
            For::Room => drop(self.room.insert(number)),
            For::StuckRoom(stuck) => drop(self.stuck_room.entry(*stuck).or_default().insert(number)),
            For::Topic(name) => {
                self.topics.entry(name.clone()).or_default().insert(number);
                if let Some(deadline) = waiter.deadline
                    && self.deadlines.insert((deadline, number))
                    && self.deadlines.first() == Some(&(deadline, number))
                {
                    // The task has to know when to look.
                    news.call();
                }
            }
        }
    }

    /// Takes a caller out of the list of those who wait for the same. The next one gets its turn.
    fn unlist(&mut self, number: Number, had_turn: bool, news: &mut News) {
        let Some(waiter) = self.waiters.get(&number) else { return };
        let deadline = waiter.deadline;
        let list = match &waiter.waits_for {
            For::Room => &mut self.room,
            For::StuckRoom(stuck) => {
                let Some(list) = self.stuck_room.get_mut(stuck) else { return };
                list
            }
            For::Topic(name) => {
                deadline.map(|deadline| self.deadlines.remove(&(deadline, number)));
                let Some(list) = self.topics.get_mut(name) else { return };
                list
            }
        };
        // Also without a turn: whoever is in front may be the one for whom room is kept. A turn too many costs one
        // attempt that fails; a turn too few leaves all of them waiting for ever.
        let was_first = list.first() == Some(&number);
        list.remove(&number);
        let next = list.first().copied();
        match &waiter.waits_for {
            For::Topic(name) if next.is_none() => drop(self.topics.remove(name)),
            // An empty list would keep the room for nobody.
            For::StuckRoom(stuck) if next.is_none() => drop(self.stuck_room.remove(stuck)),
            _ => {}
        }
        if was_first || had_turn {
            self.give_turn(next, news);
        }
    }

    fn give_turn(&mut self, number: Option<Number>, news: &mut News) {
        let Some(waiter) = number.and_then(|number| self.waiters.get_mut(&number)) else { return };
        // A failure stays, and somebody who may try already was woken already.
        if waiter.turn == Turn::Wait {
            waiter.turn = Turn::Try;
            news.wake(waiter.waker.take());
        }
    }

    /// There is room. Those in front may try.
    pub(super) fn give_room(&mut self, news: &mut News) {
        self.give_turn(self.room.first().copied(), news);
        // One for each partition: any of them may have come loose. Those who have waited the longest come first.
        let mut first: Vec<Number> = self.stuck_room.values().filter_map(|list| list.first().copied()).collect();
        first.sort_unstable();
        for number in first {
            self.give_turn(Some(number), news);
        }
    }

    /// The partitions of a topic are known.
    pub(super) fn note_topic(&mut self, topic: &str, news: &mut News) {
        let waiting = self.topics.get(topic).cloned().unwrap_or_default();
        for number in waiting {
            // It stays in the list, with its deadline, until an attempt has succeeded. A topic that is forgotten in
            // between does not begin a new wait.
            self.give_turn(Some(number), news);
        }
    }

    /// A topic cannot be used. If that may pass, one caller tries again, so that the topic is still asked for.
    pub(super) fn note_problem(&mut self, topic: &str, code: ErrorCode, failure: Option<&SendError>, news: &mut News) {
        let waiting = self.topics.get(topic).cloned().unwrap_or_default();
        for number in &waiting {
            let Some(waiter) = self.waiters.get_mut(number) else { continue };
            waiter.problem = Some(code);
            if let Some(failure) = failure {
                waiter.turn = Turn::Fail(failure.clone());
                news.wake(waiter.waker.take());
            }
        }
        self.give_turn(waiting.first().copied(), news);
    }

    /// When somebody has waited long enough for a topic.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Ends the waits for topics whose time has come.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        waited: Duration,
        unreachable: impl Fn() -> Option<Arc<Unreachable>>,
        news: &mut News,
    ) {
        while let Some(&(deadline, number)) = self.deadlines.first()
            && deadline <= now
        {
            // Taken out at once. The caller is polled later, and until then this deadline would wake the task again and
            // again.
            self.deadlines.pop_first();
            let Some(waiter) = self.waiters.get_mut(&number) else { continue };
            let For::Topic(topic) = &waiter.waits_for else { continue };
            // Its topic may have come, and it has only not been polled since. If it has not, the caller waits again, and then this
            // deadline is listed again.
            if matches!(waiter.turn, Turn::Try) {
                continue;
            }
            let unreachable = unreachable();
            waiter.turn = Turn::Fail(SendError::NoTopic {
                topic: topic.to_string(),
                waited,
                problem: waiter.problem,
                unreachable,
            });
            news.wake(waiter.waker.take());
        }
    }

    /// The producer takes no more records. Everybody finds that out.
    pub(super) fn end(&mut self, news: &mut News) {
        for waiter in self.waiters.values_mut() {
            // They try rather than fail, so that the accumulator gives the reason.
            waiter.turn = Turn::Try;
            news.wake(waiter.waker.take());
        }
    }
}

#[cfg(test)]
mod tests;
