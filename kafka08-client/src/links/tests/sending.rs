//! Requests, and what becomes of them.

use kafka08_proto::{
    connection::{Cancelled, Disconnect, SendError},
    fate::Fate,
};

use super::{
    super::{Lane, LinkNews, Opening, Token},
    rig::{PEER, Rig, SECOND, config, prompt, quiet, waiting},
};

#[test]
fn answers_come_under_the_tokens_of_their_requests_however_the_bytes_are_cut() {
    for piece in [1, 3, usize::MAX] {
        let mut rig = Rig::new(&config());
        let link = rig.connected(Lane::Prompt);
        for token in 1..=3 {
            rig.send(Lane::Prompt, &prompt(), token);
        }
        assert_eq!(rig.links.stats().in_flight, 3);
        while rig.write(link, piece) > 0 {}
        while rig.answer_with(link, &[0, 0, 0, 9], piece) {}
        let news = rig.news();
        let answers: Vec<_> = news
            .iter()
            .map(|news| match news {
                LinkNews::Answered { token, peer: PEER, frame } => (token.0, &frame.body[..]),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(answers, [(1, &[0, 0, 0, 9][..]), (2, &[0, 0, 0, 9]), (3, &[0, 0, 0, 9])]);
        assert_eq!((rig.links.stats().in_flight, rig.links.stats().staged), (0, 0));
    }
}

#[test]
fn the_driver_is_told_to_write_once_for_all_that_was_sent_meanwhile() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    for token in 1..=3 {
        rig.links.send(rig.now, PEER, Lane::Prompt, &prompt(), Token(token)).expect("there is room");
    }
    rig.take();
    assert_eq!(rig.writes, [link]);
    rig.send(Lane::Prompt, &prompt(), 4);
    assert_eq!(rig.writes, [link, link]);
}

#[test]
fn without_a_connected_link_a_request_is_refused_as_busy() {
    let mut rig = Rig::new(&config());
    assert_eq!(rig.links.send(rig.now, PEER, Lane::Prompt, &prompt(), Token(1)), Err(SendError::Busy));
    rig.links.open(rig.now, PEER, Lane::Prompt);
    assert_eq!(rig.links.send(rig.now, PEER, Lane::Prompt, &prompt(), Token(1)), Err(SendError::Busy));
    assert_eq!(rig.links.stats().in_flight, 0);
}

#[test]
fn room_is_told_once_after_a_request_was_refused() {
    let mut config = config();
    config.client = config.client.with_max_in_flight(2);
    let mut rig = Rig::new(&config);
    let link = rig.connected(Lane::Prompt);
    rig.send(Lane::Prompt, &prompt(), 1);
    rig.send(Lane::Prompt, &prompt(), 2);
    assert!(!rig.links.can_send(PEER, Lane::Prompt));
    rig.write_all(link);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 1"], "nobody waits for room");
    rig.send(Lane::Prompt, &prompt(), 3);
    assert_eq!(rig.links.send(rig.now, PEER, Lane::Prompt, &prompt(), Token(4)), Err(SendError::Busy));
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::Busy);
    rig.write_all(link);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 2", "ready Prompt"]);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 3"]);
}

#[test]
fn a_cancelled_request_also_makes_room() {
    let mut config = config();
    config.client = config.client.with_max_in_flight(1);
    let mut rig = Rig::new(&config);
    rig.connected(Lane::Prompt);
    rig.send(Lane::Prompt, &prompt(), 1);
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::Busy);
    assert_eq!(rig.links.cancel(Token(1)), Cancelled::Withdrawn);
    assert_eq!(rig.told(), ["ready Prompt"]);
}

#[test]
fn nothing_is_told_of_a_request_after_it_was_cancelled() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    for token in 1..=3 {
        rig.send(Lane::Prompt, &prompt(), token);
    }
    rig.write(link, 1);
    assert_eq!([1, 2, 3, 4].map(|token| rig.links.is_untouched(Token(token))), [false, true, true, false]);
    assert_eq!(rig.links.cancel(Token(1)), Cancelled::Abandoned);
    assert_eq!(rig.links.cancel(Token(2)), Cancelled::Withdrawn);
    assert_eq!(rig.links.cancel(Token(2)), Cancelled::NotOutstanding);
    rig.write_all(link);
    rig.answer(link);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 3"]);
    assert!(rig.call(link).is_none(), "the withdrawn request was never written");
    assert_eq!(rig.links.cancel(Token(3)), Cancelled::NotOutstanding);
}

#[test]
fn a_request_that_times_out_before_it_is_written_leaves_the_link_as_it_was() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    rig.send(Lane::Prompt, &prompt(), 1);
    rig.write_all(link);
    rig.send(Lane::Prompt, &prompt().with_timeout(SECOND), 2);
    rig.advance(SECOND);
    assert_eq!(rig.told(), ["failed 2 NotApplied"]);
    rig.answer(link);
    assert_eq!(rig.told(), ["answered 1"]);
    assert!(rig.links.can_send(PEER, Lane::Prompt));
}

#[test]
fn when_a_link_is_cut_all_its_requests_are_told_before_its_end() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt(), 1);
    rig.write_all(link);
    rig.send(Lane::Produce, &prompt(), 2);
    rig.cut(link, Disconnect::Error(std::io::ErrorKind::ConnectionReset));
    assert_eq!(rig.told(), ["failed 1 MaybeApplied", "failed 2 NotApplied", "ended Produce []"]);
    assert!(rig.dropped.contains(&link));
    assert!(rig.links.is_empty());
}

#[test]
fn a_written_request_without_an_answer_is_confirmed_by_the_answer_to_a_later_one_only() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt(), 1);
    rig.send(Lane::Produce, &quiet(), 2);
    rig.send(Lane::Produce, &quiet(), 3);
    assert_eq!(rig.links.unconfirmed(PEER, Lane::Produce), 0, "nothing was written");
    rig.write_all(link);
    assert_eq!(rig.told(), ["written 2", "written 3"]);
    rig.answer(link);
    assert_eq!(rig.links.unconfirmed(PEER, Lane::Produce), 2, "request 1 was sent before them");
    rig.send(Lane::Produce, &prompt(), 4);
    rig.send(Lane::Produce, &quiet(), 5);
    rig.write_all(link);
    rig.answer(link);
    assert_eq!(rig.links.unconfirmed(PEER, Lane::Produce), 1);
    rig.send(Lane::Produce, &quiet(), 6);
    rig.write_all(link);
    rig.cut(link, Disconnect::Eof);
    let told = rig.told();
    assert_eq!(told, ["answered 1", "written 5", "answered 4", "written 6", "ended Produce [5, 6]"]);
}

#[test]
fn an_answer_that_nobody_waits_for_confirms_too() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &quiet(), 1);
    rig.send(Lane::Produce, &prompt(), 2);
    rig.write_all(link);
    assert_eq!(rig.links.cancel(Token(2)), Cancelled::Abandoned);
    rig.answer(link);
    assert_eq!(rig.links.unconfirmed(PEER, Lane::Produce), 0);
    rig.cut(link, Disconnect::Eof);
    assert_eq!(rig.told(), ["written 1", "ended Produce idle []"]);
}

#[test]
fn the_fate_of_a_request_that_changes_nothing_is_known() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Fetch);
    rig.send(Lane::Fetch, &waiting(1), 1);
    rig.write_all(link);
    rig.cut(link, Disconnect::Eof);
    let news = rig.news();
    assert!(matches!(news[0], LinkNews::Failed { token: Token(1), fate: Fate::NotApplied, .. }), "{news:?}");
}
