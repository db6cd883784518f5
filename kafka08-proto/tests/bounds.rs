//! What is refused: absurd frames and counts from a peer, and requests that would lose data or hang.

mod common;

use bytes::{Buf as _, Bytes};
use common::{hex, start as origin};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _,
    api::{
        AnyError, AnyRequest, AnyResponse, Body, ConsumerMetadataRequest, Encode as _, FetchRequest, FetchResponse,
        FetchedPartition, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse, NameProblem,
        OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse, OffsetFetchRequestV0, OffsetFetchRequestV1,
        OffsetFetchResponseV0, OffsetFetchResponseV1, ProduceRequest, ProduceResponse, Request, RequestHeader,
        RequestProblem, Topics,
        controller::{
            ControlledShutdownResponse, LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest,
            StopReplicaResponse, UpdateMetadataRequest,
        },
        membership::{HeartbeatRequest, JoinGroupRequest, JoinGroupResponse},
    },
    connection::{CloseReason, PrepareError, SendError},
    error_code::ErrorCode,
    frame::{FrameError, LooksLike},
    ids::{
        Acks, Api, ApiKey, ApiVersion, ConnectionId, CorrelationId, Generation, Millis, Offset, OffsetTime,
        PartitionId, ReplicaId, Text, TopicPartition,
    },
    limits::Limits,
    message::{MessageSet, Origin},
    profile::Profile,
    wire::DecodeProblem,
};

/// How a connection ends that receives these bytes.
fn end_of(bytes: &[u8]) -> CloseReason {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    connection.handle_bytes(origin(), bytes);
    match connection.poll_event() {
        Some(ClientEvent::Closed(closed)) => closed.reason,
        other => panic!("the end was expected: {other:?}"),
    }
}

#[test]
fn a_length_that_no_frame_has_ends_the_connection() {
    let max = 64 << 20;
    for (bytes, expected) in [
        (&[0xff, 0xff, 0xff, 0xff][..], FrameError::TooSmall { len: -1, looks_like: None }),
        (&[0, 0, 0, 0], FrameError::TooSmall { len: 0, looks_like: None }),
        (&[0, 0, 0, 3, 1, 2, 3], FrameError::TooSmall { len: 3, looks_like: None }),
        (&[0x7f, 0xff, 0xff, 0xff], FrameError::TooLarge { len: i32::MAX, max, looks_like: None }),
        (&[0x04, 0, 0, 1], FrameError::TooLarge { len: (64 << 20) + 1, max, looks_like: None }),
        (
            b"\x15\x03\x03\x00\x02\x02\x28",
            FrameError::TooLarge { len: 0x1503_0300, max, looks_like: Some(LooksLike::Tls) },
        ),
        (b"HTTP/1.1", FrameError::TooLarge { len: 1_213_486_160, max, looks_like: Some(LooksLike::Http) }),
    ] {
        assert_eq!(end_of(bytes), CloseReason::Frame(expected), "{bytes:x?}");
    }
}

#[test]
fn a_frame_of_exactly_the_limit_is_waited_for() {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    connection.handle_bytes(origin(), &[0x04, 0, 0, 0]);
    assert!(connection.poll_event().is_none());
    assert!(connection.wants_read());
}

#[test]
fn an_array_is_believed_no_further_than_its_bytes_reach() {
    let error = MetadataResponse::decode(&Bytes::from_static(&[0x03, 0x3c, 0x0c, 0x00, 0xb6])).expect_err("absurd");
    assert_eq!((error.at, error.field), (0, "brokers"));
    assert_eq!(error.problem, DecodeProblem::CountTooLarge { count: 0x033c_0c00, fit: 0 });
    let error = ProduceResponse::decode(&Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff])).expect_err("absurd");
    assert_eq!(error.problem, DecodeProblem::CountTooLarge { count: 0x7fff_ffff, fit: 0 });
    assert_eq!(
        error.to_string(),
        "malformed Produce response: topics at byte 0 claims 2147483647 elements, but the rest of the body can hold only 0"
    );
}

/// Checks a list whose elements take at least `smallest` bytes: a body that holds 100 of them is read, and one that is a
/// byte shorter is refused at the count. `head` stands in front of the list, and `foot` zeros behind it. An element of zeros
/// is a smallest one: its strings and lists are empty.
fn holds_exactly<B: Body>(field: &str, head: &[u8], smallest: usize, foot: usize) {
    const COUNT: usize = 100;
    let body = |zeros: usize| Bytes::from([head, &[0, 0, 0, 100], &vec![0; zeros]].concat());
    let sound = B::decode_strict(&body(COUNT * smallest + foot));
    assert!(sound.is_ok(), "{} of {}: {:?}", field, B::NAME, sound.err());
    let error = B::decode(&body(COUNT * smallest - 1)).err().expect("a byte is missing");
    assert_eq!((error.field, error.at), (field, head.len()), "{}", B::NAME);
    assert_eq!(error.problem, DecodeProblem::CountTooLarge { count: COUNT, fit: COUNT - 1 }, "{field} of {}", B::NAME);
}

/// Checks the lists of a body that begins with `head` zeros and ends with topics, whose partitions take `smallest` bytes.
fn holds_topics<B: Body>(head: usize, smallest: usize) {
    // An empty name, and the count of the partitions.
    holds_exactly::<B>("topics", &vec![0; head], 2 + 4, 0);
    holds_exactly::<B>("partitions", &[&vec![0; head][..], &hex("00000001 0000")].concat(), smallest, 0);
}

#[test]
fn every_list_of_a_topic_and_its_partitions_is_believed_exactly_as_far_as_its_bytes_reach() {
    holds_topics::<ProduceRequest>(2 + 4, 4 + 4); // partition, size of the set
    holds_topics::<ProduceResponse>(0, 4 + 2 + 8); // partition, code, offset
    holds_topics::<FetchRequest>(4 + 4 + 4, 4 + 8 + 4); // partition, offset, max_bytes
    holds_topics::<FetchResponse>(0, 4 + 2 + 8 + 4); // partition, code, high watermark, size of the set
    holds_topics::<ListOffsetsRequest>(4, 4 + 8 + 4); // partition, time, number of offsets
    holds_topics::<ListOffsetsResponse>(0, 4 + 2 + 4); // partition, code, count of the offsets
    holds_topics::<OffsetCommitRequestV0>(2, 4 + 8 + 2); // partition, offset, metadata
    holds_topics::<OffsetCommitRequestV1>(2 + 4 + 2, 4 + 8 + 8 + 2); // partition, offset, timestamp, metadata
    holds_topics::<OffsetCommitResponse>(0, 4 + 2); // partition, code
    holds_topics::<OffsetFetchRequestV0>(2, 4); // partition
    holds_topics::<OffsetFetchRequestV1>(2, 4);
    holds_topics::<OffsetFetchResponseV1>(0, 4 + 8 + 2 + 2);
    holds_topics::<OffsetFetchResponseV0>(0, 4 + 8 + 2 + 2); // partition, offset, metadata, code
    holds_topics::<JoinGroupResponse>(2 + 4 + 2, 4); // partition
    // one topic without a name, one partition: 0, no error
    holds_exactly::<ListOffsetsResponse>("offsets", &hex("00000001 0000 00000001 00000000 0000"), 8, 0);
}

#[test]
fn every_other_list_is_believed_exactly_as_far_as_its_bytes_reach() {
    holds_exactly::<MetadataRequest>("topics", &[], 2, 0);
    holds_exactly::<MetadataResponse>("brokers", &[], 4 + 2 + 4, 4); // node, host, port
    let head = hex("00000000"); // no brokers
    holds_exactly::<MetadataResponse>("topics", &head, 2 + 2 + 4, 0); // code, name, count of the partitions
    let head = hex("00000000 00000001 0000 0000"); // one topic: no error, no name
    holds_exactly::<MetadataResponse>("partitions", &head, 2 + 4 + 4 + 4 + 4, 0); // code, number, leader, two counts
    // one partition: no error, number 0, leader 0
    let head = hex("00000000 00000001 0000 0000 00000001 0000 00000000 00000000");
    holds_exactly::<MetadataResponse>("replicas", &head, 4, 4);
    holds_exactly::<MetadataResponse>("isr", &[&head[..], &[0; 4]].concat(), 4, 0);

    // name, partition, controller's epoch, leader, its epoch, count in sync, ZooKeeper's version, count of the replicas
    let state = 2 + 4 + 4 + 4 + 4 + 4 + 4 + 4;
    holds_exactly::<LeaderAndIsrRequest>("partitions", &[0; 8], state, 4);
    holds_exactly::<LeaderAndIsrRequest>("leaders", &[0; 12], 4 + 2 + 4, 0); // node, host, port
    holds_exactly::<UpdateMetadataRequest>("partitions", &[0; 8], state, 4);
    holds_exactly::<UpdateMetadataRequest>("brokers", &[0; 12], 4 + 2 + 4, 0);
    // controller, its epoch, one partition: all but its lists
    let head = [&[0; 8][..], &[0, 0, 0, 1], &[0; 2 + 4 + 4 + 4 + 4]].concat();
    holds_exactly::<LeaderAndIsrRequest>("isr", &head, 4, 4 + 4 + 4);
    holds_exactly::<LeaderAndIsrRequest>("replicas", &[&head[..], &[0; 4 + 4]].concat(), 4, 4);
    holds_exactly::<StopReplicaRequest>("partitions", &[0; 9], 2 + 4, 0); // name, partition
    holds_exactly::<LeaderAndIsrResponse>("partitions", &[0; 2], 2 + 4 + 2, 0); // name, partition, code
    holds_exactly::<StopReplicaResponse>("partitions", &[0; 2], 2 + 4 + 2, 0);
    holds_exactly::<ControlledShutdownResponse>("partitions", &[0; 2], 2 + 4, 0);
    holds_exactly::<JoinGroupRequest>("topics", &[0; 6], 2, 2 + 2); // name
}

#[test]
fn an_element_does_not_take_the_bytes_that_those_behind_it_need_at_least() {
    // two names; the first claims four bytes, of which two are the length of the second
    let error = MetadataRequest::decode(&Bytes::from(hex("00000002 0004 6162 0000"))).expect_err("it is too long");
    assert_eq!((error.field, error.at), ("topic", 6));
    assert_eq!(error.problem, DecodeProblem::Truncated { needed: 4, left: 2 });
}

#[test]
fn requests_are_read_as_the_broker_reads_them() {
    // acks 1, timeout 0, -5 topics: the broker's loops do not run.
    let produce = ProduceRequest::decode_strict(&Bytes::from_static(&[0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfb]));
    assert!(produce.expect("an empty request").topics.is_empty());
    // Metadata alone checks its count.
    let error = MetadataRequest::decode(&Bytes::from_static(&[0xff; 4])).expect_err("negative");
    assert_eq!(error.problem, DecodeProblem::Negative(-1));
    assert_eq!(MetadataRequest::decode(&Bytes::from_static(&[0; 4])), Ok(MetadataRequest::all()));
}

#[test]
fn strings_of_requests_are_read_leniently_and_those_of_responses_are_not() {
    // Metadata, version 0, correlation id 1, a client id of two bytes in Latin-1
    let frame = hex("0003 0000 00000001 0002 e9e8 00000001 0001 74");
    let (header, body) = RequestHeader::split(&Bytes::from(frame)).expect("a broker serves it");
    assert_eq!(header.client_id, Some(Text::from("\u{fffd}\u{fffd}")));
    assert_eq!(MetadataRequest::decode_strict(&body), Ok(MetadataRequest::of(["t"])));
    // One topic of one byte in Latin-1, one that is null
    let named = MetadataRequest::decode(&Bytes::from(hex("00000002 0001 e9 ffff"))).expect("a broker reads it");
    assert_eq!(named, MetadataRequest::of(["\u{fffd}", ""]));
    let fetch = hex("ffffffff 00000000 00000000 00000001 ffff 00000001 00000000 0000000000000000 00000001");
    let fetch = FetchRequest::decode_strict(&Bytes::from(fetch)).expect("a broker reads it");
    assert!(fetch.topics.find("", PartitionId(0)).is_some());
    // Null groups, and a null consumer
    let commit_v1 = OffsetCommitRequestV1::decode_strict(&Bytes::from(hex("ffff ffffffff ffff 00000000")));
    assert_eq!(commit_v1.expect("a broker reads it"), OffsetCommitRequestV1::new(""));
    for group in ["ffff", "8000"] {
        let alone = Bytes::from(hex(group));
        assert_eq!(ConsumerMetadataRequest::decode_strict(&alone), Ok(ConsumerMetadataRequest::new("")));
        let body = Bytes::from(hex(&format!("{group} 00000000")));
        assert_eq!(OffsetCommitRequestV0::decode_strict(&body), Ok(OffsetCommitRequestV0::new("")));
        assert_eq!(OffsetFetchRequestV0::decode_strict(&body), Ok(OffsetFetchRequestV0::new("")));
        assert_eq!(OffsetFetchRequestV1::decode_strict(&body), Ok(OffsetFetchRequestV1::new("")));
    }
    // A heartbeat whose group is null, which the broker's Java reader refuses; and one in Latin-1, which it reads.
    let error = HeartbeatRequest::decode(&Bytes::from(hex("ffff 00000001 0000"))).expect_err("null");
    assert_eq!(error.problem, DecodeProblem::Negative(-1));
    let heartbeat = HeartbeatRequest::decode(&Bytes::from(hex("0001 e9 00000001 0000"))).expect("it is read");
    assert_eq!(heartbeat.group, "\u{fffd}");
    // A response: one topic of one byte in Latin-1, without partitions
    let error = ProduceResponse::decode(&Bytes::from(hex("00000001 0001 e9 00000000"))).expect_err("Latin-1");
    assert_eq!((error.problem, error.at), (DecodeProblem::NotUtf8, 4));
}

fn refused<R: Request>(request: &R) -> RequestProblem {
    refused_by(ClientConfig::default(), request)
}

/// The problem for which a request is refused, after making sure that nothing was sent.
fn refused_by<R: Request>(config: ClientConfig, request: &R) -> RequestProblem {
    let mut connection = ClientConnection::new(config, ConnectionId(0));
    let problem = match connection.request(origin(), request) {
        Err(SendError::Prepare(PrepareError::Problem(problem))) => problem,
        other => panic!("a refusal was expected: {other:?}"),
    };
    assert!(!connection.wants_write() && connection.in_flight() == 0 && connection.stats().sent == 0);
    problem
}

fn accepted<R: Request>(config: ClientConfig, request: &R) {
    ClientConnection::new(config, ConnectionId(0)).request(origin(), request).expect("it is sound");
}

fn produce() -> ProduceRequest {
    ProduceRequest::new(Acks::LEADER, Millis(0))
}

fn value() -> MessageSet {
    MessageSet::of_value(b"v")
}

#[test]
fn a_partition_that_stands_twice_is_refused() {
    let twice = produce().with("t", 0, value()).with("u", 0, value()).with("t", 0, value());
    assert_eq!(refused(&twice), RequestProblem::DuplicatePartition(TopicPartition::new("t", 0)));
    let twice = FetchRequest::new(Millis(0), 0).with("t", 1, Offset(0), 1).with("t", 1, Offset(5), 1);
    assert_eq!(refused(&twice), RequestProblem::DuplicatePartition(TopicPartition::new("t", 1)));
    let twice = ListOffsetsRequest::new().with("t", 1, OffsetTime::LATEST).with("t", 1, OffsetTime::EARLIEST);
    assert_eq!(refused(&twice), RequestProblem::DuplicatePartition(TopicPartition::new("t", 1)));
}

#[test]
fn a_set_that_is_empty_cut_or_no_set_is_refused() {
    let at = || TopicPartition::new("t", 0);
    let with = |set: Bytes| produce().with("t", 0, MessageSet::new(set, Origin::Produced));
    let good = value().bytes().clone();
    assert_eq!(refused(&with(Bytes::new())), RequestProblem::EmptyMessageSet(at()));
    for len in 1..good.len() {
        assert_eq!(refused(&with(good.slice(..len))), RequestProblem::CutMessageSet(at()), "{len}");
    }
    assert_eq!(refused(&with(Bytes::from_static(&[0; 30]))), RequestProblem::CorruptMessageSet(at()));
    accepted(ClientConfig::default(), &with(good));
}

#[test]
fn a_message_is_refused_from_one_byte_above_the_brokers_limit_on() {
    let limits = Limits::default().with_max_message(Some(100));
    let config = || ClientConfig::default().with_limits(limits.clone());
    // 26 bytes are not the value's.
    accepted(config(), &produce().with("t", 0, MessageSet::of_value(&[0; 74])));
    let to = TopicPartition::new("t", 0);
    let large = produce().with("t", 0, MessageSet::of_value(&[0; 75]));
    assert_eq!(refused_by(config(), &large), RequestProblem::MessageTooLarge { to, entry: 101, max: 100 });
    accepted(ClientConfig::default().with_limits(limits.with_max_message(None)), &large);
}

#[test]
fn a_name_that_no_topic_has_is_refused() {
    let longest = "x".repeat(255);
    let dotted = format!(".{}", &longest[1..]);
    accepted(ClientConfig::default(), &MetadataRequest::of([&longest, &dotted, "A-z_0.9", "..."]));
    for (name, problem) in [
        ("", NameProblem::Empty),
        (".", NameProblem::Dots),
        ("..", NameProblem::Dots),
        ("a b", NameProblem::Character(' ')),
        ("a/b", NameProblem::Character('/')),
        ("\u{e9}", NameProblem::Character('\u{e9}')),
        (&format!("{longest}x"), NameProblem::TooLong),
        (&format!("{dotted}x"), NameProblem::TooLong),
    ] {
        let topic = Text::from(name);
        let expected = RequestProblem::TopicName { topic, problem };
        assert_eq!(refused(&MetadataRequest::of([name])), expected);
        assert_eq!(refused(&produce().with(name, 0, value())), expected);
        assert_eq!(refused(&FetchRequest::new(Millis(0), 0).with(name, 0, Offset(0), 1)), expected);
        assert_eq!(refused(&ListOffsetsRequest::new().with(name, 0, OffsetTime::LATEST)), expected);
    }
}

#[test]
fn what_would_hang_or_harm_is_refused() {
    let endless = ProduceRequest::new(Acks::ALL, Millis(-1)).with("t", 0, value());
    assert_eq!(refused(&endless), RequestProblem::NegativeTimeout(Millis(-1)));
    let mut replica = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 1);
    replica.replica = ReplicaId(0);
    assert_eq!(refused(&replica), RequestProblem::BrokerReplicaId(ReplicaId(0)));
    let negative = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), -1);
    assert_eq!(refused(&negative), RequestProblem::NegativeMaxBytes(TopicPartition::new("t", 0)));
    assert_eq!(refused(&MetadataRequest { topics: Topics::Named(vec![]) }), RequestProblem::NoTopics);
    assert_eq!(refused(&ConsumerMetadataRequest::new("")), RequestProblem::NoGroup);
    assert_eq!(refused(&OffsetCommitRequestV1::new("")), RequestProblem::NoGroup);
}

#[test]
fn a_fetch_whose_answer_could_exceed_the_frame_limit_is_refused() {
    // Around the messages: correlation id and number of topics, name and number of partitions, and 18 bytes for each.
    let around = 4 + 4 + (2 + 1 + 4) + 2 * 18;
    let max = 100 + around;
    let config = || ClientConfig::default().with_limits(Limits::default().with_max_frame(max));
    let fetch = |b| FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 60).with("t", 1, Offset(0), b);
    assert_eq!(refused_by(config(), &fetch(41)), RequestProblem::FetchTooLarge { total: max as u64 + 1, max });

    let mut connection = ClientConnection::new(config(), ConnectionId(0));
    let ticket = connection.request(origin(), &fetch(40)).expect("it fits");
    let (_, queue) = connection.buffers();
    queue.advance(queue.remaining());
    let messages = |len| MessageSet::new(Bytes::from(vec![0; len]), Origin::Fetched);
    let mut full = FetchResponse::default();
    for (partition, len) in [(0, 60), (1, 40)] {
        let (error, high_watermark) = (ErrorCode::NONE, Offset(0));
        full.topics.push("t", partition, FetchedPartition { error, high_watermark, messages: messages(len) });
    }
    let body = full.to_bytes().expect("it fits");
    connection.handle_bytes(origin(), &u32::try_from(max).expect("short").to_be_bytes());
    connection.handle_bytes(origin(), &[&ticket.id().0.to_be_bytes()[..], &body].concat());
    match connection.poll_event() {
        Some(ClientEvent::Response(frame)) => assert_eq!(ticket.redeem(frame).expect("sound"), full),
        other => panic!("the fullest answer ends the connection: {other:?}"),
    }
}

#[test]
fn a_request_is_refused_where_its_release_does_not_know_it() {
    let heartbeat = HeartbeatRequest { group: "g".into(), generation: Generation(0), consumer: "c".into() };
    let config = |profile| ClientConfig::default().with_profile(profile);
    for profile in [Profile::V0_8_0, Profile::V0_8_1] {
        let api = HeartbeatRequest::API;
        assert_eq!(refused_by(config(profile), &heartbeat), RequestProblem::NotKnown { api, profile });
    }
    accepted(config(Profile::V0_8_2), &heartbeat);
    // 0.8.1 would read version 1 as version 0, and store nothing.
    let commit = OffsetCommitRequestV1::new("g");
    assert!(matches!(refused_by(config(Profile::V0_8_1), &commit), RequestProblem::NotKnown { .. }));
    assert!(matches!(
        refused_by(config(Profile::V0_8_0), &OffsetFetchRequestV0::new("g")),
        RequestProblem::NotKnown { .. }
    ));
    accepted(config(Profile::V0_8_1), &OffsetFetchRequestV0::new("g"));
    assert!(matches!(
        refused_by(config(Profile::V0_8_1), &OffsetFetchRequestV1::new("g")),
        RequestProblem::NotKnown { .. }
    ));
}

#[test]
fn any_request_is_read_by_the_versions_that_0_8_2_looks_at() {
    let api = |key, version| Api { key, version: ApiVersion(version) };
    let metadata = Bytes::from_static(&[0; 4]);
    // Metadata of version 9 is read as version 0.
    assert_eq!(
        AnyRequest::decode(api(ApiKey::METADATA, 9), &metadata),
        Ok(AnyRequest::Metadata(MetadataRequest::all()))
    );
    for unknown in [api(ApiKey(13), 0), api(ApiKey(-1), 0), api(ApiKey(18), 0), api(ApiKey::OFFSET_COMMIT, 2)] {
        assert_eq!(AnyRequest::decode(unknown, &metadata), Err(AnyError::UnknownApi(unknown)));
    }
    let fetch = OffsetFetchRequestV1::new("g").to_bytes().expect("it fits");
    for (version, expected) in [(0, 0), (1, 1), (7, 1)] {
        let read = AnyRequest::decode(api(ApiKey::OFFSET_FETCH, version), &fetch).expect("it is read");
        assert_eq!(read.api(), api(ApiKey::OFFSET_FETCH, expected));
    }
}

#[test]
fn a_response_of_ours_is_read_alone_by_the_range_of_its_id() {
    let mut frame = ((3 + 1) << 27 | 5i32).to_be_bytes().to_vec();
    frame.extend_from_slice(&[0; 8]);
    let (id, response) = AnyResponse::decode_alone(&frame.into()).expect("ours");
    assert_eq!(id, CorrelationId(4 << 27 | 5));
    assert_eq!(response, AnyResponse::Metadata(MetadataResponse::default()));
    let foreign = Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(AnyResponse::decode_alone(&foreign), Err(AnyError::UnknownRange(CorrelationId(1))));
}
