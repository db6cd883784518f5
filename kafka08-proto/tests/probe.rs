//! The probe, against brokers that know as much as each release does.

mod common;

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use common::start as origin;
use kafka08_proto::{
    ClientConfig, Connection as _, Disconnect, ServerConfig, ServerConnection, ServerEvent,
    api::{HeartbeatResponse, MetadataResponse, OffsetFetchResponse},
    error_code::ErrorCode,
    ids::{ApiKey, ConnectionId},
    probe::{Probe, ProbeStep, Release, Undetermined},
    profile::Profile,
};

/// How a broker treats what it is asked.
#[derive(Clone, Copy)]
struct Peer {
    last_key: i16,
    heartbeat: ErrorCode,
    /// Closes before anything is answered.
    closes_at_once: bool,
    /// Reads, and never answers.
    is_silent: bool,
}

const R2: Peer = Peer { last_key: 12, heartbeat: ErrorCode::UNKNOWN, closes_at_once: false, is_silent: false };

/// Runs a probe to its end; gives the answer and how many connections it took.
fn ask(peer: Peer) -> (Release, usize) {
    let mut now = origin();
    let mut probe = Probe::new(ClientConfig::default().with_request_timeout(Duration::from_secs(1)));
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    let mut connections = 0;
    for _ in 0..100 {
        match probe.poll_step(now) {
            ProbeStep::Connect => {
                connections += 1;
                server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
                probe.handle_connected(now);
            }
            ProbeStep::Pump(client) => {
                let (_, queue) = client.buffers();
                let up = queue.copy_to_bytes(queue.remaining());
                server.receive(&up);
                answer(&mut server, peer, now);
                let (_, queue) = server.buffers();
                let down = queue.copy_to_bytes(queue.remaining());
                client.receive(&down);
                if server.is_over() || peer.closes_at_once {
                    client.handle_disconnect(Disconnect::Eof);
                }
                if peer.is_silent {
                    now += Duration::from_secs(1);
                }
                client.handle_timeout(now);
            }
            ProbeStep::Done(release) => return (release, connections),
        }
    }
    panic!("the probe does not end");
}

fn answer(server: &mut ServerConnection, peer: Peer, now: Instant) {
    if peer.is_silent || peer.closes_at_once {
        return;
    }
    while let Some(ServerEvent::Request(request)) = server.poll_event(now) {
        let done = match request.header.api.key {
            key if key.0 > peer.last_key => {
                server.close();
                Ok(())
            }
            ApiKey::METADATA => server.respond(request.call, &MetadataResponse::default()),
            ApiKey::HEARTBEAT => server.respond(request.call, &HeartbeatResponse { error: peer.heartbeat }),
            ApiKey::OFFSET_FETCH => server.respond(request.call, &OffsetFetchResponse::default()),
            other => panic!("the probe asks for {other}"),
        };
        done.expect("the call is open");
    }
}

#[test]
fn each_release_is_told_by_what_it_knows() {
    assert_eq!(ask(R2), (Release::Known(Profile::V0_8_2), 1));
    assert_eq!(ask(Peer { last_key: 9, ..R2 }), (Release::Known(Profile::V0_8_1), 2));
    assert_eq!(ask(Peer { last_key: 7, ..R2 }), (Release::Known(Profile::V0_8_0), 2));
    assert_eq!(ask(Peer { heartbeat: ErrorCode(25), ..R2 }), (Release::Newer, 1));
}

#[test]
fn a_close_before_metadata_is_answered_says_nothing() {
    let (release, _) = ask(Peer { closes_at_once: true, ..R2 });
    assert!(matches!(release, Release::Undetermined(Undetermined::NoMetadata(_))), "{release:?}");
}

#[test]
fn a_peer_that_never_answers_leaves_it_undetermined() {
    let (release, _) = ask(Peer { is_silent: true, ..R2 });
    assert!(matches!(release, Release::Undetermined(Undetermined::NoMetadata(_))), "{release:?}");
    assert!(release.to_string().contains("Metadata, which every release knows, was not answered"));
}

#[test]
fn a_broker_that_cannot_be_reached_leaves_it_undetermined() {
    let mut probe = Probe::new(ClientConfig::default());
    assert!(matches!(probe.poll_step(origin()), ProbeStep::Connect));
    probe.handle_connect_failed(io::ErrorKind::ConnectionRefused);
    let ProbeStep::Done(release) = probe.poll_step(origin()) else { panic!("the probe ends") };
    assert_eq!(release, Release::Undetermined(Undetermined::NotConnected(io::ErrorKind::ConnectionRefused)));
}

#[test]
fn an_answer_that_is_no_metadata_leaves_it_undetermined() {
    let now = origin();
    let mut probe = Probe::new(ClientConfig::default());
    probe.handle_connected(now);
    let ProbeStep::Pump(client) = probe.poll_step(now) else { panic!("there is something to ask") };
    let (_, queue) = client.buffers();
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    server.receive(&queue.copy_to_bytes(queue.remaining()));
    let Some(ServerEvent::Request(request)) = server.poll_event(now) else { panic!("Metadata is asked for") };
    server.respond_raw(request.call, Bytes::from_static(&[1])).expect("the call is open");
    let (_, queue) = server.buffers();
    let down = queue.copy_to_bytes(queue.remaining());
    let ProbeStep::Pump(client) = probe.poll_step(now) else { panic!("the answer is due") };
    client.receive(&down);
    let ProbeStep::Done(release) = probe.poll_step(now) else { panic!("the probe ends") };
    assert_eq!(release, Release::Undetermined(Undetermined::Malformed));
}
