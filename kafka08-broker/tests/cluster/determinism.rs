use bytes::Bytes;
use kafka08_broker::{BrokerConfig, Outcome};
use kafka08_proto::{
    api::{
        ConsumerMetadataRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequestV1,
        OffsetFetchRequestV1, ProduceRequest,
    },
    ids::{Acks, Millis, NodeId, Offset, OffsetTime},
};

use crate::{
    rig::{Rig, values},
    steps::ms,
};

/// What became of each request: broker, outcome, answer.
type Trace = Vec<(NodeId, Outcome, Option<Bytes>)>;

/// A schedule that depends only on its own number (a linear congruential generator, by Donald Knuth).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn node(&mut self) -> NodeId {
        NodeId(i32::try_from(self.below(3)).expect("small") + 1)
    }

    fn partition(&mut self) -> i32 {
        i32::try_from(self.below(3)).expect("small")
    }

    fn text(&mut self) -> String {
        format!("value {}", self.below(1000))
    }
}

/// Sends one request on a connection of its own.
fn request(rig: &mut Rig, draw: &mut Draw, client: u64) {
    let node = draw.node();
    if rig.try_connect(client, node).is_err() {
        return;
    }
    let (acks, text) =
        (*[-1, 0, 1, 2].get(usize::try_from(draw.below(4)).expect("small")).expect("below"), draw.text());
    let (a, b) = (draw.partition(), draw.partition());
    match draw.below(8) {
        0..=2 => {
            let set = values(&[&text]);
            let request = ProduceRequest::new(Acks(acks), Millis(50)).with("t", a, set.clone()).with("u", b, set);
            let _ = rig.send(client, &request);
        }
        3 => {
            let wait = Millis(i32::try_from(draw.below(100)).expect("small"));
            let request = FetchRequest::new(wait, 1).with("t", a, Offset(0), 1000).with("u", b, Offset(1), 1000);
            let _ = rig.send(client, &request);
        }
        4 => {
            let _ = rig.send(client, &MetadataRequest::all());
        }
        5 => {
            let request = ListOffsetsRequest::new().with("t", a, OffsetTime::LATEST).with("u", b, OffsetTime::EARLIEST);
            let _ = rig.send(client, &request);
        }
        6 => {
            let _ = rig.send(client, &ConsumerMetadataRequest::new("g"));
            let _ = rig.send(client, &OffsetCommitRequestV1::new("g").with("t", a, Offset(3), text));
        }
        _ => {
            let _ = rig.send(client, &OffsetFetchRequestV1::new("g").with("t", a).with("u", b).with("t", b));
        }
    }
}

fn command(rig: &mut Rig, draw: &mut Draw) {
    let (node, partition) = (draw.node(), draw.partition());
    let of = |result: Result<(), kafka08_broker::NoSuchPartition>| result.expect("it has a replica");
    match draw.below(9) {
        0 => rig.with(|cluster, now| cluster.kill(node, now)),
        1 | 2 => rig.with(|cluster, now| cluster.start(node, now)),
        3 => rig.with(|cluster, now| of(cluster.move_leader("t", partition, node, now))),
        4 => rig.with(|cluster, _| of(cluster.hold_back("u", partition, node))),
        5 => rig.with(|cluster, now| of(cluster.let_go("u", partition, node, now))),
        6 => rig.with(|cluster, now| cluster.pause(node, now)),
        7 => rig.with(|cluster, now| cluster.resume(node, now)),
        _ => rig.with(|cluster, now| cluster.crash(node, now)),
    }
}

fn run(schedule: u64, seed: u64) -> Trace {
    let config = BrokerConfig::default().with_brokers(3).with_topic("t", 3).with_topic("u", 3).with_seed(seed);
    let config = config.with_replication_lag(ms(20)).with_metadata_delay(ms(5)).with_history_entries(10_000);
    let mut rig = Rig::new(config.with_isr_lag(ms(100)));
    let mut draw = Draw(schedule);
    for client in 0..200 {
        match draw.below(4) {
            0 => command(&mut rig, &mut draw),
            1 => rig.pass(ms(draw.below(40))),
            _ => request(&mut rig, &mut draw, client),
        }
    }
    rig.pass(ms(10_000));
    let history = rig.cluster.history();
    assert_eq!(history.dropped(), 0);
    history
        .iter()
        .map(|seen| (seen.node, seen.outcome, seen.response.as_ref().and_then(|told| told.body.clone())))
        .collect()
}

#[test]
fn the_same_seed_requests_times_and_commands_give_the_same_bytes() {
    for schedule in 0..40 {
        let trace = run(schedule, schedule + 7);
        assert!(trace.len() > 20, "{}", trace.len());
        assert_eq!(trace, run(schedule, schedule + 7), "{schedule}");
    }
}

#[test]
fn another_seed_gives_other_bytes_somewhere() {
    let differs = (0..5).filter(|schedule| run(*schedule, 1) != run(*schedule, 2)).count();
    assert_eq!(differs, 5);
}
