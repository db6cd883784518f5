//! Every error, as it prints: what happened, to what, and what to do next. A chain of causes says no sentence twice.

use std::{error::Error, io, sync::Arc, time::Duration};

#[path = "../common/mod.rs"]
mod common;
mod complete;
mod connections;
mod messages;

use bytes::Bytes;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Fate, HostPort,
    adapter::{CallError, ConnectError, FlushError},
    api::{
        AnyError, AnyRequest, AnyResponse, Body as _, FetchResponse, FetchedPartition, LeaderError, MetadataRequest,
        MetadataResponse, NameProblem, OffsetCommitResponse, OffsetFetchResponseV0, PartitionError, PartitionMetadata,
        RequestProblem, TopicMetadata,
    },
    connection::{CloseReason, Closed, Disconnect, Heard, PrepareError, Progress, RequestError, SendError},
    error_code::ErrorCode,
    ids::{
        Api, ApiKey, ApiVersion, ConnectionId, CorrelationId, DurationTooLong, Millis, NodeId, NotUtf8, Offset,
        PartitionId, ReplicaId, Text, TopicPartition,
    },
    message::{Codec, CompressError, InflateProblem, MessageSet, MissingFeature, Origin, SetFull},
    probe::{Probe, ProbeStep, Release, Undetermined},
    profile::Profile,
    wire::{DecodeError, DecodeProblem, Encoder},
};

/// What a printer of whole chains prints, line by line.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut lines = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        lines.push(error.to_string());
        next = error.source();
    }
    lines
}

/// Whether no line of a chain repeats one behind it.
fn says_each_once(error: &dyn Error) {
    let lines = chain(error);
    for (n, line) in lines.iter().enumerate() {
        let behind = lines.iter().skip(n + 1).find(|behind| line.contains(*behind));
        assert_eq!(behind, None, "{lines:?}");
    }
}

const TIMED_OUT: RequestError = RequestError::TimedOut { after: Duration::from_secs(30) };

fn malformed() -> DecodeError {
    MetadataRequest::decode(&Bytes::from_static(&[0xff; 4])).expect_err("a negative count")
}

/// The end of a connection that was cut.
fn lost() -> Closed {
    let peer = HostPort::new("broker1", 9092);
    let mut connection = ClientConnection::new(ClientConfig::default().with_peer(peer), ConnectionId(0));
    connection.handle_disconnect(Disconnect::Error(io::ErrorKind::ConnectionReset));
    match connection.poll_event() {
        Some(ClientEvent::Closed(closed)) => closed,
        other => panic!("the end was expected: {other:?}"),
    }
}

#[test]
fn no_error_of_a_body_or_of_the_probe_says_a_sentence_twice() {
    let closed = RequestError::Closed(CloseReason::Disconnected {
        how: Disconnect::Eof,
        heard: Heard::Nothing,
        waiting_for: Some(Api::v0(ApiKey::METADATA)),
        idle: None,
        unconfirmed: 0,
    });
    let encode = Encoder::new().text("topic", "x".repeat(40_000)).expect_err("too long");
    let lost = lost();
    let call = |error, progress| CallError::Failed {
        peer: Some(Arc::new(HostPort::new("broker1", 9092))),
        id: CorrelationId(1 << 27),
        api: Api::v0(ApiKey::PRODUCE),
        error,
        progress,
        fate: Fate::MaybeApplied,
        io: Some(Arc::new(io::Error::other("what the system said"))),
    };
    let failed = [call(closed.clone(), Progress::Unanswered), call(TIMED_OUT, Progress::NotSent)];
    let flush = FlushError::check(failed.to_vec(), Some(lost.clone())).expect_err("two have failed");
    let address = "127.0.0.1:9".parse().expect("an address");
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let target = HostPort::new("broker1", 9);
    let errors: [&dyn Error; 20] = [
        &ConnectError::Target("a".parse::<HostPort>().expect_err("no port")),
        &ConnectError::Refused { target, attempts: vec![(address, refused)] },
        &CompressError::Missing(MissingFeature(Codec::Gzip)),
        &failed[0],
        &failed[1],
        &flush,
        &lost,
        &closed,
        &CallError::NotSent(SendError::Closed(Box::new(lost.clone()))),
        &SendError::Prepare(PrepareError::Problem(RequestProblem::NoTopics)),
        &malformed(),
        &encode,
        &AnyError::Malformed(malformed()),
        &AnyError::UnknownApi(Api::v0(ApiKey(18))),
        &AnyError::UnknownRange(CorrelationId(1)),
        &RequestProblem::TopicName { topic: Text::from("a b"), problem: NameProblem::Character(' ') },
        &ErrorCode::UNKNOWN,
        &NotUtf8,
        &DurationTooLong(Duration::MAX),
        &undetermined(ClientConfig::default()),
    ];
    errors.into_iter().for_each(says_each_once);
}

#[test]
fn a_wrapper_without_a_sentence_of_its_own_is_transparent() {
    let error = AnyError::Malformed(malformed());
    assert_eq!(error.to_string(), malformed().to_string());
    assert!(error.source().is_none(), "what it wraps has no cause");
}

/// What a probe says that could not connect.
fn undetermined(config: ClientConfig) -> Undetermined {
    let mut probe = Probe::new(config);
    probe.handle_connect_failed(io::ErrorKind::ConnectionRefused);
    match probe.poll_step(common::start()) {
        ProbeStep::Done(Release::Undetermined(why)) => why,
        other => panic!("it could not connect: {other:?}"),
    }
}

#[test]
fn a_release_that_is_not_determined_names_the_broker_and_the_cause() {
    let expected = "the release of broker1:9092 is unknown: no connection could be made (connection refused): check the \
                    address, and that a broker listens there";
    let named = undetermined(ClientConfig::default().with_peer(HostPort::new("broker1", 9092)));
    assert_eq!(named.to_string(), expected);
    assert_eq!(Release::Undetermined(named).to_string(), expected);
    let nameless = undetermined(ClientConfig::default());
    assert_eq!(nameless.to_string(), expected.replace("the release of broker1:9092", "the release"));
}

#[test]
fn an_api_without_a_name_is_called_by_its_number() {
    let api = Api { key: ApiKey(18), version: ApiVersion(0) };
    assert_eq!(api.to_string(), "API 18 v0");
    let error = AnyRequest::decode(api, &Bytes::new()).expect_err("0.8 does not know it");
    assert_eq!(error.to_string(), "no Kafka 0.8 release knows API 18 v0");
    let error = AnyResponse::decode(Api { key: ApiKey::OFFSET_COMMIT, version: ApiVersion(2) }, &Bytes::new());
    assert_eq!(error.expect_err("of 0.9").to_string(), "no Kafka 0.8 release knows OffsetCommit v2");
}

#[test]
fn one_thing_is_counted_in_the_singular() {
    let text = |problem| DecodeError::new("example", "field", 3, problem).to_string();
    for (problem, expected) in [
        (DecodeProblem::Truncated { needed: 1, left: 0 }, "needs 1 byte, 0 are left"),
        (DecodeProblem::Truncated { needed: 4, left: 1 }, "needs 4 bytes, 1 is left"),
        (
            DecodeProblem::CountTooLarge { count: 1, fit: 0 },
            "claims 1 element, but the rest of the body can hold only 0",
        ),
        (
            DecodeProblem::CountTooLarge { count: 2, fit: 1 },
            "claims 2 elements, but the rest of the body can hold only 1",
        ),
        (DecodeProblem::Trailing(1), "is followed by 1 byte too many"),
        (DecodeProblem::Trailing(2), "is followed by 2 bytes too many"),
    ] {
        assert_eq!(text(problem), format!("malformed example: field at byte 3 {expected}"));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_reason_to_refuse_a_request_says_what_to_do() {
    let t0 = || TopicPartition::new("t", 0);
    let name = |problem| RequestProblem::TopicName { topic: Text::from("x"), problem };
    let lz4 = RequestProblem::CodecNotKnown { to: t0(), codec: Codec::Lz4, profile: Profile::V0_8_1 };
    for (problem, expected) in [
        (
            RequestProblem::NotKnown { api: Api::v0(ApiKey::HEARTBEAT), profile: Profile::V0_8_1 },
            "Kafka 0.8.1 does not know Heartbeat v0: use a request that it knows, or set another profile if the broker \
             is newer (a probe finds the release)",
        ),
        (RequestProblem::NoGroup, "the group has no name, and nobody would find its offsets: give the group a name"),
        (
            RequestProblem::GroupName(Text::from("a/b")),
            "the group name \"a/b\" has a slash, and would be a path in ZooKeeper that other tools do not find: use \
             another name",
        ),
        (
            RequestProblem::DuplicatePartition(t0()),
            "t/0 is in the request twice, and the broker would keep only the last entry: merge the entries, or send \
             two requests",
        ),
        (
            RequestProblem::EmptyMessageSet(t0()),
            "the message set for t/0, or a compressed set in it, is empty, and a broker would answer without an error: \
             leave the set out",
        ),
        (
            RequestProblem::CutMessageSet(t0()),
            "the message set for t/0, or a compressed set in it, ends in the middle of a message, which the broker \
             would drop silently: send only complete entries",
        ),
        (
            RequestProblem::CorruptMessageSet(t0()),
            "the message set for t/0, or a compressed set in it, has an entry that is not a valid message: build the \
             set again",
        ),
        (lz4, "the message set for t/0 is compressed with lz4, which Kafka 0.8.1 cannot read: use gzip or snappy"),
        (
            RequestProblem::MessageTooLarge { to: t0(), entry: 101, max: 100 },
            "a message for t/0 takes 101 bytes, and the broker accepts 100 (message.max.bytes): split it, or raise \
             both the broker's setting and Limits::max_message",
        ),
        (name(NameProblem::Empty), "\"x\" cannot be a topic's name: it is empty"),
        (name(NameProblem::TooLong), "\"x\" cannot be a topic's name: it has more than 255 characters"),
        (name(NameProblem::Dots), "\"x\" cannot be a topic's name: \".\" and \"..\" are names of directories"),
        (
            name(NameProblem::Character('/')),
            "\"x\" cannot be a topic's name: it has '/', and only a-z A-Z 0-9 . _ - are allowed",
        ),
        (
            RequestProblem::NoTopics,
            "the request names no topics, which on the wire asks for all topics: use Topics::All if you mean that",
        ),
        (
            RequestProblem::WaitTooLong(Millis(600_001)),
            "a wait of 600001 ms would delay all requests behind it, and brokers of 0.8.2 close a connection after \
             600000 ms without a request: let the broker wait no longer than that",
        ),
        (
            RequestProblem::BrokerReplicaId(ReplicaId(5)),
            "replica id 5 is not that of a client, and the leader would count this client as a replica: use \
             ReplicaId::CONSUMER",
        ),
        (
            RequestProblem::NegativeMaxBytes(t0()),
            "max_bytes for t/0 is negative, which every broker answers with an error: use 0 or more",
        ),
        (
            RequestProblem::FetchTooLarge { total: 101, max: 100 },
            "the response could have 101 bytes, more than the frame limit of 100: lower max_bytes, fetch fewer \
             partitions at once, or raise Limits::max_frame",
        ),
        (RequestProblem::Other("in its own words".to_owned()), "in its own words"),
    ] {
        assert_eq!(problem.to_string(), expected);
    }
}

#[test]
fn a_partition_that_a_response_leaves_out_says_what_may_have_happened() {
    let missing = [
        FetchResponse::default().partition("t", 0).expect_err("it is empty"),
        OffsetCommitResponse::default().partition("t", 0).expect_err("it is empty"),
        OffsetFetchResponseV0::default().committed("t", 0).expect_err("it is empty"),
    ];
    let expected = [
        "the Fetch response does not list t/0: if the request did, ask again",
        "the OffsetCommit response does not list t/0: if the request did, the offset was not stored, and the broker \
         may be older than the profile says",
        "the OffsetFetch response does not list t/0: if the request did, look up the coordinator; this does not mean \
         that nothing is committed",
    ];
    assert_eq!(missing.map(|error| error.to_string()), expected);
}

#[test]
fn what_does_not_fit_or_cannot_be_opened_says_which_bound_it_met() {
    let long = Encoder::new().text("topic", "x".repeat(32_768)).expect_err("one byte too long");
    assert_eq!(long.to_string(), "topic has a length of 32768, but at most 32767 can be encoded");
    let full = SetFull { entry: 27 };
    assert_eq!(
        full.to_string(),
        "an entry of 27 bytes would make the set larger than 2^31 - 1 bytes: send the set first"
    );
    let missing = MissingFeature(Codec::Gzip);
    assert_eq!(missing.to_string(), "this build of kafka08-proto lacks the feature \"gzip\"");
    for (problem, expected) in [
        (InflateProblem::Malformed, "the compressed bytes are malformed"),
        (InflateProblem::Checksum, "a checksum in the compressed bytes does not match"),
        (InflateProblem::Ratio { claimed: 9 }, "it claims to expand to 9 bytes, more than its format allows"),
        (
            InflateProblem::OverBudget { limit: 9 },
            "it expands to more than the limit of 9 bytes (Limits::max_inflated)",
        ),
        (InflateProblem::MissingFeature, "this build of kafka08-proto lacks the feature of that name"),
    ] {
        assert_eq!(problem.to_string(), expected);
    }
}

#[test]
fn a_partition_without_success_or_leader_says_what_to_do_about_it() {
    let of = || TopicPartition::new("t", 0);
    let mut fetch = FetchResponse::default();
    let messages = MessageSet::new(Bytes::new(), Origin::Fetched);
    let (error, high_watermark) = (ErrorCode(1), Offset(0));
    fetch.topics.push("t", 0, FetchedPartition { error, high_watermark, messages });
    let refused: PartitionError = fetch.partition("t", 0).expect_err("code 1");
    assert_eq!(
        refused.to_string(),
        format!("Fetch for t/0 failed with OffsetOutOfRange (1): {}", ErrorCode(1).advice())
    );
    says_each_once(&refused);

    let mut metadata = MetadataResponse::new(vec![], vec![]);
    for (error, leader) in [(0, -1), (5, -1), (0, 7)] {
        let partition = PartitionMetadata {
            error: ErrorCode(error),
            partition: PartitionId(0),
            leader: (leader >= 0).then_some(NodeId(leader)),
            replicas: vec![],
            isr: vec![],
        };
        let name = Text::from(format!("t{error}{leader}"));
        let mut topics = metadata.topics().to_vec();
        topics.push(TopicMetadata { error: ErrorCode(0), name, partitions: vec![partition] });
        topics.push(TopicMetadata { error: ErrorCode(17), name: Text::from("refused"), partitions: vec![] });
        metadata = MetadataResponse::new(vec![], topics);
    }
    for (topic, partition, expected) in [
        ("missing", 0, "the metadata does not list the topic; ask for it by its name".to_owned()),
        ("refused", 0, format!("the topic has InvalidTopic (17); {}", ErrorCode(17).advice())),
        ("t0-1", 1, "the topic has no such partition".to_owned()),
        ("t0-1", 0, "the partition has no leader now; ask for metadata again after a pause".to_owned()),
        ("t5-1", 0, format!("the partition has LeaderNotAvailable (5); {}", ErrorCode(5).advice())),
        ("t07", 0, "the metadata names broker 7 but does not list it; ask for metadata again after a pause".to_owned()),
    ] {
        let error: LeaderError = metadata.leader_of(topic, partition).expect_err("no leader");
        assert_eq!(error.to_string(), format!("no leader is known for {topic}/{partition}: {expected}"));
        says_each_once(&error);
    }
    assert_eq!(refused.of, of());
}
