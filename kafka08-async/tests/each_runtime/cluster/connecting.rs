//! How connecting ends, and what its errors say.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use kafka08_async::{BootstrapError, Cluster, ClusterConfig, kafka08_client::backoff::Backoff};

use super::{all, assert_whole, brokers, config};
use crate::runtimes::On;

/// A port at which nobody listens: it is the system's. One that was free a moment ago may be another test's by now.
fn closed_port(n: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, n).into()
}

/// A server that answers each connection with these bytes, after it has read something.
fn answers(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            thread::spawn(move || {
                if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    // The client may be gone.
                    let _ = stream.write_all(bytes);
                    let _ = stream.read(&mut [0; 4096]);
                }
            });
        }
    });
    address
}

/// The text of the error of connecting, and how long it took.
async fn fails<H: On>(list: &[String], config: ClusterConfig) -> (String, Duration) {
    let begun = Instant::now();
    let error = Cluster::<H::Rt>::connect(list, config).await.expect_err("no broker is there");
    (error.to_string(), begun.elapsed())
}

async fn a_dead_entry_in_front_is_no_hindrance<H: On>() {
    let server = brokers();
    for _ in 0..5 {
        let list = [closed_port(1).to_string(), "no-such-host.invalid:9092".to_owned(), server.host_port()];
        let cluster = Cluster::<H::Rt>::connect(list, config()).await.expect("one is there");
        assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    }
}

async fn a_silent_entry_in_front_is_no_hindrance<H: On>() {
    let server = brokers();
    for seed in 0..6 {
        let list = [answers(b"").to_string(), server.host_port()];
        let config = config().with_silence(Duration::from_millis(100)).with_seed(seed);
        let cluster = Cluster::<H::Rt>::connect(list, config).await.expect("one is there");
        assert_whole(&cluster.call(&all()).await.expect("all leaders answer"));
    }
}

async fn when_each_entry_has_failed_that_is_told_at_once_with_each_reason<H: On>() {
    let ports = [closed_port(1), closed_port(2)];
    let (text, took) = fails::<H>(&ports.map(|port| port.to_string()), config().with_seed(1)).await;
    let said = |port: SocketAddr| {
        format!(
            "cannot connect to {port} ({port}: Connection refused (os error 111)): check that a broker listens there (0.8 listens \
             on 9092 by default, early releases on 6667)"
        )
    };
    let [first, second] = ports.map(said);
    let orders = [format!("{first}; {second}"), format!("{second}; {first}")];
    assert!(orders.iter().any(|order| text == format!("no broker could be reached: {order}")), "{text}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

async fn a_host_that_does_not_exist_is_named<H: On>() {
    let (text, _) = fails::<H>(&["no-such-host.invalid:9092".to_owned()], config()).await;
    let begin = "no broker could be reached: cannot look up \"no-such-host.invalid\", to connect to no-such-host.invalid:9092: ";
    assert!(text.starts_with(begin) && text.ends_with(": check the name"), "{text}");
}

async fn a_port_of_another_service_is_named<H: On>() {
    for (bytes, words) in [
        (&b"\x15\x03\x03\x00\x02\x02\x28"[..], ["the peer speaks TLS", "plaintext port"]),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ["the peer speaks HTTP", "port of another service"]),
    ] {
        // Each of them is tried once, and no pause comes in between.
        let ports = [answers(bytes), answers(bytes), closed_port(1)].map(|port| port.to_string());
        let pause = Backoff { first: Duration::from_secs(20), most: Duration::from_secs(20) };
        let (text, took) = fails::<H>(&ports, config().with_retry_backoff(pause)).await;
        assert!(text.starts_with("no broker could be reached: "), "{text}");
        assert!(ports.iter().all(|port| text.contains(port)), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

async fn a_silent_peer_is_waited_for_until_the_connect_timeout<H: On>() {
    let address = answers(b"");
    let timeout = Duration::from_millis(300);
    let (text, took) = fails::<H>(&[address.to_string()], config().with_connect_timeout(timeout)).await;
    assert!(text.starts_with("no broker has answered within 300ms: "), "{text}");
    assert!((timeout..Duration::from_secs(5)).contains(&took), "{took:?}");
}

async fn a_list_that_cannot_be_read_is_refused<H: On>() {
    let (text, _) = fails::<H>(&["127.0.0.1:9092".to_owned(), "broker1".to_owned()], config()).await;
    assert!(text.contains("\"broker1\"") && text.contains("write it as host:port"), "{text}");
    let error = Cluster::<H::Rt>::connect([""; 0], config()).await.expect_err("no broker");
    assert!(matches!(error, BootstrapError::Empty), "{error:?}");
}

on_each_runtime! {
    a_dead_entry_in_front_is_no_hindrance,
    a_silent_entry_in_front_is_no_hindrance,
    when_each_entry_has_failed_that_is_told_at_once_with_each_reason,
    a_host_that_does_not_exist_is_named,
    a_port_of_another_service_is_named,
    a_silent_peer_is_waited_for_until_the_connect_timeout,
    a_list_that_cannot_be_read_is_refused,
}
