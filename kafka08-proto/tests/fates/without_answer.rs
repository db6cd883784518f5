use std::io::ErrorKind;

use bytes::Bytes;
use kafka08_proto::{
    Connection as _, Disconnect,
    connection::{CloseReason, MatchError, Prepared, Reply},
    ids::{Acks, Api, ApiKey},
};

use crate::rig::{End, Rig, config, metadata, pair, pair_with, produce, staged, take};

#[test]
fn it_is_written_when_its_last_byte_was_taken_and_not_before() {
    let mut pair = pair();
    let id = pair.sent(&produce(Acks::NONE, 0));
    let whole = staged(&mut pair);
    take(&mut pair, whole - 1);
    assert_eq!(pair.ends(), []);
    take(&mut pair, 1);
    assert!(!pair.client.wants_read(), "there is news to take");
    assert_eq!(pair.ends(), [End::Written(id)]);
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn what_was_written_since_the_last_answer_is_unconfirmed_when_the_connection_ends() {
    for how in [Disconnect::Eof, Disconnect::Error(ErrorKind::ConnectionReset)] {
        let mut pair = pair();
        let confirmed = pair.sent(&produce(Acks::NONE, 0));
        let asked = pair.sent(&metadata());
        // Written after the request that is answered: the answer proves nothing about it.
        let unconfirmed = pair.sent(&produce(Acks::NONE, 0));
        let calls = pair.calls();
        pair.server.finish(calls[0].call);
        pair.answer(calls[1].call);
        assert_eq!(pair.ends(), [End::Written(confirmed), End::Written(unconfirmed), End::Answered(asked)]);
        pair.client.handle_disconnect(how);
        let closed = pair.closed();
        assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [unconfirmed]);
        assert!(closed.unconfirmed.contains(unconfirmed) && !closed.unconfirmed.contains(confirmed));
        let text = closed.to_string();
        assert!(text.contains("1 produce request with acks = 0 is unconfirmed"), "{text}");
    }
}

#[test]
fn before_any_answer_all_that_was_written_is_unconfirmed_and_what_was_not_has_failed() {
    let mut pair = pair();
    let first = pair.sent(&produce(Acks::NONE, 0));
    let whole = staged(&mut pair);
    take(&mut pair, whole);
    let second = pair.sent(&produce(Acks::NONE, 0));
    take(&mut pair, 3);
    pair.client.handle_disconnect(Disconnect::Eof);
    let ends = pair.ends();
    let Some((End::Closed(closed), before)) = ends.split_last() else { panic!("the end was expected: {ends:?}") };
    assert_eq!(before, [End::Written(first), End::Lost(second, kafka08_proto::Fate::NotApplied)]);
    assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [first]);
}

#[test]
fn those_of_different_apis_are_listed_each_by_its_own_id() {
    let mut pair = pair();
    assert_eq!(pair.client.stats().sent, 0);
    let mut sent = Vec::new();
    for key in [ApiKey::PRODUCE, ApiKey::METADATA, ApiKey::PRODUCE, ApiKey::FETCH] {
        let silent = Prepared::raw(Api::v0(key), Bytes::from_static(b"body"), Reply::None);
        sent.push(pair.client.send(pair.now, &silent).expect("there is room"));
    }
    let whole = staged(&mut pair);
    take(&mut pair, whole);
    assert_eq!(pair.client.stats().sent, 4);
    pair.client.handle_disconnect(Disconnect::Eof);
    let unconfirmed = pair.closed().unconfirmed;
    assert_eq!(unconfirmed.iter().collect::<Vec<_>>(), sent);
    assert_eq!((unconfirmed.len(), unconfirmed.is_empty()), (4, false));
}

#[test]
fn without_any_nothing_is_unconfirmed() {
    let mut pair = pair();
    pair.works();
    pair.client.handle_disconnect(Disconnect::Eof);
    let unconfirmed = pair.closed().unconfirmed;
    assert_eq!((unconfirmed.len(), unconfirmed.is_empty()), (0, true));
}

#[test]
fn one_that_was_forgotten_is_not_told_as_written_and_still_listed() {
    let mut pair = pair();
    let id = pair.sent(&produce(Acks::NONE, 0));
    pair.client.forget(id);
    let whole = staged(&mut pair);
    take(&mut pair, whole);
    assert_eq!(pair.ends(), []);
    pair.client.handle_disconnect(Disconnect::Eof);
    assert_eq!(pair.closed().unconfirmed.iter().collect::<Vec<_>>(), [id]);
}

#[test]
fn an_answer_to_it_is_out_of_turn() {
    let mut pair = pair();
    let silent = pair.sent(&produce(Acks::NONE, 0));
    let calls = pair.calls();
    pair.answer(calls[0].call);
    assert_eq!(pair.closed().reason, CloseReason::Match(MatchError::Unsolicited { got: silent }));
}

#[test]
fn a_million_of_them_take_no_memory_worth_counting() {
    let mut pair = pair_with(config().with_max_in_flight(1));
    let request = Prepared::new(&produce(Acks::NONE, 0)).expect("it fits");
    let mut first = None;
    let counted = allocation_counter::measure(|| {
        for _ in 0..1_000_000 {
            let id = pair.client.send(pair.now, &request).expect("there is room");
            first.get_or_insert(id);
            let whole = staged(&mut pair);
            take(&mut pair, whole);
            assert!(pair.client.poll_event().is_some());
        }
    });
    // The read buffer, and what one request needs.
    assert!(counted.bytes_max < 40_000, "{counted:?}");
    pair.client.handle_disconnect(Disconnect::Eof);
    let unconfirmed = pair.closed().unconfirmed;
    assert_eq!(unconfirmed.len(), 1_000_000);
    assert_eq!(unconfirmed.iter().next(), first);
    assert_eq!(unconfirmed.iter().count(), 1_000_000);
}
