//! Errors of connections, and of what adapters share: their texts, word for word.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use bytes::Bytes;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Fate, HostPort, ServerEvent,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
    api::{MetadataRequest, MetadataResponse, RequestProblem},
    connection::{
        CloseReason, Closed, Disconnect, Heard, MatchError, Pair, PrepareError, Prepared, Progress, RedeemError, Reply,
        RequestError, RespondError, SendError, ServerCloseReason,
    },
    frame::{FrameError, LooksLike},
    ids::{Api, ApiKey, BadHostPort, ConnectionId, CorrelationId},
    wire::{DecodeError, DecodeProblem, EncodeError, Encoder},
};

use crate::{common::start, lost, says_each_once};

const METADATA: Api = Api::v0(ApiKey::METADATA);
const ID: CorrelationId = CorrelationId(7);
const AFTER: Duration = Duration::from_secs(3);

fn too_long() -> EncodeError {
    Encoder::new().text("topic", "x".repeat(40_000)).expect_err("too long")
}

fn malformed() -> DecodeError {
    DecodeError::new("Metadata response", "brokers", 0, DecodeProblem::Negative(-2))
}

fn failed(peer: Option<Arc<HostPort>>, error: RequestError, progress: Progress) -> CallError {
    CallError::Failed { peer, id: ID, api: METADATA, error, progress, fate: Fate::NotApplied, io: None }
}

fn timed_out() -> CallError {
    failed(None, RequestError::TimedOut { after: AFTER }, Progress::Unanswered)
}

const TIMED_OUT: &str = "Metadata v0 (request 7) failed: it timed out after 3s; no answer had come: the broker is overloaded or \
                         unreachable, the timeout is too short, or the peer does not speak Kafka 0.8 (the request can \
                         safely be sent again)";
const LOST: &str = "connection to broker1:9092: the peer reset the connection while nothing was asked: brokers of 0.8.2 do so \
                    after ten idle minutes, and all when they stop; connect again";

#[test]
fn a_call_that_failed_names_its_request_and_its_peer_if_that_is_known() {
    assert_eq!(timed_out().to_string(), TIMED_OUT);
    let peer = Some(Arc::new(HostPort::new("broker1", 9092)));
    let closed = failed(peer.clone(), RequestError::Closed(CloseReason::Local), Progress::NotSent);
    assert_eq!(
        closed.to_string(),
        "Metadata v0 (request 7) to broker1:9092 failed: the connection was closed on this side; it was not sent (the request can \
         safely be sent again)"
    );
    let malformed = CallError::Malformed { peer, id: ID, error: malformed(), fate: Fate::NotApplied };
    assert_eq!(
        malformed.to_string(),
        "request 7 to broker1:9092 was answered with something else: malformed Metadata response: brokers at \
         byte 0 is -2, which is neither a length nor null (the request can safely be sent again)"
    );
    assert_eq!(CallError::Closed(lost()).to_string(), LOST);
    assert_eq!(CallError::NotSent(SendError::Busy).to_string(), SendError::Busy.to_string());
    assert_eq!(
        CallError::NotOutstanding(ID).to_string(),
        "request 7 is not outstanding here: its answer was taken, or another client sent it"
    );
    assert_eq!(
        CallError::NoResponseExpected.to_string(),
        "a produce with acks = 0 is never answered: use send_and_forget, or other acks"
    );
}

#[test]
fn a_call_error_has_the_id_and_the_fate_of_its_request() {
    let malformed = CallError::Malformed { peer: None, id: ID, error: malformed(), fate: Fate::MaybeApplied };
    for (error, id, fate) in [
        (timed_out(), Some(ID), Fate::NotApplied),
        (malformed, Some(ID), Fate::MaybeApplied),
        (CallError::NotOutstanding(ID), Some(ID), Fate::MaybeApplied),
        (CallError::NotSent(SendError::Busy), None, Fate::NotApplied),
        (CallError::NoResponseExpected, None, Fate::NotApplied),
        (CallError::Closed(lost()), None, Fate::MaybeApplied),
    ] {
        assert_eq!((error.id(), error.fate()), (id, fate), "{error}");
        says_each_once(&error);
    }
}

#[test]
fn a_flush_that_failed_tells_the_requests_the_time_and_the_end() {
    assert!(FlushError::check(vec![], None).is_ok());
    let only_failed = FlushError::check(vec![timed_out()], None).expect_err("one has failed");
    let only_closed = FlushError::check(vec![], Some(lost())).expect_err("it has ended");
    let both = FlushError::check(vec![timed_out(), timed_out()], Some(lost())).expect_err("all of that");
    let late = "not everything that was staged had left within 3s: the peer does not read, or reads slowly";
    for (error, expected) in [
        (only_failed, TIMED_OUT.to_owned()),
        (only_closed, LOST.to_owned()),
        (both, format!("2 requests failed that nobody waits for; the first: {TIMED_OUT}; {LOST}")),
        (FlushError::timed_out(AFTER, vec![]), late.to_owned()),
        (FlushError::timed_out(AFTER, vec![timed_out()]), format!("{TIMED_OUT}; {late}")),
    ] {
        assert_eq!(error.to_string(), expected);
        says_each_once(&error);
    }
}

#[test]
fn a_close_tells_the_end_and_the_requests_that_failed() {
    assert_eq!(CloseReport::new(lost(), vec![]).to_string(), LOST);
    assert_eq!(CloseReport::new(lost(), vec![timed_out()]).to_string(), format!("{LOST}; {TIMED_OUT}"));
    let with_it = failed(None, RequestError::Closed(lost().reason), Progress::NotSent);
    assert_eq!(
        CloseReport::new(lost(), vec![with_it]).to_string(),
        format!(
            "{LOST}; Metadata v0 (request 7) failed with the connection; it was not sent (the request can safely be sent again)"
        )
    );
}

#[test]
fn a_request_that_was_not_sent_says_why_and_what_to_do() {
    let encode = too_long();
    for (error, expected) in [
        (SendError::Busy, "not sent, the connection is busy: take answers, then try again".to_owned()),
        (
            SendError::TimedOut { after: AFTER },
            "not sent, no place was free within 3s: answers wait to be taken, or the broker is slow to answer what is in front"
                .to_owned(),
        ),
        (SendError::Closed(Box::new(lost())), format!("not sent, the connection has ended: {LOST}")),
        (
            SendError::Prepare(PrepareError::Problem(RequestProblem::NoGroup)),
            format!("the request was refused before it was sent: {}", RequestProblem::NoGroup),
        ),
        (
            SendError::Prepare(PrepareError::Encode(encode)),
            "the request cannot be encoded: topic has a length of 40000, but at most 32767 can be encoded".to_owned(),
        ),
        (
            SendError::TooLarge { len: 9, max: 8 },
            "the request takes 9 bytes and a broker accepts 8 (socket.request.max.bytes): send less at once, or raise both the \
             broker's setting and Limits::max_request"
                .to_owned(),
        ),
        (
            SendError::ClientId(encode),
            "topic has a length of 40000, but at most 32767 can be encoded: use a shorter client id".to_owned(),
        ),
    ] {
        assert_eq!(error.to_string(), expected);
        says_each_once(&error);
    }
}

#[test]
fn an_answer_out_of_turn_is_named_with_the_one_that_was_due() {
    let (got, expected) = (ID, CorrelationId(8));
    let advice = "a Kafka 0.8 broker answers in order, so the peer is no such broker, or a proxy mixes streams";
    for (error, text) in [
        (MatchError::Unknown { got, expected }, "a response to request 7, which is not waiting, came where 8 was due"),
        (MatchError::OutOfOrder { got, expected }, "a response to request 7 came before that to 8"),
        (MatchError::Unsolicited { got }, "a response to request 7 came, and none was due"),
    ] {
        assert_eq!(error.to_string(), text);
        says_each_once(&error);
        assert_eq!(CloseReason::Match(error).to_string(), format!("{text}: {advice}"));
    }
}

#[test]
fn bytes_that_are_no_frames_are_shown_and_explained_to_either_end() {
    let (small, large) = (
        "a frame claims 3 bytes (0x00000003, in ASCII \"\\x00\\x00\\x00\\x03\"), less than the 4 of the smallest frame",
        "a frame claims 9 bytes (0x00000009, in ASCII \"\\x00\\x00\\x00\\t\"), more than the limit of 8",
    );
    let tls = "the peer speaks TLS, which Kafka 0.8 does not: use a plaintext port, or a transport that does TLS";
    let too_small = |looks_like| FrameError::TooSmall { len: 3, looks_like };
    let too_large = |looks_like| FrameError::TooLarge { len: 9, max: 8, looks_like };
    for (error, client, server) in [
        (
            too_small(None),
            format!("{small}: the peer does not speak Kafka 0.8"),
            format!("{small}: the client does not speak Kafka"),
        ),
        (
            too_large(None),
            format!("{large}: either the peer does not speak Kafka 0.8, or Limits::max_frame is too low"),
            format!(
                "{large}: the client does not speak Kafka, or sends more at once than ServerConfig::with_max_frame allows"
            ),
        ),
        (too_small(Some(LooksLike::Tls)), format!("{small}: {tls}"), format!("{small}: {tls}")),
        (too_large(Some(LooksLike::Tls)), format!("{large}: {tls}"), format!("{large}: {tls}")),
    ] {
        says_each_once(&error);
        assert_eq!(CloseReason::Frame(error).to_string(), client);
        assert_eq!(ServerCloseReason::Frame(error).to_string(), server);
    }
}

#[test]
fn a_pause_of_a_minute_before_a_request_is_named_as_a_likely_cause() {
    let after = |idle| {
        let heard = Heard::Frames;
        let reason = CloseReason::Disconnected {
            how: Disconnect::Eof,
            heard,
            waiting_for: Some(METADATA),
            idle,
            unconfirmed: 0,
        };
        reason.to_string()
    };
    let minute = Duration::from_secs(60);
    assert!(after(Some(minute)).contains("after 60 idle seconds"), "{}", after(Some(minute)));
    for idle in [None, Some(minute - Duration::from_nanos(1))] {
        assert!(!after(idle).contains("idle seconds"), "{}", after(idle));
    }
}

#[test]
fn a_server_says_how_its_client_left() {
    for (reason, expected) in [
        (ServerCloseReason::Local, "the connection was closed on this side"),
        (
            ServerCloseReason::Disconnected { how: Disconnect::Eof, heard: Heard::Nothing },
            "the client closed the connection before it had sent a byte",
        ),
        (
            ServerCloseReason::Disconnected { how: Disconnect::Eof, heard: Heard::Frames },
            "the client closed the connection",
        ),
        (
            ServerCloseReason::Disconnected {
                how: Disconnect::Error(io::ErrorKind::ConnectionReset),
                heard: Heard::PartOfFrame { bytes: 5 },
            },
            "the client reset the connection 5 bytes into a request",
        ),
        (
            ServerCloseReason::Disconnected { how: Disconnect::Error(io::ErrorKind::BrokenPipe), heard: Heard::Frames },
            "the connection failed (broken pipe)",
        ),
        (
            ServerCloseReason::Header(malformed()),
            "malformed Metadata response: brokers at byte 0 is -2, which is neither a length nor null",
        ),
        (
            ServerCloseReason::SlowRequest { received: 5 },
            "a request began to arrive and was not complete in time: 5 bytes of it had come",
        ),
    ] {
        assert_eq!(reason.to_string(), expected);
        says_each_once(&reason);
    }
}

#[test]
fn an_answer_that_was_not_taken_says_what_became_of_its_call() {
    assert_eq!(
        RespondError::NotOpen.to_string(),
        "the call is not open: it was ended before, or its connection is closed; drop the answer"
    );
    assert_eq!(
        RespondError::Encode(too_long()).to_string(),
        "topic has a length of 40000, but at most 32767 can be encoded: the call is still open, give it a smaller answer or \
         close the connection"
    );
}

#[test]
fn an_answer_that_cannot_be_redeemed_says_whose_it_is_or_what_is_wrong_with_it() {
    let mut pair = Pair::new(start(), ClientConfig::default(), kafka08_proto::ServerConfig::default());
    let tickets = [0; 2].map(|_| pair.client.request(pair.now, &MetadataRequest::all()).expect("there is room"));
    pair.exchange();
    let Some(ServerEvent::Request(call)) = pair.server_event() else { panic!("a request is due") };
    assert_eq!(
        format!("{call:?}").split_once(", Request").map(|(_, rest)| rest.rsplit_once(", ").map(|(_, len)| len)),
        Some(Some("4 bytes)"))
    );
    pair.server.respond(call.call, &MetadataResponse::default()).expect("the call is open");
    pair.exchange();
    let Some(ClientEvent::Response(frame)) = pair.client_event() else { panic!("an answer is due") };
    let not_mine = tickets[1].redeem(frame).expect_err("it answers the first");
    assert_eq!(
        not_mine.to_string(),
        "the response answers request 536870912 (Metadata) of connection 0, not this one: give it to that request's ticket"
    );
    says_each_once(&not_mine);
    let malformed = RedeemError::Malformed { error: malformed(), fate: Fate::NotApplied };
    assert_eq!(
        malformed.to_string(),
        "malformed Metadata response: brokers at byte 0 is -2, which is neither a length nor null (the request can \
         safely be sent again)"
    );
}

#[test]
fn unconfirmed_requests_print_as_ranges() {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let silent = Prepared::raw(Api::v0(ApiKey::PRODUCE), Bytes::new(), Reply::None);
    for _ in 0..3 {
        connection.send(start(), &silent).expect("there is room");
    }
    bytes::Buf::advance(connection.buffers().1, 3 * 21);
    connection.close();
    let closed = std::iter::from_fn(|| connection.poll_event()).find_map(|event| match event {
        ClientEvent::Closed(closed) => Some(closed),
        _ => None,
    });
    let printed = closed.map(|Closed { unconfirmed, .. }| format!("{unconfirmed:?}"));
    assert_eq!(printed.as_deref(), Some("[134217728 (Produce)..=134217730 (Produce)]"));
}

#[test]
fn a_connection_that_was_not_made_names_its_target_every_address_and_what_to_check() {
    let target = || HostPort::new("broker1", 9092);
    let attempt = ("127.0.0.1:9092".parse().expect("an address"), io::Error::from(io::ErrorKind::ConnectionRefused));
    let setup = io::Error::other("no such option");
    for (error, expected) in [
        (
            ConnectError::Resolve { target: target(), error: io::Error::other("no such host") },
            "cannot look up \"broker1\", to connect to broker1:9092: no such host: check the name",
        ),
        (ConnectError::NoAddress(target()), "\"broker1\" has no address: check the name"),
        (
            ConnectError::TimedOut { target: target(), after: AFTER, attempts: vec![attempt] },
            "no connection to broker1:9092 within 3s (127.0.0.1:9092: connection refused): the host is down, or a firewall \
             drops packets",
        ),
        (
            ConnectError::TimedOut { target: target(), after: AFTER, attempts: vec![] },
            "no connection to broker1:9092 within 3s: the host is down, or a firewall drops packets",
        ),
        (ConnectError::Setup(setup), "connected, but the socket could not be set up: no such option"),
    ] {
        assert_eq!(error.to_string(), expected);
        says_each_once(&error);
        assert!(error.source().is_none());
    }
}

#[test]
fn how_far_a_request_had_come_is_said_in_a_few_words() {
    for (progress, expected) in [
        (Progress::NotSent, "it was not sent"),
        (Progress::PartlySent, "only part of it was sent"),
        (Progress::Offered, "it was not reported as sent"),
        (Progress::Behind(METADATA), "the broker had yet to answer Metadata v0 in front of it"),
        (Progress::Unanswered, "no answer had come"),
        (Progress::Arriving { received: 3, of: 8 }, "3 of 8 bytes of its answer had come"),
    ] {
        assert_eq!(progress.to_string(), expected);
        // With advice where the time was over.
        says_each_once(&failed(None, RequestError::TimedOut { after: AFTER }, progress));
    }
}

#[test]
fn a_text_that_is_no_address_is_told_from_a_list_of_them() {
    let error = |text: &str| text.parse::<HostPort>().expect_err("no address");
    let bad: [BadHostPort; 2] = [error("broker1"), error("a:1,b:2")];
    assert_eq!(
        bad.each_ref().map(ToString::to_string),
        [
            "\"broker1\" is not a host and port: write it as host:port, for example broker1:9092 or [::1]:9092",
            "\"a:1,b:2\" is a list of brokers, but a connection has one broker: connect to one after the other until one \
             answers, then ask it for the leaders",
        ]
    );
}
