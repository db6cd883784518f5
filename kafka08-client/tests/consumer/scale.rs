//! Many partitions and large messages, as counts and in virtual time: no spin, no partition that starves, no limit exceeded.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    assignment::Wake,
    config::{ConsumerConfig, EndAt, ReleaseSetting, StartAt},
    consumer::ConsumerEvent,
};
use kafka08_proto::{
    api::{AnyRequest, Request as _},
    ids::{ApiKey, Offset, TopicPartition},
    limits::Limits,
    profile::Profile,
};

use crate::{
    SECOND,
    both::{ConsumerRig, cluster, numbers, part, produce, read, rig, rig_at, take},
    rig::address,
};

const MILLIS: Duration = Duration::from_millis(1);

/// Assigns all partitions at once, from their beginning.
fn assign_all(rig: &mut ConsumerRig, parts: impl IntoIterator<Item = TopicPartition>) {
    rig.command(|both, _| {
        for part in parts {
            let _ = both.assignment.assign(part, StartAt::Offset(Offset(0)), EndAt::Never).expect("a name");
        }
    });
}

/// Takes and reads everything that has come. Returns how many messages there were of each partition.
fn drain(rig: &mut ConsumerRig) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    while let Some(fetched) = take(rig) {
        let of = usize::try_from(fetched.partition().partition.0).expect("small");
        all.push((of, read(&mut fetched.open()).len()));
    }
    rig.settle();
    all
}

fn is_troubled(rig: &ConsumerRig) -> bool {
    let is_trouble =
        |event: &ConsumerEvent| matches!(event, ConsumerEvent::Failed { .. } | ConsumerEvent::Stalled { .. });
    // One that exceeds a limit would end its connection, and another would follow.
    rig.connects.len() > 3 || rig.events.iter().any(is_trouble)
}

#[test]
fn idle_partitions_cost_one_fetch_of_each_broker_in_max_wait_and_few_turns() {
    let mut rig = rig(BrokerConfig::default().with_brokers(3).with_topic("t", 40), ConsumerConfig::default());
    assign_all(&mut rig, (0..40).map(part));
    rig.pass(SECOND);
    let (fetches, steps) = (rig.machine.consumer.stats().fetches, rig.steps);
    rig.pass(60 * SECOND);
    let (fetches, steps) = (rig.machine.consumer.stats().fetches - fetches, rig.steps - steps);
    // Each of three brokers waits for half a second.
    assert!((3 * 119..=3 * 120 + 3).contains(&fetches), "{fetches} fetches");
    assert!(steps <= 4 * fetches, "{steps} turns for {fetches} fetches");
}

#[test]
fn of_a_thousand_partitions_of_one_broker_none_starves() {
    // 4 KiB a turn for each, and no more than a quarter of them in one response.
    let limits = Limits::default().with_max_frame(1 << 20).with_max_request(1 << 15);
    let config = ConsumerConfig::default().with_room(16 << 20).with_cluster(cluster().with_limits(limits));
    let mut rig = rig(BrokerConfig::default().with_topic("t", 1000), config);
    for partition in 0..1000 {
        produce(&mut rig, partition, (0..20).map(|_| "x".repeat(1000)));
    }
    assign_all(&mut rig, (0..1000).map(part));
    let mut count = vec![0; 1000];
    let mut turns = 0;
    while count.iter().any(|count| *count < 20) {
        turns += 1;
        assert!(turns < 400, "{count:?}");
        rig.pass(MILLIS);
        for (of, messages) in drain(&mut rig) {
            count[of] += messages;
        }
        let (slowest, fastest) = (count.iter().min().expect("some"), count.iter().max().expect("some"));
        assert!(fastest - slowest <= 4, "one is at {slowest}, another one at {fastest}");
    }
    assert!(!is_troubled(&rig), "{:?}", rig.events);
    // Idle by now: all are asked again, in turn, and the machine rests meanwhile.
    let fetches = rig.machine.consumer.stats().fetches;
    rig.pass(10 * SECOND);
    let fetches = rig.machine.consumer.stats().fetches - fetches;
    assert!((20..=220).contains(&fetches), "{fetches} fetches in ten seconds");
}

#[test]
fn long_names_of_a_thousand_topics_exceed_no_limit() {
    // What is around messages has 264,000 bytes in a response, and 262,000 in a request.
    for (max_frame, max_request) in [(4 << 20, 1 << 20), (64 << 20, 100_000), (400_000, 100_000)] {
        let limits = Limits::default().with_max_frame(max_frame).with_max_request(max_request);
        let config = ConsumerConfig::default().with_cluster(cluster().with_limits(limits.clone()));
        let name = |n: usize| format!("{n:0>240}");
        let brokers = BrokerConfig::default().with_history_bytes(256 << 20);
        let brokers = (0..1000).fold(brokers, |brokers, n| brokers.with_topic(name(n), 1));
        let mut rig = rig(brokers, config);
        let all: Vec<_> = (0..1000).map(|n| TopicPartition::new(name(n), 0)).collect();
        assign_all(&mut rig, all);
        rig.pass(5 * SECOND);
        for seen in rig.brokers.history().of(ApiKey::FETCH) {
            let AnyRequest::Fetch(request) = seen.request().expect("it is decoded") else { panic!("it is no fetch") };
            assert_eq!(request.check(Profile::V0_8_2, &limits), Ok(()));
        }
        assert!(!is_troubled(&rig), "{:?}", rig.events);
        for n in [0, 499, 999] {
            crate::both::produce_to(&mut rig, &TopicPartition::new(name(n), 0), numbers(0..3));
        }
        rig.pass(2 * SECOND);
        let found: usize = drain(&mut rig).into_iter().map(|(_, messages)| messages).sum();
        assert_eq!(found, 9);
    }
}

/// How long a message takes from its append until it can be taken, in the worst case, of partition 1, while `others` do something
/// with what has come of partition 0.
fn latency(mut others: impl FnMut(&mut ConsumerRig, u32)) -> Duration {
    let config = ConsumerConfig::default().with_partition_bytes(16 << 10).with_room(256 << 10);
    let mut rig = rig(BrokerConfig::default().with_topic("t", 4), config);
    assign_all(&mut rig, (0..4).map(part));
    let mut worst = Duration::ZERO;
    for n in 0..300 {
        produce(&mut rig, 0, ["y".repeat(2_000)]);
        produce(&mut rig, 2, ["z".repeat(8_000)]);
        produce(&mut rig, 1, numbers(0..1));
        let appended = rig.elapsed();
        loop {
            others(&mut rig, n);
            let found = drain(&mut rig);
            if found.iter().any(|(of, _)| *of == 1) {
                break;
            }
            rig.pass(MILLIS);
            assert!(rig.elapsed() < appended + 10 * SECOND, "nothing comes any more");
        }
        worst = worst.max(rig.elapsed() - appended);
        rig.pass(7 * MILLIS);
    }
    worst
}

#[test]
fn one_partition_that_is_not_taken_leaves_the_others_their_latency() {
    let without = latency(|_, _| {});
    let paused = latency(|rig, n| {
        if n == 3 {
            let _ = rig.command(|both, _| both.assignment.pause(&part(0)));
        }
    });
    let sometimes = latency(|rig, n| {
        let _ = rig.command(|both, _| match n % 20 {
            19 => both.assignment.resume(&part(0)),
            _ => both.assignment.pause(&part(0)),
        });
    });
    let mut held = Vec::new();
    let holding = latency(|rig, _| held.extend(take(rig).filter(|fetched| fetched.partition() == &part(0))));
    assert_eq!([paused, sometimes, holding], [without; 3]);
}

#[test]
fn what_waits_of_a_paused_partition_holds_its_own_bytes_and_not_those_of_whole_responses() {
    let config = ConsumerConfig::default().with_partition_bytes(256 << 10).with_room(4 << 20);
    let mut rig = rig(BrokerConfig::default().with_topic("t", 21), config);
    assign_all(&mut rig, (0..21).map(part));
    let pause = |rig: &mut ConsumerRig, n: i32| {
        let _ = rig.command(|both, _| both.assignment.pause(&part(n)));
    };
    let resume = |rig: &mut ConsumerRig, all: &[i32]| {
        rig.command(|both, _| all.iter().for_each(|n| assert_eq!(both.assignment.resume(&part(*n)), Wake::Yes)));
    };
    (0..21).for_each(|n| pause(&mut rig, n));
    rig.pass(SECOND);
    for n in 0..20 {
        produce(&mut rig, n, numbers(0..1));
        produce(&mut rig, 20, ["x".repeat(200_000)]);
        // Both come in one response, of which the small set remains.
        resume(&mut rig, &[n, 20]);
        rig.pass(SECOND);
        pause(&mut rig, n);
        assert_eq!(drain(&mut rig), [(20, 1)]);
        pause(&mut rig, 20);
        rig.pass(SECOND);
        let held = rig.machine.assignment.undelivered();
        assert!(held <= (2 << 20) + 200_100, "{held} bytes are held by {n} small sets");
    }
    resume(&mut rig, &(0..20).collect::<Vec<_>>());
    assert_eq!(drain(&mut rig), (0..20).map(|n| (n, 1)).collect::<Vec<_>>());
    assert_eq!(rig.machine.assignment.undelivered(), 0);
}

#[test]
fn large_messages_beside_idle_partitions_come_at_the_speed_of_the_link() {
    // With room for many of them, and for less than one.
    for (bytes, count, room) in [(200_000, 150, 64 << 20), (5_000_000, 6, 64 << 20), (200_000, 150, 1 << 10)] {
        let config = ConsumerConfig::default().with_partition_bytes(64 << 10).with_room(room);
        let brokers = BrokerConfig::default().with_topic("t", 41).with_max_message(6_000_000);
        let mut rig = rig(brokers, config);
        for _ in 0..count {
            produce(&mut rig, 0, ["x".repeat(bytes)]);
        }
        // 100 MB in a second.
        rig.brokers.add_rule("fetch: trickle bytes=100000 every=1ms".parse().expect("a rule"));
        let start = rig.elapsed();
        assign_all(&mut rig, (0..41).map(part));
        let (mut found, mut worst) = (0, Duration::ZERO);
        let mut small = None;
        while found < count {
            if small.is_none() && found > 1 {
                small = Some(rig.elapsed());
                produce(&mut rig, 40, numbers(0..1));
            }
            rig.pass(MILLIS);
            for (of, messages) in drain(&mut rig) {
                match of {
                    0 => found += messages,
                    _ => worst = worst.max(rig.elapsed() - small.take().expect("one was appended")),
                }
            }
        }
        let (took, link) =
            (rig.elapsed() - start, Duration::from_nanos(10) * u32::try_from(bytes * count).expect("small"));
        assert!(took <= link * 5 / 2 + 50 * MILLIS, "{count} of {bytes} bytes took {took:?}, and the link {link:?}");
        // One large message may be in front of it, and one may be begun.
        let of_two = 2 * Duration::from_nanos(10) * u32::try_from(bytes).expect("small");
        assert!(worst <= of_two + 10 * MILLIS, "a small message beside {bytes} bytes took {worst:?}");
    }
}

#[test]
fn a_caller_that_holds_all_that_it_takes_gets_everything_without_delay() {
    let config = ConsumerConfig::default().with_partition_bytes(16 << 10).with_room(64 << 10);
    let mut rig = rig(BrokerConfig::default().with_topic("t", 4), config);
    for partition in 0..4 {
        produce(&mut rig, partition, (0..500).map(|_| "y".repeat(1000)));
    }
    assign_all(&mut rig, (0..4).map(part));
    let mut held = Vec::new();
    let start = rig.elapsed();
    while rig.machine.assignment.lag(&part(0)) != Some(0) || held.len() < 4 {
        let before = held.len();
        while let Some(fetched) = take(&mut rig) {
            held.push(fetched);
        }
        rig.settle();
        if held.len() == before {
            rig.pass(MILLIS);
        }
        assert!(rig.elapsed() < start + 2 * SECOND, "{} sets", held.len());
    }
    rig.pass(SECOND);
    held.extend(std::iter::from_fn(|| take(&mut rig)));
    let count: usize = held.into_iter().map(|fetched| read(&mut fetched.open()).len()).sum();
    assert_eq!(count, 2000);
}

#[test]
fn a_release_that_could_not_be_found_out_is_looked_for_again_and_then_brokers_wait_longer() {
    let brokers = BrokerConfig::default().with_topic("t", 1);
    let cluster = cluster().with_bootstrap([address(1)]).with_release(ReleaseSetting::Probe);
    let mut rig = rig_at(brokers, ConsumerConfig::default().with_cluster(cluster));
    rig.brokers.add_rule("heartbeat: answer code=999".parse().expect("a rule"));
    rig.brokers.add_rule("heartbeat: close-after".parse().expect("a rule"));
    rig.brokers.add_rule("offset-fetch: close-after".parse().expect("a rule"));
    rig.brokers.add_rule("list-offsets: close-after".parse().expect("a rule"));
    assign_all(&mut rig, [part(0)]);
    rig.pass(30 * SECOND);
    let of = |rig: &mut ConsumerRig, time: Duration| {
        let before = rig.machine.consumer.stats().fetches;
        rig.pass(time);
        rig.machine.consumer.stats().fetches - before
    };
    let unknown = of(&mut rig, 10 * SECOND);
    assert!(
        (95..=105).contains(&unknown),
        "a broker that may be old waits for 100 ms: {unknown} fetches in ten seconds"
    );
    rig.brokers.clear_rules();
    rig.pass(60 * SECOND);
    let known = of(&mut rig, 10 * SECOND);
    assert!((19..=21).contains(&known), "{known} fetches in ten seconds");
}
