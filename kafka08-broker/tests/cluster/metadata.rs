use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    api::{ConsumerMetadataRequest, MetadataRequest},
    error_code::ErrorCode,
    ids::NodeId,
    profile::Profile,
};

use crate::{
    rig::Rig,
    steps::{
        NOT_LEADER, OK, described, first, hold, kill, metadata, move_to, ms, produced, second, shrink, sorted, start,
        three,
    },
};

fn listed_brokers(rig: &mut Rig, by: NodeId) -> Vec<NodeId> {
    let mut brokers: Vec<NodeId> = metadata(rig, by).brokers().iter().map(|broker| broker.node).collect();
    brokers.sort_unstable();
    brokers
}

fn topics(rig: &mut Rig, by: NodeId) -> Vec<String> {
    let response = rig.call_as(second(by), &MetadataRequest::all());
    let mut names: Vec<String> = response.topics().iter().map(|topic| topic.name.to_string()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_broker_whose_metadata_is_frozen_tells_what_was() {
    let (mut rig, [old, new, frozen]) = three(BrokerConfig::default());
    rig.with(|cluster, now| cluster.freeze_metadata(frozen, now));
    move_to(&mut rig, new);
    rig.create("u", 1);
    assert_eq!((described(&mut rig, frozen).leader, described(&mut rig, old).leader), (Some(old), Some(new)));
    assert_eq!(
        (topics(&mut rig, frozen), topics(&mut rig, old)),
        (vec!["t".to_owned()], ["t", "u"].map(str::to_owned).to_vec())
    );
    let response = rig.call_as(second(frozen), &MetadataRequest::of(["u"]));
    assert_eq!(response.topic("u").expect("it is told").error, ErrorCode::LEADER_NOT_AVAILABLE);
    // Only its answers are old: who leads is known to all.
    assert_eq!(produced(&mut rig, old, 1, &["a"]).0, NOT_LEADER);
    rig.pass(ms(60_000));
    assert_eq!(described(&mut rig, frozen).leader, Some(old));
    rig.with(|cluster, now| cluster.thaw_metadata(frozen, now));
    assert_eq!((described(&mut rig, frozen).leader, topics(&mut rig, frozen).len()), (Some(new), 2));
}

#[test]
fn a_frozen_broker_still_lists_a_broker_that_is_gone() {
    let (mut rig, [gone, other, frozen]) = three(BrokerConfig::default());
    rig.with(|cluster, now| cluster.freeze_metadata(frozen, now));
    kill(&mut rig, gone);
    rig.pass(ms(100));
    assert_eq!((listed_brokers(&mut rig, frozen).len(), listed_brokers(&mut rig, other).len()), (3, 2));
    assert_eq!(described(&mut rig, frozen).leader, Some(gone));
}

#[test]
fn changes_reach_the_metadata_after_the_delay() {
    let (mut rig, nodes) = three(BrokerConfig::default().with_metadata_delay(ms(100)));
    let [old, new, other] = nodes;
    assert_eq!(topics(&mut rig, old), Vec::<String>::new(), "not even the first topic is known");
    rig.pass(ms(100));
    assert_eq!(topics(&mut rig, old), ["t"]);
    move_to(&mut rig, new);
    rig.pass(ms(99));
    assert_eq!(nodes.map(|node| described(&mut rig, node).leader), [Some(old); 3]);
    assert_eq!((produced(&mut rig, old, 1, &["a"]).0, produced(&mut rig, new, 1, &["a"]).0), (NOT_LEADER, OK));
    rig.pass(ms(1));
    assert_eq!(nodes.map(|node| described(&mut rig, node).leader), [Some(new); 3]);
    // The replicas in sync are late, too.
    hold(&mut rig, other);
    shrink(&mut rig, other);
    assert_eq!(described(&mut rig, new).isr.len(), 3);
    rig.pass(ms(100));
    assert_eq!(described(&mut rig, new).isr, sorted([old, new]));
}

#[test]
fn changes_reach_a_broker_in_their_order() {
    let (mut rig, [old, new, other]) = three(BrokerConfig::default().with_metadata_delay(ms(100)));
    rig.pass(ms(100));
    for (n, node) in [new, old, other].into_iter().enumerate() {
        move_to(&mut rig, node);
        rig.pass(ms(if n == 2 { 0 } else { 10 }));
    }
    rig.pass(ms(80));
    let seen: Vec<NodeId> = (0..3)
        .filter_map(|_| {
            let leader = described(&mut rig, other).leader;
            rig.pass(ms(10));
            leader
        })
        .collect();
    assert_eq!(seen, [new, old, other]);
}

/// Brokers 1 of 0.8.0, 2 of 0.8.1 and 3 of 0.8.2.
fn mixed(config: BrokerConfig) -> Rig {
    let config = config.with_profile_of(NodeId(1), Profile::V0_8_0).with_profile_of(NodeId(2), Profile::V0_8_1);
    three(config).0
}

#[test]
fn releases_before_0_8_2_list_only_the_brokers_of_the_partitions_asked_for() {
    let mut rig = mixed(BrokerConfig::default().with_replication(1));
    let leader = rig.cluster.leader("t", 0).expect("it is led");
    assert_eq!(listed_brokers(&mut rig, NodeId(1)), [leader]);
    assert_eq!(listed_brokers(&mut rig, NodeId(2)), [leader]);
    assert_eq!(listed_brokers(&mut rig, NodeId(3)), sorted([NodeId(1), NodeId(2), NodeId(3)]));
    for (node, brokers) in [(1, 0), (2, 0), (3, 3)] {
        let response = rig.call_as(second(NodeId(node)), &MetadataRequest::of(["unknown"]));
        assert_eq!(response.brokers().len(), brokers, "{node}");
    }
}

#[test]
fn each_broker_of_a_mixed_cluster_answers_as_its_release() {
    let mut rig = mixed(BrokerConfig::default());
    // Before 0.8.2, acks -1 tells the end of what was appended.
    for (node, told) in [(1, 2), (2, 4), (3, 4)] {
        move_to(&mut rig, NodeId(node));
        assert_eq!(produced(&mut rig, NodeId(node), -1, &["a", "b"]), (OK, told), "{node}");
    }
    // Only 0.8.2 knows coordinators.
    for node in [1, 2] {
        rig.send(first(NodeId(node)), &ConsumerMetadataRequest::new("g"));
        rig.closed(first(NodeId(node)));
    }
    let response = rig.call_as(first(NodeId(3)), &ConsumerMetadataRequest::new("g"));
    assert_eq!(response.error, ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE);
}

#[test]
fn releases_before_0_8_2_never_forget_a_broker() {
    let (mut rig, _) = three(BrokerConfig::default().with_profile_of(NodeId(1), Profile::V0_8_1));
    let [early, late, gone] = [1, 2, 3].map(NodeId);
    move_to(&mut rig, early);
    kill(&mut rig, gone);
    rig.pass(ms(100));
    let partition = described(&mut rig, early);
    assert_eq!((partition.error, partition.replicas.len(), partition.isr), (OK, 3, vec![early, late]));
    assert_eq!(listed_brokers(&mut rig, early), [early, late, gone]);
    let partition = described(&mut rig, late);
    assert_eq!((partition.error, partition.replicas), (ErrorCode::REPLICA_NOT_AVAILABLE, vec![early, late]));
    assert_eq!(listed_brokers(&mut rig, late), [early, late]);
    start(&mut rig, gone);
    for node in [early, late, gone] {
        assert_eq!((described(&mut rig, node).error, listed_brokers(&mut rig, node).len()), (OK, 3));
    }
}
