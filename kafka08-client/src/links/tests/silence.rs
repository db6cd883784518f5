//! Brokers that owe an answer.

use std::time::Duration;

use super::{
    super::Lane,
    rig::{Rig, SECOND, config, prompt, waiting},
};

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn silence_is_told_once_until_the_broker_answers_again() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    for token in 1..=3 {
        rig.send(Lane::Produce, &prompt(), token);
    }
    rig.write_all(link);
    rig.advance(SECOND * 3 - MILLI);
    assert_eq!(rig.told(), [""; 0]);
    rig.advance(MILLI);
    assert_eq!(rig.told(), ["silent Produce"]);
    rig.advance(SECOND * 10);
    assert_eq!(rig.told(), [""; 0]);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 1"]);
    rig.advance(SECOND * 3);
    assert_eq!(rig.told(), ["silent Produce"]);
}

#[test]
fn the_time_for_which_a_request_lets_the_broker_wait_is_no_silence() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Fetch);
    rig.send(Lane::Fetch, &waiting(5), 1);
    rig.send(Lane::Fetch, &waiting(7), 2);
    rig.write_all(link);
    rig.advance(SECOND * 8 - MILLI);
    assert_eq!(rig.told(), [""; 0]);
    rig.answer(link);
    rig.advance(SECOND * 10 - MILLI);
    assert_eq!(rig.told(), ["answered 1"]);
    rig.advance(MILLI);
    assert_eq!(rig.told(), ["silent Fetch"]);
}

#[test]
fn a_broker_that_answers_slowly_one_after_the_other_is_not_silent() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    for token in 1..=8 {
        rig.send(Lane::Produce, &prompt(), token);
    }
    rig.write_all(link);
    for _ in 1..=8 {
        rig.advance(SECOND * 2);
        rig.answer(link);
    }
    assert_eq!(rig.told().len(), 8, "answers only");
    rig.advance(SECOND * 60);
    assert_eq!(rig.told(), [""; 0], "nothing is asked");
}

#[test]
fn a_request_that_cannot_be_written_waits_for_an_answer_too() {
    let mut rig = Rig::new(&config());
    rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt(), 1);
    rig.advance(SECOND * 3);
    assert_eq!(rig.told(), ["silent Produce"]);
}

#[test]
fn the_silence_of_a_draining_link_is_not_told() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt(), 1);
    rig.write_all(link);
    rig.links.drain(rig.now, super::rig::PEER, Lane::Produce);
    rig.advance(SECOND * 29);
    assert_eq!(rig.told(), [""; 0]);
}
