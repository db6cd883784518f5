//! Errors of the probe.

use std::io;

use kafka08_proto::{
    ClientConfig, HostPort,
    connection::{CloseReason, Disconnect, Heard, Progress, RequestError, SendError},
    error_code::ErrorCode,
    ids::{Api, ApiKey},
    probe::{Probe, ProbeStep, Release, Undetermined, UndeterminedReason},
};

use super::{AFTER, MALFORMED, METADATA, Row, Says, common::start, malformed, row};

const VERSIONS: Api = Api::v0(ApiKey(18));

/// What a probe says that could not connect.
fn not_connected(config: ClientConfig) -> Undetermined {
    let mut probe = Probe::new(config);
    probe.handle_connect_failed(io::ErrorKind::ConnectionRefused);
    match probe.poll_step(start()) {
        ProbeStep::Done(Release::Undetermined(why)) => why,
        other => panic!("it could not connect: {other:?}"),
    }
}

fn named() -> Undetermined {
    not_connected(ClientConfig::default().with_peer(HostPort::new("broker1", 9092)))
}

/// How a question ends with its connection.
fn ended(how: Disconnect, heard: Heard, progress: Progress) -> UndeterminedReason {
    let reason = CloseReason::Disconnected { how, heard, waiting_for: Some(METADATA), idle: None, unconfirmed: 0 };
    UndeterminedReason::NoAnswer { api: METADATA, error: RequestError::Closed(reason), progress }
}

const REFUSED: &str =
    "no connection could be made (connection refused): check the address, and that a broker listens there";

/// A reason, its next step, and its text.
type Told = (UndeterminedReason, &'static str, String);

pub(crate) fn rows() -> Vec<Row> {
    let of_peer = unanswered().into_iter().chain(answered()).map(|(reason, next, text)| {
        let mut why = named();
        why.reason = reason;
        row(why, "broker1:9092", Says(next), format!("the release of broker1:9092 is unknown: {text}"))
    });
    let nameless = not_connected(ClientConfig::default());
    let nameless =
        row(nameless, "the release", Says("check the address"), format!("the release is unknown: {REFUSED}"));
    of_peer.chain([nameless]).collect()
}

/// A request of the probe was not sent, or had no answer.
fn unanswered() -> Vec<Told> {
    let timed_out = RequestError::TimedOut { after: AFTER };
    let reset = Disconnect::Error(io::ErrorKind::ConnectionReset);
    vec![
        (UndeterminedReason::NotConnected(io::ErrorKind::ConnectionRefused), "check the address", REFUSED.to_owned()),
        (
            UndeterminedReason::NotSent(SendError::TooLarge { len: 9, max: 8 }),
            "send less at once",
            format!(
                "the settings do not allow a request of the probe: {}",
                SendError::TooLarge { len: 9, max: 8 }
            ),
        ),
        (
            UndeterminedReason::NoAnswer { api: VERSIONS, error: timed_out, progress: Progress::Unanswered },
            "probe again with a longer request timeout",
            "the peer did not answer ApiVersions v0 within 3s (no answer had come): it is overloaded, or not a Kafka broker; check \
             the address and the port, or probe again with a longer request timeout"
                .to_owned(),
        ),
        (
            ended(Disconnect::Eof, Heard::PartOfFrame { bytes: 5 }, Progress::Arriving { received: 5, of: 9 }),
            "probe again",
            "the peer closed the connection after 5 bytes of its response to Metadata v0: the peer or the network stopped; probe \
             again"
                .to_owned(),
        ),
        (
            ended(reset, Heard::Nothing, Progress::NotSent),
            "probe again",
            "the connection failed (connection reset) before Metadata v0 was sent: the peer is stopping, or does not allow this \
             client; probe again"
                .to_owned(),
        ),
        (
            ended(reset, Heard::Nothing, Progress::Unanswered),
            "probe again",
            "the connection failed (connection reset) instead of answering Metadata v0: the peer is stopping, or the network \
             failed; probe again"
                .to_owned(),
        ),
    ]
}

/// The peer answered, or closed connections, in a way that tells no release.
fn answered() -> Vec<Told> {
    let malformed = UndeterminedReason::Malformed { api: METADATA, error: malformed() };
    vec![
        (
            UndeterminedReason::NothingAnswered,
            "probe again",
            "the peer closed one connection on ListOffsets v0 and another on ApiVersions v0, and sent nothing on either: it is \
             not a Kafka broker, speaks TLS, requires authentication, does not allow this client, or was stopping; check the \
             address and the port, then probe again"
                .to_owned(),
        ),
        (
            UndeterminedReason::KnownButRefused,
            "use a listener without authentication",
            "the broker closed the connection on ListOffsets v0, although it lists this request as known: it requires \
             authentication (SASL), which Kafka 0.8 does not have, or it was stopping; use a listener without authentication, \
             then probe again"
                .to_owned(),
        ),
        (
            UndeterminedReason::VersionsRefused(ErrorCode::UNSUPPORTED_VERSION),
            "look up the version on the broker's host",
            "the peer closed the connection on ListOffsets v0, and answered ApiVersions v0 with UnsupportedVersion (35): no \
             release of Kafka up to 4.1 does so; look up the version on the broker's host"
                .to_owned(),
        ),
        (
            malformed,
            "check the address and the port",
            format!(
                "the response to Metadata v0 cannot be decoded ({MALFORMED}): the peer is not a Kafka broker; check the address \
                 and the port"
            ),
        ),
    ]
}

#[test]
fn a_release_that_is_not_determined_prints_why() {
    assert_eq!(Release::Undetermined(named()).to_string(), named().to_string());
}
