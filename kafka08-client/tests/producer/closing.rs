//! How a producer ends.

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    accumulator::AppendError,
    config::ProducerConfig,
    machine::{Machine as _, Output},
    producer::ProduceCause,
};
use kafka08_proto::{
    fate::Fate,
    ids::{Acks, NodeId},
};

use crate::{
    SECOND,
    both::{End, ProducerRig, append, ends, flush, flushed, log, rig, try_append},
};

fn close(rig: &mut ProducerRig, within: std::time::Duration) {
    rig.command(|both, now| both.accumulator.close(now + within));
}

#[test]
fn closing_delivers_what_was_appended_and_ends_every_link() {
    for acks in [Acks::ALL, Acks::LEADER, Acks::NONE] {
        let brokers = BrokerConfig::default().with_brokers(3).with_topic("t", 6);
        let mut rig = rig(brokers, ProducerConfig::default().with_acks(acks).with_linger(60 * SECOND));
        for partition in 0..6 {
            append(&mut rig, partition, b"v");
        }
        close(&mut rig, 10 * SECOND);
        assert_eq!(try_append(&mut rig, 0, b"late"), Err(AppendError::Closed));
        rig.wait_until(SECOND, |rig| rig.machine.is_over());
        let ends = ends(&mut rig);
        assert!(ends.len() == 6 && ends.values().all(|end| !matches!(end, End::Failed(_))), "{ends:?}");
        assert_eq!((0..6).map(|partition| log(&mut rig, partition).len()).sum::<usize>(), 6);
        assert_eq!((rig.open_links(), rig.machine.poll_timeout()), (0, None));
    }
}

#[test]
fn what_has_not_ended_at_the_deadline_is_aborted_with_its_fate() {
    let brokers = BrokerConfig::default().with_topic("t", 2);
    let mut rig = rig(brokers, ProducerConfig::default());
    append(&mut rig, 0, b"0");
    flush(&mut rig, SECOND);
    ends(&mut rig);
    rig.brokers(|brokers, now| brokers.pause(NodeId(1), now));
    let sent = append(&mut rig, 0, b"1");
    rig.pass(SECOND);
    let behind = append(&mut rig, 0, b"2");
    let id = rig.command(|both, _| both.accumulator.flush());
    close(&mut rig, 5 * SECOND);
    rig.wait_until(6 * SECOND, |rig| rig.machine.is_over());
    let told = rig.events.iter().find_map(|event| flushed(event, id));
    assert_eq!(told, Some((2, 0)), "a flush ends with what it waited for");
    let ends = ends(&mut rig);
    for (place, fate) in [(sent, Fate::MaybeApplied), (behind, Fate::NotApplied)] {
        let End::Failed(error) = &ends[&place] else { panic!("{ends:?}") };
        assert_eq!((&error.cause, error.fate), (&ProduceCause::Aborted, fate));
    }
    assert_eq!((rig.machine.accumulator.buffered(), rig.open_links()), (0, 0));
}

#[test]
fn a_producer_that_was_never_used_is_over_as_soon_as_it_is_closed() {
    let mut rig = rig(BrokerConfig::default(), ProducerConfig::default());
    close(&mut rig, SECOND);
    assert!(rig.machine.is_over());
    assert!(rig.events.is_empty());
}

#[test]
fn a_producer_that_is_closed_without_time_ends_everything_in_one_exchange() {
    for acks in [Acks::ALL, Acks::LEADER, Acks::NONE] {
        let brokers = BrokerConfig::default().with_topic("t", 3);
        let mut rig = rig(brokers, ProducerConfig::default().with_acks(acks).with_linger(SECOND));
        append(&mut rig, 0, b"0");
        flush(&mut rig, 10 * SECOND);
        ends(&mut rig);
        rig.brokers(|brokers, now| brokers.pause(NodeId(1), now));
        // One is on its way, one waits behind it, one lingers, and one was never seen by the producer.
        let mut places = vec![append(&mut rig, 0, b"1")];
        rig.pass(2 * SECOND);
        places.extend([(0, b"2"), (1, b"3")].map(|(partition, value)| append(&mut rig, partition, value)));
        rig.settle();
        places.push(append(&mut rig, 2, b"4"));
        let now = rig.now;
        rig.machine.accumulator.close(now);
        // A driver makes no other exchange once the producer is over.
        rig.machine.producer.exchange(&mut rig.machine.accumulator, now);
        assert_eq!(rig.machine.accumulator.buffered(), 0, "{acks:?}");
        while let Some(output) = rig.machine.producer.poll_output(now) {
            if let Output::Event(event) = output {
                rig.events.push(event);
            }
        }
        assert!(rig.machine.producer.is_over(), "{acks:?}");
        let ends = ends(&mut rig);
        assert_eq!(ends.keys().copied().collect::<Vec<_>>(), places, "{acks:?}");
        let is_aborted = |end: &End| matches!(end, End::Failed(error) if error.cause == ProduceCause::Aborted);
        let (written, rest) = if acks == Acks::NONE { (1, 3) } else { (0, 4) };
        let told = |of: &dyn Fn(&End) -> bool| ends.values().filter(|end| of(end)).count();
        assert_eq!((told(&|end| matches!(end, End::Written)), told(&is_aborted)), (written, rest), "{ends:?}");
    }
}
