//! A server on sockets beside clients that use it badly: one honest client is served in time all the same.
//!
//! The times that are asserted are ten times those that a release build keeps, because the machine that runs the tests may be
//! busy. The figures are printed: `cargo test --release -p kafka08-broker --test load -- --nocapture`.
#![cfg(target_os = "linux")]

mod crowd;
mod descriptors;
mod honest;
mod memory;
mod process;

use std::{
    process::abort,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crowd::{Crowd, fetch, frame};
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::message::{Codec, Deflater, MessageSet};

/// How many times as long as in a release build on an idle machine everything may take.
const SLACK: u32 = 10;
/// How long all tests of this binary may take.
const LIMIT: Duration = Duration::from_secs(300);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static WATCH: Once = Once::new();

/// Has the tests run one after the other, because they measure, and ends the process when they hang.
fn alone() -> MutexGuard<'static, ()> {
    WATCH.call_once(|| {
        thread::spawn(|| {
            thread::sleep(LIMIT);
            eprintln!("the tests have not ended within {LIMIT:?}");
            abort();
        });
    });
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn config() -> BrokerConfig {
    ["honest", "quiet", "large"].into_iter().fold(BrokerConfig::default(), |config, topic| config.with_topic(topic, 1))
}

fn start() -> Server {
    Server::start(config().with_max_connections(2000)).expect("a free port")
}

/// Has the topic "large" hold 20 messages of 900,000 bytes.
fn fill(server: &Server) {
    let mut client = kafka08_blocking::Client::connect(&server.host_port(), Default::default()).expect("it listens");
    let set = MessageSet::of_value(&[0; 900_000]);
    let produce =
        kafka08_proto::api::ProduceRequest::new(kafka08_proto::ids::Acks::LEADER, kafka08_proto::ids::Millis(0));
    let produce = produce.with("large", 0, set);
    for _ in 0..20 {
        client.call(&produce).expect("an answer");
    }
}

/// Checks that an honest client is served beside a crowd, and that the server stops in time.
fn check(what: &str, server: Server, crowd: Crowd) {
    // The crowd's requests arrive before anything is measured.
    thread::sleep(Duration::from_millis(100));
    let figures = honest::measure(&server);
    let started = Instant::now();
    server.stop();
    let stop = started.elapsed();
    println!("{what} ({} connections): {figures}, stop {stop:.2?}", crowd.len());
    assert!(figures.p99 <= SLACK * Duration::from_millis(50), "{what}: {figures}");
    assert!(figures.connect <= SLACK * Duration::from_millis(100), "{what}: {figures}");
    assert!(figures.late <= SLACK * Duration::from_millis(50), "{what}: {figures}");
    assert!(stop <= SLACK * Duration::from_millis(100), "{what}: {stop:?}");
}

#[test]
fn an_honest_client_is_served_alone() {
    let _alone = alone();
    check("alone", start(), Crowd::default());
}

#[test]
fn an_honest_client_is_served_beside_256_slow_connections() {
    let _alone = alone();
    let server = start();
    let at = server.address();
    fill(&server);
    check("dripping", server, Crowd::default().dripping(at, 256));
    let server = start();
    let at = server.address();
    let half = frame(3, &[0; 60_000]).split_off(30_000);
    check("half a request", server, Crowd::default().saying(at, 256, &half));
}

#[test]
fn an_honest_client_is_served_beside_256_connections_that_do_not_read() {
    let _alone = alone();
    let server = start();
    let at = server.address();
    fill(&server);
    check("deaf", server, Crowd::default().saying(at, 256, &fetch("large", 0, 0, 1_000_000).repeat(20)));
}

#[test]
fn an_honest_client_is_served_beside_255_long_polls() {
    let _alone = alone();
    let server = start();
    let at = server.address();
    // Half of them wait for the topic to which the honest client produces.
    let quiet = Crowd::default().saying(at, 128, &fetch("quiet", 60_000, 1, 1_000_000));
    check("long polls", server, quiet.saying(at, 127, &fetch("honest", 60_000, i32::MAX, 1_000_000)));
}

#[test]
fn an_honest_client_is_served_beside_one_that_never_pauses() {
    let _alone = alone();
    for (what, request, at_once) in [
        ("pipelined Metadata", frame(3, &[0; 4]), 1000),
        ("pipelined large Fetch", fetch("large", 0, 0, 20_000_000), 100),
        ("pipelined Metadata of 8 MB of empty names", frame(3, &metadata_of_empty_names()), 1),
    ] {
        let server = start();
        let at = server.address();
        fill(&server);
        check(what, server, Crowd::default().flooding(at, &request, at_once));
    }
}

#[test]
#[ignore = "each request waits for one set to be inflated: part of .ci/long broker-load"]
fn an_honest_client_is_served_beside_one_that_sends_sets_which_inflate() {
    let _alone = alone();
    let server = start();
    let at = server.address();
    check("pipelined gzip bombs", server, Crowd::default().flooding(at, &bomb(), 1));
}

/// The body of a Metadata request with four million empty names.
fn metadata_of_empty_names() -> Vec<u8> {
    let count = 4_000_000;
    [&4_000_000i32.to_be_bytes()[..], &vec![0; 2 * count]].concat()
}

/// A Produce of a small set that inflates to 15 MB.
fn bomb() -> Vec<u8> {
    let mut builder = MessageSet::builder();
    for _ in 0..17 {
        builder.push(None, Some(&[0; 900_000])).expect("there is room");
    }
    let set = builder.build_compressed(Codec::Gzip, &mut Deflater::new()).expect("it can be compressed");
    let len = i32::try_from(set.len()).expect("it is small");
    // Acks, timeout, one topic, one partition.
    let head = b"\0\x01\0\0\0\0\0\0\0\x01\0\x05large\0\0\0\x01\0\0\0\0";
    frame(0, &[&head[..], &len.to_be_bytes(), set.bytes()].concat())
}

#[test]
fn an_honest_client_is_served_beside_all_of_them() {
    let _alone = alone();
    let server = start();
    let at = server.address();
    fill(&server);
    let crowd = Crowd::default()
        .idle(at, 500)
        .dripping(at, 128)
        .saying(at, 64, &frame(3, &[0; 60_000]).split_off(30_000))
        .saying(at, 64, &fetch("large", 0, 0, 1_000_000).repeat(20))
        .saying(at, 255, &fetch("quiet", 60_000, 1, 1_000_000))
        .flooding(at, &frame(3, &[0; 4]), 1000);
    check("all of them", server, crowd);
}

/// The processor time of the server for a request: the least of three measurements, because other programs add to it.
fn least_cpu(server: &Server) -> Duration {
    (0..3).map(|_| honest::measure(server).cpu).min().expect("three measurements")
}

#[test]
fn idle_connections_cost_nothing() {
    let _alone = alone();
    let server = start();
    let without = least_cpu(&server);
    let at = server.address();
    let crowd = Crowd::default().idle(at, 1000);
    thread::sleep(Duration::from_millis(100));
    let with = least_cpu(&server);
    println!("CPU a request: {without:.2?} without idle connections, {with:.2?} with 1,000");
    check("1,000 idle", server, crowd);
    // In a release build it is 1.5; a busy machine adds some microseconds to either.
    assert!(with <= without * 3 + Duration::from_micros(50), "{with:?} instead of {without:?}");
}
