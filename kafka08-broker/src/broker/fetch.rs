//! Answers Fetch.

use std::time::Instant;

use bytes::Bytes;
use kafka08_proto::{
    api::{AnyResponse, ByTopic, FetchPartition, FetchRequest, FetchResponse, FetchedPartition},
    error_code::ErrorCode,
    ids::{Offset, PartitionId},
    message::{MessageSet, Origin},
};

use super::{Broker, Caller, Now};

/// A fetch that waits for data.
#[derive(Debug)]
pub(super) struct WaitingFetch {
    /// The request. It is read again when something is appended.
    pub(super) request: FetchRequest,
    /// When the fetch is answered with the available messages. `None` if the clock cannot represent the time.
    pub(super) deadline: Option<Instant>,
}

/// Whether a fetch can be answered without waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// No: fewer bytes than `min_bytes` are available.
    No,
    /// Yes: enough bytes are available, or a partition has an error.
    Yes,
}

impl Broker {
    /// Answers a fetch, or lets it wait for data (`KafkaApis.handleFetchRequest`, 0.8.2).
    pub(super) fn fetch(&mut self, caller: Caller, request: FetchRequest, now: Now) {
        let (response, ready) = self.read_all(&request);
        // A fetch without partitions has nothing to wait for.
        let may_wait = request.max_wait.0 > 0 && !request.topics.is_empty() && self.has_room_to_wait();
        if ready == Ready::Yes || !may_wait {
            self.respond(caller, AnyResponse::Fetch(response));
            return;
        }
        let deadline = now.instant.checked_add(request.max_wait.to_duration());
        self.fetches.insert(caller, WaitingFetch { request, deadline });
    }

    /// Answers the waiting fetches for which enough bytes are available now.
    pub(super) fn wake_fetches(&mut self) {
        // All fetches are read again, because there is no index of fetches by partition.
        let waiting = std::mem::take(&mut self.fetches);
        for (caller, fetch) in waiting {
            match self.read_all(&fetch.request) {
                (response, Ready::Yes) => self.respond(caller, AnyResponse::Fetch(response)),
                (_, Ready::No) => drop(self.fetches.insert(caller, fetch)),
            }
        }
    }

    /// Returns the response to a fetch, and whether it must be sent now. That is so if enough bytes are available or a
    /// partition has an error, as in 0.8.2.
    pub(super) fn read_all(&self, request: &FetchRequest) -> (FetchResponse, Ready) {
        // -1 is a consumer and -2 a debugging consumer. Other negative ids count as consumers. An id of zero or more is
        // a replica's, and this broker has no replicas.
        let is_replica = request.replica.0 >= 0;
        let mut topics = ByTopic::default();
        let mut readable: u64 = 0;
        let mut ready = Ready::No;
        for (topic, partition, item) in request.topics.iter() {
            let found = if is_replica { Err(ErrorCode::UNKNOWN) } else { self.read_one(topic, partition, item) };
            let fetched = match found {
                Ok((high_watermark, set)) => {
                    readable += set.len() as u64;
                    let messages = MessageSet::new(set, Origin::Fetched);
                    FetchedPartition { error: ErrorCode::NONE, high_watermark, messages }
                }
                Err(error) => {
                    ready = Ready::Yes;
                    let messages = MessageSet::new(Bytes::new(), Origin::Fetched);
                    FetchedPartition { error, high_watermark: Offset::NONE, messages }
                }
            };
            topics.push(topic, partition, fetched);
        }
        if i64::from(request.min_bytes) <= i64::try_from(readable).unwrap_or(i64::MAX) {
            ready = Ready::Yes;
        }
        (FetchResponse { topics }, ready)
    }

    /// Reads one partition. Returns its high watermark and its messages, which are truncated at `max_bytes`, even
    /// within a message.
    fn read_one(
        &self,
        topic: &str,
        partition: PartitionId,
        item: &FetchPartition,
    ) -> Result<(Offset, Bytes), ErrorCode> {
        let log = self.topics.log(topic, partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let max = usize::try_from(item.max_bytes).map_err(|_| ErrorCode::UNKNOWN)?;
        // A response has at most as many bytes as all logs together may have.
        let max = max.min(self.config.max_log_bytes);
        let set = log.read(item.offset, max).map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
        Ok((log.end(), set))
    }
}
