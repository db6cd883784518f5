//! Every record ends once, whatever brokers and links do.

use std::{collections::BTreeMap, time::Duration};

use kafka08_proto::{fate::Fate, ids::NodeId};
use proptest::prelude::*;

use super::rig::Rig;
use crate::{
    accumulator::PartIndex,
    config::{ProducerConfig, RetryPolicy},
    producer::{Outcome, ProducerEvent},
};

#[derive(Clone, Debug)]
enum Step {
    Add { partition: i32, records: usize },
    Send,
    Touch(usize),
    Answer { which: usize, code: i16 },
    Fail { which: usize, fate: Fate },
    Silent(i32),
    Lost(i32),
    Ready(i32),
    Move { partition: i32, node: Option<i32> },
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let code = prop::sample::select(vec![0, 0, 0, 6, 3, 7, 10, 10, 18, 19, 2, -1, 99, 17]);
    let fate = prop::sample::select(vec![Fate::NotApplied, Fate::MaybeApplied]);
    let step = prop_oneof![
        5 => (0..4i32, 1..6usize).prop_map(|(partition, records)| Step::Add { partition, records }),
        6 => Just(Step::Send),
        2 => (0..4usize).prop_map(Step::Touch),
        6 => (0..4usize, code).prop_map(|(which, code)| Step::Answer { which, code }),
        2 => (0..4usize, fate).prop_map(|(which, fate)| Step::Fail { which, fate }),
        1 => (1..3i32).prop_map(Step::Silent),
        1 => (1..3i32).prop_map(Step::Lost),
        2 => (1..3i32).prop_map(Step::Ready),
        2 => (0..4i32, prop::option::of(1..3i32)).prop_map(|(partition, node)| Step::Move { partition, node }),
        3 => (1..60_000u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..80)
}

struct World {
    rig: Rig,
    policy: RetryPolicy,
    /// Records of each batch, and how many have ended.
    records: BTreeMap<u64, (u32, Vec<bool>)>,
    busy: BTreeMap<PartIndex, u64>,
}

impl World {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Add { partition, records } => {
                let part = PartIndex::first(u32::try_from(*partition).expect("small"));
                if !self.busy.contains_key(&part) {
                    let id = self.rig.add(*partition, &vec![&b"v"[..]; *records]);
                    self.busy.insert(part, id.0);
                    let records = u32::try_from(*records).expect("small");
                    self.records.insert(id.0, (records, vec![false; records as usize]));
                }
            }
            Step::Send => self.send(),
            Step::Touch(which) => self.with_request(*which, |rig, token| {
                rig.net.touched.insert(token);
            }),
            Step::Answer { which, code } => {
                let code = *code;
                self.with_request(*which, |rig, token| rig.answer_with_code(token, code));
            }
            Step::Fail { which, fate } => {
                let fate = *fate;
                self.with_request(*which, |rig, token| {
                    let fate = if rig.net.touched.contains(&token) { fate } else { Fate::NotApplied };
                    rig.time_out(token, fate);
                });
            }
            Step::Silent(node) => {
                self.rig.batches.handle_silent(&mut self.rig.net, self.rig.now, NodeId(*node));
            }
            Step::Lost(node) => self.rig.batches.handle_not_connected(NodeId(*node), "refused".into()),
            Step::Ready(node) => self.rig.batches.handle_ready(self.rig.now, NodeId(*node)),
            Step::Move { partition, node } => self.rig.move_leader(*partition, *node),
            Step::Pass(millis) => self.rig.pass(Duration::from_millis(*millis)),
        }
        self.take();
    }

    fn send(&mut self) {
        for (_, token) in self.rig.send() {
            for id in self.rig.batches.requests[&token].batches.clone() {
                let flight = &self.rig.batches.flights[&id];
                let piece = &flight.pieces[0];
                // The policy is judged on all attempts before this one.
                assert!(piece.fate() == Fate::NotApplied || self.policy == RetryPolicy::AtLeastOnce);
                let is_half = piece.records < self.records[&id.0].0;
                assert!(self.policy != RetryPolicy::Never || piece.attempts == 1 || is_half);
            }
        }
    }

    fn with_request(&mut self, which: usize, act: impl FnOnce(&mut Rig, crate::links::Token)) {
        let open: Vec<_> = self.rig.batches.requests.keys().copied().collect();
        if let Some(token) = open.get(which % open.len().max(1)) {
            act(&mut self.rig, *token);
        }
    }

    fn take(&mut self) {
        for event in std::mem::take(&mut self.rig.batches.events) {
            let ProducerEvent::Ended { batch, records, outcome, .. } = event else { continue };
            let (_, ended) = self.records.get_mut(&batch.0).expect("it was added");
            for n in records.clone() {
                let ended = &mut ended[n as usize];
                assert!(!*ended, "{batch:?} {n} has ended twice");
                *ended = true;
            }
            if let Outcome::Failed { records: set, error } = outcome {
                assert_eq!(set.entries().count(), records.len());
                let is_known = error.attempts > 0 || error.fate == Fate::NotApplied;
                assert!(is_known, "nothing was sent, so nothing can be stored");
            }
        }
        let returns = std::mem::take(&mut self.rig.batches.returns);
        for (part, _) in returns.released {
            let batch = self.busy.remove(&part).expect("a partition is released once for each batch");
            assert!(self.records[&batch].1.iter().all(|ended| *ended), "{batch} was let go with records");
        }
        for batch in returns.ended {
            assert!(self.records[&batch.0].1.iter().all(|ended| *ended), "{batch:?} has not ended");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn every_record_ends_once_and_every_partition_is_let_go(steps in steps(), policy in 0..3usize) {
        use RetryPolicy::{AtLeastOnce, Never, OnlyNotApplied};
        let policy = [Never, OnlyNotApplied, AtLeastOnce][policy];
        let rig = Rig::new(&ProducerConfig::default().with_retry(policy));
        let (records, busy) = (BTreeMap::new(), BTreeMap::new());
        let mut world = World { rig, policy, records, busy };
        for step in &steps {
            world.step(step);
        }
        // Whatever is left ends at its delivery timeout, and every request ends at last.
        world.step(&Step::Pass(121_000));
        for _ in 0..200 {
            world.step(&Step::Fail { which: 0, fate: Fate::MaybeApplied });
        }
        prop_assert!(world.records.values().all(|(_, ended)| ended.iter().all(|ended| *ended)));
        prop_assert!(world.busy.is_empty(), "{:?}", world.busy);
        prop_assert_eq!(world.rig.batches.poll_timeout(), None);
        prop_assert!(world.rig.batches.by_name.is_empty() && world.rig.batches.parts.is_empty());
        prop_assert!(world.rig.batches.nodes.values().all(|node| node.ready.is_empty() && node.in_flight.is_empty()));
    }
}
