//! Errors that adapters share: of calls, of connecting, of flushes.

use std::{error::Error as _, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Fate, HostPort,
    adapter::{CallError, CloseReport, ConnectError, FlushError},
    connection::{CloseReason, Disconnect, Prepared, Progress, Reply, RequestError, SendError},
    ids::{Api, ApiKey, ConnectionId},
};

use super::common::start;
use super::{AFTER, ID, LOST, MALFORMED, METADATA, Next, Open, Row, Says, lost, malformed, repeated, row};

const RESEND: Next = Says("the request can safely be sent again");

pub(crate) fn rows() -> Vec<Row> {
    [of_calls(), of_progress(), of_flushes(), of_connecting()].into_iter().flatten().collect()
}

fn target() -> HostPort {
    HostPort::new("broker1", 9092)
}

fn failed(peer: Option<HostPort>, error: RequestError, progress: Progress) -> CallError {
    let io = error_of_system(&error);
    CallError::Failed { peer: peer.map(Arc::new), id: ID, api: METADATA, error, progress, fate: Fate::NotApplied, io }
}

/// What the system said, if a transport has failed.
fn error_of_system(error: &RequestError) -> Option<Arc<io::Error>> {
    let of_transport = matches!(error, RequestError::Closed(CloseReason::Disconnected { .. }));
    of_transport.then(|| Arc::new(io::Error::other("Connection reset by peer (os error 104)")))
}

fn timed_out() -> CallError {
    failed(None, RequestError::TimedOut { after: AFTER }, Progress::Unanswered)
}

const TIMED_OUT: &str = "Metadata v0 (request 7) failed: it timed out after 3s; no answer had come: the broker is overloaded or \
                         unreachable, the timeout is too short, or the peer does not speak Kafka 0.8 (the request can \
                         safely be sent again)";

fn of_calls() -> Vec<Row> {
    let reset = failed(Some(target()), RequestError::Closed(lost().reason), Progress::Unanswered);
    let closed = failed(Some(target()), RequestError::Closed(CloseReason::Local), Progress::NotSent);
    let undecoded = |peer, fate| CallError::Malformed { peer, id: ID, error: malformed(), fate };
    vec![
        row(timed_out(), "Metadata v0 (request 7)", RESEND, TIMED_OUT),
        row(
            closed,
            "Metadata v0 (request 7) to broker1:9092",
            RESEND,
            "Metadata v0 (request 7) to broker1:9092 failed: the connection was closed on this side; the request was not sent \
             (the request can safely be sent again)",
        ),
        row(
            reset,
            "Metadata v0 (request 7) to broker1:9092",
            RESEND,
            "Metadata v0 (request 7) to broker1:9092 failed: the peer reset the connection while nothing was asked: brokers of \
             0.8.2 do so after ten idle minutes, and all when they stop; connect again; no answer had come (the request can \
             safely be sent again)",
        ),
        row(
            undecoded(Some(Arc::new(target())), Fate::NotApplied),
            "request 7 to broker1:9092",
            Says("the probe tells its release"),
            format!(
                "the answer to request 7 to broker1:9092 cannot be decoded: {MALFORMED}; the peer may be no Kafka 0.8 broker: \
                 the probe tells its release (the request can safely be sent again)"
            ),
        ),
        row(
            undecoded(None, Fate::MaybeApplied),
            "request 7",
            Says("sending it again may apply it twice"),
            format!(
                "the answer to request 7 cannot be decoded: {MALFORMED}; the peer may be no Kafka 0.8 broker: the probe tells \
                 its release (the broker may have acted on the request, and sending it again may apply it twice)"
            ),
        ),
        row(CallError::Closed(lost()), "broker1:9092", Says("connect again"), LOST),
        row(
            CallError::NotSent(SendError::Busy),
            "the connection",
            Says("take answers, then try again"),
            SendError::Busy.to_string(),
        ),
        row(
            CallError::NotOutstanding(ID),
            "request 7",
            Says("wait once for each request, with the client that sent it"),
            "request 7 has no answer to wait for: the answer was taken before, the request was given up, or another client sent \
             it; wait once for each request, with the client that sent it",
        ),
        row(
            CallError::NoResponseExpected,
            "a produce with acks = 0",
            Says("use send_and_forget"),
            "a produce with acks = 0 is never answered: use send_and_forget, or other acks",
        ),
    ]
}

fn of_progress() -> Vec<Row> {
    let not_read = "the peer does not read, or the network is too slow for what was staged in front of it";
    [
        (Progress::NotSent, "the request was not sent", not_read),
        (Progress::PartlySent, "only a part of the request was sent", not_read),
        (Progress::Offered, "the stream has not reported the request as sent", not_read),
        (
            Progress::Behind(METADATA),
            "the broker had not yet answered Metadata v0, which was sent before",
            "raise the timeout, or use another connection for requests that may wait long",
        ),
        (
            Progress::Unanswered,
            "no answer had come",
            "the broker is overloaded or unreachable, the timeout is too short, or the peer does not speak Kafka 0.8",
        ),
        (
            Progress::Arriving { received: 3, of: 8 },
            "3 of 8 bytes of its answer had come",
            "raise the timeout, or ask for less at once",
        ),
    ]
    .into_iter()
    .map(|(progress, text, next)| {
        assert_eq!(progress.to_string(), text);
        let text = format!(
            "Metadata v0 (request 7) failed: it timed out after 3s; {text}: {next} (the request can safely be sent again)"
        );
        row(failed(None, RequestError::TimedOut { after: AFTER }, progress), "request 7", Says(next), text)
    })
    .collect()
}

/// Requests that fail together with their connection.
fn with_connection() -> CallError {
    failed(Some(target()), RequestError::Closed(lost().reason), Progress::NotSent)
}

const WITH_CONNECTION: &str = "Metadata v0 (request 7) to broker1:9092 failed with the connection; the request was not sent (the \
                               request can safely be sent again)";

fn of_flushes() -> Vec<Row> {
    let late = "not all staged requests were written within 3s: the peer does not read, or reads slowly; flush again to wait \
                for the rest";
    let check = |failed, closed| FlushError::check(failed, closed).expect_err("there is something to tell");
    let wait = Says("flush again to wait for the rest");
    let two = "2 requests failed that nobody waits for; the first:";
    vec![
        row(check(vec![timed_out()], None), "request 7", RESEND, TIMED_OUT),
        row(check(vec![], Some(lost())), "broker1:9092", Says("connect again"), LOST),
        row(
            check(vec![timed_out(), timed_out()], Some(lost())),
            "2 requests",
            RESEND,
            format!("{two} {TIMED_OUT}; {LOST}"),
        ),
        row(check(vec![with_connection()], Some(lost())), "request 7", RESEND, format!("{WITH_CONNECTION}; {LOST}")),
        row(
            check(vec![with_connection(); 2], Some(lost())),
            "request 7",
            RESEND,
            format!("{two} {WITH_CONNECTION}; {LOST}"),
        ),
        row(FlushError::timed_out(AFTER, vec![]), "staged requests", wait, late),
        row(FlushError::timed_out(AFTER, vec![timed_out()]), "request 7", wait, format!("{TIMED_OUT}; {late}")),
    ]
}

fn of_connecting() -> Vec<Row> {
    let address: SocketAddr = ([127, 0, 0, 1], 9092).into();
    let attempt = || (address, io::Error::from(io::ErrorKind::ConnectionRefused));
    let timed_out = |attempts| ConnectError::TimedOut { target: target(), after: AFTER, attempts };
    let bad = "broker1".parse::<HostPort>().expect_err("no port");
    let slow = "the host is down, or a firewall drops packets; check both, or raise the connect timeout";
    vec![
        row(ConnectError::Target(bad.clone()), "\"broker1\"", Says("write it as host:port"), bad.to_string()),
        row(
            ConnectError::Resolve { target: target(), error: io::Error::other("no such host") },
            "broker1:9092",
            Says("check the name"),
            "cannot look up \"broker1\", to connect to broker1:9092: no such host: check the name",
        ),
        row(
            ConnectError::NoAddress(target()),
            "broker1:9092",
            Says("check the name"),
            "cannot connect to broker1:9092: the name \"broker1\" has no address: check the name",
        ),
        row(
            ConnectError::Refused { target: target(), attempts: vec![attempt()] },
            "broker1:9092 (127.0.0.1:9092",
            Says("check that a broker listens there"),
            "cannot connect to broker1:9092 (127.0.0.1:9092: connection refused): check that a broker listens there (0.8 listens \
             on 9092 by default, early releases on 6667)",
        ),
        row(
            timed_out(vec![attempt()]),
            "broker1:9092 within 3s (127.0.0.1:9092",
            Says("raise the connect timeout"),
            format!("no connection to broker1:9092 within 3s (127.0.0.1:9092: connection refused): {slow}"),
        ),
        row(
            timed_out(vec![]),
            "broker1:9092",
            Says("raise the connect timeout"),
            format!("no connection to broker1:9092 within 3s: {slow}"),
        ),
        row(
            ConnectError::Setup(io::Error::other("no such option")),
            "the socket",
            Open("the error of the system decides"),
            "connected, but the socket could not be set up: no such option",
        ),
    ]
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
    }
}

#[test]
fn only_what_the_system_said_is_a_cause_of_an_error_of_adapters() {
    let of_system = "Connection reset by peer (os error 104)";
    assert_eq!(with_connection().source().map(ToString::to_string).as_deref(), Some(of_system));
    for row in rows() {
        let cause = row.error.source().map(ToString::to_string);
        assert!(cause.is_none_or(|cause| cause == of_system), "{}", row.name);
    }
}

#[test]
fn a_request_fails_with_its_connection_for_the_same_reason() {
    let config = ClientConfig::default().with_peer(target());
    let mut connection = ClientConnection::new(config, ConnectionId(0));
    let silent = Prepared::raw(Api::v0(ApiKey::PRODUCE), Bytes::new(), Reply::None);
    connection.send(start(), &silent).expect("there is room");
    connection.handle_disconnect(Disconnect::Error(io::ErrorKind::ConnectionReset));
    let peer = Arc::new(target());
    let (mut failed, mut closed) = (vec![], None);
    while let Some(event) = connection.poll_event() {
        match event {
            ClientEvent::Closed(end) => closed = Some(end),
            event => failed.extend(CallError::from_event(event, Some(&peer), None)),
        }
    }
    let error = FlushError::check(failed, closed).expect_err("it has ended");
    assert_eq!(
        error.to_string(),
        format!(
            "Produce v0 (request 134217728) to broker1:9092 failed with the connection; the request was not sent (the request \
             can safely be sent again); {LOST}"
        )
    );
}

#[test]
fn a_flush_without_failures_on_an_open_connection_succeeds() {
    assert!(FlushError::check(vec![], None).is_ok());
}

#[test]
fn a_close_tells_the_end_and_the_requests_that_failed() {
    let other = failed(None, RequestError::Closed(CloseReason::Local), Progress::NotSent);
    let two = "2 requests failed that nobody waits for; the first:";
    for (failed, expected) in [
        (vec![], LOST.to_owned()),
        (vec![timed_out()], format!("{LOST}; {TIMED_OUT}")),
        (vec![with_connection()], format!("{LOST}; {WITH_CONNECTION}")),
        (vec![with_connection(); 2], format!("{LOST}; {two} {WITH_CONNECTION}")),
        // It has failed for another reason than the connection that is told.
        (vec![other.clone()], format!("{LOST}; {other}")),
    ] {
        let report = CloseReport::new(lost(), failed).to_string();
        assert_eq!(report, expected);
        assert_eq!(repeated(&[report]), None);
    }
}
