//! Fetch.

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
    /// What was asked for. It is read anew when something is appended.
    pub(super) request: FetchRequest,
    /// When it is answered with what there is. `None`: so far away that the clock cannot say it.
    pub(super) deadline: Option<Instant>,
}

/// Whether a fetch can be answered, however long it would wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// It may wait: less than its `min_bytes` is there.
    No,
    /// There is enough, or a partition has an error.
    Yes,
}

impl Broker {
    /// Answers a fetch, or lets it wait for data (`KafkaApis.handleFetchRequest`, 0.8.2).
    pub(super) fn fetch(&mut self, caller: Caller, request: FetchRequest, now: Now) {
        let (response, ready) = self.read_all(&request);
        // A fetch of no partitions could wait for nothing.
        let may_wait = request.max_wait.0 > 0 && !request.topics.is_empty() && self.has_room_to_wait();
        if ready == Ready::Yes || !may_wait {
            self.respond(caller, AnyResponse::Fetch(response));
            return;
        }
        let deadline = now.instant.checked_add(request.max_wait.to_duration());
        self.fetches.insert(caller, WaitingFetch { request, deadline });
    }

    /// Answers the fetches for which there is enough now.
    pub(super) fn wake_fetches(&mut self) {
        // All of them: which ones a new message concerns would have to be kept by partition.
        let waiting = std::mem::take(&mut self.fetches);
        for (caller, fetch) in waiting {
            match self.read_all(&fetch.request) {
                (response, Ready::Yes) => self.respond(caller, AnyResponse::Fetch(response)),
                (_, Ready::No) => drop(self.fetches.insert(caller, fetch)),
            }
        }
    }

    /// What a fetch gets now, and whether that is enough: as much as it asked for, or an error (0.8.2 answers those at once).
    pub(super) fn read_all(&self, request: &FetchRequest) -> (FetchResponse, Ready) {
        // -1 is a consumer and -2 a debugging one; other negative ids are taken for consumers. A replica there is none.
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

    /// Reads one partition: its high watermark, and bytes that are cut at `max_bytes` wherever that is.
    fn read_one(
        &self,
        topic: &str,
        partition: PartitionId,
        item: &FetchPartition,
    ) -> Result<(Offset, Bytes), ErrorCode> {
        let log = self.topics.log(topic, partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let max = usize::try_from(item.max_bytes).map_err(|_| ErrorCode::UNKNOWN)?;
        // What does not fit an answer is cut like anything else.
        let max = max.min(self.config.max_log_bytes);
        let set = log.read(item.offset, max).map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
        Ok((log.end(), set))
    }
}
