//! Answers Produce.

use std::{collections::BTreeMap, time::Instant};

use kafka08_proto::{
    api::{AnyResponse, ByTopic, ProduceRequest, ProduceResponse, ProducedPartition},
    error_code::ErrorCode,
    ids::{Acks, Offset, TopicPartition},
    message::MessageSet,
};

use super::{Action, Broker, Caller, Now, append};

/// A produce that asks for more replicas than there are, and so will time out.
#[derive(Debug)]
pub(super) struct WaitingProduce {
    /// The response for the timeout.
    pub(super) response: ProduceResponse,
    /// `None` if there is no deadline, which is what a negative timeout means to a real broker.
    pub(super) deadline: Option<Instant>,
}

impl Broker {
    /// Appends messages. Answers now, or lets the request wait (`KafkaApis.handleProducerOrOffsetCommitRequest`,
    /// 0.8.2).
    pub(super) fn produce(&mut self, caller: Caller, request: &ProduceRequest, now: Now) {
        // The sets are collected into a map, as in a real broker. Of two sets for one partition, the last is kept.
        let sets: BTreeMap<TopicPartition, &MessageSet> = request
            .topics
            .iter()
            .map(|(topic, partition, set)| (TopicPartition { topic: topic.clone(), partition }, set))
            .collect();
        let mut topics = ByTopic::default();
        let mut has_failed = false;
        for (to, set) in sets {
            let (error, offset) = match self.append(&to, set, now) {
                Ok(offset) => (ErrorCode::NONE, offset),
                Err(error) => (error, Offset::NONE),
            };
            has_failed |= !error.is_ok();
            topics.push(to.topic, to.partition, ProducedPartition { error, offset });
        }
        self.answer_produce(caller, request, ProduceResponse { topics }, has_failed, now);
        // Consumers are woken after the answer, so that the producer's response comes before theirs.
        self.wake_fetches();
    }

    /// Answers a produce, by its acks, after its messages were appended or refused.
    fn answer_produce(
        &mut self,
        caller: Caller,
        request: &ProduceRequest,
        response: ProduceResponse,
        has_failed: bool,
        now: Now,
    ) {
        let Caller { connection, call } = caller;
        match request.acks {
            // There is no response for an error code, so a broker closes the connection.
            Acks::NONE if has_failed => self.actions.push_back(Action::Close { connection }),
            Acks::NONE => self.actions.push_back(Action::Finish { connection, call }),
            // The broker is the only replica. It has the messages, so a request for all replicas (-1) is answered now.
            Acks(acks) if acks <= 1 => self.respond(caller, AnyResponse::Produce(response)),
            _ => {
                let response = timed_out(&response);
                let deadline = match u64::try_from(request.timeout.0) {
                    Ok(_) => now.instant.checked_add(request.timeout.to_duration()),
                    Err(_) => None,
                };
                if self.has_room_to_wait() && request.timeout.0 != 0 {
                    self.produces.insert(caller, WaitingProduce { response, deadline });
                } else {
                    self.respond(caller, AnyResponse::Produce(response));
                }
            }
        }
    }

    /// Appends a set. Returns the offset of its first message, or [`Offset::NONE`] if there was nothing to append.
    fn append(&mut self, to: &TopicPartition, set: &MessageSet, now: Now) -> Result<Offset, ErrorCode> {
        let log = self.topics.log(&to.topic, to.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let first = log.end();
        let max_message = self.config.max_message;
        let Some(accepted) = append::accept(set, first, max_message, &mut self.inflater, &mut self.deflater)? else {
            return Ok(Offset::NONE);
        };
        let bytes = accepted.bytes.len();
        // A set that consists of an empty wrapper changes nothing.
        if bytes > 0
            && let Some(log) = self.topics.log_mut(&to.topic, to.partition)
        {
            log.append(accepted.bytes, accepted.end, now.wall);
            self.topics.appended(bytes);
        }
        Ok(first)
    }
}

/// The response if the replicas do not confirm in time. The messages are kept, and the response has their offset.
fn timed_out(response: &ProduceResponse) -> ProduceResponse {
    let mut topics = ByTopic::default();
    for (topic, partition, item) in response.topics.iter() {
        let error = if item.error.is_ok() { ErrorCode::REQUEST_TIMED_OUT } else { item.error };
        topics.push(topic, partition, ProducedPartition { error, ..*item });
    }
    ProduceResponse { topics }
}
