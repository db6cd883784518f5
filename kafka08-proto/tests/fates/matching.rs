use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientConnection, ClientEvent, Connection as _, Fate, ServerEvent,
    api::{ConsumerMetadataRequest, MetadataRequest, ProduceRequest},
    connection::{CloseReason, MatchError, Prepared, RedeemError, Reply, SendError},
    ids::{Acks, Api, ApiKey, ConnectionId, CorrelationId, Millis},
    limits::Limits,
    message::MessageSet,
};

use crate::rig::{End, Rig, config, fetch, metadata, origin, pair, pair_with, produce, staged};

/// Gives the client a response with this id and body, whoever sent it.
fn inject(client: &mut ClientConnection, id: i32, body: &[u8]) {
    let len = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    client.handle_bytes(origin(), &[&len[..], &id.to_be_bytes(), body].concat());
}

#[test]
fn an_answer_out_of_order_ends_the_connection() {
    let mut pair = pair();
    let ids = [0; 3].map(|_| pair.sent(&metadata()));
    pair.calls();
    inject(&mut pair.client, ids[1].0, &[0; 8]);
    let expected = MatchError::OutOfOrder { got: ids[1], expected: ids[0] };
    assert_eq!(pair.closed().reason, CloseReason::Match(expected));
}

#[test]
fn an_id_that_was_never_sent_or_is_answered_already_ends_the_connection() {
    let mut pair = pair();
    let first = pair.sent(&metadata());
    let second = pair.sent(&metadata());
    let calls = pair.calls();
    pair.answer(calls[0].call);
    inject(&mut pair.client, first.0, &[0; 8]);
    let ends = pair.ends();
    assert_eq!(ends[0], End::Answered(first));
    let Some(End::Closed(closed)) = ends.last() else { panic!("the end was expected: {ends:?}") };
    assert_eq!(closed.reason, CloseReason::Match(MatchError::Unknown { got: first, expected: second }));
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let mut pair = pair();
    inject(&mut pair.client, 7, &[]);
    let expected = MatchError::Unsolicited { got: CorrelationId(7) };
    assert_eq!(pair.closed().reason, CloseReason::Match(expected));
}

#[test]
fn an_answer_to_a_request_that_was_not_written_in_full_is_no_answer() {
    let mut pair = pair();
    let id = pair.sent(&metadata());
    pair.to_server(5);
    inject(&mut pair.client, id.0, &[0; 8]);
    let expected = MatchError::Unsolicited { got: id };
    assert_eq!(pair.closed().reason, CloseReason::Match(expected));
}

#[test]
fn an_echo_of_what_was_sent_matches_nothing() {
    for key in 0..=12 {
        let mut client = ClientConnection::new(config(), ConnectionId(0));
        let request = Prepared::raw(Api::v0(ApiKey(key)), Bytes::from_static(&[0; 20]), Reply::Expected);
        client.send(origin(), &request).expect("there is room");
        let (_, queue) = client.buffers();
        let sent = bytes::Buf::copy_to_bytes(queue, bytes::Buf::remaining(queue));
        client.handle_bytes(origin(), &sent);
        let failed = client.poll_event();
        assert!(matches!(failed, Some(ClientEvent::Failed { .. })), "{key}: {failed:?}");
    }
}

#[test]
fn id_zero_answers_a_consumer_metadata_that_failed_and_nothing_else() {
    let not_available = [&15i16.to_be_bytes()[..], &(-1i32).to_be_bytes(), &[0, 0], &(-1i32).to_be_bytes()].concat();
    let ask = |accepted: bool, is_consumer_metadata: bool, id: i32, body: &[u8]| {
        let mut pair = pair();
        let sent =
            if is_consumer_metadata { pair.sent(&ConsumerMetadataRequest::new("g")) } else { pair.sent(&metadata()) };
        pair.calls();
        inject(&mut pair.client, id, body);
        match pair.ends().first() {
            Some(End::Answered(id)) => assert!(accepted && *id == sent),
            other => assert!(!accepted, "{other:?}"),
        }
        assert_eq!(pair.client.stats().quirk_id_zero, u64::from(accepted));
    };
    ask(true, true, 0, &not_available);
    ask(false, true, 1, &not_available);
    ask(false, false, 0, &not_available);
    ask(false, true, 0, &[0; 12]);
}

#[test]
fn ids_wrap_within_their_range() {
    const LAST: i32 = (1 << 27) - 1;
    let mut pair = pair_with(config().with_first_sequence(LAST.cast_unsigned() - 1));
    let ids = [0; 4].map(|_| pair.sent(&metadata()));
    assert_eq!(ids.map(|id| id.0 & LAST), [LAST - 1, LAST, 0, 1]);
    assert!(ids.iter().all(|id| id.api_key() == Some(ApiKey::METADATA)));
    let calls = pair.calls();
    pair.answer(calls[0].call);
    assert_eq!(pair.ends(), [End::Answered(ids[0])]);
}

#[test]
fn sending_is_refused_above_the_limits_in_flight_and_staged_and_one_may_overshoot() {
    let request = Prepared::new(&metadata()).expect("it fits");
    let mut pair = pair_with(config().with_max_in_flight(3));
    for _ in 0..3 {
        assert!(pair.client.can_send());
        pair.client.send(pair.now, &request).expect("there is room");
    }
    assert!(!pair.client.can_send());
    assert_eq!(pair.client.send(pair.now, &request), Err(SendError::Busy));
    pair.answer_all();
    assert_eq!(pair.client.send(pair.now, &request), Err(SendError::Busy), "the answers are not taken");
    pair.ends();
    pair.client.send(pair.now, &request).expect("there is room");

    let mut pair = pair_with(config().with_max_staged(10));
    pair.client.send(pair.now, &request).expect("nothing was staged, so it may be larger");
    assert_eq!(pair.client.send(pair.now, &request), Err(SendError::Busy));
    pair.to_server(usize::MAX);
    pair.client.send(pair.now, &request).expect("there is room");
}

#[test]
fn as_many_bytes_as_may_be_staged_refuse_the_next_request_and_one_less_does_not() {
    let mut pair = pair();
    let request = Prepared::new(&metadata()).expect("it fits");
    pair.client.send(pair.now, &request).expect("there is room");
    let len = staged(&mut pair);
    for (limit, expected) in [(len, true), (len + 1, false)] {
        let mut pair = pair_with(config().with_max_staged(limit));
        pair.client.send(pair.now, &request).expect("nothing was staged");
        assert_eq!(pair.client.send(pair.now, &request) == Err(SendError::Busy), expected, "{limit}");
    }
}

#[test]
fn a_connection_says_how_many_answers_are_owed_and_how_many_requests_have_not_ended() {
    let mut pair = pair();
    let counts = |pair: &kafka08_proto::connection::Pair| (pair.client.awaiting(), pair.client.in_flight());
    pair.sent(&metadata());
    pair.sent(&produce(Acks::NONE, 0));
    pair.sent(&metadata());
    assert_eq!(counts(&pair), (0, 3));
    let calls = pair.calls();
    assert!(pair.client_event().is_some(), "the silent one is written");
    assert_eq!(counts(&pair), (2, 2));
    pair.answer(calls[0].call);
    pair.ends();
    assert_eq!(counts(&pair), (1, 1));
    assert_eq!(pair.client.config().request_timeout(), crate::rig::TIMEOUT);
}

#[test]
fn a_ticket_for_what_was_sent_prepared_redeems_its_answer() {
    let mut pair = pair();
    let id = pair.sent(&metadata());
    let ticket = pair.client.ticket::<MetadataRequest>(id).expect("its own range");
    let calls = pair.calls();
    pair.answer(calls[0].call);
    let Some(ClientEvent::Response(frame)) = pair.client_event() else { panic!("an answer is due") };
    assert!(ticket.redeem(frame).is_ok());
}

#[test]
fn sixty_four_may_be_in_flight_by_default() {
    let mut pair = pair();
    for _ in 0..64 {
        pair.sent(&metadata());
    }
    assert!(!pair.client.can_send());
}

#[test]
fn a_request_larger_than_a_broker_takes_is_refused() {
    // Length apart: key, version, id, client id and an empty list.
    let len = 2 + 2 + 4 + 2 + "kafka08".len() + 4;
    let limited = |max| config().with_limits(Limits::default().with_max_request(max));
    let request = Prepared::new(&metadata()).expect("it fits");
    let mut pair = pair_with(limited(len));
    pair.client.send(pair.now, &request).expect("it is exactly the limit");
    let mut pair = pair_with(limited(len - 1));
    assert_eq!(pair.client.send(pair.now, &request), Err(SendError::TooLarge { len, max: len - 1 }));
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn a_ticket_takes_its_own_answer_only_and_says_what_a_malformed_one_means() {
    let mut pair = pair();
    let produce = pair.client.request(pair.now, &produce(Acks::LEADER, 0)).expect("there is room");
    let fetch = pair.client.request(pair.now, &fetch(0)).expect("there is room");
    assert_eq!(pair.client.ticket::<ProduceRequest>(fetch.id()), None, "the id's range says another API");
    pair.calls();
    inject(&mut pair.client, produce.id().0, &[1]);
    let Some(ClientEvent::Response(frame)) = pair.client_event() else { panic!("an answer is due") };
    let Err(RedeemError::NotMine(frame)) = fetch.redeem(frame) else { panic!("it is another's") };
    let Err(RedeemError::Malformed { fate, .. }) = produce.redeem(frame) else { panic!("it is malformed") };
    assert_eq!(fate, Fate::MaybeApplied);
    inject(&mut pair.client, fetch.id().0, &[1]);
    let Some(ClientEvent::Response(frame)) = pair.client_event() else { panic!("the connection is usable") };
    let Err(RedeemError::Malformed { fate, .. }) = fetch.redeem(frame) else { panic!("it is malformed") };
    assert_eq!(fate, Fate::NotApplied);
}

#[test]
fn a_ticket_does_not_redeem_the_answer_of_another_connection() {
    let client = |id| ClientConnection::new(config(), ConnectionId(id));
    let [mut first, mut second] = [client(1), client(2)];
    let ask = |client: &mut ClientConnection| {
        let ticket = client.request(origin(), &metadata()).expect("there is room");
        let all = client.buffers().1.remaining();
        client.buffers().1.advance(all);
        ticket
    };
    let (mine, other) = (ask(&mut first), ask(&mut second));
    assert_eq!(mine.id(), other.id());
    assert_ne!(mine, other);
    inject(&mut second, other.id().0, &[0; 8]);
    let Some(ClientEvent::Response(frame)) = second.poll_event() else { panic!("an answer is due") };
    let Err(RedeemError::NotMine(frame)) = mine.redeem(frame) else { panic!("it is another connection's") };
    assert!(other.redeem(frame).is_ok());
    assert_eq!((mine.connection(), other.connection()), (first.id(), second.id()));
}

#[test]
fn payloads_never_appear_in_debug_output_and_control_characters_are_escaped() {
    let mut pair = pair();
    pair.sent(&produce(Acks::LEADER, 0));
    pair.calls();
    inject(&mut pair.client, 1 << 27, b"\x1b[31msecret");
    let event = format!("{:?}", pair.client_event());
    assert!(!event.contains("secret") && event.contains("11 bytes"), "{event}");
    let request = MetadataRequest::of(["a\x1b[31m"]);
    assert!(!format!("{request:?}").contains('\x1b'));
}

#[test]
fn an_exchange_carries_everything_that_either_end_has_to_write() {
    let mut pair = pair();
    let large = vec![7; 200_000];
    let request = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(&large));
    let id = pair.sent(&request);
    pair.exchange();
    assert_eq!(staged(&mut pair), 0);
    let Some(ServerEvent::Request(call)) = pair.server_event() else { panic!("the request has arrived") };
    pair.server.respond_raw(call.call, large.into()).expect("the call is open");
    pair.exchange();
    assert_eq!(pair.ends(), [End::Answered(id)]);
}
