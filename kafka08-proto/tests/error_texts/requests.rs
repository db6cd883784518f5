//! Errors of requests before they are sent, and of what responses say of a partition.

use bytes::Bytes;
use kafka08_proto::{
    api::{
        AnyError, AnyRequest, AnyResponse, FetchResponse, FetchedPartition, LeaderError, MetadataResponse, NameProblem,
        OffsetCommitResponse, OffsetFetchResponseV0, PartitionError, PartitionMetadata, ProduceResponse,
        RequestProblem, TopicMetadata,
    },
    error_code::ErrorCode,
    ids::{
        Api, ApiKey, ApiVersion, CorrelationId, Millis, NodeId, Offset, PartitionId, ReplicaId, Text, TopicPartition,
    },
    message::{Codec, MessageSet, Origin},
    profile::Profile,
};

use super::{MALFORMED, Next, Open, Row, Says, malformed, row};

fn t0() -> TopicPartition {
    TopicPartition::new("t", 0)
}

pub(crate) fn rows() -> Vec<Row> {
    [of_requests(), of_numbers(), of_sets(), of_names(), of_partitions(), of_leaders(), of_any()]
        .into_iter()
        .flatten()
        .collect()
}

fn of_requests() -> Vec<Row> {
    let not_known = |api, profile| RequestProblem::NotKnown { api, profile };
    let advice =
        "use a request that it knows, or set another profile if the broker is newer (a probe finds the release)";
    vec![
        row(
            not_known(Api::v0(ApiKey::HEARTBEAT), Profile::V0_8_0),
            "Heartbeat v0",
            Says("set another profile if the broker is newer"),
            format!("Kafka 0.8.0 does not know Heartbeat v0: {advice}"),
        ),
        row(
            not_known(Api::v0(ApiKey(18)), Profile::V0_8_2),
            "API 18 v0",
            Says("set another profile if the broker is newer"),
            format!("Kafka 0.8.2 does not know API 18 v0: {advice}"),
        ),
        row(
            RequestProblem::NoGroup,
            "the group",
            Says("give the group a name"),
            "the group has no name, and nobody would find its offsets: give the group a name",
        ),
        row(
            RequestProblem::GroupName(Text::from("a/b")),
            "the group \"a/b\"",
            Says("use another name"),
            "the group \"a/b\" has a slash in its name, and its offsets would be stored in ZooKeeper where other tools do not \
             find them: use another name",
        ),
        row(
            RequestProblem::DuplicatePartition(t0()),
            "t/0",
            Says("merge the entries"),
            "t/0 is in the request twice, and the broker would keep only the last entry: merge the entries, or \
             send two requests",
        ),
        row(
            RequestProblem::NoTopics,
            "no topics",
            Says("use Topics::All if you mean that"),
            "the request names no topics, which on the wire asks for all topics: use Topics::All if you mean that",
        ),
        row(
            RequestProblem::Other("x is wrong: use y".to_owned()),
            "x is wrong",
            Open("it is in the words of a request outside of this crate"),
            "x is wrong: use y",
        ),
    ]
}

fn of_numbers() -> Vec<Row> {
    vec![
        row(
            RequestProblem::NegativeTimeout(Millis(-1)),
            "a produce timeout of -1 ms",
            Says("use 0 or more"),
            "with a produce timeout of -1 ms, 0.8.0 and 0.8.1 wait for ever, and 0.8.2 answers RequestTimedOut at \
              once although the messages are in its log: use 0 or more",
        ),
        row(
            RequestProblem::WaitTooLong(Millis(600_001)),
            "a wait of 600001 ms",
            Says("let the broker wait no longer than that"),
            "a wait of 600001 ms would delay all requests behind it, and brokers of 0.8.2 close a connection \
             after 600000 ms without a request: let the broker wait no longer than that",
        ),
        row(
            RequestProblem::MinBytesOutOfReach { min_bytes: 2, max_bytes: 1 },
            "min_bytes is 2",
            Says("lower min_bytes or raise max_bytes"),
            "min_bytes is 2, more than the sum of all max_bytes, which is 1, so the broker would always wait the whole \
             max_wait: lower min_bytes or raise max_bytes",
        ),
        row(
            RequestProblem::BrokerReplicaId(ReplicaId(5)),
            "replica id 5",
            Says("use ReplicaId::CONSUMER"),
            "replica id 5 is not that of a client, and would make the leader count this client as a replica: use \
             ReplicaId::CONSUMER",
        ),
        row(
            RequestProblem::NegativeMaxBytes(t0()),
            "max_bytes for t/0",
            Says("use 0 or more"),
            "max_bytes for t/0 is negative, which every broker answers with an error: use 0 or more",
        ),
        row(
            RequestProblem::FetchTooLarge { total: 101, max: 100 },
            "the response could have 101 bytes",
            Says("lower max_bytes"),
            "the response could have 101 bytes, more than the frame limit of 100: lower max_bytes, fetch fewer \
             partitions at once, or raise Limits::max_frame",
        ),
    ]
}

fn of_sets() -> Vec<Row> {
    let set = "the message set for t/0";
    vec![
        row(
            RequestProblem::EmptyMessageSet(t0()),
            set,
            Says("leave the set out"),
            "the message set for t/0, or a compressed set in it, is empty, and a broker would answer without an \
             error: leave the set out",
        ),
        row(
            RequestProblem::CutMessageSet(t0()),
            set,
            Says("send only complete entries"),
            "the message set for t/0, or a compressed set in it, ends in the middle of a message, which the \
             broker would drop silently: send only complete entries",
        ),
        row(
            RequestProblem::CorruptMessageSet(t0()),
            set,
            Says("build the set again"),
            "the message set for t/0, or a compressed set in it, has an entry that is not a valid message: build \
             the set again",
        ),
        row(
            RequestProblem::CodecNotKnown { to: t0(), codec: Codec::Lz4, profile: Profile::V0_8_1 },
            set,
            Says("use gzip or snappy"),
            "the message set for t/0 is compressed with lz4, which Kafka 0.8.1 cannot read: use gzip or snappy",
        ),
        row(
            RequestProblem::NotInspected { to: t0(), max_inflated: 9 },
            "a compressed set for t/0",
            Says("raise Limits::max_inflated"),
            "a compressed set for t/0 was not inspected, because it expands to more than 9 bytes or is nested too \
              deeply: raise Limits::max_inflated, or send the request unchecked",
        ),
        row(
            RequestProblem::MessageTooLarge { to: t0(), entry: 101, max: 100 },
            "a message for t/0",
            Says("split it"),
            "a message for t/0 takes 101 bytes, and the broker accepts 100 (message.max.bytes): split it, or \
             raise both the broker's setting and Limits::max_message",
        ),
    ]
}

fn of_names() -> Vec<Row> {
    let names = [
        (NameProblem::Empty, "must not be empty", "a topic name must not be empty"),
        (NameProblem::TooLong, "at most 255 characters", "a topic name has at most 255 characters"),
        (NameProblem::Dots, "must not be", "a topic name must not be \".\" or \"..\", which are directories"),
        (
            NameProblem::Character('/'),
            "must not contain '/'",
            "a topic name consists of a-z A-Z 0-9 . _ - and must not contain '/'",
        ),
    ];
    let of_each = |(problem, next, text)| {
        let refused = RequestProblem::TopicName { topic: Text::from("x"), problem };
        [
            row(problem, "a topic name", Says(next), text),
            row(refused, "\"x\"", Says(next), format!("the topic \"x\" is refused: {text}")),
        ]
    };
    names.into_iter().flat_map(of_each).collect()
}

fn of_partitions() -> Vec<Row> {
    let mut fetch = FetchResponse::default();
    for (topic, error) in [("t", ErrorCode::INVALID_TOPIC), ("new", ErrorCode(99))] {
        let messages = MessageSet::new(Bytes::new(), Origin::Fetched);
        fetch.topics.push(topic, 0, FetchedPartition { error, high_watermark: Offset(0), messages });
    }
    let row = |error: PartitionError, next, text: &str| row(error, "t/0", Says(next), text);
    vec![
        row(
            fetch.partition("t", 0).expect_err("code 17"),
            "use another topic",
            "Fetch for t/0 failed with InvalidTopic (17): use another topic",
        ),
        super::row(
            fetch.partition("new", 0).expect_err("code 99"),
            "new/0",
            Says("try a few times, then give up"),
            "Fetch for new/0 failed with error code 99, which Kafka 0.8 does not know: a later release sends it: try a few \
             times, then give up",
        ),
        row(
            FetchResponse::default().partition("t", 0).expect_err("it is empty"),
            "ask again",
            "the Fetch response does not list t/0: if the request did, ask again",
        ),
        row(
            ProduceResponse::default().partition("t", 0).expect_err("it is empty"),
            "send them again if a duplicate does no harm",
            "the Produce response does not list t/0: if the request did, the messages may have been appended or not; send \
             them again if a duplicate does no harm",
        ),
        row(
            OffsetCommitResponse::default().partition("t", 0).expect_err("it is empty"),
            "the probe tells the release",
            "the OffsetCommit response does not list t/0: if the request did, the offset was not stored, and the broker may \
             be older than the profile says (the probe tells the release)",
        ),
        row(
            OffsetFetchResponseV0::default().committed("t", 0).expect_err("it is empty"),
            "look up the coordinator",
            "the OffsetFetch response does not list t/0: if the request did, look up the coordinator, because an offset may \
             be committed all the same",
        ),
    ]
}

/// Metadata of topics that are named after what is wrong with them.
fn metadata() -> MetadataResponse {
    let topic = |name: &str, error, partitions| TopicMetadata { error, name: Text::from(name), partitions };
    let of_partition = |name, error, leader| {
        let partition = PartitionId(0);
        let partition = PartitionMetadata { error, partition, leader, replicas: vec![], isr: vec![] };
        topic(name, ErrorCode::NONE, vec![partition])
    };
    let topics = vec![
        topic("refused", ErrorCode::INVALID_TOPIC, vec![]),
        of_partition("none", ErrorCode::NONE, None),
        of_partition("electing", ErrorCode::LEADER_NOT_AVAILABLE, None),
        of_partition("unlisted", ErrorCode::NONE, Some(NodeId(7))),
    ];
    MetadataResponse::new(vec![], topics)
}

fn of_leaders() -> Vec<Row> {
    let metadata = metadata();
    [
        (
            ("missing", 0),
            "missing/0",
            "ask for it by its name",
            "the metadata does not list the topic; ask for it by its name",
        ),
        (("refused", 0), "refused/0", "use another topic", "the topic has InvalidTopic (17); use another topic"),
        (
            ("none", 1),
            "none/1",
            "check the number",
            "the topic has no such partition; check the number, or ask for metadata again",
        ),
        (
            ("none", 0),
            "none/0",
            "ask for metadata again",
            "the partition has no leader now; ask for metadata again after a pause",
        ),
        (
            ("electing", 0),
            "electing/0",
            "ask for metadata again",
            "the partition has LeaderNotAvailable (5); ask for metadata again after a pause: a leader is being elected or the \
             topic is new",
        ),
        (
            ("unlisted", 0),
            "unlisted/0",
            "ask for metadata again",
            "the leader is broker 7, which the metadata does not list; ask for metadata again after a pause",
        ),
    ]
    .into_iter()
    .map(|((topic, partition), names, next, text)| {
        let error: LeaderError = metadata.leader_of(topic, partition).expect_err("no leader");
        row(error, names, Says(next), format!("no leader is known for {names}: {text}"))
    })
    .collect()
}

fn of_any() -> Vec<Row> {
    const SEEN: Next = Open("a broker closes the connection, a proxy passes the bytes on");
    let api = Api { key: ApiKey(18), version: ApiVersion(0) };
    let error = AnyRequest::decode(api, &Bytes::new()).expect_err("0.8 does not know it");
    let later = Api { key: ApiKey::OFFSET_COMMIT, version: ApiVersion(2) };
    let later = AnyResponse::decode(later, &Bytes::new()).expect_err("0.8 knows version 0 and 1");
    vec![
        row(error, "API 18 v0", SEEN, "no Kafka 0.8 release knows API 18 v0"),
        row(later, "OffsetCommit v2", SEEN, "no Kafka 0.8 release knows OffsetCommit v2"),
        row(
            AnyError::UnknownRange(CorrelationId(1)),
            "correlation id 1",
            Says("decode it by the API of its request"),
            "correlation id 1 does not tell the API of the response: decode it by the API of its request",
        ),
        row(AnyError::Malformed(malformed()), "Metadata request: topics at byte 0", SEEN, MALFORMED),
    ]
}
