//! Answers that no sound broker gives: nothing wrong is delivered, nothing is delivered twice, and other partitions go on.

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    config::{ConsumerConfig, CorruptPolicy, EndAt, StartAt},
    consumer::{ConsumerEvent, FetchCause},
};
use kafka08_proto::{
    error_code::ErrorCode,
    ids::Offset,
    message::{MessageError, MessageProblem},
};

use crate::{
    SECOND,
    both::{ConsumerRig, assign, expected, numbers, part, pass, produce, read, rig, take},
};

/// Every lie about a fetch.
const LIES: [&str; 22] = [
    "empty",
    "partition-missing",
    "partition-twice",
    "partition-extra",
    "topic-wrong",
    "offset-negative",
    "high-watermark-missing",
    "offset-repeated",
    "offsets-descending",
    "offset-below-request",
    "offset-above-high-watermark",
    "offset-highest",
    "zero-tail length=64",
    "entry-size size=0",
    "entry-size size=2147483647",
    "wrong-crc",
    "set-cut keep=5",
    // The header of the first entry, and not all of it.
    "set-cut keep=20",
    "magic magic=2",
    "codec codec=5",
    "key-length length=2147483647",
    "nested depth=16",
];

type Read = Result<(i64, String), MessageError>;

fn liar(policy: CorruptPolicy, rule: &str) -> ConsumerRig {
    liar_to(policy, rule, EndAt::Never)
}

/// A broker of two partitions with six messages each, which are read to `end`.
fn liar_to(policy: CorruptPolicy, rule: &str, end: EndAt) -> ConsumerRig {
    let mut rig = rig(BrokerConfig::default().with_topic("t", 2), ConsumerConfig::default().with_corrupt(policy));
    for partition in 0..2 {
        produce(&mut rig, partition, numbers(0..6));
    }
    rig.brokers.add_rule(rule.parse().expect("a rule"));
    for partition in 0..2 {
        assign(&mut rig, partition, StartAt::Earliest, end);
    }
    rig
}

/// What is read of each partition within a time.
fn read_both(rig: &mut ConsumerRig, seconds: u32) -> [Vec<Read>; 2] {
    let mut all = [Vec::new(), Vec::new()];
    for _ in 0..seconds {
        rig.pass(SECOND);
        while let Some(fetched) = take(rig) {
            let of = usize::try_from(fetched.partition().partition.0).expect("small");
            let mut messages = fetched.open();
            all.get_mut(of).expect("there are two").extend(read(&mut messages));
            pass(rig, &messages);
        }
    }
    all
}

fn sound(all: &[Read]) -> Vec<(i64, String)> {
    all.iter().filter_map(|found| found.clone().ok()).collect()
}

#[test]
fn a_lie_that_is_told_once_costs_at_most_the_message_it_is_about() {
    for lie in LIES {
        let mut rig = liar(CorruptPolicy::Skip, &format!("fetch partition=0 once: lie {lie}"));
        let [lied_about, other] = read_both(&mut rig, 10);
        assert_eq!(sound(&other), expected(0..6), "{lie}");
        let found = sound(&lied_about);
        let lost: Vec<_> = expected(0..6).into_iter().filter(|message| !found.contains(message)).collect();
        assert!(lost.len() <= 1, "{lie}: {lost:?} of {lied_about:?}");
        assert!(found.is_sorted() && found.iter().all(|message| expected(0..6).contains(message)), "{lie}: {found:?}");
        assert_eq!(rig.machine.assignment.position(&part(0)), Some(Offset(6)), "{lie}");
    }
}

#[test]
fn a_lie_that_is_told_again_and_again_delivers_nothing_wrong_and_other_partitions_go_on() {
    for policy in [CorruptPolicy::Skip, CorruptPolicy::Stop] {
        for lie in LIES {
            let mut rig = liar(policy, &format!("fetch partition=0: lie {lie}"));
            let [lied_about, other] = read_both(&mut rig, 10);
            assert_eq!(sound(&other), expected(0..6), "{lie}");
            let found = sound(&lied_about);
            // Where a broker says again and again that a message has another offset, it has that offset for its readers.
            let is_about_offsets = lie.starts_with("offset");
            let is_right = |(offset, value): &(i64, String)| *value == format!("v{offset}") || is_about_offsets;
            assert!(found.is_sorted_by(|a, b| a.0 < b.0), "{lie}: {found:?}");
            assert!(found.iter().all(is_right), "{lie}, {policy:?}: {lied_about:?}");
            let fetches = rig.machine.consumer.stats().fetches;
            rig.pass(10 * SECOND);
            let more = rig.machine.consumer.stats().fetches - fetches;
            assert!(more < 1000, "{lie}: {more} fetches in ten seconds");
        }
    }
}

#[test]
fn what_a_lie_hides_in_front_of_an_end_is_told_and_not_committed() {
    for lie in LIES {
        for (end, policy) in [EndAt::HighWatermark, EndAt::Offset(Offset(6)), EndAt::Offset(Offset(5))]
            .into_iter()
            .flat_map(|end| [CorruptPolicy::Skip, CorruptPolicy::Stop].map(|policy| (end, policy)))
        {
            let mut rig = liar_to(policy, &format!("fetch partition=0: lie {lie}"), end);
            let [lied_about, other] = read_both(&mut rig, 10);
            let last = if end == EndAt::Offset(Offset(5)) { 5 } else { 6 };
            assert_eq!(sound(&other), expected(0..last), "{lie}");
            let values: Vec<_> = sound(&lied_about).into_iter().map(|(_, value)| value).collect();
            let Some(missing) = (0..last).find(|n| !values.contains(&format!("v{n}"))) else { continue };
            let ended = rig
                .events
                .iter()
                .any(|event| matches!(event, ConsumerEvent::Ended { partition, .. } if *partition == part(0)));
            let told = lied_about.iter().any(Result::is_err)
                || rig.events.iter().any(|event| matches!(event, ConsumerEvent::Skipped { .. }));
            assert!(
                told || !ended,
                "{lie}, {end:?}, {policy:?}: {missing} is missing: {lied_about:?}, {:?}",
                rig.events
            );
            let committable = rig.machine.assignment.committable().find(|(of, _)| **of == part(0));
            let is_held = committable.is_none_or(|(_, offset)| offset.0 <= missing);
            assert!(
                is_held || policy == CorruptPolicy::Skip,
                "{lie}, {end:?}: {committable:?}, and {missing} is missing"
            );
        }
    }
}

#[test]
fn a_reader_that_stops_at_a_damaged_message_halts_its_partition_until_somebody_seeks() {
    let mut rig = liar(CorruptPolicy::Stop, "fetch partition=0: lie wrong-crc");
    let [damaged, other] = read_both(&mut rig, 3);
    assert_eq!(sound(&other), expected(0..6));
    assert!(matches!(damaged[..], [Err(MessageError { problem: MessageProblem::Crc { .. }, .. })]), "{damaged:?}");
    let corrupt: Vec<_> =
        rig.events.iter().filter(|event| matches!(event, ConsumerEvent::Corrupt { .. })).cloned().collect();
    assert_eq!(corrupt.len(), 1, "one event for each cause: {corrupt:?}");
    assert!(rig.machine.assignment.halted_at(&part(0)).is_some());
    assert_eq!(rig.machine.assignment.corrupt_entries(), 1);
    let committable = rig.machine.assignment.committable().map(|(of, offset)| (of.partition.0, offset.0));
    assert_eq!(committable.collect::<Vec<_>>(), [(0, 0), (1, 6)]);
    rig.brokers.clear_rules();
    assert_eq!(read_both(&mut rig, 3)[0], []);
    let _ = rig.command(|both, _| both.assignment.seek(&part(0), StartAt::Offset(Offset(1))));
    assert_eq!(sound(&read_both(&mut rig, 3)[0]), expected(1..6));
}

#[test]
fn codes_for_which_there_is_no_remedy_end_a_partition_and_all_others_are_waited_out() {
    for code in [35, 76] {
        let mut rig = liar(CorruptPolicy::Stop, &format!("fetch partition=0: answer code={code}"));
        let [none, other] = read_both(&mut rig, 5);
        assert_eq!((sound(&none), sound(&other)), (vec![], expected(0..6)));
        let is_failed = |event: &ConsumerEvent| match event {
            ConsumerEvent::Failed { cause: FetchCause::Refused { code: found, .. }, .. } => *found == ErrorCode(code),
            _ => false,
        };
        assert_eq!(rig.events.iter().filter(|event| is_failed(event)).count(), 1);
    }
    for code in [-1, 3, 5, 6, 9, 56, 999] {
        let mut rig = liar(CorruptPolicy::Stop, &format!("fetch partition=0 first=8: answer code={code}"));
        let [all, other] = read_both(&mut rig, 20);
        assert_eq!((sound(&all), sound(&other)), (expected(0..6), expected(0..6)), "{code}");
        assert!(!rig.events.iter().any(|event| matches!(event, ConsumerEvent::Failed { .. })), "{code}");
    }
}
