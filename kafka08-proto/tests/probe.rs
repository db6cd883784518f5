//! The probe, against brokers that know as much as each release does, and against peers that stop at any point.

mod common;

use std::{collections::VecDeque, io, time::Duration};

use bytes::{Buf as _, Bytes};
use common::start as origin;
use kafka08_proto::{
    ClientConfig, Connection as _, Disconnect, ServerConfig, ServerConnection, ServerEvent,
    api::{ListOffsetsResponse, MetadataResponse, OffsetFetchResponseV0, membership::HeartbeatResponse},
    error_code::ErrorCode,
    ids::{ApiKey, ConnectionId},
    limits::Limits,
    probe::{Probe, ProbeStep, Release, Undetermined},
    profile::Profile,
};

/// How a peer treats one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// Answers it: a heartbeat with this code.
    Answer(i16),
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
    /// Answers with a byte that is no answer.
    Garbage,
}
use Act::*;

/// A peer's acts on the requests it gets, over all connections.
struct Peer {
    acts: VecDeque<Act>,
    asked: Vec<ApiKey>,
    connections: usize,
    /// Connections that come about; later ones are refused.
    reachable: usize,
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
            ProbeStep::Pump(client) => {
                let (_, queue) = client.buffers();
                server.handle_bytes(now, &queue.copy_to_bytes(queue.remaining()));
                let (down, end) = peer.turn(&mut server);
                client.handle_bytes(now, &down);
                if let Some(how) = end {
                    client.handle_disconnect(how);
                }
                now += Duration::from_millis(500);
                client.handle_timeout(now);
            }
            ProbeStep::Done(release) => return (release, peer.asked, peer.connections),
        }
    }
    panic!("the probe does not end");
}

impl Peer {
    /// Acts on the next request: what it sends, and whether and how it ends the stream.
    fn turn(&mut self, server: &mut ServerConnection) -> (Bytes, Option<Disconnect>) {
        let Some(ServerEvent::Request(request)) = server.poll_event() else { return (Bytes::new(), None) };
        let key = request.header.api.key;
        self.asked.push(key);
        let act = self.acts.pop_front().expect("a request that the script foresees");
        let error = ErrorCode(if let Answer(code) = act { code } else { 0 });
        let answered = match key {
            _ if act == Garbage => server.respond_raw(request.call, Bytes::from_static(&[1])),
            ApiKey::METADATA => server.respond(request.call, &MetadataResponse::default()),
            ApiKey::HEARTBEAT => server.respond(request.call, &HeartbeatResponse { error }),
            ApiKey::OFFSET_FETCH => server.respond(request.call, &OffsetFetchResponseV0::default()),
            ApiKey::LIST_OFFSETS => server.respond(request.call, &ListOffsetsResponse::default()),
            other => panic!("the probe asks for {other}"),
        };
        answered.expect("the call is open");
        let (_, queue) = server.buffers();
        let answer = queue.copy_to_bytes(queue.remaining());
        let half = answer.slice(..answer.len() / 2);
        match act {
            Answer(_) | Garbage => (answer, None),
            Close => (Bytes::new(), Some(Disconnect::Eof)),
            AnswerAndClose => (answer, Some(Disconnect::Eof)),
            HalfThenClose => (half, Some(Disconnect::Eof)),
            HalfThenNothing => (half, None),
            Reset => (Bytes::new(), Some(Disconnect::Error(io::ErrorKind::ConnectionReset))),
            Nothing => (Bytes::new(), None),
        }
    }
}

fn probe(acts: &[Act]) -> (Release, Vec<ApiKey>, usize) {
    probe_with(ClientConfig::default(), 9, acts)
}

const META: Act = Answer(0);

#[test]
fn each_release_is_told_by_what_it_knows() {
    let (metadata, heartbeat) = (ApiKey::METADATA, ApiKey::HEARTBEAT);
    assert_eq!(probe(&[META, Answer(-1)]), (Release::Known(Profile::V0_8_2), vec![metadata, heartbeat], 1));
    let twice = vec![metadata, heartbeat, metadata, ApiKey::OFFSET_FETCH];
    assert_eq!(probe(&[META, Close, META, Answer(0)]), (Release::Known(Profile::V0_8_1), twice.clone(), 2));
    assert_eq!(probe(&[META, Close, META, Close]), (Release::Known(Profile::V0_8_0), twice, 2));
    let more = vec![metadata, heartbeat, ApiKey::LIST_OFFSETS];
    for code in [0, 15, 16, 25, 30] {
        assert_eq!(probe(&[META, Answer(code), Answer(0)]), (Release::Newer, more.clone(), 1));
        assert_eq!(probe(&[META, Answer(code), Close]), (Release::TooNew, more.clone(), 1));
    }
    assert_eq!(Release::TooNew.to_string(), "a Kafka too new: 4.0 or later has dropped the versions of 0.8");
}

#[test]
fn a_connection_of_one_request_in_flight_is_enough() {
    let config = ClientConfig::default().with_max_in_flight(1);
    assert_eq!(probe_with(config.clone(), 9, &[META, Answer(-1)]).0, Release::Known(Profile::V0_8_2));
    assert_eq!(probe_with(config, 9, &[META, Close, META, Close]).0, Release::Known(Profile::V0_8_0));
}

#[test]
fn metadata_that_is_not_answered_in_full_says_nothing() {
    for act in [Close, HalfThenClose, HalfThenNothing, Reset, Nothing] {
        let (release, ..) = probe(&[act]);
        assert!(matches!(release, Release::Undetermined(Undetermined::NoMetadata(_))), "{act:?}: {release:?}");
        let (release, ..) = probe(&[META, Close, act]);
        assert!(matches!(release, Release::Undetermined(Undetermined::NoMetadata(_))), "{act:?}: {release:?}");
        assert!(
            release.to_string().starts_with("undetermined: Metadata, which every release knows, was not answered: ")
        );
    }
}

#[test]
fn a_question_that_ends_otherwise_than_by_a_clean_close_says_nothing() {
    for act in [HalfThenClose, HalfThenNothing, Reset, Nothing] {
        for before in [&[META][..], &[META, Close, META], &[META, Answer(25)]] {
            let (release, ..) = probe(&[before, &[act]].concat());
            assert!(matches!(release, Release::Undetermined(Undetermined::NoAnswer(_))), "{act:?}: {release:?}");
        }
    }
}

#[test]
fn a_close_before_the_question_is_written_says_nothing() {
    for before in [&[][..], &[META, Close], &[META]] {
        let (release, ..) = probe(&[before, &[AnswerAndClose]].concat());
        // The last of them answers the heartbeat by code 0.
        assert!(matches!(release, Release::Undetermined(Undetermined::NoAnswer(_))), "{before:?}: {release:?}");
    }
    // Staged, and not written when the stream ends.
    let now = origin();
    let mut probe = Probe::new(ClientConfig::default());
    probe.handle_connected(now);
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    let ProbeStep::Pump(client) = probe.poll_step(now) else { panic!("there is something to ask") };
    let (_, queue) = client.buffers();
    server.handle_bytes(now, &queue.copy_to_bytes(queue.remaining()));
    let mut peer = Peer { acts: VecDeque::from([META]), asked: Vec::new(), connections: 1, reachable: 1 };
    client.handle_bytes(now, &peer.turn(&mut server).0);
    let ProbeStep::Pump(client) = probe.poll_step(now) else { panic!("the question is staged") };
    client.handle_disconnect(Disconnect::Eof);
    let ProbeStep::Done(release) = probe.poll_step(now) else { panic!("the probe ends") };
    assert!(matches!(release, Release::Undetermined(Undetermined::NoAnswer(_))), "{release:?}");
}

#[test]
fn a_broker_that_cannot_be_reached_or_not_again_leaves_it_undetermined() {
    let unreachable = Release::Undetermined(Undetermined::NotConnected(io::ErrorKind::HostUnreachable));
    assert_eq!(probe_with(ClientConfig::default(), 0, &[]).0, unreachable);
    assert_eq!(probe_with(ClientConfig::default(), 1, &[META, Close]).0, unreachable);
}

#[test]
fn an_answer_that_is_none_leaves_it_undetermined() {
    for acts in [&[Garbage][..], &[META, Garbage], &[META, Close, META, Garbage], &[META, Answer(25), Garbage]] {
        assert_eq!(probe(acts).0, Release::Undetermined(Undetermined::Malformed), "{acts:?}");
    }
}

#[test]
fn settings_that_let_nothing_be_sent_leave_it_undetermined() {
    let config = ClientConfig::default().with_limits(Limits::default().with_max_request(10));
    let (release, ..) = probe_with(config, 9, &[]);
    assert!(matches!(release, Release::Undetermined(Undetermined::NotSent(_))), "{release:?}");
}
