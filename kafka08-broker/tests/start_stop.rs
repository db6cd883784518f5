//! Servers that are started and stopped again and again.
#![cfg(target_os = "linux")]

#[path = "load/process.rs"]
mod process;

use std::{
    net::{Ipv4Addr, TcpStream},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{ClientConfig, api::MetadataRequest, ids::NodeId};

/// The tests count threads and descriptors of the process, so they run one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn config() -> BrokerConfig {
    BrokerConfig::default().with_topic("t", 4)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    *times.get(times.len() / 2).expect("there are some")
}

#[test]
fn a_server_starts_and_stops_within_milliseconds() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for brokers in [1, 3] {
        let (mut starts, mut stops) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let started = Instant::now();
            let server = Server::start(config().with_brokers(brokers)).expect("a free port");
            starts.push(started.elapsed());
            let mut client = Client::connect(&server.host_port(), ClientConfig::default()).expect("it listens");
            client.call(&MetadataRequest::all()).expect("an answer");
            let started = Instant::now();
            server.stop();
            stops.push(started.elapsed());
        }
        let (start, stop) = (median(starts), median(stops));
        println!("{brokers} brokers: start {start:.2?}, stop {stop:.2?}");
        // In a release build it is 10 ms.
        assert!(start < Duration::from_millis(100), "{start:?}");
        assert!(stop < Duration::from_millis(100), "{stop:?}");
    }
}

/// Starts servers at free ports of an address that nobody else uses, uses each, and stops it. At a shared address, the port
/// that one server has left may be the next one's.
fn cycle(ip: Ipv4Addr, times: usize) {
    for n in 0..times {
        let config = config().with_listen((ip, 0).into()).with_brokers(if n % 10 == 0 { 3 } else { 1 });
        let server = Server::start(config).expect("a free port");
        // A client with an answer, one that says nothing, and a broker that is stopped and started.
        let mut client = Client::connect(&server.host_port(), ClientConfig::default()).expect("it listens");
        client.call(&MetadataRequest::of(["t"])).expect("an answer");
        let _silent = TcpStream::connect(server.address()).expect("it listens");
        if n % 10 == 0 {
            server.kill(NodeId(2));
            server.start_again(NodeId(2));
        }
        let address = server.address();
        drop(client);
        server.stop();
        TcpStream::connect(address).expect_err("the port is free");
    }
}

/// Checks that so many cycles leave nothing behind.
fn check(times: usize) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // The first ones fill what the allocator and the standard library keep.
    cycle(Ipv4Addr::LOCALHOST, 20);
    let started = Instant::now();
    let before = (process::threads(), process::descriptors(), process::resident());
    cycle(Ipv4Addr::LOCALHOST, times);
    let after = (process::threads(), process::descriptors(), process::resident());
    println!(
        "{times} cycles in {:.2?}: threads, descriptors, memory {before:?}, afterwards {after:?}",
        started.elapsed()
    );
    // Another test's thread may wait or end meanwhile.
    assert!(after.0 <= before.0 + 1, "threads: {} instead of {}", after.0, before.0);
    assert_eq!(after.1, before.1, "descriptors");
    assert!(after.2 < before.2 + (8 << 20), "memory: {} instead of {}", after.2, before.2);
}

#[test]
fn a_hundred_servers_leave_neither_threads_nor_descriptors_nor_memory() {
    check(100);
}

#[test]
#[ignore = "a thousand cycles take some seconds: part of .ci/long broker-load"]
fn a_thousand_servers_leave_neither_threads_nor_descriptors_nor_memory() {
    check(1000);
}

#[test]
fn servers_of_many_threads_start_and_stop_at_the_same_time() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let threads: Vec<_> = (2..10).map(|n| thread::spawn(move || cycle(Ipv4Addr::new(127, 0, 0, n), 10))).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no cycle fails"));
}
