//! Connecting to hosts with several addresses, of which some do not answer.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use kafka08_tokio::{Client, ConnectError, HostPort, proto::ClientConfig};

/// A listener whose backlog is full, so that further connections to it wait for an answer, and what fills it.
fn silent(address: Ipv4Addr) -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let listener = TcpListener::bind((address, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut waiting = Vec::new();
    // The standard library asks for a backlog of 128 or more; systems round up a little.
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
        assert!(waiting.len() < 10_000, "the backlog has no end");
    }
    (address, (listener, waiting))
}

fn config(timeout: Duration) -> ClientConfig {
    ClientConfig::default().with_connect_timeout(timeout)
}

fn target() -> HostPort {
    "broker1:9092".parse().expect("a target")
}

#[tokio::test]
async fn one_address_that_does_not_answer_leaves_the_others_their_share_of_the_time() {
    let (first, _full) = silent(Ipv4Addr::LOCALHOST);
    let live = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).expect("a free port");
    let second = live.local_addr().expect("it is bound");
    let started = Instant::now();
    let timeout = Duration::from_secs(3);
    let client = Client::connect_addresses(target(), &[first, second], config(timeout)).await;
    let client = client.expect("the second address answers");
    assert!(started.elapsed() < timeout);
    assert_eq!(client.peer(), Some(&target()));
}

#[tokio::test]
async fn every_address_is_named_with_its_own_reason() {
    let (first, _full) = silent(Ipv4Addr::LOCALHOST);
    // The port is the system's. One that was free a moment ago may be another test's by now.
    let second = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let error = Client::connect_addresses(target(), &[first, second], config(Duration::from_secs(3)))
        .await
        .expect_err("no address answers");
    let ConnectError::Refused { attempts, .. } = &error else { panic!("{error:?}") };
    assert_eq!(attempts.iter().map(|(address, _)| *address).collect::<Vec<_>>(), [first, second]);
    let text = error.to_string();
    for words in ["broker1:9092", &format!("{first}: no answer within "), &format!("{second}: "), "refused"] {
        assert!(text.contains(words), "{words:?} is missing in: {text}");
    }
}

/// Time is paused, so the last attempt ends exactly when the time is over.
#[tokio::test(start_paused = true)]
async fn addresses_that_do_not_answer_end_in_a_timeout_that_lists_them() {
    let (first, _full) = silent(Ipv4Addr::LOCALHOST);
    let (second, _full_too) = silent(Ipv4Addr::new(127, 0, 0, 2));
    let started = tokio::time::Instant::now();
    let error = Client::connect_addresses(target(), &[first, second], config(Duration::from_millis(400)))
        .await
        .expect_err("no address answers");
    assert_eq!(started.elapsed(), Duration::from_millis(400));
    let ConnectError::TimedOut { attempts, .. } = &error else { panic!("{error:?}") };
    assert_eq!(attempts.iter().map(|(address, _)| *address).collect::<Vec<_>>(), [first, second]);
}

#[tokio::test]
async fn without_an_address_there_is_nothing_to_connect_to() {
    let error = Client::connect_addresses(target(), &[], ClientConfig::default()).await.expect_err("no address");
    assert!(matches!(error, ConnectError::NoAddress(_)), "{error:?}");
}

#[tokio::test]
async fn a_list_of_brokers_is_not_taken_for_one() {
    let error = Client::connect("a:1,b:2", ClientConfig::default()).await.expect_err("it is a list");
    assert!(error.to_string().contains("\"a:1,b:2\""), "{error}");
}
