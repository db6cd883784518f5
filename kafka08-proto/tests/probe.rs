//! The probe, against brokers that know as much as each release does, and against peers that stop at any point.

mod common;

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use common::{hex, start as origin};
use kafka08_proto::{
    ClientConfig, Connection, Disconnect, HostPort, ServerConfig, ServerConnection, ServerEvent,
    connection::{CloseReason, Progress, RequestError},
    error_code::ErrorCode,
    ids::{Api, ApiKey, ConnectionId},
    limits::Limits,
    probe::{Probe, ProbeConnection, ProbeStep, Release, Undetermined, UndeterminedReason},
    profile::Profile,
};

const API_VERSIONS: ApiKey = ApiKey(18);

/// How a peer treats one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// Answers it: a heartbeat with this code.
    Answer(i16),
    /// Answers with these bytes in hex.
    Hex(&'static str),
    /// Closes the connection instead, with nothing left to read.
    Close,
    /// Answers, and closes at once, before another question can be written.
    AnswerAndClose,
    /// Sends half of the answer, then ends the stream.
    HalfThenClose,
    /// Sends half of the answer, and nothing more.
    HalfThenNothing,
    /// Resets the connection.
    Reset,
    /// Reads, and never answers.
    Nothing,
    /// Sends what is no frame: the beginning of an HTTP response.
    Http,
}
use Act::*;

/// The answer to a request that finds nothing.
const OK: Act = Answer(0);
/// ApiVersions as 4.1.0 answers it, as far as Metadata, and ApiVersions itself.
const OF_4_1: Act = Hex("0000 # no error
     00000005
     0000 0000 000d # Produce: from 0 on, although the broker closes on it
     0001 0004 0012 # Fetch
     0002 0001 000a # ListOffsets: from 1 on
     0003 0000 000d # Metadata
     0012 0000 0004 # ApiVersions");
/// The same of 3.9.1, which closes the connection on all but ApiVersions if it asks for authentication.
const OF_3_9: Act = Hex("0000 # no error
     00000005
     0000 0000 000b # Produce
     0001 0000 0011 # Fetch
     0002 0000 0009 # ListOffsets: from 0 on
     0003 0000 000c # Metadata
     0012 0000 0004 # ApiVersions");

/// A peer's acts on the requests it gets, over all connections.
struct Peer {
    acts: VecDeque<Act>,
    asked: Vec<ApiKey>,
    connections: usize,
    /// Connections that come about; later ones are refused.
    reachable: usize,
}

/// One turn of a driver that knows no message: bytes and time go in.
fn pump<C: Connection>(connection: &mut C, server: &mut ServerConnection, peer: &mut Peer, now: &mut Instant) {
    let (_, queue) = connection.buffers();
    server.handle_bytes(*now, &queue.copy_to_bytes(queue.remaining()));
    let (down, end) = peer.turn(server);
    connection.handle_bytes(*now, &down);
    if let Some(how) = end {
        connection.handle_disconnect(how);
    }
    assert!(connection.poll_event().is_none(), "the events are the probe's");
    *now += Duration::from_millis(500);
    connection.handle_timeout(*now);
}

/// What a probe found, what it asked, and over how many connections.
fn probe_with(config: ClientConfig, reachable: usize, acts: &[Act]) -> (Release, Vec<ApiKey>, usize) {
    let mut now = origin();
    let mut probe = Probe::new(config.with_request_timeout(Duration::from_secs(1)));
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    let mut peer = Peer { acts: acts.iter().copied().collect(), asked: Vec::new(), connections: 0, reachable };
    for _ in 0..100 {
        match probe.poll_step(now) {
            ProbeStep::Connect if peer.connections == peer.reachable => {
                probe.handle_connect_failed(io::ErrorKind::HostUnreachable);
            }
            ProbeStep::Connect => {
                peer.connections += 1;
                server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
                probe.handle_connected(now);
            }
            ProbeStep::Pump => pump(connection(&mut probe), &mut server, &mut peer, &mut now),
            ProbeStep::Done(release) => {
                assert!(probe.connection().is_none(), "nothing is left to pump");
                return (release, peer.asked, peer.connections);
            }
        }
    }
    panic!("the probe does not end");
}

fn connection(probe: &mut Probe) -> &mut ProbeConnection {
    probe.connection().expect("there is one to pump")
}

impl Peer {
    /// Acts on the next request: what it sends, and whether and how it ends the stream.
    fn turn(&mut self, server: &mut ServerConnection) -> (Bytes, Option<Disconnect>) {
        let Some(ServerEvent::Request(request)) = server.poll_event() else { return (Bytes::new(), None) };
        assert_eq!(request.header.api, Api::v0(request.header.api.key), "first versions only");
        let key = request.header.api.key;
        self.asked.push(key);
        let act = self.acts.pop_front().expect("a request that the script foresees");
        let answer = match (act, key) {
            (Hex(text), _) => hex(text),
            (Answer(code), ApiKey::HEARTBEAT) => code.to_be_bytes().to_vec(),
            (_, ApiKey::HEARTBEAT) => vec![0; 2],
            // No topics.
            (_, ApiKey::LIST_OFFSETS | ApiKey::OFFSET_FETCH) => vec![0; 4],
            (_, API_VERSIONS) => match OF_4_1 {
                Hex(text) => hex(text),
                _ => Vec::new(),
            },
            (_, other) => panic!("the probe asks for {other}"),
        };
        server.respond_raw(request.call, answer.into()).expect("the call is open");
        let (_, queue) = server.buffers();
        let answer = queue.copy_to_bytes(queue.remaining());
        let half = answer.slice(..answer.len() / 2);
        match act {
            Answer(_) | Hex(_) => (answer, None),
            Close => (Bytes::new(), Some(Disconnect::Eof)),
            AnswerAndClose => (answer, Some(Disconnect::Eof)),
            HalfThenClose => (half, Some(Disconnect::Eof)),
            HalfThenNothing => (half, None),
            Reset => (Bytes::new(), Some(Disconnect::Error(io::ErrorKind::ConnectionReset))),
            Nothing => (Bytes::new(), None),
            Http => (Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Some(Disconnect::Eof)),
        }
    }
}

fn probe(acts: &[Act]) -> (Release, Vec<ApiKey>, usize) {
    probe_with(ClientConfig::default(), 9, acts)
}

/// Why a probe of such a peer finds nothing out.
fn reason(acts: &[Act]) -> UndeterminedReason {
    match probe(acts).0 {
        Release::Undetermined(why) => why.reason,
        other => panic!("{acts:?}: {other:?}"),
    }
}

/// What is asked before each question, and the question.
const QUESTIONS: [(&[Act], ApiKey); 5] = [
    (&[], ApiKey::LIST_OFFSETS),
    (&[OK], ApiKey::HEARTBEAT),
    (&[OK, Close], ApiKey::LIST_OFFSETS),
    (&[OK, Close, OK], ApiKey::OFFSET_FETCH),
    (&[Close], API_VERSIONS),
];

#[test]
fn a_heartbeat_that_is_answered_with_minus_1_is_of_0_8_2() {
    let asked = vec![ApiKey::LIST_OFFSETS, ApiKey::HEARTBEAT];
    assert_eq!(probe(&[OK, Answer(-1)]), (Release::Known(Profile::V0_8_2), asked, 1));
}

#[test]
fn a_heartbeat_that_is_answered_otherwise_is_of_0_9_to_3_9() {
    // 16 is what 1.1.1 and 3.9.1 answer.
    for code in [0, 15, 16, 25, 30] {
        let asked = vec![ApiKey::LIST_OFFSETS, ApiKey::HEARTBEAT];
        assert_eq!(probe(&[OK, Answer(code)]), (Release::Newer, asked, 1), "{code}");
    }
}

#[test]
fn two_closes_on_heartbeat_and_an_answer_to_offset_fetch_are_of_0_8_1() {
    let asked =
        [ApiKey::LIST_OFFSETS, ApiKey::HEARTBEAT, ApiKey::LIST_OFFSETS, ApiKey::OFFSET_FETCH, ApiKey::HEARTBEAT];
    assert_eq!(probe(&[OK, Close, OK, OK, Close]), (Release::Known(Profile::V0_8_1), asked.to_vec(), 2));
}

#[test]
fn one_close_on_heartbeat_alone_does_not_make_a_broker_0_8_1() {
    let (release, asked, connections) = probe(&[OK, Close, OK, OK, Answer(-1)]);
    assert_eq!((release, asked.len(), connections), (Release::Known(Profile::V0_8_2), 5, 2));
}

#[test]
fn a_close_on_heartbeat_and_on_offset_fetch_are_of_0_8_0() {
    let asked = vec![ApiKey::LIST_OFFSETS, ApiKey::HEARTBEAT, ApiKey::LIST_OFFSETS, ApiKey::OFFSET_FETCH];
    assert_eq!(probe(&[OK, Close, OK, Close]), (Release::Known(Profile::V0_8_0), asked, 2));
}

#[test]
fn a_close_on_list_offsets_and_an_answer_to_api_versions_without_it_are_of_4_0_or_later() {
    let asked = vec![ApiKey::LIST_OFFSETS, API_VERSIONS];
    assert_eq!(probe(&[Close, OF_4_1]), (Release::TooNew, asked.clone(), 2));
    // ListOffsets is not listed at all.
    let without = Hex("0000 00000001 0012 0000 0004");
    assert_eq!(probe(&[Close, without]), (Release::TooNew, asked, 2));
}

#[test]
fn a_broker_that_closes_on_what_it_lists_is_not_too_new() {
    assert_eq!(reason(&[Close, OF_3_9]), UndeterminedReason::KnownButRefused);
}

#[test]
fn a_peer_that_closes_on_everything_is_taken_for_no_release() {
    assert_eq!(reason(&[Close, Close]), UndeterminedReason::NothingAnswered);
}

#[test]
fn an_error_in_the_answer_to_api_versions_tells_no_release() {
    let refused = Hex("0023 00000001 0012 0000 0004");
    assert_eq!(reason(&[Close, refused]), UndeterminedReason::VersionsRefused(ErrorCode(35)));
    let without_keys = Hex("0023 00000000");
    assert_eq!(reason(&[Close, without_keys]), UndeterminedReason::VersionsRefused(ErrorCode(35)));
}

#[test]
fn what_is_sent_is_what_brokers_were_seen_to_read() {
    let now = origin();
    let config = ClientConfig::default().with_client_id(Some("c".into()));
    let mut probe = Probe::new(config);
    let sent = |probe: &mut Probe| {
        let (_, queue) = connection(probe).buffers();
        queue.copy_to_bytes(queue.remaining())
    };
    probe.handle_connected(now);
    let list_offsets = hex("00000013
         0002 0000 18000000 # ListOffsets v0, and its correlation id
         0001 63 # client id
         ffffffff # a consumer
         00000000 # no topics");
    assert_eq!(sent(&mut probe), list_offsets);
    connection(&mut probe).handle_disconnect(Disconnect::Eof);
    assert_eq!(probe.poll_step(now), ProbeStep::Connect);
    probe.handle_connected(now);
    let sent = sent(&mut probe);
    assert_eq!(sent.slice(..8), hex("0000000b 0012 0000"), "ApiVersions v0");
    assert_eq!(sent.slice(12..), hex("0001 63"), "a client id, and no body");
}

#[test]
fn the_connection_tells_a_driver_what_to_do() {
    let now = origin();
    let timeout = Duration::from_secs(7);
    let mut probe = Probe::new(ClientConfig::default().with_request_timeout(timeout));
    probe.handle_connected(now);
    let it = connection(&mut probe);
    assert!(it.wants_write() && it.wants_read() && !it.is_over());
    assert_eq!(it.poll_timeout(), Some(now + timeout));
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    let (_, queue) = it.buffers();
    server.handle_bytes(now, &queue.copy_to_bytes(queue.remaining()));
    assert!(!it.wants_write(), "the question has left");
    let mut peer = Peer { acts: VecDeque::from([OK]), asked: Vec::new(), connections: 1, reachable: 1 };
    let (answer, _) = peer.turn(&mut server);
    let (space, _) = it.buffers();
    space[..answer.len()].copy_from_slice(&answer);
    it.handle_read(now, answer.len());
    assert!(!it.wants_read(), "an answer waits for the probe");
    assert_eq!(probe.poll_step(now), ProbeStep::Pump);
    let it = connection(&mut probe);
    assert!(it.wants_write() && it.wants_read(), "the probe has taken the answer and staged the next question");
}

#[test]
fn a_driver_of_many_connections_gets_the_same_connection_as_any_other() {
    let mut probe = Probe::new(ClientConfig::default());
    assert!(probe.client_connection().is_none(), "it is not connected");
    probe.handle_connected(origin());
    let staged = probe.client_connection().expect("it is connected").staged();
    assert_eq!(connection(&mut probe).buffers().1.remaining(), staged);
    probe.handle_connect_failed(io::ErrorKind::TimedOut);
    assert!(probe.client_connection().is_none(), "it is over");
}

#[test]
fn a_connection_of_one_request_in_flight_is_enough() {
    let config = ClientConfig::default().with_max_in_flight(1);
    assert_eq!(probe_with(config.clone(), 9, &[OK, Answer(-1)]).0, Release::Known(Profile::V0_8_2));
    assert_eq!(probe_with(config, 9, &[OK, Close, OK, Close]).0, Release::Known(Profile::V0_8_0));
}

#[test]
fn the_profile_of_the_settings_forbids_no_question() {
    let config = ClientConfig::default().with_profile(Profile::V0_8_0);
    assert_eq!(probe_with(config, 9, &[OK, Answer(-1)]).0, Release::Known(Profile::V0_8_2));
}

#[test]
fn a_question_that_ends_otherwise_than_by_a_clean_close_says_nothing() {
    for act in [HalfThenClose, HalfThenNothing, Reset, Nothing, Http] {
        for (before, key) in QUESTIONS {
            let UndeterminedReason::NoAnswer { api, .. } = reason(&[before, &[act]].concat()) else {
                panic!("{before:?}, then {act:?}")
            };
            assert_eq!(api, Api::v0(key), "{before:?}, then {act:?}");
        }
    }
}

#[test]
fn a_broker_that_closes_on_what_it_has_answered_before_says_nothing() {
    let UndeterminedReason::NoAnswer { api, error, progress } = reason(&[OK, Close, Close]) else {
        panic!("the broker is stopping")
    };
    assert_eq!((api, progress), (Api::v0(ApiKey::LIST_OFFSETS), Progress::Unanswered));
    assert!(matches!(error, RequestError::Closed(CloseReason::Disconnected { how: Disconnect::Eof, .. })), "{error:?}");
}

#[test]
fn a_close_before_the_question_is_written_says_nothing() {
    for before in [&[][..], &[OK, Close]] {
        let UndeterminedReason::NoAnswer { progress, .. } = reason(&[before, &[AnswerAndClose]].concat()) else {
            panic!("{before:?}")
        };
        assert_eq!(progress, Progress::NotSent);
    }
}

#[test]
fn a_close_when_the_question_is_staged_and_not_written_says_nothing() {
    let now = origin();
    // How much of the question has left.
    for (written, progress) in [(0, Progress::NotSent), (5, Progress::PartlySent)] {
        let mut probe = Probe::new(ClientConfig::default());
        probe.handle_connected(now);
        let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
        let (_, queue) = connection(&mut probe).buffers();
        server.handle_bytes(now, &queue.copy_to_bytes(queue.remaining()));
        let mut peer = Peer { acts: VecDeque::from([OK]), asked: Vec::new(), connections: 1, reachable: 1 };
        connection(&mut probe).handle_bytes(now, &peer.turn(&mut server).0);
        assert_eq!(probe.poll_step(now), ProbeStep::Pump);
        let connection = connection(&mut probe);
        connection.buffers().1.advance(written);
        connection.handle_disconnect(Disconnect::Eof);
        let ProbeStep::Done(Release::Undetermined(why)) = probe.poll_step(now) else { panic!("it says nothing") };
        let UndeterminedReason::NoAnswer { api, progress: told, .. } = why.reason else { panic!("{why:?}") };
        assert_eq!((api, told), (Api::v0(ApiKey::HEARTBEAT), progress));
    }
}

#[test]
fn a_failed_write_says_nothing() {
    let now = origin();
    let mut probe = Probe::new(ClientConfig::default());
    probe.handle_connected(now);
    connection(&mut probe).handle_write_failed(io::ErrorKind::BrokenPipe);
    let ProbeStep::Done(Release::Undetermined(why)) = probe.poll_step(now) else { panic!("it says nothing") };
    assert!(matches!(why.reason, UndeterminedReason::NoAnswer { .. }), "{why:?}");
}

#[test]
fn a_broker_that_cannot_be_reached_or_not_again_leaves_it_undetermined() {
    let peer = HostPort::new("broker1", 9092);
    let config = ClientConfig::default().with_peer(peer.clone());
    for (reachable, acts) in [(0, &[][..]), (1, &[OK, Close]), (1, &[Close])] {
        let Release::Undetermined(Undetermined { peer: named, reason, .. }) =
            probe_with(config.clone(), reachable, acts).0
        else {
            panic!("{acts:?}")
        };
        assert_eq!(reason, UndeterminedReason::NotConnected(io::ErrorKind::HostUnreachable));
        assert_eq!(named.as_deref(), Some(&peer));
    }
}

#[test]
fn an_answer_that_is_none_leaves_it_undetermined() {
    for (before, key) in QUESTIONS {
        let UndeterminedReason::Malformed { api, .. } = reason(&[before, &[Hex("01")]].concat()) else {
            panic!("{before:?}")
        };
        assert_eq!(api, Api::v0(key));
    }
    // No error, and no request known, not even this one.
    let nothing = reason(&[Close, Hex("0000 00000000")]);
    assert!(matches!(nothing, UndeterminedReason::Malformed { .. }), "{nothing:?}");
}

#[test]
fn settings_that_let_nothing_be_sent_leave_it_undetermined() {
    let config = ClientConfig::default().with_limits(Limits::default().with_max_request(10));
    let (release, ..) = probe_with(config, 9, &[]);
    let Release::Undetermined(why) = release else { panic!("{release:?}") };
    assert!(matches!(why.reason, UndeterminedReason::NotSent(_)), "{why:?}");
}

#[test]
fn every_text_says_what_happened_and_what_to_do_next() {
    for (acts, words) in [
        (
            &[Nothing][..],
            "did not answer ListOffsets v0 within 1s (no answer had come): it is overloaded, or not a Kafka broker",
        ),
        (&[HalfThenClose], "the peer closed the connection after 6 bytes of its response to ListOffsets v0"),
        (&[Reset], "the connection failed (connection reset) instead of answering ListOffsets v0"),
        (&[Http], "the peer did not answer ListOffsets v0: a frame claims 1213486160 bytes"),
        (&[Http], "the peer speaks HTTP: this is the port of another service"),
        (&[AnswerAndClose], "the peer closed the connection before Heartbeat v0 was sent: the peer is stopping"),
        (&[Close, Close], "sent nothing on either: it is not a Kafka broker, speaks TLS, requires authentication"),
        (&[Close, Nothing], "did not answer ApiVersions v0 within 1s"),
        (&[Close, OF_3_9], "it requires authentication (SASL), which Kafka 0.8 does not have, or it was stopping"),
        (&[Close, Hex("0023 00000000")], "answered ApiVersions v0 with UnsupportedVersion (35)"),
        (&[Hex("01")], "the response to ListOffsets v0 cannot be decoded (malformed ListOffsets response"),
    ] {
        let config = ClientConfig::default().with_peer(HostPort::new("broker1", 9092));
        let text = probe_with(config, 9, acts).0.to_string();
        assert!(text.starts_with("the release of broker1:9092 is unknown: "), "{text}");
        assert!(text.contains(words), "{acts:?}: {words:?} is missing in: {text}");
    }
    assert_eq!(
        probe(&[Close, OF_4_1]).0.to_string(),
        "Kafka 4.0 or later, which is too new: it has dropped most requests of 0.8"
    );
    assert_eq!(probe(&[OK, OK]).0.to_string(), "Kafka 0.9 to 3.9, which still answers the requests of 0.8.2");
    assert_eq!(probe(&[OK, Answer(-1)]).0.to_string(), "Kafka 0.8.2");
}
