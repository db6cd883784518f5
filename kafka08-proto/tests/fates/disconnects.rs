use std::{io::ErrorKind, time::Duration};

use kafka08_proto::{
    ClientEvent, Connection as _, Disconnect, Fate, HostPort,
    api::membership::HeartbeatRequest,
    connection::{CloseReason, Heard, Progress},
    ids::{Acks, Api, ApiKey, Generation},
};

use crate::rig::{End, Rig, config, fetch, metadata, pair, pair_with, produce, take};

const WAYS: [Disconnect; 2] = [Disconnect::Eof, Disconnect::Error(ErrorKind::ConnectionReset)];

#[test]
fn answers_that_are_here_come_out_before_the_rest_fails() {
    for how in WAYS {
        let mut pair = pair();
        let answered = pair.sent(&produce(Acks::LEADER, 0));
        let lost = pair.sent(&produce(Acks::LEADER, 0));
        let asked = pair.sent(&fetch(0));
        let calls = pair.calls();
        let unsent = pair.sent(&produce(Acks::LEADER, 0));
        pair.answer(calls[0].call);
        pair.client.handle_disconnect(how);
        assert!(!pair.client.wants_read() && !pair.client.wants_write() && !pair.client.can_send());
        let ends = pair.ends();
        let Some((End::Closed(_), before)) = ends.split_last() else { panic!("the end was expected: {ends:?}") };
        let expected = [
            End::Answered(answered),
            End::Lost(lost, Fate::MaybeApplied),
            End::Lost(asked, Fate::NotApplied),
            End::Lost(unsent, Fate::NotApplied),
        ];
        assert_eq!(before, expected);
        assert!(pair.client.is_over());
        assert_eq!((pair.ends(), pair.client.poll_timeout()), (vec![], None), "nothing comes after the end");
    }
}

#[test]
fn an_end_in_the_middle_of_a_frame_is_told_as_one() {
    for bytes in 1..12 {
        let mut pair = pair();
        pair.sent(&metadata());
        let calls = pair.calls();
        pair.server.respond_raw(calls[0].call, bytes::Bytes::from_static(&[0; 8])).expect("the call is open");
        pair.to_client(bytes);
        pair.client.handle_disconnect(Disconnect::Eof);
        let closed = pair.closed();
        let CloseReason::Disconnected { heard, .. } = closed.reason else { panic!("{closed}") };
        assert_eq!(heard, Heard::PartOfFrame { bytes });
        assert!(closed.to_string().contains(&format!("{bytes} bytes into a response")), "{closed}");
    }
}

#[test]
fn what_is_said_fits_what_was_heard_and_waited_for() {
    let mut silent = pair();
    silent.sent(&metadata());
    silent.calls();
    silent.client.handle_disconnect(Disconnect::Eof);
    let text = silent.closed().to_string();
    assert!(text.contains("instead of answering Metadata v0") && text.contains("speaks TLS"), "{text}");
    assert!(text.contains("does not know Metadata v0"), "{text}");

    let mut idle = pair();
    idle.works();
    idle.client.handle_disconnect(Disconnect::Eof);
    let text = idle.closed().to_string();
    assert!(text.contains("while nothing was asked") && text.contains("ten idle minutes"), "{text}");

    let mut refused = pair();
    refused.works();
    refused.sent(&fetch(0));
    refused.calls();
    refused.client.handle_disconnect(Disconnect::Error(ErrorKind::ConnectionReset));
    let text = refused.closed().to_string();
    assert!(text.contains("reset the connection instead of answering Fetch v0"), "{text}");
    assert!(text.contains("it stopped (connect again)") && text.contains("4.0"), "{text}");
    assert!(!text.contains("0.8.1 up to 9"), "every release knows Fetch: {text}");

    let mut unknown = pair();
    unknown.works();
    unknown.sent(&HeartbeatRequest { group: "g".into(), generation: Generation::NONE, consumer: "c".into() });
    unknown.calls();
    unknown.client.handle_disconnect(Disconnect::Eof);
    let text = unknown.closed().to_string();
    assert!(text.contains("does not know API 12") && text.contains("0.8.1 up to 9"), "{text}");
    assert!(text.contains("set the profile"), "{text}");
}

#[test]
fn after_a_pause_the_idle_close_is_named_first() {
    let mut pair = pair();
    pair.works();
    pair.advance(Duration::from_secs(600));
    pair.sent(&produce(Acks::LEADER, 0));
    pair.calls();
    pair.client.handle_disconnect(Disconnect::Eof);
    let text = pair.closed().to_string();
    assert!(
        text.contains("after 600 idle seconds: brokers of 0.8.2 close a connection after ten idle minutes"),
        "{text}"
    );
}

#[test]
fn each_request_says_how_far_it_had_come() {
    let mut pair = pair();
    pair.sent(&fetch(100));
    pair.sent(&produce(Acks::LEADER, 0));
    let calls = pair.calls();
    pair.sent(&metadata());
    take(&mut pair, 5);
    pair.sent(&metadata());
    pair.server.respond_raw(calls[0].call, bytes::Bytes::from_static(&[0; 96])).expect("the call is open");
    pair.to_client(24);
    pair.client.handle_disconnect(Disconnect::Error(ErrorKind::ConnectionReset));
    let mut progress = Vec::new();
    while let Some(event) = pair.client_event() {
        if let ClientEvent::Failed { api, progress: how_far, .. } = event {
            progress.push((api.key, how_far));
        }
    }
    let expected = [
        (ApiKey::FETCH, Progress::Arriving { received: 20, of: 100 }),
        (ApiKey::PRODUCE, Progress::Behind(Api::v0(ApiKey::FETCH))),
        (ApiKey::METADATA, Progress::PartlySent),
        (ApiKey::METADATA, Progress::NotSent),
    ];
    assert_eq!(progress, expected);
}

#[test]
fn a_request_that_owes_no_answer_is_not_waited_for() {
    let mut pair = pair();
    pair.sent(&produce(Acks::NONE, 0));
    pair.client.handle_disconnect(Disconnect::Eof);
    let CloseReason::Disconnected { waiting_for, .. } = pair.closed().reason else { panic!("it was cut off") };
    assert_eq!(waiting_for, None);
}

#[test]
fn after_a_failed_write_answers_still_come_and_what_is_unsent_fails_at_once() {
    let mut pair = pair();
    let asked = pair.sent(&metadata());
    let calls = pair.calls();
    let unsent = [pair.sent(&produce(Acks::LEADER, 0)), pair.sent(&produce(Acks::NONE, 0))];
    pair.client.handle_write_failed(ErrorKind::BrokenPipe);
    assert_eq!(pair.ends(), unsent.map(|id| End::Lost(id, Fate::NotApplied)));
    assert!(!pair.client.wants_write() && pair.client.wants_read() && !pair.client.can_send());
    let refused = pair.client.request(pair.now, &metadata()).expect_err("nothing can be sent");
    assert!(refused.to_string().contains("not sent") && refused.to_string().contains("broken pipe"), "{refused}");
    pair.answer(calls[0].call);
    let ends = pair.ends();
    let [End::Answered(id), End::Closed(closed)] = &ends[..] else { panic!("{ends:?}") };
    assert_eq!(*id, asked);
    let how = Disconnect::Error(ErrorKind::BrokenPipe);
    assert!(matches!(closed.reason, CloseReason::Disconnected { how: found, .. } if found == how), "{closed}");
}

#[test]
fn a_failed_write_with_nothing_to_wait_for_is_the_end() {
    let mut pair = pair();
    pair.works();
    pair.client.handle_write_failed(ErrorKind::BrokenPipe);
    assert!(matches!(pair.closed().reason, CloseReason::Disconnected { .. }));
}

#[test]
fn the_end_names_the_peer_and_the_connection() {
    let peer = HostPort::new("broker1", 9092);
    let mut pair = pair_with(config().with_peer(peer.clone()));
    pair.client.handle_disconnect(Disconnect::Eof);
    let closed = pair.closed();
    assert_eq!((closed.peer.as_deref(), closed.connection), (Some(&peer), pair.client.id()));
    assert!(closed.to_string().starts_with("connection to broker1:9092: the peer closed the connection"), "{closed}");
}

#[test]
fn only_the_first_end_of_a_transport_counts() {
    let mut pair = pair();
    pair.client.handle_disconnect(Disconnect::Eof);
    pair.client.handle_disconnect(Disconnect::Error(ErrorKind::BrokenPipe));
    let closed = pair.closed();
    assert!(matches!(closed.reason, CloseReason::Disconnected { how: Disconnect::Eof, .. }));
}

#[test]
fn a_client_that_is_not_polled_stops_reading_at_the_first_whole_frame() {
    let mut pair = pair();
    let ids: Vec<_> = (0..3).map(|_| pair.sent(&metadata())).collect();
    assert!(pair.client.wants_read());
    for call in pair.calls() {
        pair.server.respond_raw(call.call, bytes::Bytes::from_static(&[0; 8])).expect("the call is open");
    }
    pair.to_client(15);
    assert!(pair.client.wants_read(), "a frame is not whole");
    pair.to_client(1);
    assert!(!pair.client.wants_read());
    assert_eq!(pair.ends(), [End::Answered(ids[0])]);
    assert!(pair.client.wants_read());
}
