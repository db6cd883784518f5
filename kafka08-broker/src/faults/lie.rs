//! The false statements that an answer can make.

use std::fmt;

use kafka08_proto::ids::{ApiKey, Text};

/// A false statement in an answer, or bytes that are not an answer at all.
///
/// The broker itself keeps to the protocol: only the answer is false. A lie is applied to the partitions that its rule
/// selects. It does nothing to an answer of an API that it does not concern, see [`Lie::concerns`].
///
/// The text form is the name, and then the parameters: `port port=65536`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    // Metadata and ConsumerMetadata.
    /// The partition has no leader: leader -1, no in-sync replicas, code 5. The true answer during an election.
    LeaderMissing,
    /// Leader -1, and error code 0.
    LeaderMissingSilently,
    /// The leader is a broker that the answer does not list.
    LeaderNotListed,
    /// A replica and an in-sync replica are brokers that the answer does not list. Scala clients of 0.8 fail on it.
    ReplicaNotListed,
    /// The first broker is listed a second time, with a port that is higher by one.
    BrokerTwice,
    /// The answer lists no brokers.
    BrokersMissing,
    /// A topic is listed a second time, without partitions.
    TopicTwice,
    /// The numbers of all partitions but the first are higher by one, so one number is missing.
    PartitionGap,
    /// The numbers of the partitions are negative: -1, -2 and so on.
    PartitionNegative,
    /// The first topic has this many partitions without replicas. Each takes 18 bytes of the answer.
    ManyPartitions {
        /// The number of partitions.
        count: u32,
    },
    /// Every broker, and the coordinator of a group, has this host.
    Host {
        /// The host: empty, or the address of another machine.
        host: Text,
    },
    /// Every broker has a host of this many letters. The layout cannot hold more than 32,767.
    LongHost {
        /// The length in bytes.
        length: u16,
    },
    /// Every broker has a host with a NUL character in it.
    HostWithNul,
    /// Every broker, and the coordinator of a group, has this port.
    Port {
        /// The port. Valid ports are 1 to 65535.
        port: i32,
    },
    /// The coordinator is not available, and the correlation id is 0. 0.8.2 answers so if it fails inside.
    CoordinatorIdZero,

    // Partitions of any API.
    /// The answer has no topics. Metadata still lists the brokers.
    Empty,
    /// The first selected partition of each topic is not in the answer.
    PartitionMissing,
    /// The first selected partition of each topic is in the answer twice.
    PartitionTwice,
    /// Each topic has one more partition: its number is higher by 1000 than that of the last one.
    PartitionExtra,
    /// The topic has another name: the letters `-other` follow the right one.
    TopicWrong,

    // Offsets.
    /// The offset is -1, and the error code 0: Produce, ListOffsets and OffsetFetch.
    OffsetMissing,
    /// The offset is -5, and the error code 0. In a fetch, the offset of the first message is -5.
    OffsetNegative,
    /// The list of offsets is empty, and the error code 0: ListOffsets.
    OffsetsEmpty,
    /// The high watermark is -1, and the error code 0.
    HighWatermarkMissing,

    // Message sets of a fetch. A lie that needs a message makes one up if the set has none.
    /// The last whole message is in the set twice, with the same offset.
    OffsetRepeated,
    /// The offsets of the messages descend.
    OffsetsDescending,
    /// The offset of the first message is one below the offset that the fetch asked for.
    OffsetBelowRequest,
    /// The offset of the last message is one above the high watermark.
    OffsetAboveHighWatermark,
    /// The offset of the last message is the highest that the layout can hold, 2^63 - 1.
    OffsetHighest,
    /// Zero bytes follow the set.
    ZeroTail {
        /// The number of zero bytes.
        length: u16,
    },
    /// The size of the first entry is this number. The bytes of the entry stay.
    EntrySize {
        /// The number in the size field. Valid sizes are 14 or more.
        size: i32,
    },
    /// The checksum of the first message is wrong by one bit.
    WrongCrc,
    /// Only this many bytes of the set remain. True brokers cut sets in this way too.
    SetCut {
        /// The number of bytes that remain.
        keep: u32,
    },
    /// The first message has this magic, and a checksum that is right.
    Magic {
        /// The magic. 0.8 knows only 0.
        magic: i8,
    },
    /// The first message has this codec, and a checksum that is right.
    Codec {
        /// The codec. 0.8.2 knows 0 to 3.
        codec: i8,
    },
    /// The key of the first message has this length, and the checksum is right. The bytes of the message stay.
    KeyLength {
        /// The number in the length field.
        length: i32,
    },
    /// The set is one message, wrapped in compressed sets again and again.
    Nested {
        /// The number of wrappers. At most 1,000 are made.
        depth: u16,
    },
    /// The set is one compressed message whose value is this many zero bytes.
    GzipBomb {
        /// The size of the value in bytes. Gzip makes about a thousandth of it. The broker holds it in memory
        /// for a moment, so that at most 256 MiB are made.
        inflated: u32,
    },

    // The frame.
    /// The length in front of the frame is this number. The bytes of the frame stay.
    FrameLength {
        /// The number in the length field.
        length: i32,
    },
    /// The correlation id is one that clients do not issue: the right one with the sign bit changed.
    IdNeverIssued,
    /// The correlation id is that of the answer before, or one less than the right one if this is the first answer.
    IdOld,
    /// The correlation id is that of the next request: one more than the right one.
    IdNext,
    /// The correlation id is 0.
    IdZero,
    /// The answer is the request: the peer sends back what it reads.
    Echo,
    /// The answer is that of an HTTP server.
    Http,
    /// The answer is an alert of TLS.
    Tls,
    /// The answer is the banner of an SSH server.
    Ssh,
}

/// What a lie changes, which decides the answers that it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Metadata,
    Brokers,
    Coordinator,
    Partitions,
    Offsets,
    OffsetsOrSets,
    OffsetList,
    Sets,
    Frame,
}

impl Lie {
    /// One lie of each kind, and several of those that have a parameter.
    pub const ALL: [Self; 57] = [
        Self::LeaderMissing,
        Self::LeaderMissingSilently,
        Self::LeaderNotListed,
        Self::ReplicaNotListed,
        Self::BrokerTwice,
        Self::BrokersMissing,
        Self::TopicTwice,
        Self::PartitionGap,
        Self::PartitionNegative,
        Self::ManyPartitions { count: 1_000_000 },
        Self::Host { host: Text::from_static("") },
        Self::Host { host: Text::from_static("attacker.invalid") },
        Self::LongHost { length: 32_767 },
        Self::HostWithNul,
        Self::Port { port: -1 },
        Self::Port { port: 0 },
        Self::Port { port: 65_536 },
        Self::Port { port: i32::MAX },
        Self::CoordinatorIdZero,
        Self::Empty,
        Self::PartitionMissing,
        Self::PartitionTwice,
        Self::PartitionExtra,
        Self::TopicWrong,
        Self::OffsetMissing,
        Self::OffsetNegative,
        Self::OffsetsEmpty,
        Self::HighWatermarkMissing,
        Self::OffsetRepeated,
        Self::OffsetsDescending,
        Self::OffsetBelowRequest,
        Self::OffsetAboveHighWatermark,
        Self::OffsetHighest,
        Self::ZeroTail { length: 64 },
        Self::EntrySize { size: 0 },
        Self::EntrySize { size: 13 },
        Self::EntrySize { size: -12 },
        Self::EntrySize { size: i32::MAX },
        Self::WrongCrc,
        Self::SetCut { keep: 5 },
        Self::SetCut { keep: 20 },
        Self::Magic { magic: 2 },
        Self::Codec { codec: 5 },
        Self::KeyLength { length: i32::MAX },
        Self::Nested { depth: 16 },
        Self::GzipBomb { inflated: 64 * 1024 * 1024 },
        Self::FrameLength { length: i32::MAX },
        Self::FrameLength { length: -1 },
        Self::FrameLength { length: 3 },
        Self::IdNeverIssued,
        Self::IdOld,
        Self::IdNext,
        Self::IdZero,
        Self::Echo,
        Self::Http,
        Self::Tls,
        Self::Ssh,
    ];

    /// Whether the lie changes answers of this API.
    #[must_use]
    pub fn concerns(&self, api: ApiKey) -> bool {
        let by_partition = [
            ApiKey::PRODUCE,
            ApiKey::FETCH,
            ApiKey::LIST_OFFSETS,
            ApiKey::METADATA,
            ApiKey::OFFSET_COMMIT,
            ApiKey::OFFSET_FETCH,
        ];
        match self.field() {
            Field::Metadata => api == ApiKey::METADATA,
            Field::Brokers => matches!(api, ApiKey::METADATA | ApiKey::CONSUMER_METADATA),
            Field::Coordinator => api == ApiKey::CONSUMER_METADATA,
            Field::Partitions => by_partition.contains(&api),
            Field::Offsets => matches!(api, ApiKey::PRODUCE | ApiKey::LIST_OFFSETS | ApiKey::OFFSET_FETCH),
            Field::OffsetsOrSets => {
                matches!(api, ApiKey::PRODUCE | ApiKey::FETCH | ApiKey::LIST_OFFSETS | ApiKey::OFFSET_FETCH)
            }
            Field::OffsetList => api == ApiKey::LIST_OFFSETS,
            // Only a fetch has message sets in its answer.
            Field::Sets => api == ApiKey::FETCH,
            // Every answer has a frame, also one of an API whose values no lie is about.
            Field::Frame => true,
        }
    }

    /// Whether the lie changes the message set of a fetch, so that it needs to know what the fetch asked for.
    pub(super) fn is_about_sets(&self) -> bool {
        matches!(self.field(), Field::Sets | Field::OffsetsOrSets)
    }

    fn field(&self) -> Field {
        match self {
            Self::LeaderMissing
            | Self::LeaderMissingSilently
            | Self::LeaderNotListed
            | Self::ReplicaNotListed
            | Self::BrokerTwice
            | Self::BrokersMissing
            | Self::TopicTwice
            | Self::PartitionGap
            | Self::PartitionNegative
            | Self::ManyPartitions { .. } => Field::Metadata,
            Self::Host { .. } | Self::LongHost { .. } | Self::HostWithNul | Self::Port { .. } => Field::Brokers,
            Self::CoordinatorIdZero => Field::Coordinator,
            Self::Empty | Self::PartitionMissing | Self::PartitionTwice | Self::PartitionExtra | Self::TopicWrong => {
                Field::Partitions
            }
            Self::OffsetMissing => Field::Offsets,
            Self::OffsetNegative => Field::OffsetsOrSets,
            Self::OffsetsEmpty => Field::OffsetList,
            Self::HighWatermarkMissing
            | Self::OffsetRepeated
            | Self::OffsetsDescending
            | Self::OffsetBelowRequest
            | Self::OffsetAboveHighWatermark
            | Self::OffsetHighest
            | Self::ZeroTail { .. }
            | Self::EntrySize { .. }
            | Self::WrongCrc
            | Self::SetCut { .. }
            | Self::Magic { .. }
            | Self::Codec { .. }
            | Self::KeyLength { .. }
            | Self::Nested { .. }
            | Self::GzipBomb { .. } => Field::Sets,
            Self::FrameLength { .. }
            | Self::IdNeverIssued
            | Self::IdOld
            | Self::IdNext
            | Self::IdZero
            | Self::Echo
            | Self::Http
            | Self::Tls
            | Self::Ssh => Field::Frame,
        }
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::text::write_lie(self, f)
    }
}
