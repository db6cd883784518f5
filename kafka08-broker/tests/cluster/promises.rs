//! What is acknowledged by all is not lost, unless a loss names it: random schedules.

use std::collections::BTreeSet;

use kafka08_broker::{BrokerConfig, Loss};
use kafka08_proto::{
    ClientEvent,
    api::ProduceRequest,
    connection::Ticket,
    ids::{Acks, Millis, NodeId},
};
use proptest::{collection::vec, prelude::*};

use crate::{
    rig::{Rig, plain, values},
    steps::{OK, ends, fetched_for_debugging, hold, kill, leader, let_go, move_to, ms, reconnect, second, start},
};

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

#[derive(Clone, Copy, Debug)]
enum Step {
    Produce(i16),
    Kill(NodeId),
    Crash(NodeId),
    Flush(NodeId),
    Start(NodeId),
    Move(NodeId),
    Hold(NodeId),
    LetGo(NodeId),
    Pause(NodeId),
    Resume(NodeId),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = || prop::sample::select(NODES.to_vec());
    let step = prop_oneof![
        6 => prop::sample::select(vec![-1i16, -1, -1, 1, 2]).prop_map(Step::Produce),
        2 => node().prop_map(Step::Kill),
        1 => node().prop_map(Step::Crash),
        1 => node().prop_map(Step::Flush),
        3 => node().prop_map(Step::Start),
        2 => node().prop_map(Step::Move),
        1 => node().prop_map(Step::Hold),
        2 => node().prop_map(Step::LetGo),
        1 => node().prop_map(Step::Pause),
        2 => node().prop_map(Step::Resume),
        4 => (1..150u64).prop_map(Step::Pass),
    ];
    vec(step, 1..40)
}

/// A produce whose answer has not come, and its value.
struct Sent {
    client: u64,
    ticket: Ticket<ProduceRequest>,
    acks: i16,
    value: String,
}

/// A message that was acknowledged.
struct Stored {
    offset: i64,
    value: String,
    acks: i16,
    /// How many losses there were before.
    losses: usize,
}

struct Run {
    rig: Rig,
    sent: Vec<Sent>,
    stored: Vec<Stored>,
    paused: BTreeSet<NodeId>,
    next_client: u64,
}

impl Run {
    fn new(config: BrokerConfig) -> Self {
        let (rig, _) = Rig::of_three(config);
        Self { rig, sent: Vec::new(), stored: Vec::new(), paused: BTreeSet::new(), next_client: 100 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Produce(acks) => self.produce(acks),
            Step::Kill(node) => kill(&mut self.rig, node),
            Step::Crash(node) => self.rig.with(|cluster, now| cluster.crash(node, now)),
            Step::Flush(node) => self.rig.with(|cluster, _| cluster.flush(node)),
            Step::Start(node) => self.rig.with(|cluster, now| cluster.start(node, now)),
            Step::Move(node) => move_to(&mut self.rig, node),
            Step::Hold(node) => hold(&mut self.rig, node),
            Step::LetGo(node) => let_go(&mut self.rig, node),
            Step::Pause(node) => self.rig.with(|cluster, now| cluster.pause(node, now)),
            Step::Resume(node) => self.rig.with(|cluster, now| cluster.resume(node, now)),
            Step::Pass(millis) => self.rig.pass(ms(millis)),
        }
        match step {
            Step::Pause(node) => drop(self.paused.insert(node)),
            Step::Resume(node) | Step::Kill(node) | Step::Crash(node) => drop(self.paused.remove(&node)),
            _ => {}
        }
        self.take_answers();
    }

    /// Produces one message to the leader, if it is there.
    fn produce(&mut self, acks: i16) {
        let Some(leader) = leader(&self.rig.cluster) else { return };
        let client = self.next_client;
        if self.rig.try_connect(client, leader).is_err() {
            return;
        }
        self.next_client += 1;
        let value = format!("v{client}");
        let request = ProduceRequest::new(Acks(acks), Millis(300)).with("t", 0, values(&[&value]));
        let ticket = self.rig.send(client, &request);
        self.sent.push(Sent { client, ticket, acks, value });
    }

    fn take_answers(&mut self) {
        let losses = self.rig.cluster.losses().len();
        for Sent { client, ticket, acks, value } in std::mem::take(&mut self.sent) {
            match self.rig.events(client).pop() {
                None => self.sent.push(Sent { client, ticket, acks, value }),
                Some(ClientEvent::Response(frame)) => {
                    let response = ticket.redeem(frame).expect("well formed");
                    let told = response.topics.find("t", 0).expect("it is told");
                    if told.error == OK {
                        self.stored.push(Stored { offset: told.offset.0, value, acks, losses });
                    }
                }
                // The broker was killed, and nobody knows what became of the message.
                Some(_) => {}
            }
        }
    }

    /// What a replica shows to a consumer for debugging: all below its high watermark.
    fn log(&mut self, node: NodeId) -> Option<Vec<(i64, String)>> {
        if self.paused.contains(&node) || self.rig.try_connect(second(node), node).is_err() {
            return None;
        }
        Some(plain(&fetched_for_debugging(&mut self.rig, node, 0).messages))
    }

    /// Each log begins with what a shorter one has.
    fn check_prefixes(&mut self) {
        let logs: Vec<_> = NODES.into_iter().filter_map(|node| self.log(node)).collect();
        let longest = logs.iter().max_by_key(|log| log.len()).cloned().unwrap_or_default();
        for log in logs {
            assert!(longest.starts_with(&log), "{longest:?} does not begin with {log:?}");
        }
    }

    /// Repairs everything, and waits until it has healed.
    fn heal(&mut self) {
        for node in NODES {
            self.rig.with(|cluster, now| cluster.resume(node, now));
            start(&mut self.rig, node);
            let_go(&mut self.rig, node);
        }
        self.paused.clear();
        self.rig.pass(ms(2000));
        self.take_answers();
        NODES.into_iter().for_each(|node| reconnect(&mut self.rig, node));
    }

    fn check(&mut self) {
        let leader = leader(&self.rig.cluster).expect("all brokers are back");
        let (end, high_watermark) = ends(&self.rig, leader);
        assert_eq!(high_watermark, end);
        let log = self.log(leader).expect("it runs");
        assert_eq!(log.len(), usize::try_from(end).expect("small"));
        for node in NODES {
            assert_eq!((ends(&self.rig, node), self.log(node).as_ref()), ((end, end), Some(&log)));
        }
        assert!(log.iter().map(|(offset, _)| *offset).eq(0..end), "there are no gaps");
        let losses = self.rig.cluster.losses();
        for stored in &self.stored {
            let is_there = log.contains(&(stored.offset, stored.value.clone()));
            let later = losses.get(stored.losses..).unwrap_or_default();
            let is_told = later.iter().any(|Loss { from, to, .. }| (from.0..to.0).contains(&stored.offset));
            let Stored { offset, value, acks, .. } = stored;
            assert!(!is_there || !is_told, "{value} at {offset} is there, and was told to be lost: {losses:?}");
            assert!(*acks != -1 || is_there || is_told, "{value} at {offset} is lost: {losses:?}");
        }
    }
}

proptest! {
    #[test]
    fn what_all_replicas_have_acknowledged_stays_unless_a_loss_names_it(
        steps in steps(),
        seed in any::<u64>(),
        lags in any::<bool>(),
        may_lose in any::<bool>(),
    ) {
        let config = BrokerConfig::default().with_seed(seed).with_min_insync(2).with_isr_lag(ms(100));
        let config = config.with_election_delay(ms(50)).with_replication_lag(ms(if lags { 30 } else { 0 }));
        let mut run = Run::new(if may_lose { config } else { config.without_unclean_election() });
        for step in steps {
            run.step(step);
            run.check_prefixes();
        }
        run.heal();
        run.check();
    }
}
