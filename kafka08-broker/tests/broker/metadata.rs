use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    api::{Encode as _, ListOffsetsRequest, MetadataRequest, Request as _},
    connection::{Prepared, Reply},
    error_code::ErrorCode,
    ids::{Api, ApiKey, NodeId, OffsetTime},
};

use crate::rig::Rig;

#[test]
fn a_fresh_broker_knows_no_topics_and_no_brokers() {
    let response = Rig::new(BrokerConfig::default()).call(&MetadataRequest::all());
    assert_eq!((response.topics().len(), response.brokers().len()), (0, 0));
}

#[test]
fn a_topic_is_created_by_being_asked_for_and_is_leaderless_at_first() {
    let mut rig = Rig::new(BrokerConfig::default().with_creation_delay(Duration::from_millis(20)));
    // It is led after a time, and not after a number of questions.
    for _ in 0..5 {
        let response = rig.call(&MetadataRequest::of(["new"]));
        let topic = response.topic("new").expect("it is told");
        assert_eq!((topic.error, topic.partitions.len()), (ErrorCode::LEADER_NOT_AVAILABLE, 0));
    }
    rig.pass(Duration::from_millis(19));
    assert_eq!(rig.call(&MetadataRequest::all()).topics().len(), 0, "it is not listed yet");
    let early = rig.call(&ListOffsetsRequest::new().with("new", 0, OffsetTime::LATEST));
    assert_eq!(early.topics.find("new", 0).expect("it is told").error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    rig.pass(Duration::from_millis(1));
    let response = rig.call(&MetadataRequest::of(["new"]));
    let topic = response.topic("new").expect("it is told");
    assert_eq!((topic.error, topic.partitions.len()), (ErrorCode::NONE, 2));
    let leader = response.leader_of("new", 1).expect("it has a leader");
    assert_eq!((leader.node, leader.host.as_str(), leader.port()), (NodeId(1), "127.0.0.1", Some(9092)));
}

#[test]
fn a_command_leads_a_topic_that_a_client_has_just_asked_for() {
    let mut rig = Rig::new(BrokerConfig::default());
    rig.call(&MetadataRequest::of(["new"]));
    rig.create("new", 1);
    let response = rig.call(&MetadataRequest::of(["new"]));
    assert_eq!(response.topic("new").expect("it is told").partitions.len(), 2, "it keeps its partitions");
    // The timer of the creation changes nothing any more.
    rig.pass(Duration::from_millis(20));
    assert_eq!(rig.call(&MetadataRequest::of(["new"])).topic("new").expect("it is told").error, ErrorCode::NONE);
}

#[test]
fn asking_for_all_topics_creates_none() {
    let mut rig = Rig::with_topic();
    assert_eq!(rig.call(&MetadataRequest::all()).topics().len(), 1);
}

#[test]
fn without_auto_creation_an_unknown_topic_stays_unknown() {
    let mut rig = Rig::new(BrokerConfig::default().without_auto_create());
    for _ in 0..2 {
        let response = rig.call(&MetadataRequest::of(["new"]));
        assert_eq!(response.topic("new").expect("it is told").error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
}

#[test]
fn one_name_that_is_not_allowed_spoils_the_answer_for_all() {
    let mut rig = Rig::with_topic();
    let response = rig.call(&MetadataRequest::of(["t", "not allowed"]));
    assert!(response.brokers().is_empty());
    assert!(response.topics().iter().all(|topic| topic.error == ErrorCode::INVALID_TOPIC), "{response:?}");
    assert_eq!(response.topics().len(), 2);
}

#[test]
fn there_are_no_more_topics_than_the_limit() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_topics(1));
    rig.wait_for("one");
    let response = rig.call(&MetadataRequest::of(["two"]));
    assert_eq!(response.topic("two").expect("it is told").error, ErrorCode::UNKNOWN);
}

#[test]
fn an_unknown_key_and_a_body_that_cannot_be_read_close_the_connection() {
    for (client, key) in [(1, 18), (2, -1), (3, 99)] {
        let mut rig = Rig::with_topic();
        rig.send_raw(client, &Prepared::raw(Api::v0(ApiKey(key)), bytes::Bytes::new(), Reply::Expected));
        rig.closed(client);
    }
    let mut rig = Rig::with_topic();
    let body = MetadataRequest::of(["t"]).to_bytes().expect("it fits");
    rig.send_raw(1, &Prepared::raw(MetadataRequest::API, body.slice(..body.len() - 1), Reply::Expected));
    rig.closed(1);
}
