//! What the errors say when the peer is not a broker, or stops being one.

use std::{io::Write as _, time::Duration};

use kafka08_proto::{
    ClientConfig, Fate,
    api::{MetadataRequest, ProduceRequest},
    ids::{Acks, Millis},
    message::MessageSet,
};
use kafka08_tokio::Client;

use crate::{
    peers::{NO_METADATA, closed_port, peer, read_request, respond},
    pipelining::{connect, run},
};

/// What a Metadata call to this peer ends with.
async fn ask(address: &str) -> String {
    let config = ClientConfig::default().with_request_timeout(Duration::from_millis(300));
    let client = Client::connect(address, config).await.expect("the peer listens");
    client.call(&MetadataRequest::all()).await.expect_err("the peer is no broker").to_string()
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}

#[test]
fn an_http_server_and_a_tls_server_are_named() {
    run(async {
        for (bytes, words) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], ["the peer speaks HTTP", "port of another service"]),
            (b"\x15\x03\x03\x00\x02\x02\x28", ["the peer speaks TLS", "plaintext port"]),
        ] {
            let address = peer(|mut stream| {
                read_request(&mut stream);
                stream.write_all(bytes).expect("the client is there");
            });
            assert_says(&ask(&address).await, &words);
        }
    });
}

#[test]
fn a_peer_that_closes_before_it_says_a_byte_may_be_too_old_or_too_new() {
    run(async {
        let address = peer(|mut stream| assert!(read_request(&mut stream).is_some()));
        let words = [
            &format!("to {address}"),
            "closed the connection instead of answering Metadata v0",
            "before it had sent a byte",
            "is no Kafka broker",
            "speaks TLS",
        ];
        assert_says(&ask(&address).await, &words);
    });
}

#[test]
fn a_peer_that_never_answers_or_trickles_ends_in_a_timeout() {
    run(async {
        let silent = peer(|mut stream| while read_request(&mut stream).is_some() {});
        assert_says(&ask(&silent).await, &["timed out after ", "no answer had come", "does not speak Kafka 0.8"]);
        let trickling = peer(|mut stream| {
            stream.write_all(&1000u32.to_be_bytes()).expect("the client is there");
            while stream.write_all(&[0]).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        assert_says(&ask(&trickling).await, &["timed out after ", "bytes of its answer had come", "raise the timeout"]);
    });
}

#[test]
fn a_closed_port_a_name_without_an_address_and_a_target_without_a_port_are_told() {
    run(async {
        let target = closed_port();
        let refused = Client::connect(&target, ClientConfig::default()).await.expect_err("nobody listens");
        assert_says(
            &refused.to_string(),
            &[&format!("cannot connect to {target}"), "refused", "check that a broker listens"],
        );
        let unknown = Client::connect("nosuch.invalid:9092", ClientConfig::default()).await.expect_err("no such name");
        assert_says(&unknown.to_string(), &["nosuch.invalid", "check the name"]);
        let portless = Client::connect("broker", ClientConfig::default()).await.expect_err("no port");
        assert_says(&portless.to_string(), &["\"broker\"", "host:port"]);
    });
}

#[test]
fn a_broker_that_closes_after_acks_0_leaves_the_request_unconfirmed() {
    run(async {
        let address = peer(|mut stream| {
            let first = read_request(&mut stream).expect("a request");
            respond(&mut stream, first.id, NO_METADATA).expect("the client is there");
            read_request(&mut stream);
        });
        let client = connect(&address).await;
        client.call(&MetadataRequest::all()).await.expect("it is answered");
        let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
        let id = client.send_and_forget(&produce).await.expect("it is sent");
        // It may see the close already, and then says so.
        if let Err(error) = client.flush().await {
            assert!(error.failed.is_empty() && error.closed.is_some(), "{error}");
        }
        let closed = client.wait_closed().await;
        assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [id]);
        assert_says(&closed.to_string(), &["1 produce request with acks = 0 is unconfirmed"]);
        let error = client.call(&MetadataRequest::all()).await.expect_err("it is closed");
        assert_eq!(error.fate(), Fate::NotApplied);
        client.flush().await.expect_err("it is closed");
        assert_eq!(client.close().await.closed, closed);
    });
}

#[test]
fn what_is_staged_leaves_before_a_close() {
    run(async {
        let (sender, receiver) = std::sync::mpsc::channel();
        let address = peer(move |mut stream| {
            while let Some(request) = read_request(&mut stream) {
                sender.send(request.id).expect("the test listens");
            }
        });
        let client = connect(&address).await;
        let value = vec![0; 900_000];
        let produce = ProduceRequest::new(Acks::NONE, Millis(0));
        let produce =
            (0..8).fold(produce, |request, partition| request.with("t", partition, MessageSet::of_value(&value)));
        let id = client.send_and_forget(&produce).await.expect("it is staged");
        let closed = client.close().await.closed;
        assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [id]);
        let seen = tokio::task::spawn_blocking(move || receiver.iter().collect::<Vec<_>>()).await.expect("no panic");
        assert_eq!(seen, [id.0]);
    });
}
