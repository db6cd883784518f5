use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    api::{FetchRequest, MetadataRequest, OffsetCommitRequestV0, OffsetFetchRequestV0, ProduceRequest},
    error_code::ErrorCode,
    ids::{Acks, Millis, NodeId, Offset, OffsetTime},
    message::MessageSet,
    profile::Profile,
};

use crate::{
    rig::{Rig, START, one, plain, values},
    steps::{
        OK, answered, ends, fetched, first, hold, kill, leader, listed, ms, poll, produce, produced, second, start,
        three,
    },
};

const UNKNOWN: ErrorCode = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;

/// Produces one message with a key, which takes 28 bytes.
fn keyed(rig: &mut Rig, to: NodeId, key: &str, value: &str) {
    let mut builder = MessageSet::builder();
    builder.push(Some(key.as_bytes()), Some(value.as_bytes())).expect("small");
    rig.call_as(first(to), &ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 0, builder.build()));
}

/// All messages, over all segments.
fn all(rig: &mut Rig, from: NodeId, mut next: i64) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    loop {
        let found = plain(&fetched(rig, from, next).messages);
        let Some((last, _)) = found.last() else { return all };
        next = last + 1;
        all.extend(found);
    }
}

#[test]
fn compaction_keeps_the_last_message_of_each_key_and_the_active_segment() {
    let (mut rig, nodes) = three(BrokerConfig::default().with_segment_bytes(60));
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4"), ("c", "5"), ("c", "6")] {
        keyed(&mut rig, nodes[0], key, value);
    }
    assert_eq!(rig.with(|cluster, _| cluster.compact("t")), 0);
    let kept = [(1, "2"), (3, "4"), (4, "5"), (5, "6")].map(|(offset, value)| (offset, value.to_owned()));
    assert_eq!(all(&mut rig, nodes[0], 0), kept);
    assert_eq!(all(&mut rig, nodes[0], 2), kept[1..], "an offset in a gap starts behind it");
    assert_eq!(listed(&mut rig, nodes[0], -1, OffsetTime::EARLIEST, 1), (OK, vec![0]));
    // Every replica is compacted.
    rig.with(|cluster, now| cluster.move_leader("t", 0, nodes[1], now)).expect("it has a replica");
    assert_eq!(all(&mut rig, nodes[1], 0), kept);
    keyed(&mut rig, nodes[1], "d", "7");
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(7, 7); 3]);
}

#[test]
fn a_follower_catches_up_over_the_gaps_of_compaction() {
    let (mut rig, nodes) = three(BrokerConfig::default().with_segment_bytes(60).with_isr_lag(ms(100)));
    hold(&mut rig, nodes[1]);
    for (key, value) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4"), ("b", "5")] {
        keyed(&mut rig, nodes[0], key, value);
    }
    rig.with(|cluster, _| cluster.compact("t"));
    rig.with(|cluster, now| cluster.let_go("t", 0, nodes[1], now)).expect("it has a replica");
    let expected = all(&mut rig, nodes[0], 0);
    assert!(expected.len() < 5, "{expected:?}");
    rig.with(|cluster, now| cluster.move_leader("t", 0, nodes[1], now)).expect("it has a replica");
    assert_eq!(all(&mut rig, nodes[1], 0), expected);
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(5, 5); 3]);
}

#[test]
fn a_topic_whose_messages_have_no_keys_is_not_compacted() {
    let (mut rig, nodes) = three(BrokerConfig::default().with_segment_bytes(60));
    for _ in 0..6 {
        produced(&mut rig, nodes[0], -1, &["a"]);
    }
    assert_eq!(rig.with(|cluster, _| cluster.compact("t")), 3, "none of the replicas");
    assert_eq!(all(&mut rig, nodes[0], 0).len(), 6);
    assert_eq!(rig.with(|cluster, _| cluster.compact("unknown")), 0);
}

#[test]
fn retention_deletes_the_oldest_segments() {
    // A message takes 27 bytes, and a segment holds two.
    let config = BrokerConfig::default().with_segment_bytes(60).with_retention_bytes(100);
    let (mut rig, nodes) = three(config);
    for _ in 0..9 {
        produced(&mut rig, nodes[0], -1, &["a"]);
    }
    // The rest is not smaller than the limit: offsets 4 to 8 take 135 bytes, and 6 to 8 only 81.
    assert_eq!(fetched(&mut rig, nodes[0], 3).error, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(all(&mut rig, nodes[0], 4).len(), 5);
    assert_eq!(listed(&mut rig, nodes[0], -1, OffsetTime::EARLIEST, 1), (OK, vec![4]));
    assert_eq!(listed(&mut rig, nodes[1], -2, OffsetTime::EARLIEST, 1), (OK, vec![4]));
}

#[test]
fn a_follower_that_lacks_what_retention_has_deleted_starts_where_the_leader_does() {
    let config = BrokerConfig::default().with_segment_bytes(60).with_retention_bytes(100);
    let (mut rig, nodes) = three(config);
    kill(&mut rig, nodes[1]);
    rig.pass(ms(100));
    for _ in 0..9 {
        produced(&mut rig, nodes[0], -1, &["a"]);
    }
    start(&mut rig, nodes[1]);
    assert_eq!(ends(&rig, nodes[1]), (9, 9));
    assert_eq!(listed(&mut rig, nodes[1], -2, OffsetTime::EARLIEST, 1), (OK, vec![4]));
}

#[test]
fn offsets_are_found_by_the_times_of_segments() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default().with_segment_bytes(60));
    for _ in 0..5 {
        rig.pass(ms(100));
        produced(&mut rig, leader, -1, &["a"]);
    }
    // Segments begin at 0, 2 and 4. They were last written to 200, 400 and 500 ms after the start.
    for (time, max, offsets) in [
        (-1, 1, vec![5]),
        (-1, 9, vec![5, 4, 2, 0]),
        (-1, 2, vec![5, 4]),
        (-2, 9, vec![0]),
        (START + 199, 9, vec![]),
        (START + 200, 9, vec![0]),
        (START + 400, 9, vec![2, 0]),
        (START + 499, 1, vec![2]),
        (START + 500, 9, vec![5, 4, 2, 0]),
    ] {
        assert_eq!(listed(&mut rig, leader, -1, OffsetTime(time), max), (OK, offsets.clone()), "{time} {max}");
        assert_eq!(listed(&mut rig, follower, -2, OffsetTime(time), max), (OK, offsets), "{time} {max}");
    }
}

#[test]
fn what_waits_for_a_topic_is_answered_when_the_topic_is_deleted() {
    for profile in [Profile::V0_8_0, Profile::V0_8_1, Profile::V0_8_2] {
        let (mut rig, [leader, follower, _]) = three(BrokerConfig::default().with_profile(profile));
        produced(&mut rig, leader, -1, &["a"]);
        hold(&mut rig, follower);
        let produce = produce(&mut rig, leader, -1, 60_000, &["b"]);
        let fetch = poll(&mut rig, leader, 2, 60_000);
        assert!(rig.with(|cluster, now| cluster.delete_topic("t", now)));
        let (error, _) = answered(&mut rig, leader, produce).expect("at once");
        assert_eq!(error, UNKNOWN, "{profile:?}");
        assert_eq!(one(&rig.answer(second(leader), fetch).expect("at once")).error, UNKNOWN, "{profile:?}");
        assert!(!rig.with(|cluster, now| cluster.delete_topic("t", now)));
        rig.pass(ms(60_000));
        assert_eq!(rig.events(first(leader)).len() + rig.events(second(leader)).len(), 0);
    }
}

#[test]
fn a_topic_that_is_created_again_is_empty() {
    let (mut rig, nodes) = three(BrokerConfig::default());
    produced(&mut rig, nodes[0], -1, &["a"]);
    rig.with(|cluster, now| cluster.delete_topic("t", now));
    let response = rig.call_as(second(nodes[0]), &MetadataRequest::all());
    assert_eq!(response.topics().len(), 0);
    rig.create("t", 1);
    let leader = leader(&rig.cluster).expect("it is led");
    assert_eq!((ends(&rig, leader), produced(&mut rig, leader, -1, &["b"])), ((0, 0), (OK, 0)));
}

#[test]
fn a_produce_for_two_topics_waits_on_for_the_one_that_is_left() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default().with_topic("u", 1));
    rig.with(|cluster, now| cluster.move_leader("u", 0, leader, now)).expect("it has a replica");
    rig.with(|cluster, _| cluster.hold_back("u", 0, follower)).expect("it has a replica");
    hold(&mut rig, follower);
    let request =
        ProduceRequest::new(Acks::ALL, Millis(1000)).with("t", 0, values(&["a"])).with("u", 0, values(&["a"]));
    let ticket = rig.send(first(leader), &request);
    rig.with(|cluster, now| cluster.delete_topic("t", now));
    assert!(rig.answer(first(leader), ticket).is_none());
    rig.with(|cluster, now| cluster.let_go("u", 0, follower, now)).expect("it has a replica");
    let response = rig.answer(first(leader), ticket).expect("nothing is left to wait for");
    assert_eq!(response.topics.find("u", 0).expect("it is told").error, OK);
}

#[test]
fn a_reset_leaves_the_connections_and_the_topics_of_the_configuration() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default());
    produced(&mut rig, leader, -1, &["a"]);
    rig.create("u", 1);
    rig.call_as(second(leader), &OffsetCommitRequestV0::new("g").with("t", 0, Offset(7)));
    hold(&mut rig, follower);
    hold(&mut rig, other);
    produced(&mut rig, leader, 1, &["b"]);
    for node in [follower, other] {
        rig.with(|cluster, now| cluster.shrink_isr("t", 0, node, now)).expect("it has a replica");
    }
    rig.with(|cluster, now| cluster.move_leader("t", 0, follower, now)).expect("it has a replica");
    assert_eq!(rig.cluster.losses().len(), 1);
    let fetch = poll(&mut rig, follower, 1, 60_000);
    let connections = rig.cluster.connections();
    rig.with(|cluster, now| cluster.reset(now));
    assert_eq!(one(&rig.answer(second(follower), fetch).expect("at once")).error, UNKNOWN);
    assert_eq!(
        (rig.cluster.connections(), rig.cluster.losses().len(), rig.cluster.history().len()),
        (connections, 0, 0)
    );
    let response = rig.call_as(second(leader), &MetadataRequest::all());
    assert_eq!(response.topics().iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["t"]);
    let response = rig.call_as(second(leader), &OffsetFetchRequestV0::new("g").with("t", 0));
    assert_eq!(response.topics.find("t", 0).expect("it is told").offset, Offset::NONE);
    let leader = crate::steps::leader(&rig.cluster).expect("it is led");
    assert_eq!(produced(&mut rig, leader, -1, &["c"]), (OK, 0), "no replica is held back any more");
}

#[test]
fn the_topics_of_the_configuration_are_led_from_the_beginning() {
    let config =
        BrokerConfig::default().with_brokers(3).with_topic("a", 4).with_topic("b", 1).with_topic("not allowed", 1);
    let mut rig = Rig::new(config.with_replication(2));
    let response = rig.call(&MetadataRequest::all());
    let mut sizes: Vec<_> =
        response.topics().iter().map(|topic| (topic.name.as_str(), topic.partitions.len())).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [("a", 4), ("b", 1)]);
    for partition in &response.topic("a").expect("it exists").partitions {
        assert_eq!((partition.replicas.len(), partition.leader), (2, partition.replicas.first().copied()));
    }
    // The partitions of a topic are spread over the brokers.
    let leaders: std::collections::BTreeSet<_> = (0..4).filter_map(|n| rig.cluster.leader("a", n)).collect();
    assert_eq!(leaders.len(), 3);
}

#[test]
fn a_topic_is_created_once_and_only_with_a_name_that_is_allowed() {
    let (mut rig, nodes) = three(BrokerConfig::default());
    produced(&mut rig, nodes[0], -1, &["a"]);
    rig.create("t", 9);
    assert_eq!((ends(&rig, nodes[0]), rig.cluster.leader("t", 1)), ((1, 1), None));
    let refused = rig.with(|cluster, now| cluster.create_topic("not allowed", 1, now));
    assert_eq!(refused, Err(ErrorCode::INVALID_TOPIC));
    nodes.iter().for_each(|node| kill(&mut rig, *node));
    rig.pass(ms(100));
    assert_eq!(
        rig.with(|cluster, now| cluster.create_topic("u", 1, now)),
        Err(ErrorCode::UNKNOWN),
        "no broker is live"
    );
}

#[test]
fn a_new_topic_is_placed_on_the_brokers_that_are_live() {
    let (mut rig, nodes) = three(BrokerConfig::default());
    kill(&mut rig, nodes[2]);
    rig.pass(ms(100));
    rig.create("u", 3);
    for partition in
        rig.cluster.snapshot().topics.iter().find(|topic| topic.topic == "u").expect("it exists").partitions.iter()
    {
        assert_eq!(partition.replicas.len(), 2);
        assert!(!partition.replicas.contains(&nodes[2]));
    }
    let request = FetchRequest::new(Millis(0), 0).with("u", 0, Offset(0), 100);
    start(&mut rig, nodes[2]);
    let response = rig.call_as(first(nodes[2]), &request);
    assert_eq!(response.topics.find("u", 0).expect("it is told").error, UNKNOWN);
}

#[test]
fn a_reset_has_every_broker_run_again() {
    let (mut rig, [leader, follower, other]) = three(BrokerConfig::default());
    rig.with(|cluster, now| {
        cluster.kill(leader, now);
        cluster.stop(follower, now);
        cluster.pause(other, now);
        cluster.reset(now);
    });
    assert!(crate::steps::leader(&rig.cluster).is_some(), "the topic of the configuration has a leader");
    for node in [leader, follower, other] {
        rig.connect(40 + u64::try_from(node.0).expect("small"), node);
        let response = rig.call_as(40 + u64::try_from(node.0).expect("small"), &MetadataRequest::all());
        assert_eq!(response.brokers().len(), 3, "{node} answers, and knows all");
    }
}
