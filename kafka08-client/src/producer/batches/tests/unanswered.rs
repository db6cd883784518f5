//! Requests without answers.

use kafka08_proto::ids::{Acks, NodeId};

use super::rig::Rig;
use crate::{
    config::ProducerConfig,
    links::Token,
    producer::{Outcome, ProducerEvent},
};

fn rig() -> Rig {
    Rig::new(&ProducerConfig::default().with_acks(Acks::NONE))
}

fn write(rig: &mut Rig) -> Token {
    rig.add(0, &[b"a", b"b"]);
    let token = rig.send_one();
    rig.batches.handle_written(&mut rig.net, rig.now, token);
    token
}

fn unconfirmed(rig: &mut Rig) -> Vec<u64> {
    let events = std::mem::take(&mut rig.batches.events);
    let records = |event| match event {
        ProducerEvent::Unconfirmed { node: NodeId(1), records } => Some(records),
        _ => None,
    };
    events.into_iter().filter_map(records).collect()
}

#[test]
fn records_end_when_they_are_written_and_are_never_sent_again() {
    let mut rig = rig();
    write(&mut rig);
    assert!(matches!(rig.told()[..], [(_, Outcome::Written { .. })]));
    assert_eq!((rig.released(), rig.net.probes), (1, 0));
    assert!(rig.send().is_empty());
}

#[test]
fn what_a_lost_link_leaves_unconfirmed_is_told_once() {
    let mut rig = rig();
    let tokens = [write(&mut rig), write(&mut rig)];
    rig.batches.handle_ended(&rig.net, NodeId(1), &tokens);
    assert_eq!(unconfirmed(&mut rig), [4]);
    rig.batches.handle_ended(&rig.net, NodeId(1), &tokens);
    assert!(unconfirmed(&mut rig).is_empty());
    assert!(rig.batches.is_settled(rig.batches.mark()));
}

#[test]
fn an_answer_behind_the_writes_confirms_those_before_it() {
    let mut rig = rig();
    write(&mut rig);
    let mark = rig.batches.mark();
    rig.batches.confirm_all();
    let confirm = rig.send_one();
    let later = write(&mut rig);
    assert!(!rig.batches.is_settled(mark));
    rig.answer(confirm, &[]);
    assert!(rig.batches.is_settled(mark));
    rig.batches.handle_ended(&rig.net, NodeId(1), &[later]);
    assert_eq!(unconfirmed(&mut rig), [2]);
}

#[test]
fn what_is_written_after_a_flush_has_asked_is_confirmed_too() {
    let mut rig = rig();
    rig.add(0, &[b"a"]);
    let late = rig.send_one();
    // A flush of what was written before, elsewhere. It counts what was sent.
    let mark = rig.batches.mark();
    rig.batches.confirm_all();
    assert!(rig.send().is_empty(), "nothing was written");
    rig.batches.handle_written(&mut rig.net, rig.now, late);
    assert!(!rig.batches.is_settled(mark));
    let confirm = rig.send_one();
    rig.answer(confirm, &[]);
    assert!(rig.batches.is_settled(mark));
}

#[test]
fn what_a_confirmation_was_staged_behind_needs_no_other() {
    let mut rig = rig();
    write(&mut rig);
    rig.add(2, &[b"a"]);
    let late = rig.send_one();
    let mark = rig.batches.mark();
    rig.batches.confirm_all();
    let confirm = rig.send_one();
    rig.batches.handle_written(&mut rig.net, rig.now, late);
    assert!(rig.send().is_empty());
    rig.answer(confirm, &[]);
    assert!(rig.batches.is_settled(mark));
}

#[test]
fn a_confirmation_that_fails_proves_nothing() {
    let mut rig = rig();
    write(&mut rig);
    let mark = rig.batches.mark();
    rig.batches.confirm_all();
    let confirm = rig.send_one();
    rig.time_out(confirm, kafka08_proto::fate::Fate::MaybeApplied);
    assert_eq!(unconfirmed(&mut rig), [2]);
    assert!(rig.batches.is_settled(mark));
}

#[test]
fn many_writes_are_confirmed_without_a_flush() {
    let mut rig = rig();
    for _ in 0..1023 {
        write(&mut rig);
    }
    assert!(rig.send().is_empty());
    write(&mut rig);
    let confirm = rig.send_one();
    rig.answer(confirm, &[]);
    assert!(rig.batches.is_settled(rig.batches.mark()));
}
