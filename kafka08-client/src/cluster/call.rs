//! One call: its units, and what became of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka08_proto::{
    fate::Fate,
    ids::{NodeId, Text, TopicPartition},
    wire::DecodeError,
};

use super::{
    CallId, Ended, Verdict,
    work::{AnswerNo, Work},
};
use crate::{
    error::{CallFailure, Cause},
    links::{Lane, Token},
};

/// Where the units of a call go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// To any broker.
    Any,
    /// To this broker, whatever it leads.
    Node(NodeId),
    /// Each unit to the leader of its own partition.
    Leaders,
    /// The only unit to the leader of this partition.
    Leader(TopicPartition),
    /// To the coordinator of this group.
    Coordinator(Text),
}

/// The smallest part of a call that is placed and judged alone: one partition, or the whole of a request without
/// partitions.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// The partition. `None` if the unit is a whole request.
    pub(super) of: Option<TopicPartition>,
    pub(super) state: UnitState,
    /// How many times it was sent.
    pub(super) attempts: u32,
    /// The worst fate of all attempts.
    pub(super) fate: Fate,
    /// Why the last attempt was lost.
    pub(super) cause: Option<Cause>,
    /// What it waited for when it was placed last.
    pub(super) waits: Option<Cause>,
    /// The answer that has its last word. It counts only while no later attempt was lost.
    pub(super) answer: Option<AnswerNo>,
}

/// How far a unit is.
//
//            ┌──(no broker can ever answer it)───────────────────────────────────────────▼
//   new ──▶ Open ──(placed at a broker)──▶ OnItsWay ──(last word, or perhaps applied)──▶ Over
//            ▲                                │
//            └──(a code that may pass; lost ──┘
//                and certainly not applied; taken back from a link)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitState {
    /// It waits to be placed, for metadata, for a coordinator or for a pause to end.
    Open,
    /// It is in a request that was sent or waits for a link.
    OnItsWay,
    /// Its last word has come, or it has failed.
    Over,
}

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    /// The typed request, and the answers that have come.
    pub(super) work: Box<dyn Work>,
    /// Where its units go.
    pub(super) aim: Aim,
    /// The links that it uses.
    pub(super) lane: Lane,
    /// When the call was made.
    pub(super) since: Instant,
    /// When it ends, whatever it has by then.
    pub(super) deadline: Instant,
    /// How long the request lets a broker wait.
    pub(super) server_wait: Duration,
    /// Whether a second attempt may apply it twice.
    pub(super) changes_state: bool,
    /// In the order asked. One, if the request is not taken apart.
    pub(super) units: Vec<Unit>,
    /// The unit of each partition. Empty if there is only one unit.
    by_partition: BTreeMap<TopicPartition, usize>,
    /// Units that are not over.
    pub(super) left: usize,
    /// Rounds that have failed in a row, for the back-off.
    pub(super) failures: u32,
    /// The requests of this call that were sent or wait for a link.
    pub(super) parts: BTreeSet<Token>,
    /// The topics that it waits for.
    pub(super) waits_for: BTreeSet<Text>,
    /// How many units each answer has the last word of.
    words: BTreeMap<AnswerNo, usize>,
}

/// What a new call is made of.
pub(super) struct NewCall {
    pub(super) work: Box<dyn Work>,
    pub(super) aim: Aim,
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) since: Instant,
    pub(super) deadline: Instant,
    pub(super) lane: Lane,
}

impl Call {
    pub(super) fn new(id: CallId, new: NewCall) -> Self {
        let NewCall { work, aim, partitions, since, deadline, lane } = new;
        let (server_wait, changes_state) = (work.server_wait(), work.changes_state());
        let unit = |of| Unit {
            of,
            state: UnitState::Open,
            attempts: 0,
            fate: Fate::NotApplied,
            cause: None,
            waits: None,
            answer: None,
        };
        let by_partition = partitions.iter().cloned().zip(0..).collect();
        let units: Vec<_> = if partitions.is_empty() {
            vec![unit(None)]
        } else {
            partitions.into_iter().map(|of| unit(Some(of))).collect()
        };
        Self {
            id,
            work,
            aim,
            lane,
            since,
            deadline,
            server_wait,
            changes_state,
            left: units.len(),
            units,
            by_partition,
            failures: 0,
            parts: BTreeSet::new(),
            waits_for: BTreeSet::new(),
            words: BTreeMap::new(),
        }
    }

    /// Decodes an answer, and tells what it means for each unit that it lists.
    pub(super) fn take_answer(
        &mut self,
        body: &Bytes,
        tell: &mut dyn FnMut(usize, Verdict),
    ) -> Result<AnswerNo, DecodeError> {
        // Apart, because the closure looks units up while the work takes the answer.
        let Self { work, by_partition, .. } = self;
        work.take_answer(body, &mut |of, verdict| {
            let n = match of {
                None => Some(0),
                Some((topic, partition)) => {
                    by_partition.get(&TopicPartition { topic: topic.clone(), partition }).copied()
                }
            };
            if let Some(n) = n {
                tell(n, verdict);
            }
        })
    }

    /// The units that wait to be placed.
    pub(super) fn open_units(&self) -> Vec<usize> {
        let all = self.units.iter().enumerate();
        all.filter(|(_, unit)| unit.state == UnitState::Open).map(|(n, _)| n).collect()
    }

    /// The topics whose leaders decide where these units go.
    pub(super) fn topics_of(&self, units: &[usize]) -> BTreeSet<Text> {
        match &self.aim {
            Aim::Leader(of) => BTreeSet::from([of.topic.clone()]),
            Aim::Leaders => {
                let of = units.iter().filter_map(|n| self.units.get(*n)?.of.as_ref());
                of.map(|of| of.topic.clone()).collect()
            }
            Aim::Any | Aim::Node(_) | Aim::Coordinator(_) => BTreeSet::new(),
        }
    }

    /// Ends a unit without an answer, or with the answer that it has.
    pub(super) fn end_unit(&mut self, n: usize) {
        if let Some(unit) = self.units.get_mut(n)
            && unit.state != UnitState::Over
        {
            unit.state = UnitState::Over;
            self.left -= 1;
        }
    }

    /// Takes a unit back that was not sent. What is known of it stays.
    pub(super) fn reopen(&mut self, n: usize) {
        if let Some(unit) = self.units.get_mut(n).filter(|unit| unit.state != UnitState::Over) {
            unit.state = UnitState::Open;
        }
    }

    /// Notes that an attempt of a unit was lost. The unit is open again, or over if another attempt might apply it twice.
    pub(super) fn lose(&mut self, n: usize, cause: Cause, fate: Fate) {
        // What an earlier attempt was answered is not the last word any more.
        self.forget_answer(n);
        let changes_state = self.changes_state;
        let Some(unit) = self.units.get_mut(n) else { return };
        unit.cause = Some(cause);
        // The fate only grows worse: a later attempt cannot undo what an earlier one may have done.
        if fate == Fate::MaybeApplied {
            unit.fate = fate;
        }
        // A second attempt might apply it twice, so only the caller can decide.
        if changes_state && unit.fate == Fate::MaybeApplied {
            self.end_unit(n);
        } else {
            unit.state = UnitState::Open;
        }
    }

    /// Notes that an answer has the last word of a unit.
    pub(super) fn note_answer(&mut self, n: usize, answer: AnswerNo) {
        self.forget_answer(n);
        // Behind `forget_answer`: the unit may have been the last one of an earlier answer, which is dropped then.
        *self.words.entry(answer).or_default() += 1;
        if let Some(unit) = self.units.get_mut(n) {
            unit.answer = Some(answer);
        }
    }

    /// Drops an answer that has no unit's last word.
    pub(super) fn drop_if_unused(&mut self, answer: AnswerNo) {
        if !self.words.contains_key(&answer) {
            self.work.drop_answer(answer);
        }
    }

    fn forget_answer(&mut self, n: usize) {
        let Some(answer) = self.units.get_mut(n).and_then(|unit| unit.answer.take()) else { return };
        if let Some(units) = self.words.get_mut(&answer) {
            *units -= 1;
            if *units == 0 {
                self.words.remove(&answer);
                self.work.drop_answer(answer);
            }
        }
    }

    /// The end of the call. Units without an answer have failed, for `otherwise` if no other reason is known.
    pub(super) fn finish(self, otherwise: &Cause) -> Ended {
        let mut failed = Vec::new();
        let mut whole = None;
        let mut last_words: BTreeMap<AnswerNo, Vec<TopicPartition>> = BTreeMap::new();
        for Unit { of, attempts, fate, cause, waits, answer, .. } in self.units {
            match (answer, of) {
                (Some(answer), of) => last_words.entry(answer).or_default().extend(of),
                (None, of) => {
                    // What an attempt has met tells more than what the next one waited for.
                    let cause = cause.or(waits).unwrap_or_else(|| otherwise.clone());
                    let failure = CallFailure { cause, attempts, fate };
                    match of {
                        Some(of) => failed.push((of, failure)),
                        None => whole = Some(failure),
                    }
                }
            }
        }
        let outcome = match whole {
            Some(failure) => Err(failure),
            None => {
                let answer = self.work.finish(last_words.into_iter().collect(), failed);
                answer.ok_or_else(|| CallFailure { cause: otherwise.clone(), attempts: 0, fate: Fate::NotApplied })
            }
        };
        Ended { id: self.id, outcome }
    }
}
