//! Offsets, coordinators, the requests that 0.8.2 only half knows, and the probe, on every release as far as it goes.

mod leaders;
mod probing;

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::Bytes;
use interop::{Cluster, Release};
use kafka08_blocking::{Client, Driver};
use kafka08_proto::{
    ClientConfig, Connection as _,
    api::{
        ConsumerMetadataRequest, MetadataRequest, OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetFetchRequestV0,
        OffsetFetchRequestV1, Reply, Request as _,
        controller::ControlledShutdownRequest,
        membership::{HeartbeatRequest, JoinGroupRequest},
    },
    connection::Prepared,
    error_code::ErrorCode,
    ids::{ConnectionId, Generation, Millis, NodeId, Offset, Text},
    probe::Release as Found,
    profile::Profile,
};
use leaders::await_leaders;
use probing::ask;

const LIMIT: Duration = Duration::from_secs(30);

fn profile(release: Release) -> Profile {
    match release {
        Release::V0_8_0 => Profile::V0_8_0,
        Release::V0_8_1_1 => Profile::V0_8_1,
        Release::V0_8_2_2 => Profile::V0_8_2,
    }
}

fn start(release: Release) -> (Cluster, Client) {
    let cluster = Cluster::start(release).unwrap_or_else(|error| panic!("{release}: {error}"));
    let config = ClientConfig::default().with_profile(profile(release));
    let mut client = Client::connect(&cluster.broker(), config).expect("the broker listens");
    await_leaders(&mut client, "t", 2, LIMIT);
    (cluster, client)
}

#[test]
fn offsets_are_kept_in_zookeeper_by_version_0() {
    for release in [Release::V0_8_1_1, Release::V0_8_2_2] {
        let (_cluster, mut client) = start(release);
        let ask = OffsetFetchRequestV0::new("g").with("t", 0).with("t", 1);
        let nothing = client.call(&ask).expect("an answer");
        let told = nothing.topics.find("t", 0).expect("it is told");
        assert_eq!((told.error, told.offset), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Offset::NONE), "{release}");
        assert_eq!(nothing.committed("t", 0), Ok(None));
        let commit = OffsetCommitRequestV0::new("g").with("t", 0, Offset(7)).with("unknown", 0, Offset(1));
        let committed = client.call(&commit).expect("an answer");
        assert_eq!(committed.partition("t", 0), Ok(()));
        assert_eq!(committed.topics.find("unknown", 0), Some(&ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        let found = client.call(&ask).expect("an answer");
        let told = found.committed("t", 0).expect("no error").expect("it was committed");
        assert_eq!((told.offset, told.metadata.as_deref()), (Offset(7), Some("")), "{release}");
    }
}

#[test]
fn offsets_are_kept_in_kafka_by_version_1_once_there_is_a_coordinator() {
    let (cluster, mut client) = start(Release::V0_8_2_2);
    // The first question of a cluster's life creates the topic it needs.
    let find = ConsumerMetadataRequest::new("g");
    let first = client.call(&find).expect("an answer");
    assert_eq!(first.coordinator(), Err(ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE));
    assert_eq!((first.broker.node, first.broker.raw_port), (NodeId::NONE, -1));
    let started = Instant::now();
    let coordinator = loop {
        match client.call(&find).expect("an answer").coordinator() {
            Ok(broker) => break broker.clone(),
            Err(code) => assert!(code == ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE && started.elapsed() < LIMIT),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(format!("{}:{}", coordinator.host, coordinator.raw_port), cluster.broker());

    let ask = OffsetFetchRequestV1::new("g").with("t", 0).with("t", 1).with("t", 99);
    let commit = OffsetCommitRequestV1::new("g").with("t", 0, Offset(7), "m\u{e4}rz");
    // The coordinator has to read its log before it answers.
    let retry = |code: ErrorCode| code.is_retriable() && started.elapsed() < LIMIT;
    loop {
        match *client.call(&commit).expect("an answer").topics.find("t", 0).expect("it is told") {
            ErrorCode::NONE => break,
            code => assert!(retry(code), "{code}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let found = client.call(&ask).expect("an answer");
    let told = found.committed("t", 0).expect("no error").expect("it was committed");
    assert_eq!((told.offset, told.metadata.as_deref()), (Offset(7), Some("m\u{e4}rz")));
    let nothing = found.topics.find("t", 1).expect("it is told");
    assert_eq!((nothing.error, nothing.offset), (ErrorCode::NONE, Offset::NONE));
    assert_eq!(found.committed("t", 1), Ok(None));
    assert_eq!(found.topics.find("t", 99).expect("it is told").error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);

    // What is too long is refused, and shows all the same: a bug of this release.
    let long = OffsetCommitRequestV1::new("g").with("t", 1, Offset(9), "x".repeat(4097));
    let refused = client.call(&long).expect("an answer");
    assert_eq!(refused.topics.find("t", 1), Some(&ErrorCode::OFFSET_METADATA_TOO_LARGE));
    let shown = client.call(&ask).expect("an answer");
    assert_eq!(shown.committed("t", 1).expect("no error").map(|found| found.offset), Some(Offset(9)));
}

#[test]
fn an_answer_with_correlation_id_zero_is_taken_for_the_consumer_metadata_it_answers() {
    let (_cluster, mut client) = start(Release::V0_8_2_2);
    // A null group cannot be said by our type, so it goes as bytes: through a connection of its own.
    let stream = TcpStream::connect(_cluster.broker()).expect("the broker listens");
    stream.set_nonblocking(true).expect("a setting");
    let mut driver = Driver::new(stream);
    let mut connection = kafka08_proto::ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let prepared = Prepared::raw(ConsumerMetadataRequest::API, Bytes::from_static(&[0xff, 0xff]), Reply::Expected);
    let id = connection.send(Instant::now(), &prepared).expect("there is room");
    let answered = loop {
        if !driver.pump(Instant::now(), &mut connection) {
            driver.wait(&connection, connection.poll_timeout());
        }
        match connection.poll_event() {
            Some(kafka08_proto::ClientEvent::Response(frame)) => break frame,
            Some(other) => panic!("{other:?}"),
            None => connection.handle_timeout(Instant::now()),
        }
    };
    assert_eq!((answered.id, connection.stats().quirk_id_zero), (id, 1));
    client.call(&MetadataRequest::all()).expect("the broker is well");
}

#[test]
fn what_0_8_2_only_parses_is_answered_with_an_error() {
    let (_cluster, mut client) = start(Release::V0_8_2_2);
    let heartbeat = HeartbeatRequest { group: "g".into(), generation: Generation(1), consumer: "c".into() };
    assert_eq!(client.call(&heartbeat).expect("an answer").error, ErrorCode::UNKNOWN);
    let join = JoinGroupRequest {
        group: "g".into(),
        session_timeout: Millis(6000),
        topics: vec!["t".into()],
        consumer: Text::default(),
        strategy: "range".into(),
    };
    let joined = client.call(&join).expect("an answer");
    assert_eq!((joined.error, joined.generation, joined.topics.len()), (ErrorCode::UNKNOWN, Generation(-1), 0));
}

#[test]
fn a_controlled_shutdown_of_an_unknown_broker_is_refused_and_its_header_has_no_client_id() {
    for release in Release::ALL {
        let (_cluster, mut client) = start(release);
        let answer = client.call(&ControlledShutdownRequest { broker: NodeId(77) }).expect("an answer");
        assert_eq!((answer.error, answer.remaining.len()), (ErrorCode::UNKNOWN, 0), "{release}");
        // Had the header been read otherwise, the connection would be out of step.
        client.call(&MetadataRequest::all()).expect("the connection is sound");
    }
}

#[test]
fn the_probe_names_each_release() {
    for release in Release::ALL {
        let (cluster, _client) = start(release);
        assert_eq!(ask(&cluster.broker()), Found::Known(profile(release)));
    }
}

#[test]
fn the_probe_creates_no_topic() {
    for release in Release::ALL {
        let (cluster, mut client) = start(release);
        ask(&cluster.broker());
        let all = client.call(&MetadataRequest::all()).expect("an answer");
        let names: Vec<&str> = all.topics().iter().map(|topic| topic.name.as_ref()).collect();
        assert_eq!(names, ["t"], "{release}");
    }
}
