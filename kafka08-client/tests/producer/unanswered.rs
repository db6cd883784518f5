//! Acks 0.

use kafka08_broker::BrokerConfig;
use kafka08_client::{config::ProducerConfig, producer::ProducerEvent};
use kafka08_proto::ids::{Acks, NodeId};

use crate::{
    SECOND,
    both::{End, ProducerRig, append, ends, flush, log, rig},
};

fn unanswered(brokers: BrokerConfig) -> ProducerRig {
    rig(brokers, ProducerConfig::default().with_acks(Acks::NONE))
}

fn brokers() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 2)
}

fn unconfirmed(rig: &ProducerRig) -> Vec<u64> {
    let records = |event: &ProducerEvent<()>| match event {
        ProducerEvent::Unconfirmed { records, node: NodeId(1) } => Some(*records),
        _ => None,
    };
    rig.events.iter().filter_map(records).collect()
}

#[test]
fn records_are_written_and_a_flush_confirms_them() {
    let mut rig = unanswered(brokers());
    for n in 0..100u8 {
        append(&mut rig, i32::from(n % 2), &[n]);
    }
    assert_eq!(flush(&mut rig, SECOND), (0, 0));
    let ends = ends(&mut rig);
    assert!(ends.len() == 100 && ends.values().all(|end| matches!(end, End::Written)));
    assert_eq!(log(&mut rig, 0).len() + log(&mut rig, 1).len(), 100);
    assert_eq!(rig.machine.accumulator.buffered(), 0);
}

#[test]
fn a_batch_that_the_broker_refuses_is_unconfirmed_with_what_was_behind_it() {
    let mut rig = unanswered(brokers().with_max_message(1000));
    append(&mut rig, 0, b"good");
    assert_eq!(flush(&mut rig, SECOND), (0, 0));
    append(&mut rig, 0, &[0; 2000]);
    append(&mut rig, 0, b"behind");
    assert_eq!(flush(&mut rig, 5 * SECOND), (0, 2));
    assert_eq!(unconfirmed(&rig), [2]);
    // It is told once, and nothing is sent again.
    assert_eq!(flush(&mut rig, SECOND), (0, 0));
    append(&mut rig, 0, b"later");
    assert_eq!(flush(&mut rig, 5 * SECOND), (0, 0));
    assert_eq!(unconfirmed(&rig), [2]);
    assert_eq!(log(&mut rig, 0), [&b"good"[..], b"later"]);
}

#[test]
fn a_broker_that_dies_leaves_unconfirmed_what_was_written_since_the_last_flush() {
    let mut rig = unanswered(brokers());
    append(&mut rig, 0, b"a");
    flush(&mut rig, SECOND);
    append(&mut rig, 0, b"b");
    append(&mut rig, 1, b"c");
    rig.pass(SECOND);
    rig.cut(NodeId(1));
    rig.pass(SECOND);
    assert_eq!(unconfirmed(&rig), [2]);
    assert_eq!(flush(&mut rig, SECOND), (0, 2));
}
