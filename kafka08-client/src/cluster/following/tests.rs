//! Addresses of coordinators that metadata does not list.

use std::{io, time::Duration};

use kafka08_proto::{HostPort, adapter::ConnectError, api::Broker};

use super::*;
use crate::{
    config::ClusterConfig,
    links::Opening,
    machine::{LinkId, Machine as _, Output},
};

struct World {
    cluster: Cluster,
    now: Instant,
}

#[expect(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
fn world() -> World {
    let config = ClusterConfig::default().with_bootstrap([HostPort::new("first", 1)]);
    World { cluster: Cluster::new(config), now: Instant::now() }
}

impl World {
    /// A broker names the coordinator of a group, as a call has asked for it that has ended since.
    fn name(&mut self, group: i32, node: i32) {
        let Self { cluster, now } = self;
        let (group, call) = (Text::from(format!("group{group}")), CallId(0));
        cluster.coordinators.find(*now, &group, call);
        cluster.coordinators.note_asking(&group);
        cluster.coordinators.leave(&group, call);
        let broker = Broker { node: NodeId(node), host: Text::from("coordinator"), raw_port: 9092 };
        cluster.coordinator_found(*now, &group, &broker);
    }

    fn has_address(&self, node: i32) -> bool {
        self.cluster.links.address(Peer::Node(NodeId(node))).is_some()
    }

    /// A link to a broker, of which the driver knows.
    fn open(&mut self, node: i32) -> LinkId {
        let opening = self.cluster.links.open(self.now, Peer::Node(NodeId(node)), Lane::Prompt);
        assert_eq!(opening, Opening::Connecting);
        let Some(Output::Connect { link, .. }) = self.cluster.poll_output(self.now) else { panic!("it connects") };
        link
    }
}

#[test]
fn addresses_of_coordinators_are_known_as_long_as_the_coordinators_are() {
    let mut world = world();
    for n in 0..20_000 {
        world.name(n, n);
        assert!(world.has_address(n));
    }
    // So many coordinators are remembered.
    assert_eq!((0..20_000).filter(|n| world.has_address(*n)).count(), 10_000);
    assert!(world.has_address(10_000) && !world.has_address(9_999));
    // One that coordinates another group, too, stays.
    world.name(19_998, 19_999);
    world.name(19_999, 19_998);
    assert!(world.has_address(19_998) && world.has_address(19_999));
    world.name(19_998, 19_998);
    assert!(world.has_address(19_998) && !world.has_address(19_999));
}

#[test]
fn an_address_is_kept_for_an_open_link() {
    let mut world = world();
    world.name(0, 1);
    let link = world.open(1);
    world.name(0, 2);
    assert!(world.has_address(1), "the link is being connected");
    world.cluster.handle_connected(link, world.now);
    world.name(1, 3);
    assert!(world.has_address(1), "the link is open");
    world.cluster.links.drain(world.now, Peer::Node(NodeId(1)), Lane::Prompt);
    world.cluster.take_news(world.now);
    assert!(!world.has_address(1) && world.has_address(2) && world.has_address(3));
}

#[test]
fn an_address_that_could_not_be_connected_to_keeps_its_pause() {
    let mut world = world();
    world.name(0, 1);
    let link = world.open(1);
    world.name(0, 2);
    let error = ConnectError::Resolve {
        target: HostPort::new("coordinator", 9092),
        error: io::Error::new(io::ErrorKind::NotFound, "no such name"),
    };
    world.cluster.handle_connect_failed(link, &error, world.now);
    world.name(1, 3);
    assert!(world.has_address(1), "the next attempt must not come too early");
    world.now += Duration::from_secs(3600);
    world.name(2, 3);
    assert!(!world.has_address(1));
}
