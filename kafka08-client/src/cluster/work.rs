//! The typed part of a call: its request, and the answers that have come. The rest of the cluster does not know the types.

use std::{any::Any, collections::BTreeSet, fmt, time::Duration};

use bytes::Bytes;
use kafka08_proto::{
    api::{Body as _, Request},
    connection::Prepared,
    ids::{Api, PartitionId, Text, TopicPartition},
    wire::{DecodeError, EncodeError},
};

use super::{Answer, Routed, Verdict};
use crate::error::CallFailure;

/// The place of an answer among those of its call.
pub(super) type AnswerNo = usize;

/// Tells what an answer means: for a partition, or for the whole request if it has no partitions.
pub(super) type Tell<'a> = dyn FnMut(Option<(&Text, PartitionId)>, Verdict) + 'a;

/// What a call can do with its request without knowing its type.
pub(super) trait Work: Send {
    /// The request that it is.
    fn api(&self) -> Api;

    /// How long it lets a broker wait.
    fn server_wait(&self) -> Duration;

    /// Whether a second attempt may apply it twice.
    fn changes_state(&self) -> bool;

    /// Encodes the request, for some of its partitions or as a whole.
    fn encode(&self, keep: Option<&BTreeSet<TopicPartition>>) -> Result<Prepared, EncodeError>;

    /// Decodes an answer and keeps it.
    fn take_answer(&mut self, body: &Bytes, tell: &mut Tell<'_>) -> Result<AnswerNo, DecodeError>;

    /// Forgets an answer that has nobody's last word any more.
    fn drop_answer(&mut self, answer: AnswerNo);

    /// Puts the answers together. Each has the partitions whose last word it has. `None` if a request without partitions
    /// has no answer.
    fn finish(
        self: Box<Self>,
        last_words: Vec<(AnswerNo, Vec<TopicPartition>)>,
        failed: Vec<(TopicPartition, CallFailure)>,
    ) -> Option<Box<dyn Any + Send>>;
}

/// A request that can be taken apart.
pub(super) struct Divisible<R: Routed> {
    pub(super) request: R,
    pub(super) is_whole: IsWhole,
    /// By number. `None` if an answer has nobody's last word any more.
    pub(super) answers: Vec<Option<R::Response>>,
}

/// Whether a request is one unit, because it has no partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsWhole {
    /// It is one unit, and has one answer.
    Yes,
    /// It has a unit for each partition.
    No,
}

/// A request that is sent as it is.
pub(super) struct Whole<R: Request> {
    pub(super) request: R,
    pub(super) answer: Option<R::Response>,
}

impl<R: Routed> Work for Divisible<R> {
    fn api(&self) -> Api {
        R::API
    }

    fn server_wait(&self) -> Duration {
        self.request.server_wait()
    }

    fn changes_state(&self) -> bool {
        self.request.changes_state()
    }

    fn encode(&self, keep: Option<&BTreeSet<TopicPartition>>) -> Result<Prepared, EncodeError> {
        let Some(keep) = keep else { return Prepared::new(&self.request) };
        let mut sought = TopicPartition::new("", 0);
        Prepared::new(&self.request.part(&mut |topic, partition| {
            // Requests list the partitions of a topic one after the other, so the name is seldom cloned.
            if sought.topic != *topic {
                sought.topic = topic.clone();
            }
            sought.partition = partition;
            keep.contains(&sought)
        }))
    }

    fn take_answer(&mut self, body: &Bytes, tell: &mut Tell<'_>) -> Result<AnswerNo, DecodeError> {
        let answer = R::Response::decode(body)?;
        if self.is_whole == IsWhole::Yes {
            tell(None, self.request.verdict_of_whole(&answer));
        } else {
            self.request.verdicts(&answer, &mut |topic, partition, verdict| tell(Some((topic, partition)), verdict));
        }
        self.answers.push(Some(answer));
        Ok(self.answers.len() - 1)
    }

    fn drop_answer(&mut self, answer: AnswerNo) {
        if let Some(place) = self.answers.get_mut(answer) {
            *place = None;
        }
    }

    fn finish(
        mut self: Box<Self>,
        last_words: Vec<(AnswerNo, Vec<TopicPartition>)>,
        failed: Vec<(TopicPartition, CallFailure)>,
    ) -> Option<Box<dyn Any + Send>> {
        let mut answers = last_words
            .into_iter()
            .filter_map(|(answer, of)| Some((of, self.answers.get_mut(answer).and_then(Option::take)?)));
        let response = if self.is_whole == IsWhole::Yes {
            // Such a request has one answer, which needs no putting together.
            answers.next()?.1
        } else {
            self.request.merge(answers.collect())
        };
        Some(Box::new(Answer::<R> { response, failed }))
    }
}

impl<R> Work for Whole<R>
where
    R: Request<Response: Send + 'static> + Send + 'static,
{
    fn api(&self) -> Api {
        R::API
    }

    fn server_wait(&self) -> Duration {
        self.request.server_wait()
    }

    fn changes_state(&self) -> bool {
        self.request.changes_state()
    }

    fn encode(&self, _: Option<&BTreeSet<TopicPartition>>) -> Result<Prepared, EncodeError> {
        Prepared::new(&self.request)
    }

    fn take_answer(&mut self, body: &Bytes, tell: &mut Tell<'_>) -> Result<AnswerNo, DecodeError> {
        self.answer = Some(R::Response::decode(body)?);
        tell(None, Verdict::Final);
        Ok(0)
    }

    fn drop_answer(&mut self, _: AnswerNo) {
        self.answer = None;
    }

    fn finish(
        self: Box<Self>,
        _: Vec<(AnswerNo, Vec<TopicPartition>)>,
        failed: Vec<(TopicPartition, CallFailure)>,
    ) -> Option<Box<dyn Any + Send>> {
        let response = self.answer?;
        Some(Box::new(Answer::<R> { response, failed }))
    }
}

impl fmt::Debug for dyn Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({})", self.api())
    }
}
