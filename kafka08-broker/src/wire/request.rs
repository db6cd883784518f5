//! Reads requests as brokers of each release do (`RequestKeys` and the request readers).
//!
//! Reading is lenient where brokers are: a negative count is an empty list, a name may be null, and bytes behind the body are
//! ignored. It is bounded where brokers are not: a count reserves no memory, and the partitions that a request may name are
//! limited.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka08_proto::{
    api::{AnyRequest, RequestHeader},
    ids::{ApiKey, NodeId, Offset, PartitionId, Timestamp},
    profile::Profile,
    wire::{DecodeError, DecodeProblem, Reader},
};

use super::{Name, Place};

/// How often a request may name each of the partitions that it may name. A client names each once. Reading a name takes some
/// tens of nanoseconds, so without a limit a request of 8 MiB would keep all other clients waiting for a second.
const MENTIONS: usize = 16;

/// Values by partition. A partition that a request lists twice has its last value, as in a broker's maps.
pub(crate) type Places<T> = BTreeMap<Place, T>;

/// What a fetch asks of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FetchPart {
    pub(crate) offset: Offset,
    /// How many bytes are answered at most. It may be negative here.
    pub(crate) max_bytes: i32,
}

/// What ListOffsets asks of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeQuery {
    /// Milliseconds since the epoch, or -1 for the end and -2 for the start.
    pub(crate) time: i64,
    /// How many offsets are answered at most. Negative ones are an error of the handler, not of the reader.
    pub(crate) max_offsets: i32,
}

/// An offset to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) offset: Offset,
    /// Only version 1 has a timestamp; -1 means the time at which the broker receives the commit.
    pub(crate) timestamp: Timestamp,
    pub(crate) metadata: Name,
}

/// A request, after duplicates are merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Produce {
        acks: i16,
        timeout: i32,
        sets: Places<Bytes>,
    },
    Fetch {
        replica: NodeId,
        max_wait: i32,
        min_bytes: i32,
        parts: Places<FetchPart>,
    },
    ListOffsets {
        replica: NodeId,
        parts: Places<TimeQuery>,
    },
    /// No names ask for all topics.
    Metadata {
        names: BTreeSet<Name>,
    },
    /// `kept_by` says where the offsets are stored.
    OffsetCommit {
        kept_by: Store,
        group: Name,
        parts: Places<Commit>,
    },
    OffsetFetch {
        kept_by: Store,
        group: Name,
        parts: Places<()>,
    },
    ConsumerMetadata {
        group: Name,
    },
    JoinGroup,
    Heartbeat,
    ControlledShutdown,
    /// A request that only the controller sends.
    OfController {
        key: ApiKey,
    },
    /// A request that the broker does not know or cannot read. It closes the connection.
    Unreadable,
}

/// Where offsets are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    ZooKeeper,
    Kafka,
}

/// Why a request is not served. A broker closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The release does not know the key, or the version of OffsetCommit.
    Unknown,
    /// The body does not have the layout of the API.
    Malformed(DecodeError),
    /// The body names more partitions than this broker's limit allows. Kafka has no such limit.
    TooManyPartitions,
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl Request {
    /// Reads the body of a request that names at most `limit` partitions, or topics in a Metadata request.
    pub(crate) fn read(header: &RequestHeader, body: &Bytes, profile: Profile, limit: usize) -> Result<Self, Refusal> {
        let key = header.api.key;
        // The reader of a broker takes any negative length of a name as null (`ApiUtils.readShortString`).
        let mut reader = Body { reader: Reader::of_broker("request", body), limit };
        match key {
            ApiKey::PRODUCE => reader.produce(),
            ApiKey::FETCH => reader.fetch(),
            ApiKey::LIST_OFFSETS => reader.list_offsets(),
            ApiKey::METADATA => reader.metadata(),
            ApiKey::OFFSET_COMMIT if profile >= Profile::V0_8_1 => match (profile, header.api.version.0) {
                // 0.8.1 reads every version as 0, with strange results for version 1.
                (Profile::V0_8_1, _) | (_, 0) => reader.commit(Store::ZooKeeper),
                (_, 1) => reader.commit(Store::Kafka),
                _ => Err(Refusal::Unknown),
            },
            ApiKey::OFFSET_FETCH if profile >= Profile::V0_8_1 => match (profile, header.api.version.0) {
                (Profile::V0_8_1, _) | (_, 0) => reader.offsets_of(Store::ZooKeeper),
                // `OffsetFetchRequest` checks no version, unlike `OffsetCommitRequest`.
                _ => reader.offsets_of(Store::Kafka),
            },
            ApiKey::CONSUMER_METADATA if profile >= Profile::V0_8_2 => {
                Ok(Self::ConsumerMetadata { group: reader.reader.nullable_text("group")? })
            }
            ApiKey::JOIN_GROUP | ApiKey::HEARTBEAT if profile >= Profile::V0_8_2 => {
                reader.check_layout(header)?;
                Ok(if key == ApiKey::HEARTBEAT { Self::Heartbeat } else { Self::JoinGroup })
            }
            ApiKey::CONTROLLED_SHUTDOWN => {
                reader.reader.int32("broker_id")?;
                Ok(Self::ControlledShutdown)
            }
            ApiKey::LEADER_AND_ISR | ApiKey::STOP_REPLICA | ApiKey::UPDATE_METADATA => {
                reader.check_layout(header)?;
                Ok(Self::OfController { key })
            }
            _ => Err(Refusal::Unknown),
        }
    }
}

/// Counts the topics and partitions that a request lists, repeated ones too.
struct Mentions {
    left: usize,
}

impl Mentions {
    fn new(limit: usize) -> Self {
        Self { left: limit.saturating_mul(MENTIONS) }
    }

    fn add(&mut self) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(1).ok_or(Refusal::TooManyPartitions)?;
        Ok(())
    }
}

/// The body of a request.
struct Body<'b> {
    reader: Reader<'b>,
    /// The number of partitions or topics that the request may name.
    limit: usize,
}

impl Body<'_> {
    fn produce(&mut self) -> Result<Request, Refusal> {
        let acks = self.reader.int16("required_acks")?;
        let timeout = self.reader.int32("timeout")?;
        let sets = self.places(|reader| reader.sized_blob("message_set"))?;
        Ok(Request::Produce { acks, timeout, sets })
    }

    fn fetch(&mut self) -> Result<Request, Refusal> {
        let replica = NodeId(self.reader.int32("replica_id")?);
        let max_wait = self.reader.int32("max_wait")?;
        let min_bytes = self.reader.int32("min_bytes")?;
        let parts = self.places(|reader| {
            let offset = Offset(reader.int64("offset")?);
            Ok(FetchPart { offset, max_bytes: reader.int32("max_bytes")? })
        })?;
        Ok(Request::Fetch { replica, max_wait, min_bytes, parts })
    }

    fn list_offsets(&mut self) -> Result<Request, Refusal> {
        let replica = NodeId(self.reader.int32("replica_id")?);
        let parts = self.places(|reader| {
            let time = reader.int64("time")?;
            Ok(TimeQuery { time, max_offsets: reader.int32("max_offsets")? })
        })?;
        Ok(Request::ListOffsets { replica, parts })
    }

    fn metadata(&mut self) -> Result<Request, Refusal> {
        let count = self.reader.int32("topics")?;
        // Here a negative count is an error: the count is checked against a range, unlike those of other requests.
        let Ok(count) = usize::try_from(count) else {
            return Err(self.reader.fail("topics", DecodeProblem::Negative(count)).into());
        };
        let mut names = BTreeSet::new();
        let mut mentions = Mentions::new(self.limit);
        for _ in 0..count {
            mentions.add()?;
            names.insert(self.reader.nullable_text("topic")?);
            if names.len() > self.limit {
                return Err(Refusal::TooManyPartitions);
            }
        }
        Ok(Request::Metadata { names })
    }

    fn commit(&mut self, kept_by: Store) -> Result<Request, Refusal> {
        let group = self.reader.nullable_text("group")?;
        if kept_by == Store::Kafka {
            self.reader.int32("generation")?;
            self.reader.nullable_text("consumer")?;
        }
        let parts = self.places(|reader| {
            let offset = Offset(reader.int64("offset")?);
            let timestamp = match kept_by {
                Store::Kafka => Timestamp(reader.int64("timestamp")?),
                Store::ZooKeeper => Timestamp::NOW,
            };
            Ok(Commit { offset, timestamp, metadata: reader.nullable_text("metadata")? })
        })?;
        Ok(Request::OffsetCommit { kept_by, group, parts })
    }

    fn offsets_of(&mut self, kept_by: Store) -> Result<Request, Refusal> {
        let group = self.reader.nullable_text("group")?;
        let parts = self.places(|_| Ok(()))?;
        Ok(Request::OffsetFetch { kept_by, group, parts })
    }

    /// Reads topics and their partitions. Nothing is reserved for a count, so a count costs no memory by itself.
    fn places<T>(
        &mut self,
        mut value: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Places<T>, Refusal> {
        let mut places = Places::new();
        let mut mentions = Mentions::new(self.limit);
        for _ in 0..self.reader.int32("topics")?.max(0) {
            mentions.add()?;
            let topic = self.reader.nullable_text("topic")?;
            for _ in 0..self.reader.int32("partitions")?.max(0) {
                mentions.add()?;
                let partition = PartitionId(self.reader.int32("partition")?);
                let value = value(&mut self.reader)?;
                // The name is a slice of the request, so that a topic with many partitions is not copied for each.
                places.insert(Place { topic: topic.clone(), partition }, value);
                // After the insert: a partition that is named again replaces its value and does not count.
                if places.len() > self.limit {
                    return Err(Refusal::TooManyPartitions);
                }
            }
        }
        Ok(places)
    }

    /// Checks a body whose values the broker does not use.
    fn check_layout(&self, header: &RequestHeader) -> Result<(), Refusal> {
        match AnyRequest::decode(header.api, self.reader.body()) {
            Ok(_) => Ok(()),
            Err(kafka08_proto::api::AnyError::Malformed(error)) => Err(Refusal::Malformed(error)),
            Err(_) => Err(Refusal::Unknown),
        }
    }
}
