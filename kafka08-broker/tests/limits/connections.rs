//! How many connections, and how large a request.

use kafka08_broker::{BrokerConfig, Refused};
use kafka08_proto::{api::MetadataRequest, ids::NodeId};

use crate::rig::{FIRST, Raw, Rig};

#[test]
fn one_connection_too_many_is_refused_and_room_comes_back() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_connections(2));
    let first = rig.connect();
    rig.connect();
    let refused = rig.connect_to(FIRST).expect_err("there are two");
    assert_eq!(refused, Refused::TooManyConnections { node: FIRST, limit: 2 });
    assert_eq!(rig.stats().connections, 1);
    rig.shut_down(first);
    assert!(rig.is_closed(first));
    rig.connect();
    assert_eq!(rig.cluster.connections(), 2);
}

#[test]
fn each_broker_has_its_own_number_of_connections() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_connections(1).with_brokers(3));
    for node in [1, 2, 3] {
        rig.connect_to(NodeId(node)).expect("the first one");
        rig.connect_to(NodeId(node)).expect_err("the second one");
    }
    rig.connect_to(NodeId(4)).expect_err("there is no such broker");
    assert_eq!(rig.stats().connections, 3);
}

/// A Metadata request for no topic that exists, of any size: names of the client fill it.
fn metadata_of_size(size: usize) -> Raw {
    let raw = Raw::new(3, 0).i32(0);
    assert!(raw.len() <= size);
    // Bytes behind the body are not looked at, as in a real broker.
    raw.filled_to(size)
}

#[test]
fn a_request_of_max_frame_is_served_and_one_more_byte_closes() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_frame(1000));
    let client = rig.connect_raw();
    rig.ask(client, &metadata_of_size(1000)).expect("the answer comes at once");
    let other = rig.connect_raw();
    // The length alone is enough: nothing of the request is waited for.
    rig.write(other, &1001i32.to_be_bytes());
    assert!(rig.is_closed(other));
    assert_eq!(rig.stats().malformed, 1);
    assert!(!rig.is_closed(client));
}

#[test]
fn a_length_that_is_negative_or_huge_closes() {
    for len in [-1, i32::MIN, i32::MAX, (8 << 20) + 1] {
        let mut rig = Rig::new(BrokerConfig::default());
        let client = rig.connect_raw();
        rig.write(client, &len.to_be_bytes());
        assert!(rig.is_closed(client), "{len}");
        let honest = rig.connect();
        rig.call(honest, &MetadataRequest::all());
    }
}
