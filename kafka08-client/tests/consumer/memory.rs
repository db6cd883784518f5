//! What has come and was not taken stays within the room that was set, whatever the sizes of messages and whoever takes nothing.

use std::{collections::BTreeSet, time::Duration};

use kafka08_broker::BrokerConfig;
use kafka08_client::config::{ConsumerConfig, EndAt, StartAt};
use proptest::prelude::*;

use crate::both::{ConsumerRig, assign, part, produce, rig, take};

const BROKERS: u16 = 3;
const PARTITIONS: u16 = 12;
/// The bytes of an entry besides its value.
const ENTRY: usize = 26;
/// What each partition has at least, by the documentation of `ConsumerConfig::with_room`.
const LEAST: usize = 8 << 10;
/// The largest value that fits into whatever a fetch asks for of a partition.
const SMALL: usize = 4096 - ENTRY;
/// The largest value that does not.
const LARGE: usize = 200_000;

#[derive(Clone, Debug)]
enum Step {
    Produce { partition: u16, messages: usize, bytes: usize },
    Pass(u64),
    Take(u8),
    Pause(u16),
    Resume(u16),
    Seek(u16),
}

fn steps(largest: usize) -> impl Strategy<Value = Vec<Step>> {
    let partition = || 0..PARTITIONS;
    let most: usize = if largest > SMALL { 8 } else { 80 };
    // As many small ones as large ones, and everything between.
    let bytes =
        (1..18u32, any::<u32>()).prop_map(move |(bits, low)| ((1 << bits) | (low as usize % (1 << bits))).min(largest));
    let step = prop_oneof![
        6 => (partition(), 1..most, bytes)
            .prop_map(|(partition, messages, bytes)| Step::Produce { partition, messages, bytes }),
        4 => (1..1000u64).prop_map(Step::Pass),
        2 => (1..6u8).prop_map(Step::Take),
        2 => partition().prop_map(Step::Pause),
        1 => partition().prop_map(Step::Resume),
        1 => partition().prop_map(Step::Seek),
    ];
    prop::collection::vec(step, 1..120)
}

/// Does all steps, and looks at what is held behind each. No message has more than `largest` bytes.
fn hold(room: usize, partition_bytes: usize, largest: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let brokers = BrokerConfig::default().with_brokers(BROKERS).with_topic("t", PARTITIONS);
    let config = ConsumerConfig::default().with_room(room).with_partition_bytes(partition_bytes);
    let mut rig = rig(brokers, config);
    for partition in 0..PARTITIONS {
        assign(&mut rig, partition.into(), StartAt::Earliest, EndAt::Never);
    }
    let brokers = usize::from(BROKERS);
    let of_broker = (room / brokers).max(LEAST * usize::from(PARTITIONS) / brokers);
    let mut paused = BTreeSet::new();
    for (number, step) in steps.iter().enumerate() {
        do_step(&mut rig, step, &mut paused);
        let held = rig.machine.assignment.undelivered();
        // One message that is larger, of each broker and of each partition that is paused.
        let larger = if largest > SMALL { brokers + paused.len() } else { 0 };
        let most = brokers * of_broker + larger * (largest + ENTRY);
        prop_assert!(held <= most, "{held} bytes are held behind step {number}, and {most} may be");
        let stats = rig.machine.assignment.stats();
        prop_assert_eq!(rig.machine.assignment.is_finished(), stats.finished == stats.partitions);
    }
    // Nothing is stuck: what is left comes when everybody takes.
    for partition in 0..PARTITIONS {
        let _ = rig.command(|both, _| both.assignment.resume(&part(partition.into())));
    }
    for _ in 0..600 {
        while take(&mut rig).is_some() {}
        rig.pass(Duration::from_millis(200));
        if (0..PARTITIONS).all(|n| rig.machine.assignment.lag(&part(n.into())) == Some(0)) {
            break;
        }
    }
    let behind: Vec<_> = (0..PARTITIONS).map(|n| rig.machine.assignment.lag(&part(n.into()))).collect();
    prop_assert!(behind.iter().all(|lag| *lag == Some(0)), "{behind:?}");
    prop_assert_eq!(rig.machine.assignment.undelivered(), 0);
    Ok(())
}

fn do_step(rig: &mut ConsumerRig, step: &Step, paused: &mut BTreeSet<u16>) {
    match *step {
        Step::Produce { partition, messages, bytes } => {
            produce(rig, partition.into(), (0..messages).map(|_| "x".repeat(bytes)));
        }
        Step::Pass(millis) => rig.pass(Duration::from_millis(millis)),
        Step::Take(sets) => (0..sets).for_each(|_| drop(take(rig))),
        Step::Pause(partition) => {
            let _ = rig.command(|both, _| both.assignment.pause(&part(partition.into())));
            paused.insert(partition);
        }
        Step::Resume(partition) => {
            let _ = rig.command(|both, _| both.assignment.resume(&part(partition.into())));
            paused.remove(&partition);
        }
        Step::Seek(partition) => {
            let _ = rig.command(|both, _| both.assignment.seek(&part(partition.into()), StartAt::Earliest));
        }
    }
}

fn room() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0usize), 60_000..600_000usize]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_waits_stays_within_the_room(room in room(), bytes in 4096..100_000usize, steps in steps(SMALL)) {
        hold(room, bytes, SMALL, &steps)?;
    }

    #[test]
    fn large_messages_exceed_the_room_by_one_each(room in room(), bytes in 4096..100_000usize, steps in steps(LARGE)) {
        hold(room, bytes, LARGE, &steps)?;
    }
}
