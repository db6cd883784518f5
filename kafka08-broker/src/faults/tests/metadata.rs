//! Lies about brokers, leaders and coordinators.

use super::*;
use crate::faults::Lie;

const BROKERS: &str = "00000002 00000001 00026831 00002384 00000002 00026832 00002385";
/// Code 0, partition, leader 1, one replica 1, one in sync 1.
const FIRST: &str = "0000 00000000 00000001 00000001 00000001 00000001 00000001";
const SECOND: &str = "0000 00000001 00000001 00000001 00000001 00000001 00000001";
/// One topic: code 0, name t.
const TOPIC: &str = "00000001 0000 000174";

#[track_caller]
fn assert_lie(lie: Lie, body: &str) {
    assert_answer(Rule::on_any().lie(lie), METADATA, body);
}

/// Lies about the first partition only.
#[track_caller]
fn assert_first(lie: Lie, view: &str) {
    let body = format!("{BROKERS} {TOPIC} 00000002 {view} {SECOND}");
    assert_answer(Rule::on_any().topic("t").partition(0).lie(lie), METADATA, &body);
}

#[test]
fn a_leader_can_be_missing_or_unknown() {
    // Code 5, partition 0, leader -1, replica 1, none in sync.
    assert_first(Lie::LeaderMissing, "0005 00000000 ffffffff 00000001 00000001 00000000");
    assert_first(Lie::LeaderMissingSilently, "0000 00000000 ffffffff 00000001 00000001 00000001 00000001");
    assert_first(Lie::LeaderNotListed, "0000 00000000 7fffffff 00000001 00000001 00000001 00000001");
    // Two replicas, two in sync.
    assert_first(Lie::ReplicaNotListed, "0000 00000000 00000001 00000002 00000001 7fffffff 00000002 00000001 7fffffff");
}

#[test]
fn brokers_can_be_missing_or_told_twice() {
    let topics = format!("{TOPIC} 00000002 {FIRST} {SECOND}");
    assert_lie(Lie::BrokersMissing, &format!("00000000 {topics}"));
    // Broker 1 again, at port 9093.
    let again = "00000003 00000001 00026831 00002384 00000002 00026832 00002385 00000001 00026831 00002385";
    assert_lie(Lie::BrokerTwice, &format!("{again} {topics}"));
}

#[test]
fn topics_can_be_missing_renamed_or_told_twice() {
    assert_lie(Lie::Empty, &format!("{BROKERS} 00000000"));
    let views = format!("00000002 {FIRST} {SECOND}");
    assert_lie(Lie::TopicWrong, &format!("{BROKERS} 00000001 0000 0007742d6f74686572 {views}"));
    assert_lie(Lie::TopicTwice, &format!("{BROKERS} 00000002 0000 000174 {views} 0000 000174 00000000"));
}

#[test]
fn partitions_can_be_missing_invented_or_told_twice() {
    let front = format!("{BROKERS} {TOPIC}");
    assert_lie(Lie::PartitionMissing, &format!("{front} 00000001 {SECOND}"));
    assert_lie(Lie::PartitionTwice, &format!("{front} 00000003 {FIRST} {SECOND} {FIRST}"));
    // Partition 1001 with the values of partition 1.
    let extra = "0000 000003e9 00000001 00000001 00000001 00000001 00000001";
    assert_lie(Lie::PartitionExtra, &format!("{front} 00000003 {FIRST} {SECOND} {extra}"));
}

#[test]
fn the_numbers_of_partitions_can_have_a_gap_or_be_negative() {
    let front = format!("{BROKERS} {TOPIC} 00000002");
    let rest = "00000001 00000001 00000001 00000001 00000001";
    assert_lie(Lie::PartitionGap, &format!("{front} {FIRST} 0000 00000002 {rest}"));
    assert_lie(Lie::PartitionNegative, &format!("{front} 0000 ffffffff {rest} 0000 fffffffe {rest}"));
}

#[test]
fn a_topic_can_have_many_partitions() {
    // Code 0, partition, leader 1, no replicas, none in sync.
    let views = "0000 00000000 00000001 00000000 00000000
        0000 00000001 00000001 00000000 00000000
        0000 00000002 00000001 00000000 00000000";
    assert_lie(Lie::ManyPartitions { count: 3 }, &format!("{BROKERS} {TOPIC} 00000003 {views}"));
}

#[test]
fn a_million_partitions_are_made() {
    let mut answer = truth(METADATA);
    apply(&plan(Rule::on_any().lie(Lie::ManyPartitions { count: 1_000_000 }), METADATA), &mut answer);
    let Answer::Metadata(answer) = answer else { panic!("the answer is to Metadata") };
    assert_eq!(answer.topics[0].partitions.len(), 1_000_000);
}

#[test]
fn hosts_and_ports_can_be_false_in_metadata_and_of_coordinators() {
    let topics = format!("{TOPIC} 00000002 {FIRST} {SECOND}");
    for (lie, host, port) in [
        (Lie::Host { host: Text::from("") }, "0000", ""),
        (Lie::Host { host: Text::from("evil") }, "00046576696c", ""),
        (Lie::HostWithNul, "000a6c6f63616c00686f7374", ""),
        (Lie::Port { port: -1 }, "", "ffffffff"),
        (Lie::Port { port: 0 }, "", "00000000"),
        (Lie::Port { port: 65_536 }, "", "00010000"),
        (Lie::Port { port: i32::MAX }, "", "7fffffff"),
    ] {
        let or = |value: &'static str, truth: &'static str| if value.is_empty() { truth } else { value };
        let first = format!("00000001 {} {}", or(host, "00026831"), or(port, "00002384"));
        let second = format!("00000002 {} {}", or(host, "00026832"), or(port, "00002385"));
        assert_lie(lie.clone(), &format!("00000002 {first} {second} {topics}"));
        assert_answer(Rule::on_any().lie(lie), CONSUMER_METADATA, &format!("0000 {first}"));
    }
}

#[test]
fn a_host_is_at_most_as_long_as_the_layout_can_hold() {
    let letters = "68".repeat(32_767);
    for length in [32_767, u16::MAX] {
        let body = format!("0000 00000001 7fff {letters} 00002384");
        assert_answer(Rule::on_any().lie(Lie::LongHost { length }), CONSUMER_METADATA, &body);
    }
}
