//! The vectors of the APIs around groups and controllers. Expected bytes are hex with a comment per field, from the
//! official serializers and from live brokers of 0.8.2.

mod common;

use bytes::Bytes;
use kafka08_proto::{
    api::{controller::*, membership::*, *},
    error_code::ErrorCode,
    ids::*,
    wire::Encoder,
};

fn hex(text: &str) -> Bytes {
    common::hex(text).into()
}

/// The number in four bytes of a frame.
fn number(bytes: &Bytes, at: usize) -> i32 {
    i32::from_be_bytes(bytes.slice(at..at + 4).as_ref().try_into().expect("four bytes"))
}

/// A request's frame, its length included, is read as this header and value, and both are written as the same bytes.
fn is_request<R: Request + PartialEq + std::fmt::Debug>(text: &str, expected: &R) {
    let bytes = hex(text);
    assert_eq!(Ok(number(&bytes, 0)), i32::try_from(bytes.len() - 4));
    let frame = bytes.slice(4..);
    let (header, body) = RequestHeader::split(&frame).expect("a header");
    let client_id = (R::API.key != ApiKey::CONTROLLED_SHUTDOWN).then(|| Text::from_static("c"));
    let correlation_id = header.correlation_id;
    assert_eq!(header, RequestHeader { api: R::API, correlation_id, client_id });
    assert_eq!(&R::decode_strict(&body).expect("well formed"), expected);
    let mut encoder = Encoder::new();
    header.encode(&mut encoder).expect("it fits");
    expected.encode(&mut encoder).expect("it fits");
    assert_eq!(encoder.into_bytes(), frame);
    assert_eq!(AnyRequest::decode(R::API, &body).expect("it is known").api(), R::API);
}

/// A response's frame, its length included, is read as this value and written as the same bytes.
fn is_response<B: Body + PartialEq + std::fmt::Debug>(text: &str, id: i32, expected: &B) {
    let bytes = hex(text);
    assert_eq!(Ok(number(&bytes, 0)), i32::try_from(bytes.len() - 4));
    assert_eq!(number(&bytes, 4), id);
    let body = bytes.slice(8..);
    assert_eq!(&B::decode_strict(&body).expect("well formed"), expected);
    assert_eq!(expected.to_bytes().expect("it fits"), body);
}

#[test]
fn offset_commit_of_both_versions() {
    let mut v0 = OffsetCommitRequestV0::new("g");
    let metadata = Some(Text::from_static("m"));
    v0.topics.push("t", 0, OffsetToCommitV0 { offset: Offset(7), metadata });
    is_request(
        "00000028                    # length
         0008 0000 00000001 000163   # OffsetCommit v0, id 1, client c
         000167                      # group g
         00000001 000174             # one topic, t
         00000001 00000000           # one partition, 0
         0000000000000007 00016d     # offset 7, metadata m",
        &v0,
    );
    is_request(
        "00000036                    # length
         0008 0001 00000001 000163   # OffsetCommit v1, id 1, client c
         000167 ffffffff 0000        # group g, generation -1, no consumer
         00000001 000174             # one topic, t
         00000001 00000000           # one partition, 0
         0000000000000007            # offset 7
         ffffffffffffffff            # the broker's time
         00016d                      # metadata m",
        &OffsetCommitRequestV1::new("g").with("t", 0, Offset(7), "m"),
    );
    let mut topics = ByTopic::default();
    topics.push("t", 0, ErrorCode::OFFSET_METADATA_TOO_LARGE);
    is_response(
        "00000015 00000001           # length, id 1
         00000001 000174             # one topic, t
         00000001 00000000 000c      # one partition, 0: code 12",
        1,
        &OffsetCommitResponse { topics },
    );
}

#[test]
fn offset_fetch() {
    is_request(
        "0000001d                    # length
         0009 0001 00000001 000163   # OffsetFetch v1, id 1, client c
         000167                      # group g
         00000001 000174             # one topic, t
         00000001 00000000           # one partition, 0",
        &OffsetFetchRequestV1::new("g").with("t", 0),
    );
    let response = |offset, metadata: &'static str| {
        let mut topics = ByTopic::default();
        let (metadata, error) = (Some(Text::from_static(metadata)), ErrorCode::NONE);
        topics.push("t", 0, CommittedOffset { offset, metadata, error });
        OffsetFetchResponseV1 { topics }
    };
    is_response(
        "00000020 00000001           # length, id 1
         00000001 000174             # one topic, t
         00000001 00000000           # one partition, 0
         0000000000000007 00016d     # offset 7, metadata m
         0000                        # no error",
        1,
        &response(Offset(7), "m"),
    );
    is_response(
        "0000001f 00000001           # length, id 1
         00000001 000174             # one topic, t
         00000001 00000000           # one partition, 0
         ffffffffffffffff 0000       # no offset, no metadata
         0000                        # no error",
        1,
        &response(Offset::NONE, ""),
    );
}

#[test]
fn consumer_metadata() {
    is_request(
        "0000000e                    # length
         000a 0000 00000001 000163   # ConsumerMetadata v0, id 1, client c
         000167                      # group g",
        &ConsumerMetadataRequest::new("g"),
    );
    let broker = Broker { node: NodeId(1), host: "h1".into(), raw_port: 9092 };
    is_response(
        "00000012 00000001           # length, id 1
         0000                        # no error
         00000001 00026831 00002384  # broker 1 at h1:9092",
        1,
        &ConsumerMetadataResponse { error: ErrorCode::NONE, broker },
    );
    is_response(
        "00000010 00000001           # length, id 1
         000f                        # code 15
         ffffffff 0000 ffffffff      # broker -1, no host, port -1",
        1,
        &ConsumerMetadataResponse::not_available(),
    );
}

#[test]
fn heartbeat_and_join_group() {
    is_request(
        "00000016                    # length
         000c 0000 00000001 000163   # Heartbeat v0, id 1, client c
         000167 00000001 00026331    # group g, generation 1, consumer c1",
        &HeartbeatRequest { group: "g".into(), generation: Generation(1), consumer: "c1".into() },
    );
    is_response("00000006 00000005 ffff # length, id 5, code -1", 5, &HeartbeatResponse { error: ErrorCode::UNKNOWN });
    is_request(
        "00000022                    # length
         000b 0000 00000001 000163   # JoinGroup v0, id 1, client c
         000167 00001770             # group g, 6000 ms
         00000001 000174             # one topic, t
         0000 000572616e6765         # no consumer, strategy range",
        &JoinGroupRequest {
            group: "g".into(),
            session_timeout: Millis(6000),
            topics: vec!["t".into()],
            consumer: Text::default(),
            strategy: "range".into(),
        },
    );
    let (error, generation, consumer) = (ErrorCode::UNKNOWN, Generation(-1), Text::default());
    is_response(
        "00000010 00000006           # length, id 6
         ffff ffffffff 0000 00000000 # code -1, generation -1, no consumer, no topics",
        6,
        &JoinGroupResponse { error, generation, consumer, topics: ByTopic::default() },
    );
}

#[test]
fn controlled_shutdown_has_no_client_id() {
    is_request(
        "0000000c                    # length
         0007 0000 00000001          # ControlledShutdown v0, id 1, and no client
         00000007                    # broker 7",
        &ControlledShutdownRequest { broker: NodeId(7) },
    );
    is_response(
        "0000000a 0000004d           # length, id 77
         ffff 00000000               # code -1, no partitions",
        77,
        &ControlledShutdownResponse { error: ErrorCode::UNKNOWN, remaining: vec![] },
    );
}

/// From the layouts: no vector of these exists, because only controllers send them.
#[test]
fn what_controllers_send() {
    let state = PartitionState {
        of: TopicPartition::new("t", 3),
        controller_epoch: Epoch(2),
        leader: NodeId(1),
        leader_epoch: Epoch(5),
        isr: vec![NodeId(1)],
        zk_version: 9,
        replicas: vec![NodeId(1), NodeId(2)],
    };
    let broker = Broker { node: NodeId(1), host: "h1".into(), raw_port: 9092 };
    let body = "00000004 00000002           # controller 4, epoch 2
         00000001 000174 00000003    # one partition, t/3
         00000002 00000001 00000005  # controller epoch 2, leader 1, leader epoch 5
         00000001 00000001           # in sync: 1
         00000009                    # ZooKeeper's version 9
         00000002 00000001 00000002  # replicas: 1, 2
         00000001                    # one broker
         00000001 00026831 00002384  # 1 at h1:9092";
    let (controller, controller_epoch) = (NodeId(4), Epoch(2));
    is_request(
        &format!("00000052 0004 0000 00000001 000163 {body}"),
        &LeaderAndIsrRequest {
            controller,
            controller_epoch,
            partitions: vec![state.clone()],
            leaders: vec![broker.clone()],
        },
    );
    is_request(
        &format!("00000052 0006 0000 00000001 000163 {body}"),
        &UpdateMetadataRequest { controller, controller_epoch, partitions: vec![state], brokers: vec![broker] },
    );
    is_request(
        "0000001f                    # length
         0005 0000 00000001 000163   # StopReplica v0, id 1, client c
         00000004 00000002 01        # controller 4, epoch 2, and delete
         00000001 000174 00000003    # one partition, t/3",
        &StopReplicaRequest {
            controller,
            controller_epoch,
            delete_partitions: true,
            partitions: vec![TopicPartition::new("t", 3)],
        },
    );
    let partitions = vec![PartitionResult { of: TopicPartition::new("t", 3), error: ErrorCode::STALE_LEADER_EPOCH }];
    let results = "00000013 00000001 0000       # length, id 1, no error
         00000001 000174 00000003 000d  # one partition, t/3: code 13";
    is_response(results, 1, &LeaderAndIsrResponse { error: ErrorCode::NONE, partitions: partitions.clone() });
    is_response(results, 1, &StopReplicaResponse { error: ErrorCode::NONE, partitions });
    is_response("00000006 00000001 ffff", 1, &UpdateMetadataResponse { error: ErrorCode::UNKNOWN });
}

#[test]
fn a_flag_is_zero_or_one() {
    let with = |flag: u8| StopReplicaRequest::decode(&Bytes::from(vec![0, 0, 0, 1, 0, 0, 0, 1, flag, 0, 0, 0, 0]));
    assert!(!with(0).expect("a flag").delete_partitions);
    for other in [2, 0xff] {
        let error = with(other).expect_err("a broker closes the connection");
        assert_eq!((error.field, error.at), ("delete_partitions", 8));
    }
}
