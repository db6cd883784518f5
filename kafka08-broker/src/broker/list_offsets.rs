//! Answers ListOffsets.

use kafka08_proto::{
    api::{ByTopic, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, PartitionOffsets},
    error_code::ErrorCode,
    ids::{Offset, OffsetTime},
};

use super::{Broker, Now, log::Log};

impl Broker {
    /// Answers ListOffsets. Each partition has its own error code.
    pub(super) fn list_offsets(&self, request: &ListOffsetsRequest, now: Now) -> ListOffsetsResponse {
        let mut topics = ByTopic::default();
        for (topic, partition, item) in request.topics.iter() {
            let found = match self.topics.log(topic, partition) {
                Some(log) => offsets_before(log, item, now),
                None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            };
            let (error, offsets) = match found {
                Ok(offsets) => (ErrorCode::NONE, offsets),
                Err(error) => (error, Vec::new()),
            };
            topics.push(topic, partition, PartitionOffsets { error, offsets });
        }
        ListOffsetsResponse { topics }
    }
}

/// Does the same as `KafkaApis.fetchOffsetsBefore` of 0.8.2 for a log of one segment. The candidates are the base of
/// the log, with the time of the last append, and, if the log is not empty, its end, with the present time. The newest
/// offset that is old enough comes first.
fn offsets_before(log: &Log, item: &ListOffsetsPartition, now: Now) -> Result<Vec<Offset>, ErrorCode> {
    let max = usize::try_from(item.max_offsets).map_err(|_| ErrorCode::UNKNOWN)?;
    let base = (log.start(), log.modified().0);
    let end = (log.end(), now.wall.0);
    let candidates = if log.bytes() > 0 { vec![end, base] } else { vec![base] };
    let old_enough = |time: i64| candidates.iter().filter(move |(_, at)| *at <= time).map(|(offset, _)| *offset);
    Ok(match item.time {
        OffsetTime::LATEST => candidates.iter().map(|(offset, _)| *offset).take(max).collect(),
        OffsetTime::EARLIEST => [log.start()].into_iter().take(max).collect(),
        OffsetTime(time) => old_enough(time).take(max).collect(),
    })
}
