//! Many partitions and many brokers, one of which is dead, and long outages.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{config::ProducerConfig, record::RecordRef};
use kafka08_proto::ids::{ApiKey, NodeId, PartitionId};

use crate::{
    SECOND,
    both::{End, ProducerRig, append, ends, flush, rig, try_append},
    rig::{Behaviour, address},
};

fn delivered(rig: &mut ProducerRig) -> usize {
    ends(rig).values().filter(|end| matches!(end, End::Delivered { .. })).count()
}

/// Ten brokers, each of which leads one partition, and a buffer for a second of one partition's records.
fn ten() -> ProducerRig {
    let brokers = BrokerConfig::default().with_brokers(10).with_replication(1).with_topic("t", 10);
    let brokers = brokers.without_unclean_election();
    let mut rig = rig(brokers, ProducerConfig::default().with_buffer(1 << 20));
    for partition in 0..10 {
        append(&mut rig, partition, b"first");
    }
    flush(&mut rig, 10 * SECOND);
    delivered(&mut rig);
    rig
}

/// Appends a record of 1 KiB to each partition each millisecond for 10 s, and returns how many arrive.
fn throughput(rig: &mut ProducerRig) -> usize {
    let value = [b'v'; 1024];
    let mut arrived = 0;
    for _ in 0..10_000 {
        for partition in 0..10 {
            // One that is refused because the buffer is full is lost to the throughput.
            let _ = try_append(rig, partition, &value);
        }
        rig.pass(Duration::from_millis(1));
        arrived += delivered(rig);
    }
    arrived
}

#[test]
fn one_dead_leader_of_ten_leaves_the_others_their_throughput() {
    let whole = throughput(&mut ten());
    for behaviour in [Behaviour::Refuses, Behaviour::DropsPackets, Behaviour::IsSilent] {
        let mut rig = ten();
        let dead = rig.brokers.leader("t", 3).expect("it is led");
        rig.set(&address(dead.0), behaviour);
        rig.brokers(|brokers, now| brokers.kill(dead, now));
        let rest = throughput(&mut rig);
        assert!(rest * 10 >= whole / 10 * 9 * 9, "{behaviour:?}: {rest} beside {whole}");
    }
}

#[test]
fn records_of_a_thousand_partitions_of_one_broker_go_together() {
    let mut rig = rig(BrokerConfig::default().with_topic("t", 1000), ProducerConfig::default());
    append(&mut rig, 0, b"first");
    flush(&mut rig, SECOND);
    let before = rig.brokers.history().of(ApiKey::PRODUCE).count();
    for partition in 0..1000 {
        append(&mut rig, partition, b"value");
    }
    assert_eq!(flush(&mut rig, 10 * SECOND), (0, 0));
    assert_eq!(delivered(&mut rig), 1001);
    let requests = rig.brokers.history().of(ApiKey::PRODUCE).count() - before;
    assert!(requests <= 5, "{requests} requests");
}

#[test]
fn all_brokers_down_for_an_hour_and_back() {
    let brokers = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 6);
    let mut rig = rig(brokers, ProducerConfig::default());
    append(&mut rig, 0, b"first");
    flush(&mut rig, SECOND);
    delivered(&mut rig);
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.kill(NodeId(node), now));
    }
    let steps = rig.steps;
    let (mut appended, mut failed) = (0, 0);
    for second in 0..3600 {
        appended += usize::from(try_append(&mut rig, second % 6, b"lost").is_ok());
        rig.pass(SECOND);
        failed += ends(&mut rig).values().filter(|end| matches!(end, End::Failed(_))).count();
        // Nothing is held for longer than its delivery timeout, which is two minutes.
        assert!(appended - failed <= 125, "{appended} appended, {failed} failed");
    }
    assert_eq!(appended, 3600);
    assert!(rig.steps - steps < 100_000, "{} steps in an hour", rig.steps - steps);
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.start(NodeId(node), now));
    }
    append(&mut rig, 0, b"back");
    let back = rig.elapsed();
    flush(&mut rig, 30 * SECOND);
    assert!(rig.elapsed() - back <= 30 * SECOND);
    assert!(delivered(&mut rig) >= 1);
    assert_eq!(rig.machine.accumulator.buffered(), 0);
}

#[test]
fn a_topic_that_is_not_in_use_is_forgotten_if_there_are_too_many_partitions() {
    let brokers = BrokerConfig::default().with_topic("t", 1).with_topic("large", 60_000).with_topic("other", 40_000);
    let mut rig = rig(brokers, ProducerConfig::default());
    let send = |rig: &mut ProducerRig, topic: &str| {
        let now = rig.now;
        let record = RecordRef::new(topic, b"v").with_partition(PartitionId(0));
        while rig.machine.accumulator.append(|| now, record).is_err() {
            rig.settle();
            rig.pass(SECOND);
        }
        assert_eq!(flush(rig, 10 * SECOND), (0, 0));
        assert_eq!(delivered(rig), 1);
        // What is not asked for any more is not in the view either.
        rig.machine.producer.view().topics().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(send(&mut rig, "t"), ["t"]);
    assert_eq!(send(&mut rig, "large"), ["large", "t"]);
    assert_eq!(send(&mut rig, "t"), ["large", "t"]);
    assert_eq!(send(&mut rig, "other"), ["other", "t"]);
    // It comes back, and now `t` has not been used for the longest time.
    assert_eq!(send(&mut rig, "large"), ["large", "other"]);
}
