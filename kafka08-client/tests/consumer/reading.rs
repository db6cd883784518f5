//! Messages that come, each once and in order.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    assignment::Wake,
    config::{ConsumerConfig, EndAt, StartAt},
};
use kafka08_proto::{
    ids::{NodeId, Offset},
    message::{Codec, Deflater, Inflater, MessageSetBuilder},
};

use crate::{
    SECOND,
    both::{
        assign, ended, expected, next, numbers, part, pass, produce, produce_set, read, read_all, rig, started, take,
    },
};

fn one() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 3)
}

#[test]
fn everything_that_was_there_and_that_comes_is_read_once_and_in_order() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..5));
    assert_eq!(started(&rig), [(0, 0)]);
    produce(&mut rig, 0, numbers(5..8));
    // A fetch that waits is answered as soon as there is something.
    assert_eq!(read_all(&mut rig), expected(5..8));
    assert_eq!(rig.machine.assignment.position(&part(0)), Some(Offset(8)));
    assert_eq!(rig.machine.assignment.lag(&part(0)), Some(0));
    assert_eq!(rig.machine.assignment.undelivered(), 0);
}

#[test]
fn a_replay_ends_where_the_log_ended_when_it_began() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::HighWatermark);
    produce(&mut rig, 0, numbers(5..9));
    assert_eq!(read_all(&mut rig), expected(0..5));
    assert_eq!(ended(&rig), [(0, 5, 5)]);
    assert!(rig.machine.assignment.is_finished());
    rig.pass(10 * SECOND);
    assert_eq!(read_all(&mut rig), []);
}

#[test]
fn an_end_in_the_middle_of_a_compressed_set_cuts_it_there() {
    let mut rig = rig(one(), ConsumerConfig::default());
    let mut builder = MessageSetBuilder::default();
    for value in numbers(0..10) {
        builder.push(None, Some(value.as_bytes())).expect("small");
    }
    produce_set(&mut rig, 0, builder.build_compressed(Codec::Gzip, &mut Deflater::new()).expect("compressed"));
    assign(&mut rig, 0, StartAt::Offset(Offset(3)), EndAt::Offset(Offset(7)));
    assert_eq!(read_all(&mut rig), expected(3..7));
    assert_eq!(ended(&rig), [(0, 7, 7)]);
}

#[test]
fn an_empty_partition_and_one_that_starts_at_its_end_end_at_once_without_a_fetch() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 1, numbers(0..3));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::HighWatermark);
    assign(&mut rig, 1, StartAt::Latest, EndAt::HighWatermark);
    assign(&mut rig, 2, StartAt::Offset(Offset(9)), EndAt::Offset(Offset(4)));
    assert_eq!(ended(&rig), [(0, 0, 0), (1, 3, 3), (2, 9, 4)]);
    assert_eq!(rig.machine.consumer.stats().fetches, 0);
    assert!(rig.machine.assignment.is_finished());
}

#[test]
fn partitions_of_several_brokers_are_read_by_one_fetch_at_a_time_for_each() {
    let mut rig = rig(BrokerConfig::default().with_brokers(3).with_topic("t", 6), ConsumerConfig::default());
    for partition in 0..6 {
        produce(&mut rig, partition, numbers(0..4));
        assign(&mut rig, partition, StartAt::Earliest, EndAt::Never);
    }
    let mut found = [0; 6];
    rig.pass(SECOND);
    while let Some(fetched) = take(&mut rig) {
        let partition = usize::try_from(fetched.partition().partition.0).expect("small");
        let mut messages = fetched.open();
        found[partition] += read(&mut messages).len();
    }
    assert_eq!(found, [4; 6]);
    assert_eq!(rig.machine.consumer.stats().in_flight, 3);
}

#[test]
fn idle_partitions_are_asked_for_together_and_once_in_max_wait() {
    let mut rig = rig(BrokerConfig::default().with_topic("t", 40), ConsumerConfig::default());
    for partition in 0..40 {
        assign(&mut rig, partition, StartAt::Earliest, EndAt::Never);
    }
    rig.pass(2 * SECOND);
    let before = rig.machine.consumer.stats().fetches;
    rig.pass(60 * SECOND);
    let fetches = rig.machine.consumer.stats().fetches - before;
    assert!((115..=121).contains(&fetches), "{fetches} fetches in a minute, with a wait of half a second");
}

#[test]
fn what_is_paused_is_not_delivered_and_goes_on_where_it_was() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..3));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    let _ = rig.command(|both, _| both.assignment.pause(&part(0)));
    assert!(take(&mut rig).is_none(), "what has come is kept");
    produce(&mut rig, 0, numbers(3..6));
    rig.pass(SECOND);
    let fetches = rig.machine.consumer.stats().fetches;
    rig.pass(10 * SECOND);
    assert_eq!(rig.machine.consumer.stats().fetches, fetches, "nothing is fetched meanwhile");
    let _ = rig.command(|both, _| both.assignment.resume(&part(0)));
    assert_eq!(read_all(&mut rig), expected(0..6));
}

#[test]
fn behind_a_seek_nothing_older_is_taken() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..20));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    let mut before = next(&mut rig, SECOND).open();
    let mut inflater = Inflater::new();
    let _ = before.next_message(&mut inflater);
    let _ = before.next_message(&mut inflater);
    assert_eq!(before.passed().offset(), Offset(1));
    produce(&mut rig, 0, numbers(20..22));
    rig.pass(SECOND);
    let _ = rig.command(|both, _| both.assignment.seek(&part(0), StartAt::Offset(Offset(15))));
    // It is of another epoch, so it moves nothing.
    pass(&mut rig, &before);
    assert_eq!(rig.machine.assignment.committable().count(), 0);
    assert_eq!(read_all(&mut rig), expected(15..22));
    let committable: Vec<_> = rig.machine.assignment.committable().map(|(of, offset)| (of.clone(), offset.0)).collect();
    assert_eq!(committable, [(part(0), 22)]);
}

#[test]
fn a_partition_that_is_unassigned_is_neither_delivered_nor_fetched() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..3));
    produce(&mut rig, 1, numbers(0..3));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assign(&mut rig, 1, StartAt::Earliest, EndAt::Never);
    rig.pass(SECOND);
    assert_eq!(rig.command(|both, _| both.assignment.unassign(&part(0))), Wake::Yes);
    assert_eq!(read_all(&mut rig).len(), 3);
    produce(&mut rig, 0, numbers(3..6));
    rig.pass(5 * SECOND);
    assert_eq!(read_all(&mut rig), []);
    assert_eq!(rig.command(|both, _| both.assignment.unassign(&part(1))), Wake::Yes);
    rig.pass(5 * SECOND);
    assert_eq!(rig.machine.consumer.stats().in_flight, 0);
    assert_eq!(rig.machine.assignment.undelivered(), 0);
}

#[test]
fn a_message_larger_than_a_share_is_fetched_alone_and_then_the_share_again() {
    let config = ConsumerConfig::default().with_partition_bytes(8 * 1024);
    let mut rig = rig(one(), config);
    let large = "x".repeat(300_000);
    produce(&mut rig, 0, numbers(0..2));
    produce(&mut rig, 0, [large.clone()]);
    produce(&mut rig, 0, ["v3".to_owned()]);
    produce(&mut rig, 1, numbers(0..2));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assign(&mut rig, 1, StartAt::Earliest, EndAt::Never);
    let mut lens = Vec::new();
    for _ in 0..5 {
        rig.pass(SECOND);
        lens.extend(read_all(&mut rig).into_iter().map(|(offset, value)| (offset, value.len())));
    }
    lens.sort_unstable();
    assert_eq!(lens, [(0, 2), (0, 2), (1, 2), (1, 2), (2, 300_000), (3, 2)]);
}

#[test]
fn a_caller_that_takes_nothing_stops_the_fetching_at_its_room_and_one_that_takes_goes_on() {
    let config = ConsumerConfig::default().with_partition_bytes(16 * 1024).with_room(64 * 1024);
    let mut rig = rig(one(), config);
    for partition in 0..3 {
        for _ in 0..100 {
            produce(&mut rig, partition, (0..4).map(|_| "y".repeat(1000)));
        }
        assign(&mut rig, partition, StartAt::Earliest, EndAt::Never);
    }
    rig.pass(5 * SECOND);
    let held = rig.machine.assignment.undelivered();
    assert!((16 * 1024..=80 * 1024).contains(&held), "{held}");
    let fetches = rig.machine.consumer.stats().fetches;
    rig.pass(30 * SECOND);
    assert_eq!(rig.machine.consumer.stats().fetches, fetches, "a full prefetch does not spin");
    let mut count = 0;
    while count < 1200 {
        let Some(fetched) = take(&mut rig) else { panic!("it goes on as soon as something was taken: {count}") };
        count += read(&mut fetched.open()).len();
        rig.pass(Duration::from_millis(51));
    }
    assert_eq!(count, 1200);
}

#[test]
fn what_a_caller_holds_counts_no_more() {
    let config = ConsumerConfig::default().with_partition_bytes(8 * 1024).with_room(16 * 1024);
    let mut rig = rig(one(), config);
    for _ in 0..200 {
        produce(&mut rig, 0, ["z".repeat(1000)]);
    }
    assign(&mut rig, 0, StartAt::Earliest, EndAt::HighWatermark);
    let mut held = Vec::new();
    while !rig.machine.assignment.is_finished() {
        held.push(next(&mut rig, SECOND));
    }
    let count: usize = held.into_iter().map(|fetched| read(&mut fetched.open()).len()).sum();
    assert_eq!(count, 200);
}

#[test]
fn a_leader_that_moves_is_followed_without_a_gap_or_a_repeat() {
    let brokers = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 1);
    let mut rig = rig(brokers, ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..5));
    for (n, to) in [(5, 2), (10, 3), (15, 1), (20, 2)] {
        rig.brokers(|brokers, now| brokers.move_leader("t", 0, NodeId(to), now)).expect("it exists");
        rig.pass(SECOND);
        produce(&mut rig, 0, numbers(n..n + 5));
        rig.pass(2 * SECOND);
        assert_eq!(read_all(&mut rig), expected(n..n + 5));
    }
}

#[test]
fn partitions_that_have_no_room_together_have_their_turns() {
    // Room for three partitions of forty at a time.
    let config = ConsumerConfig::default().with_room(3 * 4096);
    let mut rig = rig(BrokerConfig::default().with_topic("t", 40), config);
    for partition in 0..40 {
        assign(&mut rig, partition, StartAt::Earliest, EndAt::Never);
    }
    for partition in [0, 20, 39] {
        produce(&mut rig, partition, numbers(0..3));
    }
    let mut found = Vec::new();
    for _ in 0..20 {
        rig.pass(SECOND);
        while let Some(fetched) = take(&mut rig) {
            found.push(fetched.partition().partition.0);
        }
    }
    found.sort_unstable();
    assert_eq!(found, [0, 20, 39]);
}
