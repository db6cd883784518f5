//! Random faults: what is read agrees with what the logs have, each offset once and in order.

use std::{collections::BTreeMap, time::Duration};

use kafka08_broker::BrokerConfig;
use kafka08_client::config::{ConsumerConfig, EndAt, ReleaseSetting, Reset, StartAt};
use kafka08_proto::{
    api::ProduceRequest,
    ids::{Acks, Millis, NodeId, Offset},
    message::{Codec, Deflater, MessageSetBuilder},
};
use proptest::prelude::*;

use crate::{
    SECOND,
    both::{ConsumerRig, ask, assign, cluster, part, pass, read, rig_at, take},
    rig::address,
};

const PARTITIONS: i32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Produce { partition: i32, messages: u8, compressed: bool },
    Pass(u64),
    Take(u8),
    Seek { partition: i32, to: u8 },
    Hold(i32),
    Cut(i32),
    Pause(i32),
    Resume(i32),
    Stop(i32),
    Start(i32),
    Move { partition: i32, to: i32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (node, partition) = (|| 1..4i32, || 0..PARTITIONS);
    let step = prop_oneof![
        8 => (partition(), 1..6u8, any::<bool>())
            .prop_map(|(partition, messages, compressed)| Step::Produce { partition, messages, compressed }),
        5 => (1..4000u64).prop_map(Step::Pass),
        6 => (1..4u8).prop_map(Step::Take),
        1 => (partition(), any::<u8>()).prop_map(|(partition, to)| Step::Seek { partition, to }),
        1 => partition().prop_map(Step::Hold),
        2 => node().prop_map(Step::Cut),
        1 => node().prop_map(Step::Pause),
        2 => node().prop_map(Step::Resume),
        1 => node().prop_map(Step::Stop),
        2 => node().prop_map(Step::Start),
        2 => (partition(), node()).prop_map(|(partition, to)| Step::Move { partition, to }),
    ];
    prop::collection::vec(step, 1..60)
}

struct World {
    rig: ConsumerRig,
    /// What was read in the present epoch of each partition.
    read: BTreeMap<i32, Vec<(i64, String)>>,
    /// The broker that is stopped. One at a time, so that some replica has everything.
    stopped: Option<i32>,
    produced: u32,
}

impl World {
    fn new() -> Self {
        // An unclean election loses what was read, and no client can help it.
        let brokers = BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 3);
        let brokers = brokers.without_unclean_election();
        let config = ConsumerConfig::default().with_partition_bytes(4096).with_room(20_000).with_reset(Reset::Earliest);
        let release = ReleaseSetting::Is(brokers.profile());
        let cluster = cluster().with_bootstrap((1..4).map(address)).with_release(release);
        let mut rig = rig_at(brokers, config.with_cluster(cluster));
        for partition in 0..PARTITIONS {
            assign(&mut rig, partition, StartAt::Earliest, EndAt::Never);
        }
        Self { rig, read: BTreeMap::new(), stopped: None, produced: 0 }
    }

    fn step(&mut self, step: &Step) {
        let rig = &mut self.rig;
        match step {
            Step::Produce { partition, messages, compressed } => self.produce(*partition, *messages, *compressed),
            Step::Pass(millis) => rig.pass(Duration::from_millis(*millis)),
            Step::Take(sets) => {
                for _ in 0..*sets {
                    self.take();
                }
            }
            Step::Seek { partition, to } => {
                let end = rig.machine.assignment.position(&part(*partition)).map_or(0, |position| position.0);
                let to = Offset(i64::from(*to) % (end + 1));
                let _ = rig.command(|both, _| both.assignment.seek(&part(*partition), StartAt::Offset(to)));
                self.read.insert(*partition, Vec::new());
            }
            Step::Hold(partition) => {
                let _ = rig.command(|both, _| both.assignment.pause(&part(*partition)));
                rig.pass(SECOND);
                let _ = rig.command(|both, _| both.assignment.resume(&part(*partition)));
            }
            Step::Cut(node) => rig.cut(NodeId(*node)),
            Step::Pause(node) => rig.brokers(|brokers, now| brokers.pause(NodeId(*node), now)),
            Step::Resume(node) => rig.brokers(|brokers, now| brokers.resume(NodeId(*node), now)),
            Step::Stop(node) if self.stopped.is_none() => {
                self.stopped = Some(*node);
                rig.brokers(|brokers, now| brokers.stop(NodeId(*node), now));
            }
            Step::Stop(_) => {}
            Step::Start(node) => {
                self.stopped = self.stopped.filter(|stopped| stopped != node);
                rig.brokers(|brokers, now| brokers.start(NodeId(*node), now));
            }
            Step::Move { partition, to } => {
                let _ = rig.brokers(|brokers, now| brokers.move_leader("t", *partition, NodeId(*to), now));
            }
        }
    }

    /// Asks all replicas for acknowledgement, so that no election takes it away.
    fn produce(&mut self, partition: i32, messages: u8, compressed: bool) {
        for node in 1..4 {
            self.rig.brokers(|brokers, now| brokers.resume(NodeId(node), now));
        }
        let Some(leader) = self.rig.brokers.leader("t", partition) else { return };
        let mut builder = MessageSetBuilder::default();
        for _ in 0..messages {
            builder.push(None, Some(format!("m{}", self.produced).as_bytes())).expect("small");
            self.produced += 1;
        }
        let set = match compressed {
            true => builder.build_compressed(Codec::Snappy, &mut Deflater::new()).expect("compressed"),
            false => builder.build(),
        };
        let request = ProduceRequest::new(Acks::LEADER, Millis(100)).with("t", partition, set);
        ask(&mut self.rig, leader, &request);
    }

    fn take(&mut self) {
        let Some(fetched) = take(&mut self.rig) else { return };
        let partition = fetched.partition().partition.0;
        let mut messages = fetched.open();
        let found = read(&mut messages).into_iter().map(|found| found.expect("it is sound"));
        self.read.entry(partition).or_default().extend(found);
        pass(&mut self.rig, &messages);
    }

    /// Ends all faults, and reads to the end.
    fn finish(mut self) -> Result<(), TestCaseError> {
        for node in 1..4 {
            self.rig.brokers(|brokers, now| brokers.resume(NodeId(node), now));
            self.rig.brokers(|brokers, now| brokers.start(NodeId(node), now));
        }
        for _ in 0..60 {
            self.rig.pass(SECOND / 2);
            for _ in 0..20 {
                self.take();
            }
        }
        for partition in 0..PARTITIONS {
            // A replica that was not in sync has become the leader: what was read is in no log any more.
            if self.rig.brokers.losses().iter().any(|loss| loss.partition.0 == partition) {
                continue;
            }
            let leader = self.rig.brokers.leader("t", partition).expect("it is led");
            let log: Vec<_> = crate::both::log(&mut self.rig, leader, partition);
            let found = self.read.remove(&partition).unwrap_or_default();
            let from = found.first().map_or(0, |(offset, _)| *offset);
            let expected: Vec<_> = log.into_iter().filter(|(offset, _)| *offset >= from).collect();
            if found.is_empty() {
                let end = expected.last().map_or(0, |(offset, _)| offset + 1);
                prop_assert_eq!(self.rig.machine.assignment.position(&part(partition)).map(|at| at.0), Some(end));
            } else {
                prop_assert_eq!(found, expected);
            }
        }
        prop_assert_eq!(self.rig.machine.assignment.undelivered(), 0);
        Ok(())
    }
}

proptest! {
    #[test]
    fn each_offset_is_read_once_and_in_order_whatever_happens_to_brokers(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.finish()?;
    }
}
