use std::io::ErrorKind;

use kafka08_proto::{
    Connection as _, Disconnect, Fate,
    connection::{CloseReason, Heard},
    ids::Acks,
};

use crate::rig::{End, Rig, fetch, metadata, pair, produce};

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
    assert!(text.contains("instead of answering Metadata v0") && text.contains("too old") && text.contains("too new"));

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
    assert!(text.contains("0.8.1 up to 9"), "{text}");
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
