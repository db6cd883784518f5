//! Corner cases: no spin, no partition that waits for ever, no memory beyond the room.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    config::{ConsumerConfig, CorruptPolicy, EndAt, Reset, StartAt},
    consumer::{ConsumerEvent, FetchCause},
    machine::Machine as _,
};
use kafka08_proto::{
    ids::{Offset, Timestamp},
    limits::Limits,
};

use crate::{
    SECOND,
    both::{ConsumerRig, assign, cluster, expected, numbers, part, pass, produce, read, read_all, rig, started, take},
};

fn one() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 3)
}

fn resets(rig: &ConsumerRig) -> usize {
    rig.events.iter().filter(|event| matches!(event, ConsumerEvent::Reset { .. })).count()
}

fn failed(rig: &ConsumerRig) -> Vec<FetchCause> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Failed { cause, .. } => Some(cause.clone()),
        _ => None,
    };
    rig.events.iter().filter_map(of).collect()
}

#[test]
fn a_frame_that_is_smaller_than_the_least_share_is_no_reason_to_panic() {
    let limits = Limits::default().with_max_frame(60_000);
    let cluster = cluster().with_limits(limits);
    let mut rig = rig(one(), ConsumerConfig::default().with_cluster(cluster));
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..5));
}

#[test]
fn large_messages_that_nobody_takes_stay_within_the_room_and_one_response() {
    let config = ConsumerConfig::default().with_partition_bytes(8 * 1024).with_room(64 * 1024);
    let mut rig = rig(one(), config);
    for partition in 0..3 {
        for _ in 0..3 {
            produce(&mut rig, partition, ["x".repeat(200_000)]);
        }
    }
    rig.command(|both, _| {
        for partition in 0..3 {
            let start = StartAt::Offset(Offset(0));
            let _ = both.assignment.assign(part(partition), start, EndAt::HighWatermark).expect("a name");
        }
    });
    rig.pass(5 * SECOND);
    let held = rig.machine.assignment.undelivered();
    assert!(held <= 64 * 1024 + 210_000, "{held}");
    let mut count = 0;
    for _ in 0..200 {
        rig.pass(Duration::from_millis(100));
        while let Some(fetched) = take(&mut rig) {
            count += read(&mut fetched.open()).len();
        }
    }
    assert_eq!(count, 9);
}

#[test]
fn a_paused_partition_whose_set_fills_the_room_does_not_stop_the_others() {
    let config = ConsumerConfig::default().with_partition_bytes(8 * 1024).with_room(16 * 1024);
    let mut rig = rig(one(), config);
    for partition in 0..2 {
        for _ in 0..40 {
            produce(&mut rig, partition, ["y".repeat(1000)]);
        }
        assign(&mut rig, partition, StartAt::Earliest, EndAt::Never);
    }
    rig.pass(SECOND);
    let _ = rig.command(|both, _| both.assignment.pause(&part(0)));
    let mut count = 0;
    for _ in 0..200 {
        rig.pass(Duration::from_millis(100));
        while let Some(fetched) = take(&mut rig) {
            assert_eq!(fetched.partition(), &part(1));
            count += read(&mut fetched.open()).len();
        }
    }
    assert_eq!(count, 40);
    let _ = rig.command(|both, _| both.assignment.resume(&part(0)));
    count = 0;
    for _ in 0..200 {
        rig.pass(Duration::from_millis(100));
        while let Some(fetched) = take(&mut rig) {
            count += read(&mut fetched.open()).len();
        }
    }
    assert_eq!(count, 40);
    assert_eq!(rig.machine.assignment.undelivered(), 0);
}

#[test]
fn an_offset_that_is_refused_again_and_again_is_reset_after_pauses() {
    let mut rig = rig(one(), ConsumerConfig::default().with_reset(Reset::Earliest));
    produce(&mut rig, 0, numbers(0..5));
    rig.brokers.add_rule("fetch partition=0 first=300: answer code=1".parse().expect("a rule"));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    rig.pass(10 * SECOND);
    let (resets, fetches) = (resets(&rig), rig.machine.consumer.stats().fetches);
    assert!((2..50).contains(&resets) && fetches < 50, "{resets} resets, {fetches} fetches in ten seconds");
}

#[test]
fn an_empty_list_of_offsets_is_asked_for_again_after_a_pause_and_is_no_end() {
    let resets_and_lies = [
        (Reset::Earliest, "offsets-empty"),
        (Reset::Latest, "offsets-empty"),
        (Reset::Fail, "offsets-empty"),
        (Reset::Fail, "offset-negative"),
    ];
    for (reset, lie) in resets_and_lies {
        let mut rig = rig(one(), ConsumerConfig::default().with_reset(reset));
        produce(&mut rig, 0, numbers(0..5));
        rig.brokers.add_rule(format!("list-offsets first=9: lie {lie}").parse().expect("a rule"));
        assign(&mut rig, 0, StartAt::Earliest, EndAt::HighWatermark);
        assert!(started(&rig).is_empty() && resets(&rig) == 0, "{:?}", rig.events);
        rig.pass(20 * SECOND);
        assert_eq!(read_all(&mut rig), expected(0..5), "{reset:?}: {:?}", rig.events);
    }
}

#[test]
fn behind_a_reset_to_an_earlier_offset_no_more_is_committable_than_has_passed() {
    let mut rig = rig(one(), ConsumerConfig::default().with_reset(Reset::Earliest));
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig).len(), 5);
    rig.brokers.add_rule("fetch once: answer code=1".parse().expect("a rule"));
    rig.pass(SECOND);
    let committable: Vec<_> = rig.machine.assignment.committable().map(|(_, offset)| offset.0).collect();
    assert_eq!((rig.machine.assignment.position(&part(0)), &committable[..]), (Some(Offset(0)), &[0][..]));
    assert_eq!(read_all(&mut rig), expected(0..5));
    assert_eq!(rig.machine.assignment.committable().next().map(|(_, offset)| offset.0), Some(5));
}

#[test]
fn a_seek_needs_no_metadata() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig).len(), 5);
    rig.pass(10 * SECOND);
    let refreshes = rig.machine.consumer.stats().cluster.refreshes;
    for to in 0..5 {
        let _ = rig.command(|both, _| both.assignment.seek(&part(0), StartAt::Offset(Offset(to))));
        assert_eq!(read_all(&mut rig), expected(to..5));
    }
    assert_eq!(rig.machine.consumer.stats().cluster.refreshes, refreshes);
}

#[test]
fn a_consumer_that_is_closed_does_nothing_more_and_is_never_due() {
    let config = ConsumerConfig::default().with_partition_bytes(8 * 1024).with_room(8 * 1024);
    let mut rig = rig(one(), config);
    for _ in 0..40 {
        produce(&mut rig, 0, ["y".repeat(1000)]);
    }
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assign(&mut rig, 1, StartAt::Time(Timestamp(1)), EndAt::Never);
    rig.pass(SECOND);
    rig.command(|both, now| both.consumer.close(now));
    rig.events.clear();
    for start in [StartAt::Offset(Offset(3)), StartAt::Earliest] {
        assign(&mut rig, 2, start, EndAt::Never);
        rig.pass(100 * SECOND);
        assert_eq!((&rig.events[..], rig.machine.poll_timeout()), (&[][..], None));
    }
    assert!(rig.machine.is_over());
}

#[test]
fn a_partition_that_has_halted_does_not_end() {
    let config = ConsumerConfig::default().with_corrupt(CorruptPolicy::Stop).with_partition_bytes(4096);
    let mut rig = rig(one(), config);
    rig.brokers.add_rule("fetch once: lie wrong-crc".parse().expect("a rule"));
    produce(&mut rig, 0, numbers(0..5));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Offset(Offset(6)));
    rig.pass(SECOND);
    let mut messages = take(&mut rig).expect("it has come").open();
    assert!(read(&mut messages).last().is_some_and(Result::is_err));
    pass(&mut rig, &messages);
    produce(&mut rig, 0, numbers(5..7));
    rig.pass(SECOND);
    assert_eq!(crate::both::ended(&rig), []);
}

#[test]
fn a_look_up_that_no_later_broker_answers_ends_its_partition() {
    let mut rig = rig(one(), ConsumerConfig::default());
    rig.brokers.add_rule("list-offsets: answer code=35".parse().expect("a rule"));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    rig.pass(60 * SECOND);
    assert!(matches!(failed(&rig)[..], [FetchCause::Refused { .. }]), "{:?}", rig.events);
}

#[test]
fn an_empty_answer_with_a_later_high_watermark_is_no_reason_to_leave_a_message_out() {
    let limits = Limits::default().with_max_frame(200_000);
    let mut rig = rig(one(), ConsumerConfig::default().with_cluster(cluster().with_limits(limits)));
    produce(&mut rig, 0, numbers(0..5));
    rig.brokers.add_rule("fetch once: lie set-cut keep=0".parse().expect("a rule"));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    assert_eq!(read_all(&mut rig), expected(0..5));
    assert!(!rig.events.iter().any(|event| matches!(event, ConsumerEvent::Skipped { .. })), "{:?}", rig.events);
}

#[test]
fn after_an_answer_that_was_too_slow_less_is_asked_for() {
    let cluster = cluster().with_request_timeout(10 * SECOND);
    let mut rig = rig(one(), ConsumerConfig::default().with_cluster(cluster));
    for _ in 0..100 {
        produce(&mut rig, 0, ["x".repeat(10_000)]);
    }
    rig.brokers.add_rule("fetch: trickle bytes=20000 every=1s".parse().expect("a rule"));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::HighWatermark);
    let mut count = 0;
    for _ in 0..300 {
        rig.pass(SECOND);
        while let Some(fetched) = take(&mut rig) {
            count += read(&mut fetched.open()).len();
        }
    }
    assert_eq!(count, 100, "{:?}", rig.events);
}

#[test]
fn a_topic_that_is_missing_does_not_delay_the_start_of_others() {
    let mut rig = rig(one(), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..5));
    rig.command(|both, _| {
        let missing = kafka08_proto::ids::TopicPartition::new("missing", 0);
        for of in [missing, part(0)] {
            let _ = both.assignment.assign(of, StartAt::Earliest, EndAt::Never).expect("a name");
        }
    });
    rig.pass(2 * SECOND);
    assert_eq!(started(&rig), [(0, 0)]);
}

#[test]
fn a_flipped_bit_in_the_magic_of_a_message_costs_one_message_an_answer() {
    let config = ConsumerConfig::default().with_corrupt(CorruptPolicy::Skip).with_partition_bytes(4096);
    let mut rig = rig(one(), config);
    for _ in 0..10 {
        produce(&mut rig, 0, (0..50).map(|_| "x".repeat(100)));
    }
    rig.brokers.add_rule("fetch first=2: lie magic magic=2".parse().expect("a rule"));
    assign(&mut rig, 0, StartAt::Earliest, EndAt::Never);
    let mut count = 0;
    for _ in 0..50 {
        rig.pass(SECOND / 10);
        while let Some(fetched) = take(&mut rig) {
            count += read(&mut fetched.open()).into_iter().filter(Result::is_ok).count();
        }
    }
    assert!(count >= 498, "{count} of 500, {:?}", rig.events);
}
