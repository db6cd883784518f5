//! What the errors say when the peer is not a broker, or stops being one.

use std::{io::Write as _, time::Duration};

use crate::peers::{NO_METADATA, closed_port, peer, read_request, respond, within};
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig, Fate,
    api::{MetadataRequest, ProduceRequest},
    ids::{Acks, Millis},
    message::MessageSet,
};

const LIMIT: Duration = Duration::from_secs(60);

/// What a Metadata call to this peer ends with.
fn ask(address: &str) -> String {
    let config = ClientConfig::default().with_request_timeout(Duration::from_millis(300));
    let mut client = Client::connect(address, config).expect("the peer listens");
    client.call(&MetadataRequest::all()).expect_err("the peer is no broker").to_string()
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}

#[test]
fn an_http_server_is_named() {
    within(LIMIT, || {
        let address = peer(|mut stream| {
            read_request(&mut stream);
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").expect("the client is there");
        });
        assert_says(&ask(&address), &["the peer speaks HTTP", "port of another service"]);
    });
}

#[test]
fn a_tls_server_is_named() {
    within(LIMIT, || {
        let address = peer(|mut stream| {
            read_request(&mut stream);
            stream.write_all(b"\x15\x03\x03\x00\x02\x02\x28").expect("the client is there");
        });
        assert_says(&ask(&address), &["the peer speaks TLS", "plaintext port"]);
    });
}

#[test]
fn a_peer_that_closes_before_it_says_a_byte_may_speak_tls_or_not_know_the_request() {
    within(LIMIT, || {
        let address = peer(|mut stream| assert!(read_request(&mut stream).is_some()));
        let words = [
            "closed the connection instead of answering Metadata v0",
            "before it had sent a byte",
            "speaks TLS",
            "does not know Metadata v0",
        ];
        assert_says(&ask(&address), &words);
    });
}

#[test]
fn a_peer_that_never_answers_ends_in_a_timeout() {
    within(LIMIT, || {
        let address = peer(|mut stream| while read_request(&mut stream).is_some() {});
        assert_says(&ask(&address), &[&address, "timed out after", "does not speak Kafka 0.8"]);
    });
}

#[test]
fn a_peer_that_trickles_does_not_stretch_the_timeout() {
    within(LIMIT, || {
        let address = peer(|mut stream| {
            stream.write_all(&1000u32.to_be_bytes()).expect("the client is there");
            while stream.write_all(&[0]).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        assert_says(&ask(&address), &["timed out after", "of 1000 bytes of its answer had come"]);
    });
}

#[test]
fn a_closed_port_is_told_with_every_address_that_was_tried() {
    within(LIMIT, || {
        let target = closed_port();
        let error = Client::connect(&target, ClientConfig::default()).expect_err("nobody listens").to_string();
        assert_says(&error, &[&format!("cannot connect to {target}"), "refused", "check that a broker listens there"]);
    });
}

#[test]
fn a_connect_timeout_is_told_with_the_time_that_was_given() {
    within(LIMIT, || {
        let address = closed_port();
        let config = ClientConfig::default().with_connect_timeout(Duration::ZERO);
        let error = Client::connect(&address, config).expect_err("there is no time").to_string();
        assert_says(&error, &[&format!("no connection to {address} within 0ns"), "the host is down, or a firewall"]);
    });
}

#[test]
fn a_name_without_an_address_and_a_target_without_a_port_are_told() {
    within(LIMIT, || {
        let error =
            Client::connect("nosuch.invalid:9092", ClientConfig::default()).expect_err("no such name").to_string();
        assert_says(&error, &["nosuch.invalid", "check the name"]);
        let error = Client::connect("broker", ClientConfig::default()).expect_err("no port").to_string();
        assert_says(&error, &["\"broker\"", "host:port"]);
    });
}

#[test]
fn an_ipv6_literal_is_a_target() {
    within(LIMIT, || {
        let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
            eprintln!("this machine has no IPv6 loopback");
            return;
        };
        let target = listener.local_addr().expect("it is bound").to_string();
        assert!(target.starts_with("[::1]:"));
        Client::connect(&target, ClientConfig::default()).expect("somebody listens");
    });
}

#[test]
fn a_broker_that_closes_after_acks_0_leaves_the_request_unconfirmed() {
    within(LIMIT, || {
        let address = peer(|mut stream| {
            let first = read_request(&mut stream).expect("a request");
            respond(&mut stream, first.id, NO_METADATA).expect("the client is there");
            read_request(&mut stream);
        });
        let mut client = Client::connect(&address, ClientConfig::default()).expect("the peer listens");
        client.call(&MetadataRequest::all()).expect("it is answered");
        let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
        let id = client.send_and_forget(&produce).expect("it is sent");
        // It may see the close already, and then says so.
        if let Err(error) = client.flush() {
            assert!(error.failed.is_empty() && error.closed.is_some(), "{error}");
        }
        let error = client.call(&MetadataRequest::all()).expect_err("the peer has closed");
        assert_eq!(error.fate(), Fate::NotApplied);
        assert_says(&error.to_string(), &["1 produce request with acks = 0 is unconfirmed"]);
        let closed = client.closed().expect("it is closed");
        assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [id]);
        assert_says(&closed.to_string(), &["acks = 0"]);
    });
}

#[test]
fn what_is_staged_leaves_before_a_close() {
    within(LIMIT, || {
        let (sender, receiver) = std::sync::mpsc::channel();
        let address = peer(move |mut stream| {
            while let Some(request) = read_request(&mut stream) {
                sender.send(request.id).expect("the test listens");
            }
        });
        let mut client = Client::connect(&address, ClientConfig::default()).expect("the peer listens");
        let value = vec![0; 900_000];
        let produce = (0..8).fold(ProduceRequest::new(Acks::NONE, Millis(0)), |request, partition| {
            request.with("t", partition, MessageSet::of_value(&value))
        });
        let id = client.send_and_forget(&produce).expect("it is sent");
        let report = client.close();
        assert_eq!(report.closed.unconfirmed.iter().collect::<Vec<_>>(), [id]);
        assert!(report.failed.is_empty(), "{report}");
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [id.0]);
    });
}
