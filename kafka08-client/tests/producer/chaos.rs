//! Random faults: what is told of records agrees with what the logs have.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    accumulator::AppendError,
    config::{ClusterConfig, ProducerConfig, RetryPolicy},
    machine::Machine as _,
};
use kafka08_proto::{fate::Fate, ids::NodeId};
use proptest::prelude::*;

use crate::{
    SECOND,
    both::{End, Place, ProducerRig, append, ends, log, rig_at, try_append},
    rig::address,
};

const PARTITIONS: i32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Append { partition: i32, records: u8 },
    Pass(u64),
    Cut(i32),
    Pause(i32),
    Resume(i32),
    Stop(i32),
    Start(i32),
    Move { partition: i32, to: i32 },
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = || 1..4i32;
    let step = prop_oneof![
        8 => (0..PARTITIONS, 1..6u8).prop_map(|(partition, records)| Step::Append { partition, records }),
        5 => (1..4000u64).prop_map(Step::Pass),
        2 => node().prop_map(Step::Cut),
        1 => node().prop_map(Step::Pause),
        2 => node().prop_map(Step::Resume),
        1 => node().prop_map(Step::Stop),
        2 => node().prop_map(Step::Start),
        2 => (0..PARTITIONS, node()).prop_map(|(partition, to)| Step::Move { partition, to }),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..40)
}

struct World {
    rig: ProducerRig,
    /// Where each record went, and its value.
    records: BTreeMap<Place, (i32, Vec<u8>)>,
    up: [bool; 4],
}

impl World {
    fn new(policy: RetryPolicy) -> Self {
        // An unclean election loses records that were acknowledged, and no client can help it.
        let brokers = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 3);
        let brokers = brokers.without_unclean_election();
        let config = ProducerConfig::default().with_retry(policy).with_batch_size(200);
        let cluster = ClusterConfig::default().with_bootstrap((1..4).map(address));
        let mut rig = rig_at(brokers, config, cluster);
        let first = append(&mut rig, 0, b"0");
        Self { rig, records: BTreeMap::from([(first, (0, b"0".to_vec()))]), up: [true; 4] }
    }

    fn step(&mut self, step: &Step) {
        let rig = &mut self.rig;
        match step {
            Step::Append { partition, records } => {
                for _ in 0..*records {
                    let value = self.records.len().to_string().into_bytes();
                    match try_append(rig, *partition, &value) {
                        Ok(place) => drop(self.records.insert(place, (*partition, value))),
                        Err(AppendError::Full { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Step::Pass(millis) => rig.pass(Duration::from_millis(*millis)),
            Step::Cut(node) => rig.cut(NodeId(*node)),
            Step::Pause(node) => rig.brokers(|brokers, now| brokers.pause(NodeId(*node), now)),
            Step::Resume(node) => rig.brokers(|brokers, now| brokers.resume(NodeId(*node), now)),
            Step::Stop(node) => self.stop(*node),
            Step::Start(node) => self.start(*node),
            Step::Move { partition, to } => {
                // A broker that is down cannot lead.
                let _ = rig.brokers(|brokers, now| brokers.move_leader("t", *partition, NodeId(*to), now));
            }
            Step::Flush => {
                rig.command(|both, _| both.accumulator.flush());
            }
        }
    }

    fn stop(&mut self, node: i32) {
        let up = self.up.get_mut(usize::try_from(node).expect("small")).expect("there is such a broker");
        // The last one stays up, so that no log is lost.
        if std::mem::replace(up, false) {
            if self.up[1..].iter().any(|up| *up) {
                self.rig.brokers(|brokers, now| brokers.stop(NodeId(node), now));
            } else {
                *self.up.get_mut(usize::try_from(node).expect("small")).expect("there is such a broker") = true;
            }
        }
    }

    fn start(&mut self, node: i32) {
        let up = self.up.get_mut(usize::try_from(node).expect("small")).expect("there is such a broker");
        if !std::mem::replace(up, true) {
            self.rig.brokers(|brokers, now| brokers.start(NodeId(node), now));
        }
    }

    fn heal(&mut self) {
        for node in 1..4 {
            self.start(node);
            self.rig.brokers(|brokers, now| brokers.resume(NodeId(node), now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn what_is_told_of_records_agrees_with_the_logs(steps in steps(), policy in 0..3usize) {
        use RetryPolicy::{AtLeastOnce, Never, OnlyNotApplied};
        let policy = [Never, OnlyNotApplied, AtLeastOnce][policy];
        let mut world = World::new(policy);
        for step in &steps {
            world.step(step);
        }
        world.heal();
        world.rig.command(|both, now| both.accumulator.close(now + 300 * SECOND));
        world.rig.wait_until(200 * SECOND, |rig| rig.machine.is_over());
        let ends = ends(&mut world.rig);
        prop_assert_eq!(ends.len(), world.records.len(), "every record ends once");
        prop_assert_eq!(world.rig.machine.accumulator.buffered(), 0);
        let logs: Vec<_> = (0..PARTITIONS).map(|partition| log(&mut world.rig, partition)).collect();
        // What was cut off from a log was lost by the brokers: a replica led that was not in sync.
        let lossy: BTreeSet<_> = world.rig.brokers.losses().iter().map(|loss| loss.partition.0).collect();
        let mut last = BTreeMap::new();
        for (place, (partition, value)) in &world.records {
            let log = &logs[usize::try_from(*partition).expect("small")];
            let found: Vec<_> = (0..log.len()).filter(|n| log[*n] == *value).collect();
            match &ends[place] {
                End::Delivered { .. } if lossy.contains(partition) => {}
                End::Delivered { maybe_applied, base } => {
                    prop_assert!(!found.is_empty(), "{place:?} is lost");
                    prop_assert!(found.len() <= 1 + *maybe_applied as usize);
                    let at = base.and_then(|base| usize::try_from(base).ok());
                    prop_assert!(at.is_none_or(|at| found.contains(&at)), "{base:?} {found:?}");
                }
                End::Failed(error) => {
                    let most = if error.fate == Fate::NotApplied { 0 } else { error.attempts as usize };
                    prop_assert!(found.len() <= most, "{error}: {found:?}");
                }
                End::Written => prop_assert!(false, "acks is not 0"),
            }
            prop_assert!(policy == AtLeastOnce || found.len() <= 1);
            if let Some(first) = found.first().filter(|_| !lossy.contains(partition)) {
                // First occurrences are in the order of the calls, unless a broker that was left has stored them late.
                if let (End::Delivered { maybe_applied: 0, .. }, Some(before)) = (&ends[place], last.get(partition)) {
                    prop_assert!(first > before, "{place:?}");
                }
                last.insert(*partition, *first);
            }
        }
    }
}
