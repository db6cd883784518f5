//! Errors of bodies, values and the probe: each says its own sentence, and a chain of causes says no sentence twice.

use std::{error::Error, io, sync::Arc, time::Duration};

mod common;

use bytes::Bytes;
use common::start;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Fate,
    api::{AnyError, AnyRequest, AnyResponse, Body as _, MetadataRequest, NameProblem, RequestProblem},
    connection::{
        CallError, CloseReason, Closed, ConnectError, Disconnect, FlushError, Heard, HostPort, PrepareError, Progress,
        RequestError, SendError,
    },
    error_code::ErrorCode,
    ids::{Api, ApiKey, ApiVersion, ConnectionId, CorrelationId, DurationTooLong, NotUtf8, Text, TopicPartition},
    message::{Codec, CompressError, MissingFeature},
    probe::{Release, Undetermined},
    wire::{DecodeError, DecodeProblem, Encoder},
};

/// What a printer of whole chains prints, line by line.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut lines = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        lines.push(error.to_string());
        next = error.source();
    }
    lines
}

/// Whether no line of a chain repeats one behind it.
fn says_each_once(error: &dyn Error) {
    let lines = chain(error);
    for (n, line) in lines.iter().enumerate() {
        let behind = lines.iter().skip(n + 1).find(|behind| line.contains(*behind));
        assert_eq!(behind, None, "{lines:?}");
    }
}

const TIMED_OUT: RequestError = RequestError::TimedOut { after: Duration::from_secs(30) };

fn malformed() -> DecodeError {
    MetadataRequest::decode(&Bytes::from_static(&[0xff; 4])).expect_err("a negative count")
}

/// The end of a connection that was cut.
fn lost() -> Closed {
    let peer = HostPort::new("broker1", 9092);
    let mut connection = ClientConnection::new(ClientConfig::default().with_peer(peer), ConnectionId(0));
    connection.handle_disconnect(Disconnect::Error(io::ErrorKind::ConnectionReset));
    match connection.poll_event(start()) {
        Some(ClientEvent::Closed(closed)) => closed,
        other => panic!("the end was expected: {other:?}"),
    }
}

#[test]
fn no_error_of_a_body_or_of_the_probe_says_a_sentence_twice() {
    let closed = RequestError::Closed(CloseReason::Disconnected {
        how: Disconnect::Eof,
        heard: Heard::Nothing,
        waiting_for: Some(Api::v0(ApiKey::METADATA)),
        idle: None,
        unconfirmed: 0,
    });
    let encode = Encoder::new().text("topic", "x".repeat(40_000)).expect_err("too long");
    let lost = lost();
    let call = |error, progress| CallError::Failed {
        peer: Some(Arc::new(HostPort::new("broker1", 9092))),
        id: CorrelationId(1 << 27),
        api: Api::v0(ApiKey::PRODUCE),
        error,
        progress,
        fate: Fate::MaybeApplied,
        io: Some(Arc::new(io::Error::other("what the system said"))),
    };
    let failed = [call(closed.clone(), Progress::Unanswered), call(TIMED_OUT, Progress::NotSent)];
    let flush = FlushError::check(failed.to_vec(), Some(lost.clone())).expect_err("two have failed");
    let address = "127.0.0.1:9".parse().expect("an address");
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let target = HostPort::new("broker1", 9);
    let errors: [&dyn Error; 23] = [
        &ConnectError::Target("a".parse::<HostPort>().expect_err("no port")),
        &ConnectError::Refused { target, attempts: vec![(address, refused)] },
        &CompressError::Missing(MissingFeature(Codec::Gzip)),
        &failed[0],
        &failed[1],
        &flush,
        &lost,
        &closed,
        &CallError::NotSent(SendError::Closed(Box::new(lost.clone()))),
        &SendError::Prepare(PrepareError::Problem(RequestProblem::NoTopics)),
        &malformed(),
        &encode,
        &AnyError::Malformed(malformed()),
        &AnyError::UnknownApi(Api::v0(ApiKey(18))),
        &AnyError::UnknownRange(CorrelationId(1)),
        &RequestProblem::TopicName { topic: Text::from("a b"), problem: NameProblem::Character(' ') },
        &ErrorCode::UNKNOWN,
        &NotUtf8,
        &DurationTooLong(Duration::MAX),
        &Undetermined::NotConnected(io::ErrorKind::ConnectionRefused),
        &Undetermined::NotSent(SendError::Busy),
        &Undetermined::NoMetadata(TIMED_OUT),
        &Undetermined::Malformed,
    ];
    errors.into_iter().for_each(says_each_once);
    assert_eq!(chain(&Undetermined::NoAnswer(closed.clone())).len(), 1 + chain(&closed).len());
}

#[test]
fn a_wrapper_without_a_sentence_of_its_own_is_transparent() {
    let error = AnyError::Malformed(malformed());
    assert_eq!(error.to_string(), malformed().to_string());
    assert!(error.source().is_none(), "what it wraps has no cause");
}

#[test]
fn a_release_that_is_not_determined_names_the_cause() {
    let release = Release::Undetermined(Undetermined::NoMetadata(TIMED_OUT));
    let cause = TIMED_OUT.to_string();
    assert_eq!(
        release.to_string(),
        format!("undetermined: Metadata, which every release knows, was not answered: {cause}")
    );
}

#[test]
fn an_api_without_a_name_is_called_by_its_number() {
    let api = Api { key: ApiKey(18), version: ApiVersion(0) };
    assert_eq!(api.to_string(), "API 18 v0");
    let error = AnyRequest::decode(api, &Bytes::new()).expect_err("0.8 does not know it");
    assert_eq!(error.to_string(), "no Kafka 0.8 release knows API 18 v0");
    let error = AnyResponse::decode(Api { key: ApiKey::OFFSET_COMMIT, version: ApiVersion(2) }, &Bytes::new());
    assert_eq!(error.expect_err("of 0.9").to_string(), "no Kafka 0.8 release knows OffsetCommit v2");
}

#[test]
fn one_thing_is_counted_in_the_singular() {
    let text = |problem| DecodeError::new("example", "field", 3, problem).to_string();
    for (problem, expected) in [
        (DecodeProblem::Truncated { needed: 1, left: 0 }, "needs 1 byte, 0 are left"),
        (DecodeProblem::Truncated { needed: 4, left: 1 }, "needs 4 bytes, 1 is left"),
        (DecodeProblem::CountTooLarge { count: 1, fit: 0 }, "claims 1 element, what is left can hold 0"),
        (DecodeProblem::CountTooLarge { count: 2, fit: 1 }, "claims 2 elements, what is left can hold 1"),
        (DecodeProblem::Trailing(1), "is followed by 1 byte too many"),
        (DecodeProblem::Trailing(2), "is followed by 2 bytes too many"),
    ] {
        assert_eq!(text(problem), format!("malformed example: field at byte 3 {expected}"));
    }
    let twice = RequestProblem::DuplicatePartition(TopicPartition::new("t", 0));
    assert_eq!(
        twice.to_string(),
        "t/0 is in the request twice, and the broker would keep only one: merge them or send two requests"
    );
}
