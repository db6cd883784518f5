//! A proxy passes requests on without decoding them.

use std::time::Duration;

use kafka08_proto::{
    ClientEvent, Connection as _, Fate, ServerConfig,
    api::{AnyResponse, Encode as _, FetchResponse, MetadataResponse},
    connection::{Pair, Prepared, Reply},
    ids::{Acks, ApiKey, Text},
};

use crate::rig::{End, Rig, TIMEOUT, config, fetch, metadata, origin, pair_with, produce};

/// A proxy's connection to its client, and one to a broker.
fn proxy() -> (Pair, Pair) {
    let client = config().with_client_id(Some(Text::from("the client")));
    let broker = config().with_client_id(Some(Text::from("the proxy"))).with_first_sequence(1000);
    (pair_with(client), pair_with(broker))
}

#[test]
fn a_request_is_forwarded_as_it_came_but_for_its_correlation_id() {
    let (mut front, mut back) = proxy();
    front.sent(&fetch(100));
    let came = front.calls().remove(0);
    back.client.send(back.now, &Prepared::forward(&came)).expect("there is room");
    let left = back.calls().remove(0);
    assert_eq!((left.header.api, &left.header.client_id), (came.header.api, &Some(Text::from("the client"))));
    assert_eq!(left.body, came.body);
    assert_ne!(left.header.correlation_id, came.header.correlation_id);
    back.answer(left.call);
    let Some(ClientEvent::Response(answer)) = back.client_event() else { panic!("an answer is due") };
    front.server.respond_raw(came.call, answer.body).expect("the call is open");
    front.to_client(usize::MAX);
    assert!(matches!(front.ends()[..], [End::Answered(_)]));
}

#[test]
fn an_answer_that_a_proxy_looked_into_is_sent_on_as_an_answer_of_any_api() {
    let (mut front, mut back) = proxy();
    let fetched = front.client.request(front.now, &fetch(100)).expect("there is room");
    let listed = front.client.request(front.now, &metadata()).expect("there is room");
    front.to_server(usize::MAX);
    let answers = [AnyResponse::Fetch(FetchResponse::default()), AnyResponse::Metadata(MetadataResponse::default())];
    for (came, answer) in front.calls().into_iter().zip(answers) {
        back.client.send(back.now, &Prepared::forward(&came)).expect("there is room");
        let left = back.calls().remove(0);
        back.server.respond(left.call, &answer).expect("the call is open");
        back.to_client(usize::MAX);
        let Some(ClientEvent::Response(frame)) = back.client_event() else { panic!("an answer is due") };
        let decoded = AnyResponse::decode(frame.api, &frame.body).expect("a sound answer");
        assert_eq!((&decoded, decoded.to_bytes()), (&answer, Ok(frame.body)));
        front.server.respond(came.call, &decoded).expect("the call is open");
    }
    front.to_client(usize::MAX);
    let mut answered = || match front.client_event() {
        Some(ClientEvent::Response(frame)) => frame,
        other => panic!("an answer is due: {other:?}"),
    };
    assert_eq!(fetched.redeem(answered()).expect("sound"), FetchResponse::default());
    assert_eq!(listed.redeem(answered()).expect("sound"), MetadataResponse::default());
}

#[test]
fn a_long_poll_that_is_forwarded_has_the_time_it_asks_for() {
    let (mut front, mut back) = proxy();
    front.sent(&fetch(60_000));
    let came = front.calls().remove(0);
    let id = back.client.send(back.now, &Prepared::forward(&came)).expect("there is room");
    back.calls();
    back.advance(Duration::from_secs(60) + TIMEOUT - Duration::from_millis(1));
    assert_eq!(back.ends(), []);
    back.advance(Duration::from_millis(1));
    assert!(matches!(back.ends()[0], End::TimedOut(timed_out, Fate::NotApplied) if timed_out == id));
}

#[test]
fn whether_an_answer_is_owed_can_be_asked() {
    let (mut front, mut back) = proxy();
    front.sent(&produce(Acks::NONE, 0));
    front.sent(&produce(Acks::LEADER, 0));
    front.sent(&metadata());
    let calls = front.calls();
    let replies: Vec<_> = calls.iter().map(|call| (call.header.api.key, call.traits().reply)).collect();
    let expected =
        [(ApiKey::PRODUCE, Reply::None), (ApiKey::PRODUCE, Reply::Expected), (ApiKey::METADATA, Reply::Expected)];
    assert_eq!(replies, expected);
    let silent = back.client.send(back.now, &Prepared::forward(&calls[0])).expect("there is room");
    back.calls();
    assert_eq!(back.ends(), [End::Written(silent)]);
    front.server.finish(calls[0].call);
}

#[test]
fn a_prepared_request_says_what_a_connection_will_make_of_it() {
    let prepared = Prepared::new(&fetch(2000)).expect("it fits");
    assert_eq!((prepared.api().key, prepared.reply()), (ApiKey::FETCH, Reply::Expected));
    assert_eq!((prepared.timeout(), prepared.called()), (None, None));
    assert_eq!(prepared.server_wait(), Duration::from_secs(2));
    // Replica, wait, least bytes; one topic "t" with one partition: number, offset, most bytes.
    assert_eq!(prepared.len(), 4 + 4 + 4 + 4 + (2 + 1) + 4 + (4 + 8 + 4));
    assert!(!prepared.is_empty());
    let at = origin();
    let prepared = prepared.with_timeout(TIMEOUT).called_at(at);
    assert_eq!((prepared.timeout(), prepared.called()), (Some(TIMEOUT), Some(at)));
    let nothing = Prepared::raw(kafka08_proto::ids::Api::v0(ApiKey(99)), bytes::Bytes::new(), Reply::None);
    assert_eq!((nothing.is_empty(), nothing.len()), (true, 0));
}

#[test]
fn raw_bytes_count_as_a_change_until_something_else_is_known() {
    let mut pair = Pair::new(origin(), config(), ServerConfig::default());
    let raw = Prepared::raw(kafka08_proto::ids::Api::v0(ApiKey(99)), bytes::Bytes::new(), Reply::Expected);
    let id = pair.client.send(pair.now, &raw).expect("there is room");
    pair.to_server(usize::MAX);
    pair.client.handle_disconnect(kafka08_proto::Disconnect::Eof);
    assert_eq!(pair.ends()[0], End::Lost(id, Fate::MaybeApplied));
}
