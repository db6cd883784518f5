//! The probe over TCP: what it finds out, and that it ends in its time.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{ConnectError, probe};
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{
    ClientConfig,
    probe::{Release, UndeterminedReason},
    profile::Profile,
};
use rustix::{
    net::{AddressFamily, SocketType, bind, listen, socket},
    time::{ClockId, clock_gettime},
};

use crate::peers::{closed_port, peer, read_request, respond, within};

const LIMIT: Duration = Duration::from_secs(60);

/// The processor's time that this thread has taken.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it is not negative")
}

fn reason(release: Release) -> UndeterminedReason {
    match release {
        Release::Undetermined(why) => why.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_embedded_broker_is_taken_for_the_release_that_it_behaves_as() {
    within(LIMIT, || {
        for profile in [Profile::V0_8_0, Profile::V0_8_1, Profile::V0_8_2] {
            let server = Server::start(BrokerConfig::default().with_profile(profile)).expect("a free port");
            let release = probe(&server.host_port(), &ClientConfig::default()).expect("it listens");
            assert_eq!(release, Release::Known(profile));
        }
    });
}

#[test]
fn a_port_on_which_nobody_listens_is_an_error_that_names_it() {
    within(LIMIT, || {
        let target = closed_port();
        let error = probe(&target, &ClientConfig::default()).expect_err("nobody listens");
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(&target), "{error}");
        let error = probe("localhost", &ClientConfig::default()).expect_err("no port");
        assert!(matches!(error, ConnectError::Target(_)), "{error:?}");
    });
}

#[test]
fn a_peer_that_says_nothing_has_the_time_of_one_request_and_is_waited_for_without_work() {
    within(LIMIT, || {
        let target = peer(|mut stream| {
            // Until the probe closes.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let timeout = Duration::from_millis(200);
        let (started, worked) = (Instant::now(), processor_time());
        let release = probe(&target, &ClientConfig::default().with_request_timeout(timeout)).expect("it listens");
        let elapsed = started.elapsed();
        assert!(elapsed >= timeout && elapsed < Duration::from_secs(20), "{elapsed:?}");
        assert!(processor_time() - worked < timeout / 2, "it has asked again and again");
        let text = release.to_string();
        assert!(text.contains(&target) && text.contains("did not answer ListOffsets v0 within "), "{text}");
        assert!(matches!(reason(release), UndeterminedReason::NoAnswer { .. }));
    });
}

#[test]
fn a_peer_that_accepts_no_connection_has_the_time_of_connecting() {
    within(LIMIT, || {
        let fd: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&fd, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listen(&fd, 0).expect("it is bound");
        let listener = TcpListener::from(fd);
        let address = listener.local_addr().expect("it is bound");
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
            waiting.push(stream);
        }
        let timeout = Duration::from_millis(200);
        let started = Instant::now();
        let config = ClientConfig::default().with_connect_timeout(timeout);
        let error = probe(&address.to_string(), &config).expect_err("its backlog is full");
        let elapsed = started.elapsed();
        assert!(elapsed >= timeout && elapsed < Duration::from_secs(20), "{elapsed:?}");
        assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
    });
}

#[test]
fn a_peer_that_speaks_http_is_called_so() {
    within(LIMIT, || {
        let target = peer(|mut stream| {
            read_request(&mut stream).expect("a question");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").expect("the probe reads");
        });
        let text = probe(&target, &ClientConfig::default()).expect("it listens").to_string();
        assert!(text.contains(&target) && text.contains("the peer speaks HTTP"), "{text}");
    });
}

#[test]
fn a_peer_that_closes_on_everything_is_asked_over_two_connections() {
    within(LIMIT, || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let peer = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().expect("the probe connects");
                read_request(&mut stream).expect("a question");
            }
        });
        let release = probe(&address.to_string(), &ClientConfig::default()).expect("it listens");
        assert_eq!(reason(release), UndeterminedReason::NothingAnswered);
        peer.join().expect("it was asked twice");
    });
}

#[test]
fn a_peer_that_is_gone_when_it_is_connected_to_again_is_an_error() {
    within(LIMIT, || {
        // At an address of its own: a port of 127.0.0.1 that is free again may be the next one of another test.
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 11), 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the probe connects");
            drop(listener);
            let request = read_request(&mut stream).expect("ListOffsets");
            respond(&mut stream, request.id, &[0; 4]).expect("the probe reads");
            read_request(&mut stream).expect("Heartbeat");
        });
        let error = probe(&address.to_string(), &ClientConfig::default()).expect_err("it listens no more");
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    });
}
