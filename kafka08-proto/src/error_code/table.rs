//! One row per code: its name, and what a client may do about it.

use super::{ErrorCode, Retry};

/// What a client may do about a code.
pub(super) struct Row {
    pub(super) code: ErrorCode,
    pub(super) name: &'static str,
    pub(super) retry: Retry,
    /// Whether leaders or the coordinator must be looked up first.
    pub(super) is_stale: bool,
    pub(super) advice: &'static str,
}

const fn row(code: ErrorCode, name: &'static str, retry: Retry, advice: &'static str) -> Row {
    Row { code, name, retry, is_stale: false, advice }
}

const fn stale(code: ErrorCode, name: &'static str, advice: &'static str) -> Row {
    Row { code, name, retry: Retry::Yes, is_stale: true, advice }
}

pub(super) const TABLE: [Row; 37] = [
    row(ErrorCode::UNKNOWN, "Unknown", Retry::Limited, "try a few times; if it stays, look into the broker's log"),
    row(ErrorCode::NONE, "NoError", Retry::No, "nothing is to be done"),
    row(
        ErrorCode::OFFSET_OUT_OF_RANGE,
        "OffsetOutOfRange",
        Retry::No,
        "ask ListOffsets where the log begins and ends, and go on there",
    ),
    row(
        ErrorCode::INVALID_MESSAGE,
        "InvalidMessage",
        Retry::Limited,
        "try a few times: if it stays, the messages were built wrongly or are damaged on the way",
    ),
    stale(
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "UnknownTopicOrPartition",
        "look up the leader, then try again; check the name if it stays",
    ),
    row(ErrorCode::INVALID_FETCH_SIZE, "InvalidFetchSize", Retry::No, "use another max_bytes"),
    stale(
        ErrorCode::LEADER_NOT_AVAILABLE,
        "LeaderNotAvailable",
        "ask for metadata again after a pause: a leader is being elected or the topic is new",
    ),
    stale(ErrorCode::NOT_LEADER_FOR_PARTITION, "NotLeaderForPartition", "look up the leader, then try again"),
    row(
        ErrorCode::REQUEST_TIMED_OUT,
        "RequestTimedOut",
        Retry::Yes,
        "try again if a duplicate does no harm: the leader has the messages, its replicas may not",
    ),
    row(ErrorCode::BROKER_NOT_AVAILABLE, "BrokerNotAvailable", Retry::No, "ask another broker"),
    row(
        ErrorCode::REPLICA_NOT_AVAILABLE,
        "ReplicaNotAvailable",
        Retry::No,
        "ignore it in metadata, where the leader is valid; else ask a broker that hosts the partition",
    ),
    row(
        ErrorCode::MESSAGE_SIZE_TOO_LARGE,
        "MessageSizeTooLarge",
        Retry::No,
        "send less at once, or raise the broker's message.max.bytes",
    ),
    row(
        ErrorCode::STALE_CONTROLLER_EPOCH,
        "StaleControllerEpoch",
        Retry::No,
        "stop: another controller has taken over",
    ),
    row(
        ErrorCode::OFFSET_METADATA_TOO_LARGE,
        "OffsetMetadataTooLarge",
        Retry::No,
        "shorten the metadata, or raise the broker's offset.metadata.max.bytes",
    ),
    row(ErrorCode::STALE_LEADER_EPOCH, "StaleLeaderEpoch", Retry::No, "stop: the partition has a newer leader"),
    row(
        ErrorCode::OFFSETS_LOAD_IN_PROGRESS,
        "OffsetsLoadInProgress",
        Retry::Yes,
        "ask the same broker again after a pause",
    ),
    stale(
        ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE,
        "ConsumerCoordinatorNotAvailable",
        "ask for the coordinator again after a pause",
    ),
    stale(
        ErrorCode::NOT_COORDINATOR_FOR_CONSUMER,
        "NotCoordinatorForConsumer",
        "look up the coordinator, then try again",
    ),
    row(ErrorCode::INVALID_TOPIC, "InvalidTopic", Retry::No, "use another topic"),
    row(
        ErrorCode::MESSAGE_SET_SIZE_TOO_LARGE,
        "MessageSetSizeTooLarge",
        Retry::No,
        "send less at once, or raise the broker's segment size",
    ),
    row(
        ErrorCode::NOT_ENOUGH_REPLICAS,
        "NotEnoughReplicas",
        Retry::Yes,
        "try again when more replicas are in sync (min.insync.replicas)",
    ),
    row(
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        "NotEnoughReplicasAfterAppend",
        Retry::Yes,
        "try again if a duplicate does no harm: the leader has the messages",
    ),
    row(ErrorCode::INVALID_REQUIRED_ACKS, "InvalidRequiredAcks", Retry::No, "use acks of -1, 0 or 1"),
    row(
        ErrorCode::ILLEGAL_GENERATION,
        "IllegalGeneration",
        Retry::No,
        "commit under another group, or stop the group's later clients",
    ),
    row(ErrorCode::INVALID_GROUP_ID, "InvalidGroupId", Retry::No, "use a group with a name"),
    row(
        ErrorCode::UNKNOWN_MEMBER_ID,
        "UnknownMemberId",
        Retry::No,
        "commit under another group, or stop the group's later clients",
    ),
    row(
        ErrorCode::REBALANCE_IN_PROGRESS,
        "RebalanceInProgress",
        Retry::Limited,
        "try again after a pause, or commit under another group",
    ),
    row(ErrorCode::INVALID_COMMIT_OFFSET_SIZE, "InvalidCommitOffsetSize", Retry::No, "shorten the metadata"),
    row(
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        "TopicAuthorizationFailed",
        Retry::No,
        "have the broker's administrator allow it",
    ),
    row(
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        "GroupAuthorizationFailed",
        Retry::No,
        "have the broker's administrator allow it",
    ),
    row(
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        "ClusterAuthorizationFailed",
        Retry::No,
        "have the broker's administrator allow it",
    ),
    row(
        ErrorCode::UNSUPPORTED_VERSION,
        "UnsupportedVersion",
        Retry::No,
        "keep offsets in Kafka, by version 1 of OffsetCommit and OffsetFetch; for a fetch, allow the broker to convert messages (message.downconversion.enable)",
    ),
    row(
        ErrorCode::INVALID_REPLICATION_FACTOR,
        "InvalidReplicationFactor",
        Retry::Limited,
        "try again when more brokers are up, or create the topic with fewer replicas",
    ),
    row(ErrorCode::INVALID_REQUEST, "InvalidRequest", Retry::No, "change the request; the broker's log says why"),
    stale(ErrorCode::KAFKA_STORAGE_ERROR, "KafkaStorageError", "look up the leader, then try again"),
    row(
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        "UnsupportedCompressionType",
        Retry::No,
        "read this partition with a later client, or have its producers use another codec",
    ),
    row(
        ErrorCode::INVALID_RECORD,
        "InvalidRecord",
        Retry::No,
        "give each message what its topic demands, such as a key",
    ),
];
