//! Errors of connections.

use std::{io, time::Duration};

use bytes::Bytes;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Fate, ServerConfig, ServerEvent,
    api::{MetadataRequest, MetadataResponse, RequestProblem},
    connection::{
        CloseReason, Closed, Disconnect, Heard, MatchError, Pair, PrepareError, Prepared, Progress, RedeemError, Reply,
        RequestError, RespondError, SendError, ServerCloseReason,
    },
    ids::{Api, ApiKey, ConnectionId, CorrelationId},
};

use super::{
    AFTER, ID, LOST, MALFORMED, METADATA, Next, Open, Row, Says, Wrapped, closed_by, common::start, lost, malformed,
    row, too_long,
};

const CLOSED: Next = Open("this side has closed it");
const LEFT: Next = Open("clients come and go");
const RESET: Disconnect = Disconnect::Error(io::ErrorKind::ConnectionReset);

pub(crate) fn rows() -> Vec<Row> {
    [disconnects(), ends(), matches(), of_servers(), of_sending(), of_answers()].into_iter().flatten().collect()
}

fn disconnected(how: Disconnect, heard: Heard, waiting_for: Option<Api>) -> CloseReason {
    CloseReason::Disconnected { how, heard, waiting_for, idle: None, unconfirmed: 0 }
}

/// The end of a connection on which a peer that had answered before does not answer this.
fn silent(api: Api, idle: Option<Duration>) -> CloseReason {
    let waiting_for = Some(api);
    CloseReason::Disconnected { how: Disconnect::Eof, heard: Heard::Frames, waiting_for, idle, unconfirmed: 0 }
}

fn unconfirmed(unconfirmed: usize) -> CloseReason {
    let (how, heard) = (Disconnect::Eof, Heard::Frames);
    CloseReason::Disconnected { how, heard, waiting_for: Some(METADATA), idle: None, unconfirmed }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn disconnects() -> Vec<Row> {
    const MINUTE: Duration = Duration::from_secs(60);
    let stopped = "the peer closed the connection instead of answering Metadata v0: it stopped (connect again), or it could \
                   not read the request, or it is Kafka 4.0 or later, which has dropped most requests of 0.8 (the probe \
                   tells the release)";
    vec![
        row(
            disconnected(Disconnect::Error(io::ErrorKind::ConnectionRefused), Heard::Nothing, None),
            "the connection was refused",
            Says("check that a broker listens there"),
            "the connection was refused: check that a broker listens there",
        ),
        row(
            disconnected(Disconnect::Eof, Heard::PartOfFrame { bytes: 5 }, Some(METADATA)),
            "5 bytes into a response",
            Says("connect again"),
            "the peer closed the connection 5 bytes into a response: the peer or the network stopped; connect again",
        ),
        row(
            disconnected(RESET, Heard::Nothing, Some(METADATA)),
            "Metadata v0",
            Says("is no Kafka broker, speaks TLS"),
            "the peer reset the connection instead of answering Metadata v0 and before it had sent a byte: it stopped, is no \
             Kafka broker, speaks TLS (Kafka 0.8 has none), does not know Metadata v0 (the probe tells the release), or does \
             not allow this client",
        ),
        row(
            disconnected(Disconnect::Error(io::ErrorKind::BrokenPipe), Heard::Frames, None),
            "broken pipe",
            Says("connect again"),
            "the connection failed (broken pipe) while nothing was asked: brokers of 0.8.2 do so after ten idle minutes, and \
             all when they stop; connect again",
        ),
        row(silent(METADATA, None), "Metadata v0", Says("connect again"), stopped),
        row(
            silent(METADATA, Some(MINUTE.saturating_sub(Duration::from_nanos(1)))),
            "Metadata v0",
            Says("connect again"),
            stopped,
        ),
        row(
            silent(METADATA, Some(MINUTE)),
            "after 60 idle seconds",
            Says("connect again"),
            "the peer closed the connection instead of answering Metadata v0 after 60 idle seconds: brokers of 0.8.2 close a \
             connection after ten idle minutes, and firewalls sooner; connect again. If it happens at once, it could not read \
             the request, or it is Kafka 4.0 or later, which has dropped most requests of 0.8 (the probe tells the release)",
        ),
        row(
            silent(Api::v0(ApiKey::HEARTBEAT), None),
            "Heartbeat v0",
            Says("set the profile of the broker's release, or probe it"),
            "the peer closed the connection instead of answering Heartbeat v0: it stopped (connect again), or it does not know \
             API 12: 0.8.0 knows APIs 0 to 7, 0.8.1 up to 9, 0.8.2 up to 12; set the profile of the broker's release, or probe \
             it",
        ),
        row(
            unconfirmed(1),
            "1 produce request",
            Says("look up the leaders again before you resend"),
            "the peer closed the connection instead of answering Metadata v0; 1 produce request with acks = 0 is unconfirmed: a \
             broker closes the connection without an answer when one of them fails, so look up the leaders again before you \
             resend",
        ),
        row(
            unconfirmed(2),
            "2 produce requests",
            Says("look up the leaders again before you resend"),
            "the peer closed the connection instead of answering Metadata v0; 2 produce requests with acks = 0 are unconfirmed: \
             a broker closes the connection without an answer when one of them fails, so look up the leaders again before you \
             resend",
        ),
    ]
}

fn ends() -> Vec<Row> {
    let closed = "the connection was closed on this side";
    vec![
        row(CloseReason::Local, "the connection", CLOSED, closed),
        row(
            CloseReason::Abandoned,
            "the task that owned the connection",
            Says("connect again"),
            "the task that owned the connection is gone: it was aborted, or its runtime shut down; connect again",
        ),
        row(
            CloseReason::TornFrame(ID),
            "request 7",
            Says("the peer does not read; connect again"),
            "request 7 timed out when only a part of it was written, and nothing can be sent behind that part: the peer does \
             not read; connect again",
        ),
        row(
            CloseReason::NoAnswer { id: ID, progress: Progress::Unanswered },
            "request 7",
            Says("connect again"),
            "request 7 timed out, and no other request waits for an answer: no answer had come; the broker is overloaded or \
             unreachable, the timeout is too short, or the peer does not speak Kafka 0.8; connect again",
        ),
        row(lost(), "connection to broker1:9092", Says("connect again"), LOST),
        row(
            closed_by(None, io::ErrorKind::ConnectionReset),
            "the connection",
            Says("connect again"),
            LOST.replace("connection to broker1:9092: ", ""),
        ),
        row(
            RequestError::TimedOut { after: AFTER },
            "it timed out",
            Wrapped(&["CallError::Failed"]),
            "it timed out after 3s",
        ),
        row(RequestError::Closed(CloseReason::Local), "the connection", CLOSED, closed),
    ]
}

fn matches() -> Vec<Row> {
    let (got, expected) = (ID, CorrelationId(8));
    let advice = "a Kafka 0.8 broker answers in order, so the peer is no such broker, or a proxy mixes streams";
    let of_each = |(error, text): (MatchError, &str)| {
        let closed = format!("{text}: {advice}");
        [
            row(error, "request 7", Wrapped(&["CloseReason::Match"]), text),
            row(CloseReason::Match(error), "request 7", Says("the peer is no such broker"), closed),
        ]
    };
    [
        (
            MatchError::Unknown { got, expected },
            "the response to request 8 was due, but a response to request 7 came, which waits for none",
        ),
        (
            MatchError::OutOfOrder { got, expected },
            "the response to request 8 was due, but the response to request 7 came first",
        ),
        (MatchError::Unsolicited { got }, "a response to request 7 came, but no request waits for a response"),
    ]
    .into_iter()
    .flat_map(of_each)
    .collect()
}

fn of_servers() -> Vec<Row> {
    let left = |how, heard, names, text| row(ServerCloseReason::Disconnected { how, heard }, names, LEFT, text);
    vec![
        row(ServerCloseReason::Local, "the connection", CLOSED, "the connection was closed on this side"),
        left(
            Disconnect::Eof,
            Heard::Nothing,
            "the client",
            "the client closed the connection before it had sent a byte",
        ),
        left(Disconnect::Eof, Heard::Frames, "the client", "the client closed the connection"),
        left(
            RESET,
            Heard::PartOfFrame { bytes: 5 },
            "the client",
            "the client reset the connection 5 bytes into a request",
        ),
        left(
            Disconnect::Error(io::ErrorKind::BrokenPipe),
            Heard::Frames,
            "broken pipe",
            "the connection failed (broken pipe)",
        ),
        row(
            ServerCloseReason::Header(malformed()),
            "topics at byte 0",
            Says("the client does not speak Kafka"),
            format!("{MALFORMED}: the client does not speak Kafka"),
        ),
        row(
            ServerCloseReason::SlowRequest { received: 5 },
            "a request",
            Says("ServerConfig::with_frame_timeout"),
            "a request was not complete in time (ServerConfig::with_frame_timeout): only 5 bytes of it had come",
        ),
    ]
}

fn of_sending() -> Vec<Row> {
    let (encode, len) = (too_long(), too_long().to_string());
    let no_group = RequestProblem::NoGroup;
    let refused = format!("the request was refused before it was sent: {no_group}");
    let unfit = format!("the request cannot be encoded: {len}: shorten it");
    vec![
        row(PrepareError::Problem(no_group.clone()), "the group", Says("give the group a name"), refused.as_str()),
        row(PrepareError::Encode(encode), "topic", Says("shorten it"), unfit.as_str()),
        row(SendError::Prepare(PrepareError::Problem(no_group)), "the group", Says("give the group a name"), refused),
        row(SendError::Prepare(PrepareError::Encode(encode)), "topic", Says("shorten it"), unfit),
        row(
            SendError::Busy,
            "the connection",
            Says("take answers, then try again"),
            "not sent, the connection is busy: take answers, then try again",
        ),
        row(
            SendError::TimedOut { after: AFTER },
            "within 3s",
            Says("take the answers that have come, or raise the timeout"),
            "not sent, no place was free within 3s: take the answers that have come, or raise the timeout if the broker is slow",
        ),
        row(
            SendError::Closed(Box::new(lost())),
            "broker1:9092",
            Says("connect again"),
            format!("not sent, the connection has ended: {LOST}"),
        ),
        row(
            SendError::TooLarge { len: 9, max: 8 },
            "the request takes 9 bytes",
            Says("send less at once"),
            "the request takes 9 bytes and a broker accepts 8 (socket.request.max.bytes): send less at once, or raise both the \
             broker's setting and Limits::max_request",
        ),
        row(
            SendError::ClientId(encode),
            "the request header",
            Says("use a shorter client id"),
            format!("the request header cannot be encoded: {len}: use a shorter client id"),
        ),
    ]
}

fn of_answers() -> Vec<Row> {
    let mut pair = Pair::new(start(), ClientConfig::default(), ServerConfig::default());
    let tickets = [0; 2].map(|_| pair.client.request(pair.now, &MetadataRequest::all()).expect("there is room"));
    pair.exchange();
    let Some(ServerEvent::Request(call)) = pair.server_event() else { panic!("a request is due") };
    pair.server.respond(call.call, &MetadataResponse::default()).expect("the call is open");
    pair.exchange();
    let Some(ClientEvent::Response(frame)) = pair.client_event() else { panic!("an answer is due") };
    let [_, second] = tickets;
    vec![
        row(
            second.redeem(frame).expect_err("it answers the first"),
            "request 536870912 (Metadata) of connection 0",
            Says("give it to that request's ticket"),
            "the response answers request 536870912 (Metadata) of connection 0, not this one: give it to that request's ticket",
        ),
        row(
            RedeemError::Malformed { error: malformed(), fate: Fate::NotApplied },
            "Metadata",
            Says("the probe tells its release"),
            format!(
                "{MALFORMED}; the peer may be no Kafka 0.8 broker: the probe tells its release (the request can safely be sent \
                 again)"
            ),
        ),
        row(
            RespondError::NotOpen,
            "the call",
            Says("drop the answer"),
            "the call is not open: it was ended before, or its connection is closed; drop the answer",
        ),
        row(
            RespondError::NotFirst,
            "a call in front of it",
            Says("end that call first"),
            "a call in front of it is not ended, and responses are written in order: end that call first",
        ),
        row(
            RespondError::Encode(too_long()),
            "topic",
            Says("give it a smaller answer"),
            format!("{}: the call is still open, give it a smaller answer or close the connection", too_long()),
        ),
    ]
}

#[test]
fn a_request_prints_its_size_and_not_its_bytes() {
    let mut pair = Pair::new(start(), ClientConfig::default(), ServerConfig::default());
    pair.client.request(pair.now, &MetadataRequest::all()).expect("there is room");
    pair.exchange();
    let Some(ServerEvent::Request(call)) = pair.server_event() else { panic!("a request is due") };
    assert_eq!(
        format!("{call:?}"),
        "RequestFrame(CallId { connection: 0, number: 0 }, RequestHeader { api: Metadata v0, correlation_id: 536870912 \
         (Metadata), client_id: Some(\"kafka08\") }, 4 bytes)"
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
