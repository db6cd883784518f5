//! How long a client may take.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    api::{FetchRequest, MetadataRequest},
    ids::{Millis, NodeId, Offset},
    message::MessageSet,
    profile::Profile,
};

use crate::rig::{Raw, Rig};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

fn with_topic() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 1)
}

#[test]
fn half_a_request_has_the_frame_timeout_from_its_first_byte_on() {
    let mut rig = Rig::new(BrokerConfig::default().with_frame_timeout(10 * SECOND));
    let slow = rig.connect_raw();
    rig.write(slow, &[0]);
    // More bytes are no reprieve.
    for byte in [0, 0, 100, 0, 3, 0, 0, 0] {
        rig.pass(SECOND);
        rig.write(slow, &[byte]);
    }
    rig.pass(2 * SECOND - MILLI);
    assert!(!rig.is_closed(slow));
    rig.pass(MILLI);
    assert!(rig.is_closed(slow));
    assert_eq!(rig.stats().slow, 1);
}

#[test]
fn a_connection_without_requests_is_closed_when_it_has_been_idle_for_the_timeout() {
    let mut rig = Rig::new(BrokerConfig::default().with_idle_timeout(10 * SECOND));
    let (idle, busy) = (rig.connect(), rig.connect());
    rig.pass(5 * SECOND);
    rig.call(busy, &MetadataRequest::all());
    rig.pass(5 * SECOND - MILLI);
    assert!(!rig.is_closed(idle));
    rig.pass(MILLI);
    assert!(rig.is_closed(idle));
    assert!(!rig.is_closed(busy));
    assert_eq!(rig.stats().idle, 1);
    rig.pass(5 * SECOND);
    assert!(rig.is_closed(busy));
    assert_eq!(rig.cluster.connections(), 0);
}

#[test]
fn a_long_poll_is_not_idle_and_its_client_has_the_whole_timeout_afterwards() {
    let mut rig = Rig::new(with_topic().with_idle_timeout(10 * SECOND));
    let client = rig.connect();
    let ticket = rig.send(client, &FetchRequest::new(Millis(25_000), 1).with("t", 0, Offset(0), 1000));
    rig.pass(25 * SECOND - MILLI);
    assert!(!rig.is_closed(client));
    rig.pass(MILLI);
    rig.answer(client, ticket).expect("the wait is over");
    assert!(!rig.is_closed(client));
    rig.pass(10 * SECOND - MILLI);
    assert!(!rig.is_closed(client));
    rig.pass(MILLI);
    assert!(rig.is_closed(client));
    assert_eq!(rig.stats().idle, 1);
}

#[test]
fn connections_of_a_paused_broker_become_idle_too() {
    let mut rig = Rig::new(BrokerConfig::default().with_idle_timeout(10 * SECOND));
    let client = rig.connect_raw();
    let now = rig.now();
    rig.cluster.pause(NodeId(1), now);
    rig.write(client, &Raw::new(3, 0).i32(0).frame());
    rig.pass(60 * SECOND);
    let now = rig.now();
    rig.cluster.resume(NodeId(1), now);
    rig.settle();
    let other = rig.connect();
    rig.call(other, &MetadataRequest::all());
}

#[test]
fn a_client_that_takes_no_byte_of_an_answer_has_the_write_timeout() {
    let mut rig = Rig::new(with_topic().with_write_timeout(10 * SECOND).with_idle_timeout(SECOND));
    let client = rig.connect();
    rig.produce(client, "t", 0, MessageSet::of_value(&[1; 1000]));
    rig.set_reads(client, false);
    rig.send(client, &FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 10_000));
    // A client that takes a byte at a time is slow, and not idle.
    for _ in 0..5 {
        rig.pass(9 * SECOND);
        assert_eq!(rig.take(client, 1), 1);
    }
    rig.pass(10 * SECOND - MILLI);
    assert!(!rig.is_closed(client));
    rig.pass(MILLI);
    assert!(rig.is_closed(client));
    assert_eq!((rig.stats().slow, rig.stats().idle), (1, 0));
}

#[test]
fn a_client_that_has_gone_while_it_waited_makes_room_for_the_next() {
    let mut rig = Rig::new(with_topic().with_max_connections(1));
    let gone = rig.connect();
    rig.send(gone, &FetchRequest::new(Millis(60_000), 1).with("t", 0, Offset(0), 1000));
    rig.shut_down(gone);
    let next = rig.connect();
    rig.call(next, &MetadataRequest::all());
    assert!(rig.is_closed(gone));
    assert_eq!(rig.stats().connections, 0);
}

#[test]
fn a_client_of_0_8_0_that_was_taken_for_a_follower_does_not_hold_others_up_for_ever() {
    let mut rig = Rig::new(with_topic().with_profile(Profile::V0_8_0));
    let gone = rig.connect_raw();
    // A Fetch with replica id 5.
    let fetch = Raw::new(1, 0).i32(5).i32(0).i32(0).i32(1).text("t").i32(1).i32(0).i64(0).i32(1000);
    rig.ask(gone, &fetch).expect("the answer comes at once");
    let client = rig.connect();
    rig.produce(client, "t", 0, MessageSet::of_value(b"v"));
    assert!(rig.fetch(client, "t", 0, 0, 1000).messages.is_empty());
    // The lag after which a follower leaves the in-sync replicas, which is looked at as often.
    rig.pass(20 * SECOND);
    assert!(!rig.fetch(client, "t", 0, 0, 1000).messages.is_empty());
}
