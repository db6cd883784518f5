//! Produce (`KafkaApis.handleProducerRequest`).
//!
//! Each set is checked and appended by itself, so one request can succeed for one partition and fail for another. What
//! decides the answer is `required_acks`: none, after the append, or when replicas have the messages. The checks of the
//! messages themselves are in [`log`](crate::log).

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{Offset, PartitionId},
    profile::Profile,
};

use super::{Caller, Outcome, detached, grouped};
use crate::{
    cluster::Cluster,
    purgatory::{Item, Purpose, WaitingProduce},
    state::{Now, OFFSETS_TOPIC, Tp},
    wire::{Answer, Place, Places, Produced},
};

/// What became of one set.
struct Stored {
    tp: Tp,
    /// The offset of the first message, or -1 if the set has none.
    first: Offset,
    /// The end of the log behind the set, which replicas have to reach.
    end: Offset,
}

impl Cluster {
    pub(crate) fn produce(
        &mut self,
        caller: Caller,
        acks: i16,
        timeout: i32,
        sets: &Places<Bytes>,
        now: Now,
    ) -> Outcome {
        let mut stored = Vec::with_capacity(sets.len());
        for (place, set) in sets {
            let result = self.store(caller, place, acks, set, now);
            stored.push((place, result));
            // Also after a failure: `KafkaApis.maybeUnblockDelayedFetchRequests` of 0.8.0 and 0.8.1 does not look at the
            // result.
            self.note_produced(caller, place, set.len());
        }
        let failed = stored.iter().filter(|(_, result)| result.is_err()).count();
        match acks {
            // There is no response for an error code, so a broker closes the connection.
            0 if failed > 0 => Outcome::Close,
            0 => Outcome::Nothing,
            // A request without partitions has none that waits, so it comes here too.
            _ if acks == 1 || failed == stored.len() || self.is_answered_at_once(caller, sets) => {
                let items = stored.into_iter().map(|(place, result)| (place.clone(), produced(result)));
                Outcome::Answer(Answer::Produce(grouped(items, self.seed())))
            }
            _ => {
                let items = stored.into_iter().map(|(place, result)| waiting_item(caller, place, result)).collect();
                let what = WaitingProduce { acks, items, purpose: Purpose::Produce };
                self.wait_for_replicas(caller, what, timeout, now)
            }
        }
    }

    /// 0.8.0 and 0.8.1 ask no replicas if all partitions of the request are here and have one replica.
    fn is_answered_at_once(&self, caller: Caller, sets: &Places<Bytes>) -> bool {
        let has_one_replica = |place: &Place| {
            let tp = self.find(place)?;
            let partition = self.state.partition(tp)?;
            partition.replica(caller.node).map(|_| partition.replicas.len() == 1)
        };
        caller.profile < Profile::V0_8_2 && sets.keys().all(|place| has_one_replica(place) == Some(true))
    }

    /// Appends a set to its partition.
    fn store(&mut self, caller: Caller, place: &Place, acks: i16, set: &Bytes, now: Now) -> Result<Stored, ErrorCode> {
        if caller.profile == Profile::V0_8_2 && place.topic.as_deref() == Some(OFFSETS_TOPIC) {
            return Err(ErrorCode::INVALID_TOPIC);
        }
        let tp = self.find(place).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let (first, end) = self.append_as_leader(caller, tp, acks, set, now)?;
        Ok(Stored { tp, first, end })
    }

    /// Appends a set to a partition that the broker must lead. Returns the offset of its first message, or -1 if there is none,
    /// and the end of the log.
    pub(super) fn append_as_leader(
        &mut self,
        caller: Caller,
        tp: Tp,
        acks: i16,
        set: &Bytes,
        now: Now,
    ) -> Result<(Offset, Offset), ErrorCode> {
        let partition = self.state.partition(tp).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        partition.led_by(caller.node)?;
        let min_insync = usize::from(self.state.config.min_insync);
        // Only exactly -1 is checked before the append.
        if caller.profile == Profile::V0_8_2 && acks == -1 && partition.isr.len() < min_insync {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        let appended = self.state.append(caller.node, tp, set, now)?;
        Ok((appended.first, appended.end))
    }

    /// The partition of a request, if brokers know it.
    pub(crate) fn find(&self, place: &Place) -> Option<Tp> {
        self.state.topics.find(place.topic.as_ref()?, place.partition)
    }

    /// The partition of `__consumer_offsets` with this number, if brokers know it.
    pub(super) fn find_offsets_partition(&self, partition: PartitionId) -> Option<Tp> {
        self.state.topics.find(&OFFSETS_TOPIC.into(), partition)
    }
}

/// The answer that needs no replicas.
fn produced(result: Result<Stored, ErrorCode>) -> Produced {
    match result {
        Ok(stored) => Produced { error: ErrorCode::NONE, offset: stored.first },
        Err(error) => Produced { error, offset: Offset::NONE },
    }
}

/// The answer once replicas have the messages. 0.8.0 and 0.8.1 then tell the end of what was appended, and 0 for a failure.
fn waiting_item(caller: Caller, place: &Place, result: Result<Stored, ErrorCode>) -> Item {
    let tells_first = caller.profile == Profile::V0_8_2;
    let place = Place { topic: detached(&place.topic), partition: place.partition };
    match result {
        Ok(Stored { tp, first, end }) => {
            let is_empty = first == Offset::NONE;
            let offset = match (tells_first, is_empty) {
                (true, _) => first,
                // The last offset of an empty set is -1, and its end 0.
                (false, true) => Offset(0),
                (false, false) => end,
            };
            // An empty set waits for the offset 0, which every replica has.
            let required = if is_empty { Offset(0) } else { end };
            Item { place, tp: Some(tp), produced: Produced { error: ErrorCode::NONE, offset }, pending: Some(required) }
        }
        Err(error) => {
            let offset = if tells_first { Offset::NONE } else { Offset(0) };
            Item { place, tp: None, produced: Produced { error, offset }, pending: None }
        }
    }
}
