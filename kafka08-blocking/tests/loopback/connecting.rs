//! Which address a client ends up at, and what it says if it ends up nowhere.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use crate::peers::{closed_port, within};
use kafka08_blocking::{Client, ConnectError, HostPort};
use kafka08_proto::{ClientConfig, api::MetadataRequest};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

const LIMIT: Duration = Duration::from_secs(60);

/// A listener that takes no more connections and answers none: its backlog is full. It lives as long as what keeps it.
fn silent() -> (SocketAddr, impl Sized) {
    let fd: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&fd, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listen(&fd, 0).expect("it is bound");
    let listener = TcpListener::from(fd);
    let address = listener.local_addr().expect("it is bound");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(stream);
    }
    (address, (listener, waiting))
}

fn target() -> HostPort {
    HostPort::new("broker.example", 9092)
}

fn config(timeout: Duration) -> ClientConfig {
    ClientConfig::default().with_connect_timeout(timeout)
}

#[test]
fn an_address_that_is_silent_leaves_time_for_the_next_one() {
    within(LIMIT, || {
        let (first, _keep) = silent();
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).expect("a free port");
        let second = listener.local_addr().expect("it is bound");
        // Each has a half of it.
        let timeout = Duration::from_secs(3);
        let started = Instant::now();
        let client = Client::connect_addresses(target(), &[first, second], config(timeout)).expect("one answers");
        assert!(started.elapsed() < timeout, "{:?}", started.elapsed());
        assert_eq!(client.stream().peer_addr().ok(), Some(second));
        assert_eq!(client.peer(), Some(&target()));
    });
}

#[test]
fn every_address_is_listed_with_its_own_reason() {
    within(LIMIT, || {
        let (silent, _keep) = silent();
        let closed: SocketAddr = closed_port().parse().expect("an address");
        // Each address has an equal share of the time, so the silent one leaves nine tenths to the others.
        let silent_first = [&[silent][..], &[closed; 9]].concat();
        for (addresses, timeout) in [(silent_first, 3), (vec![closed, silent], 1)] {
            let timeout = Duration::from_secs(timeout);
            let error = Client::connect_addresses(target(), &addresses, config(timeout)).expect_err("none answers");
            let text = error.to_string();
            let ConnectError::Refused { attempts, .. } = error else { panic!("{error:?}") };
            assert_eq!(attempts.iter().map(|(address, _)| *address).collect::<Vec<_>>(), addresses);
            for (address, error) in attempts {
                let kind = if address == silent { ErrorKind::TimedOut } else { ErrorKind::ConnectionRefused };
                assert_eq!(error.kind(), kind);
                assert!(text.contains(&address.to_string()), "{text}");
            }
            assert!(text.contains("broker.example:9092"), "{text}");
        }
    });
}

#[test]
fn addresses_that_are_all_silent_end_in_a_timeout_of_the_time_that_was_given() {
    within(LIMIT, || {
        let (silent, _keep) = silent();
        let timeout = Duration::from_millis(1500);
        let started = Instant::now();
        let error =
            Client::connect_addresses(target(), &[silent; 3], config(timeout)).expect_err("none answers").to_string();
        let elapsed = started.elapsed();
        assert!(elapsed >= timeout && elapsed < Duration::from_secs(20), "{elapsed:?}");
        assert!(error.contains("no connection to broker.example:9092 within 1.5s"), "{error}");
        assert_eq!(error.matches(&silent.to_string()).count(), 3, "{error}");
    });
}

#[test]
fn no_addresses_and_a_list_of_brokers_are_told() {
    within(LIMIT, || {
        let error = Client::connect_addresses(target(), &[], ClientConfig::default()).expect_err("none is given");
        assert!(matches!(&error, ConnectError::NoAddress(_)), "{error:?}");
        let error = Client::connect("a:1,b:2", ClientConfig::default()).expect_err("two are given").to_string();
        assert!(error.contains("a:1,b:2") && error.contains("connect to one after the other"), "{error}");
    });
}

#[test]
fn errors_and_debug_output_name_the_peer() {
    within(LIMIT, || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut client = Client::connect_to(address.into(), ClientConfig::default()).expect("it listens");
        let name = address.to_string();
        assert_eq!(client.peer().map(ToString::to_string).as_deref(), Some(&*name));
        assert!(format!("{client:?}").contains(&address.port().to_string()));
        let pending = client.send_with_timeout(&MetadataRequest::all(), Duration::from_millis(20)).expect("it is sent");
        let error = client.wait(pending).expect_err("nobody answers").to_string();
        assert!(error.contains(&name), "{error}");
        let error = client.call(&MetadataRequest::all()).expect_err("nobody answered").to_string();
        assert!(error.contains(&name), "{error}");
        let report = client.close().to_string();
        assert!(report.contains(&name), "{report}");
    });
}
