//! The table of error codes: the name of each code and the next step for the client.

use super::{ErrorCode, NextStep, Retry};

/// One error code, its name, and the next step for the client.
pub(super) struct Row {
    pub(super) code: ErrorCode,
    /// The name in `ErrorMapping` without the suffix `Code`. For a code of a later release: the name in `Errors`.
    pub(super) name: &'static str,
    pub(super) retry: Retry,
    pub(super) next: NextStep,
    /// A phrase that can follow a colon in an error text.
    pub(super) advice: &'static str,
}

/// Creates the row of a code after which the same request fails again.
const fn fatal(code: ErrorCode, name: &'static str, advice: &'static str) -> Row {
    Row { code, name, retry: Retry::No, next: NextStep::GiveUp, advice }
}

/// Creates the row of a code after which the client retries or continues.
const fn row(code: ErrorCode, name: &'static str, next: NextStep, retry: Retry, advice: &'static str) -> Row {
    Row { code, name, retry, next, advice }
}

pub(super) const TABLE: [Row; 37] = [
    row(
        ErrorCode::UNKNOWN,
        "Unknown",
        NextStep::Resend,
        Retry::Limited,
        "try a few times; if the error stays, look into the broker's log",
    ),
    row(ErrorCode::NONE, "NoError", NextStep::GoOn, Retry::No, "there is nothing to do"),
    fatal(
        ErrorCode::OFFSET_OUT_OF_RANGE,
        "OffsetOutOfRange",
        "ask ListOffsets where the log begins and ends, and go on there",
    ),
    row(
        ErrorCode::INVALID_MESSAGE,
        "InvalidMessage",
        NextStep::Resend,
        // The Java producer of 0.8.2 also retries after this code. The bytes may have been damaged during transmission.
        Retry::Limited,
        "try a few times; if the error stays, the messages were built wrongly or are damaged on the way",
    ),
    row(
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "UnknownTopicOrPartition",
        // A broker also sends this code if it no longer hosts the partition. The Java producer of 0.8.2 does not
        // refresh its metadata after this code, and therefore continues to send requests to the wrong broker.
        NextStep::RefreshMetadata,
        Retry::Yes,
        "look up the leader, then try again; if the error stays, check the topic's name",
    ),
    fatal(ErrorCode::INVALID_FETCH_SIZE, "InvalidFetchSize", "use another max_bytes"),
    row(
        ErrorCode::LEADER_NOT_AVAILABLE,
        "LeaderNotAvailable",
        NextStep::RefreshMetadata,
        Retry::Yes,
        "ask for metadata again after a pause: a leader is being elected or the topic is new",
    ),
    row(
        ErrorCode::NOT_LEADER_FOR_PARTITION,
        "NotLeaderForPartition",
        NextStep::RefreshMetadata,
        Retry::Yes,
        "look up the leader, then try again",
    ),
    row(
        ErrorCode::REQUEST_TIMED_OUT,
        "RequestTimedOut",
        NextStep::Resend,
        Retry::Yes,
        // A metadata refresh is not needed: this broker has appended the messages, so it is the leader.
        "try again if a duplicate does no harm: the leader has the messages, its replicas may not",
    ),
    fatal(ErrorCode::BROKER_NOT_AVAILABLE, "BrokerNotAvailable", "ask another broker"),
    row(
        ErrorCode::REPLICA_NOT_AVAILABLE,
        "ReplicaNotAvailable",
        NextStep::GoOn,
        Retry::No,
        "ignore it in metadata, where the leader is valid; otherwise ask a broker that hosts the partition",
    ),
    fatal(
        ErrorCode::MESSAGE_SIZE_TOO_LARGE,
        "MessageSizeTooLarge",
        // The limit applies to each entry of a set. A compressed entry counts as one entry.
        "send less at once, or raise the broker's message.max.bytes",
    ),
    fatal(ErrorCode::STALE_CONTROLLER_EPOCH, "StaleControllerEpoch", "stop: another controller has taken over"),
    fatal(
        ErrorCode::OFFSET_METADATA_TOO_LARGE,
        "OffsetMetadataTooLarge",
        "shorten the metadata, or raise the broker's offset.metadata.max.bytes",
    ),
    fatal(ErrorCode::STALE_LEADER_EPOCH, "StaleLeaderEpoch", "stop: the partition has a newer leader"),
    row(
        ErrorCode::OFFSETS_LOAD_IN_PROGRESS,
        "OffsetsLoadInProgress",
        // This broker is the coordinator. Another ConsumerMetadata request would return the same broker.
        NextStep::Wait,
        Retry::Yes,
        "ask the same broker again after a pause",
    ),
    row(
        ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE,
        "ConsumerCoordinatorNotAvailable",
        NextStep::FindCoordinator,
        Retry::Yes,
        "ask for the coordinator again after a pause",
    ),
    row(
        ErrorCode::NOT_COORDINATOR_FOR_CONSUMER,
        "NotCoordinatorForConsumer",
        NextStep::FindCoordinator,
        Retry::Yes,
        "look up the coordinator, then try again",
    ),
    fatal(ErrorCode::INVALID_TOPIC, "InvalidTopic", "use another topic"),
    fatal(
        ErrorCode::MESSAGE_SET_SIZE_TOO_LARGE,
        "MessageSetSizeTooLarge",
        "send less at once, or raise the broker's segment size",
    ),
    row(
        ErrorCode::NOT_ENOUGH_REPLICAS,
        "NotEnoughReplicas",
        NextStep::Wait,
        Retry::Yes,
        "try again when more replicas are in sync (min.insync.replicas)",
    ),
    row(
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        "NotEnoughReplicasAfterAppend",
        NextStep::Resend,
        Retry::Yes,
        "try again if a duplicate does no harm: the leader has the messages",
    ),
    fatal(ErrorCode::INVALID_REQUIRED_ACKS, "InvalidRequiredAcks", "use acks of -1, 0 or 1"),
    fatal(
        ErrorCode::ILLEGAL_GENERATION,
        "IllegalGeneration",
        "commit under another group, or stop the group's later clients",
    ),
    fatal(ErrorCode::INVALID_GROUP_ID, "InvalidGroupId", "use a group with a name"),
    fatal(
        ErrorCode::UNKNOWN_MEMBER_ID,
        "UnknownMemberId",
        "commit under another group, or stop the group's later clients",
    ),
    row(
        ErrorCode::REBALANCE_IN_PROGRESS,
        "RebalanceInProgress",
        NextStep::Wait,
        Retry::Limited,
        "try again after a pause, or commit under another group",
    ),
    fatal(ErrorCode::INVALID_COMMIT_OFFSET_SIZE, "InvalidCommitOffsetSize", "shorten the metadata"),
    fatal(
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        "TopicAuthorizationFailed",
        "have the broker's administrator allow it",
    ),
    fatal(
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        "GroupAuthorizationFailed",
        "have the broker's administrator allow it",
    ),
    fatal(
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        "ClusterAuthorizationFailed",
        "have the broker's administrator allow it",
    ),
    fatal(
        ErrorCode::UNSUPPORTED_VERSION,
        "UnsupportedVersion",
        "keep offsets in Kafka, by version 1 of OffsetCommit and OffsetFetch; for a fetch, allow the broker to convert \
         messages (message.downconversion.enable)",
    ),
    row(
        ErrorCode::INVALID_REPLICATION_FACTOR,
        "InvalidReplicationFactor",
        NextStep::Wait,
        Retry::Limited,
        "try again when more brokers are up, or create the topic with fewer replicas",
    ),
    fatal(ErrorCode::INVALID_REQUEST, "InvalidRequest", "change the request; the broker's log says why"),
    row(
        ErrorCode::KAFKA_STORAGE_ERROR,
        "KafkaStorageError",
        NextStep::RefreshMetadata,
        Retry::Yes,
        "look up the leader, then try again",
    ),
    fatal(
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        "UnsupportedCompressionType",
        "read this partition with a later client, or have its producers use another codec",
    ),
    fatal(ErrorCode::INVALID_RECORD, "InvalidRecord", "give each message what its topic demands, such as a key"),
];
