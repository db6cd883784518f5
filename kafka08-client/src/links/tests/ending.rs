//! How links drain and end.

use std::{io, time::Duration};

use kafka08_proto::{
    Connection as _,
    connection::{Cancelled, CloseReason, Disconnect, SendError},
};

use super::{
    super::{Lane, LinkNews, Opening, Token},
    rig::{PEER, Rig, SECOND, config, prompt, quiet, waiting},
};

/// A link on which a produce has timed out, and another request waits for an answer.
fn stalled() -> (Rig, crate::machine::LinkId) {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt().with_timeout(SECOND), 1);
    rig.send(Lane::Produce, &prompt(), 2);
    rig.write_all(link);
    rig.advance(SECOND);
    assert_eq!(rig.told(), ["failed 1 MaybeApplied"]);
    (rig, link)
}

#[test]
fn a_link_whose_first_request_has_timed_out_drains_and_another_one_is_opened_at_once() {
    let (mut rig, old) = stalled();
    assert!(!rig.links.can_send(PEER, Lane::Produce));
    assert_eq!(rig.links.stats().draining, 1);
    let new = rig.connected(Lane::Produce);
    assert_ne!(old, new);
    rig.send(Lane::Produce, &prompt(), 3);
    // The broker wakes up.
    rig.answer(old);
    rig.answer(old);
    assert_eq!(rig.told(), ["answered 2", "ended Produce idle []"]);
    assert!(rig.dropped.contains(&old));
    rig.write_all(new);
    rig.answer(new);
    assert_eq!(rig.told(), ["answered 3"]);
}

#[test]
fn a_stalled_link_ends_at_the_last_deadline_of_its_requests() {
    let (mut rig, link) = stalled();
    rig.advance(SECOND * 29);
    let told = rig.told();
    assert_eq!(told, ["failed 2 MaybeApplied", "ended Produce []"]);
    assert!(rig.dropped.contains(&link) && rig.links.is_empty());
}

#[test]
fn a_request_that_has_timed_out_behind_others_stalls_the_link_when_they_are_answered() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt(), 1);
    rig.send(Lane::Produce, &prompt().with_timeout(SECOND), 2);
    rig.send(Lane::Produce, &prompt(), 3);
    rig.write_all(link);
    rig.advance(SECOND);
    assert_eq!(rig.told(), ["failed 2 MaybeApplied"]);
    assert!(rig.links.can_send(PEER, Lane::Produce), "the broker answers another one first");
    rig.answer(link);
    assert!(!rig.links.can_send(PEER, Lane::Produce));
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Produce), Opening::Connecting);
    rig.answer(link);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 1", "answered 3", "ended Produce idle []"]);
}

#[test]
fn a_request_that_was_cancelled_stalls_the_link_too_when_its_deadline_passes() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt().with_timeout(SECOND), 1);
    rig.send(Lane::Produce, &prompt(), 2);
    rig.write_all(link);
    assert_eq!(rig.links.cancel(Token(1)), Cancelled::Abandoned);
    rig.advance(SECOND);
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Produce), Opening::Connecting);
    rig.answer(link);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 2", "ended Produce idle []"]);
}

#[test]
fn whoever_waits_for_room_on_a_link_that_stalls_gets_another_link() {
    let mut config = config();
    config.client = config.client.with_max_in_flight(2);
    let mut rig = Rig::new(&config);
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt().with_timeout(SECOND), 1);
    rig.send(Lane::Produce, &prompt(), 2);
    rig.write_all(link);
    assert_eq!(rig.links.send(rig.now, PEER, Lane::Produce, &prompt(), Token(3)), Err(SendError::Busy));
    rig.advance(SECOND);
    let new = rig.attempt();
    rig.connect(new);
    assert_eq!(rig.told(), ["failed 1 MaybeApplied", "ready Produce"]);
}

#[test]
fn a_link_that_drains_takes_nothing_and_ends_with_its_last_request() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Fetch);
    rig.send(Lane::Fetch, &waiting(1), 1);
    rig.links.drain(rig.now, PEER, Lane::Fetch);
    assert_eq!(rig.links.send(rig.now, PEER, Lane::Fetch, &prompt(), Token(2)), Err(SendError::Busy));
    assert_eq!(rig.links.ready(Lane::Fetch).count(), 0);
    rig.write_all(link);
    rig.answer(link);
    let news = rig.news();
    let [LinkNews::Answered { .. }, LinkNews::Ended { closed, was_idle: true, .. }] = &news[..] else {
        panic!("{news:?}")
    };
    assert_eq!(closed.reason, CloseReason::Local);
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Fetch), Opening::Connecting, "this was no failure");
}

#[test]
fn the_last_request_of_a_draining_link_may_also_be_cancelled() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Fetch);
    rig.send(Lane::Fetch, &waiting(1), 1);
    rig.links.drain(rig.now, PEER, Lane::Fetch);
    assert_eq!(rig.links.cancel(Token(1)), Cancelled::Withdrawn);
    assert_eq!(rig.told(), ["ended Fetch idle []"]);
    assert!(rig.dropped.contains(&link));
}

#[test]
fn an_idle_link_is_closed_after_its_time_and_that_is_no_failure() {
    let idle = config().max_idle;
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    rig.advance(idle / 2);
    rig.send(Lane::Prompt, &prompt(), 1);
    rig.write_all(link);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 1"]);
    rig.advance(idle - Duration::from_millis(1));
    assert_eq!(rig.told(), [""; 0]);
    rig.advance(Duration::from_millis(1));
    let news = rig.news();
    let [LinkNews::Ended { closed, was_idle: true, .. }] = &news[..] else { panic!("{news:?}") };
    assert_eq!(closed.reason, CloseReason::Local);
    assert!(rig.dropped.contains(&link));
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::Connecting);
}

#[test]
fn a_link_with_unconfirmed_requests_is_not_closed_for_being_idle() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &quiet(), 1);
    rig.write_all(link);
    rig.advance(config().max_idle * 2);
    assert_eq!(rig.told(), ["written 1"]);
    assert!(!rig.dropped.contains(&link));
}

#[test]
fn a_broker_that_closes_an_idle_link_after_it_has_answered_is_not_backed_off_from() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    rig.send(Lane::Prompt, &prompt(), 1);
    rig.write_all(link);
    rig.answer(link);
    rig.advance(SECOND);
    rig.cut(link, Disconnect::Eof);
    assert_eq!(rig.told(), ["answered 1", "ended Prompt idle []"]);
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::Connecting);
}

#[test]
fn after_a_failed_write_the_answers_that_are_due_are_read_and_another_link_is_opened() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    rig.send(Lane::Prompt, &prompt(), 1);
    rig.write_all(link);
    rig.send(Lane::Prompt, &prompt(), 2);
    let connection = rig.links.connection(link).expect("it is connected");
    connection.handle_write_failed(io::ErrorKind::BrokenPipe);
    rig.progress(link);
    assert_eq!(rig.told(), ["failed 2 NotApplied"]);
    assert!(!rig.links.can_send(PEER, Lane::Prompt));
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::Connecting);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 1", "ended Prompt []"]);
}

#[test]
fn a_failed_write_that_was_not_told_yet_is_noticed_by_the_next_request() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    let connection = rig.links.connection(link).expect("it is connected");
    connection.handle_disconnect(Disconnect::Eof);
    let refused = rig.links.send(rig.now, PEER, Lane::Prompt, &prompt(), Token(1));
    assert!(matches!(refused, Err(SendError::Closed(_))), "{refused:?}");
    assert_eq!(rig.told(), ["ended Prompt idle []"]);
    assert!(rig.dropped.contains(&link));
}

#[test]
fn aborting_ends_all_links_at_once_and_fails_their_requests() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt(), 1);
    rig.write_all(link);
    rig.send(Lane::Produce, &prompt(), 2);
    rig.links.open(rig.now, PEER, Lane::Prompt);
    rig.links.abort(rig.now);
    assert!(!rig.links.is_empty(), "the sockets are still open");
    assert_eq!(rig.told(), ["failed 1 MaybeApplied", "failed 2 NotApplied", "ended Produce []"]);
    assert!(rig.links.is_empty());
    assert_eq!(rig.dropped.len(), 2);
    assert_eq!(rig.links.poll_timeout(), None);
}

#[test]
fn after_a_long_pause_of_the_process_all_deadlines_fire_and_reconnecting_is_spread() {
    let mut rig = Rig::new(&config());
    for lane in [Lane::Prompt, Lane::Produce, Lane::Fetch] {
        let link = rig.connected(lane);
        rig.send(lane, &prompt(), link.0);
        rig.write_all(link);
    }
    rig.jump(SECOND * 3600);
    let told = rig.told();
    assert_eq!(told.iter().filter(|news| news.starts_with("failed")).count(), 3, "{told:?}");
    assert_eq!(told.iter().filter(|news| news.starts_with("ended")).count(), 3, "{told:?}");
    assert!(matches!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::BackingOff { .. }));
}
