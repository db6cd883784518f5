//! What a peer or a caller can fill, and where it stops.

use bytes::Bytes;
use kafka08_proto::{
    Connection as _, Disconnect, ServerConfig, ServerEvent,
    api::ProduceRequest,
    connection::{Cancelled, ClientEvent, CloseReason, Fate, Pair, Prepared, Progress, RequestFrame},
    ids::{Acks, Millis},
    message::MessageSet,
};

use crate::rig::{End, Rig, config, fetch, metadata, origin, pair, pair_with, produce, staged, take};

const MIB: usize = 1 << 20;

/// Gives the server's next request, if it reads on.
fn next(pair: &mut Pair) -> Option<RequestFrame> {
    match pair.server_event() {
        Some(ServerEvent::Request(request)) => Some(request),
        None => None,
        Some(ServerEvent::Closed(reason)) => panic!("the server has closed: {reason}"),
    }
}

/// Answers requests of a client that reads nothing, each with `answer` bytes, until the server stops reading. Returns how
/// many were answered, and the peak of the memory that it took.
fn serve_one_that_reads_nothing(config: ServerConfig, answer: usize) -> (usize, u64) {
    let mut pair = Pair::new(origin(), crate::rig::config().with_max_in_flight(10_000).with_max_staged(MIB), config);
    let request = Prepared::new(&fetch(0)).expect("it fits");
    for _ in 0..3000 {
        pair.client.send(pair.now, &request).expect("there is room");
    }
    pair.to_server(usize::MAX);
    let mut answered = 0;
    let counted = allocation_counter::measure(|| {
        while let Some(request) = next(&mut pair) {
            pair.server.respond_raw(request.call, vec![0; answer].into()).expect("the call is open");
            answered += 1;
        }
    });
    assert!(!pair.server.wants_read());
    (answered, counted.bytes_max)
}

#[test]
fn a_server_whose_client_reads_nothing_holds_one_answer() {
    let (answered, peak) = serve_one_that_reads_nothing(ServerConfig::default(), MIB);
    assert_eq!(answered, 1);
    assert!(peak < 2 * MIB as u64, "{peak}");
}

#[test]
fn a_server_whose_client_reads_nothing_stops_at_the_bytes_it_may_stage() {
    let config = ServerConfig::default().with_max_open_calls(1000).with_max_staged(4 * MIB);
    let (answered, peak) = serve_one_that_reads_nothing(config, MIB);
    assert_eq!(answered, 4);
    assert!(peak < 5 * MIB as u64, "{peak}");
}

#[test]
fn a_server_whose_client_reads_nothing_stops_at_the_calls_it_may_open() {
    let config = ServerConfig::default().with_max_open_calls(10);
    assert_eq!(serve_one_that_reads_nothing(config, 100).0, 10);
}

#[test]
fn answers_that_wait_behind_an_open_call_count_as_staged() {
    let config = ServerConfig::default().with_max_open_calls(1000).with_max_staged(1000);
    let mut pair = Pair::new(origin(), crate::rig::config(), config);
    for _ in 0..10 {
        pair.sent(&metadata());
    }
    pair.to_server(usize::MAX);
    let first = next(&mut pair).expect("a request is due");
    for _ in 0..2 {
        let request = next(&mut pair).expect("there is room");
        pair.server.respond_raw(request.call, vec![0; 492].into()).expect("the call is open");
    }
    assert!(next(&mut pair).is_none() && !pair.server.wants_read(), "1,000 bytes are held");
    pair.server.finish(first.call);
    assert!(next(&mut pair).is_none(), "they are staged, and not written");
    pair.to_client(1);
    assert!(next(&mut pair).is_some(), "there is room for one byte");
}

#[test]
fn a_server_reads_on_as_soon_as_its_answer_is_written() {
    let mut pair = Pair::new(origin(), config(), ServerConfig::default());
    let ids = [0; 3].map(|_| pair.sent(&metadata()));
    pair.to_server(usize::MAX);
    for id in ids {
        let request = next(&mut pair).expect("the one before is written");
        pair.server.respond_raw(request.call, Bytes::from_static(&[0; 8])).expect("the call is open");
        pair.to_client(15);
        assert!(next(&mut pair).is_none(), "one byte is missing");
        pair.to_client(1);
        assert_eq!(pair.ends(), [End::Answered(id)]);
    }
    assert!(pair.server_event().is_none() && pair.server.wants_read());
}

#[test]
fn requests_that_are_here_when_the_client_closes_are_still_served_one_by_one() {
    let mut pair = Pair::new(origin(), config(), ServerConfig::default());
    let ids = [0; 3].map(|_| pair.sent(&metadata()));
    pair.to_server(usize::MAX);
    pair.server.handle_disconnect(Disconnect::Eof);
    for id in ids {
        let request = next(&mut pair).expect("it is here in full");
        assert_eq!(request.header.correlation_id, id);
        pair.server.respond_raw(request.call, Bytes::from_static(&[0; 8])).expect("the call is open");
        assert!(!pair.server.is_over());
        pair.to_client(usize::MAX);
    }
    assert!(matches!(pair.server_event(), Some(ServerEvent::Closed(_))));
    assert!(pair.server.is_over());
    assert_eq!(pair.ends(), ids.map(End::Answered));
}

#[test]
fn events_that_are_not_taken_keep_their_place_in_flight() {
    let mut pair = pair_with(config().with_max_in_flight(3));
    for _ in 0..3 {
        pair.sent(&produce(Acks::NONE, 0));
        let whole = staged(&mut pair);
        take(&mut pair, whole);
        pair.client.forget(kafka08_proto::ids::CorrelationId(0));
    }
    assert_eq!(pair.client.in_flight(), 0);
    assert!(!pair.client.can_send(), "three events wait");
    pair.client_event();
    assert!(pair.client.can_send());
}

#[test]
fn what_is_unconfirmed_takes_little_memory_whatever_is_taken_back_between() {
    let mut pair = pair();
    let silent = Prepared::new(&produce(Acks::NONE, 0)).expect("it fits");
    let mut written = Vec::with_capacity(10_000);
    let mut withdrawn = 0;
    let counted = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            written.push(pair.client.send(pair.now, &silent).expect("there is room"));
            let given_up = pair.client.send(pair.now, &silent).expect("there is room");
            match pair.client.cancel(given_up) {
                Cancelled::Withdrawn => withdrawn += 1,
                // From some number on it is left to be written: then it is unconfirmed too.
                Cancelled::Abandoned => written.push(given_up),
                Cancelled::NotOutstanding => panic!("it is outstanding"),
            }
            let whole = staged(&mut pair);
            take(&mut pair, whole);
            while pair.client.poll_event().is_some() {}
            written.clear();
        }
    });
    assert_eq!(withdrawn, 1024);
    assert!(counted.bytes_max < 128 << 10, "{counted:?}");
}

#[test]
fn a_peer_that_reads_only_now_and_then_cannot_fill_the_list_of_unconfirmed_requests() {
    let mut pair = pair();
    let silent = Prepared::new(&produce(Acks::NONE, 0)).expect("it fits");
    let mut rounds = 0;
    let mut closed = None;
    let counted = allocation_counter::measure(|| {
        while closed.is_none() && rounds < 2000 {
            pair.client.send(pair.now, &silent).expect("there is room");
            let whole = staged(&mut pair);
            take(&mut pair, whole);
            assert!(matches!(pair.client_event(), Some(ClientEvent::Written { .. })));
            // Nothing of this one is read, so its time passes.
            let unread = pair.client.send(pair.now, &silent).expect("there is room");
            pair.advance(crate::rig::TIMEOUT);
            let Some(ClientEvent::Failed { id, progress, fate, .. }) = pair.client_event() else {
                panic!("it has timed out")
            };
            assert_eq!((id, progress, fate), (unread, Progress::NotSent, Fate::NotApplied));
            if let Some(ClientEvent::Closed(end)) = pair.client_event() {
                assert_eq!(end.reason, CloseReason::NoAnswer { id: unread, progress: Progress::NotSent });
                closed = Some(end);
            }
            rounds += 1;
        }
    });
    assert_eq!(rounds, 1024);
    assert_eq!(closed.map(|end| end.unconfirmed.len()), Some(1024));
    assert!(counted.bytes_max < 128 << 10, "{counted:?}");
}

#[test]
fn what_is_listed_as_unconfirmed_is_what_was_written() {
    let mut pair = pair();
    let mut written = Vec::new();
    for round in 0..2000 {
        let id = pair.sent(&produce(Acks::NONE, 0));
        if round % 2 == 1 && pair.client.cancel(id) == Cancelled::Withdrawn {
            continue;
        }
        written.push(id);
        let whole = staged(&mut pair);
        take(&mut pair, whole);
        while pair.client_event().is_some() {}
    }
    pair.client.handle_disconnect(Disconnect::Eof);
    assert_eq!(pair.closed().unconfirmed.iter().collect::<Vec<_>>(), written);
}

#[test]
fn a_connection_at_rest_gives_its_memory_back() {
    let mut pair = pair();
    let counted = allocation_counter::measure(|| {
        for _ in 0..64 {
            pair.sent(&metadata());
        }
        for call in pair.calls() {
            pair.server.respond_raw(call.call, vec![0; 100_000].into()).expect("the call is open");
        }
        pair.to_client(usize::MAX);
        assert_eq!(pair.ends().len(), 64);
        assert!(pair.server_event().is_none());
        // Long enough for both ends to notice, and for no deadline to be left.
        pair.advance(std::time::Duration::from_secs(60));
        assert!(pair.client_event().is_none() && pair.server_event().is_none());
    });
    assert!(counted.bytes_max > 6 << 20, "{counted:?}");
    assert!(counted.bytes_current < 1 << 10, "{counted:?}");
    assert_eq!((pair.client.poll_timeout(), pair.server.poll_timeout()), (None, None), "there is nothing left to do");
    pair.works();
}

#[test]
fn events_that_were_taken_leave_no_memory_behind() {
    let mut pair = pair_with(config().with_max_in_flight(1000));
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            pair.sent(&produce(Acks::NONE, 0));
        }
        let whole = staged(&mut pair);
        take(&mut pair, whole);
        assert_eq!(pair.ends().len(), 1000);
        pair.advance(std::time::Duration::from_secs(60));
        assert!(pair.client_event().is_none());
    });
    assert!(counted.bytes_current < 1 << 10, "{counted:?}");
}

#[test]
fn a_server_that_received_much_and_sent_nothing_gives_its_memory_back() {
    let mut pair = pair();
    let body = vec![0; 300_000];
    let large = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(&body));
    pair.sent(&large);
    for call in pair.calls() {
        pair.server.finish(call.call);
    }
    assert!(pair.server_event().is_none());
    assert!(pair.server.poll_timeout().is_some(), "there is memory to give back");
    pair.advance(std::time::Duration::from_secs(60));
    assert!(pair.server_event().is_none());
    assert_eq!(pair.server.poll_timeout(), None);
}
