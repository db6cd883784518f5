//! An honest client, and how well it is served.

use std::{
    fmt,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_broker::Server;
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, MetadataRequest, ProduceRequest},
    ids::{Acks, Millis, Offset},
    message::MessageSet,
};

use crate::process::BrokerClock;

/// How often the honest client does each thing.
const ROUNDS: usize = 200;

/// How well an honest client is served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// The time within which 99 of 100 requests are answered.
    pub(crate) p99: Duration,
    /// The time in which a new connection is made and its first request answered: the second longest of 20, because one
    /// stall of the machine makes one of them long.
    pub(crate) connect: Duration,
    /// How much later than asked a long poll was answered: the second most of 10, for the same reason.
    pub(crate) late: Duration,
    /// The processor time of the server for each request of this client. It includes the work for others.
    pub(crate) cpu: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p99, connect, late, cpu } = self;
        write!(f, "p99 {p99:.2?}, connect {connect:.2?}, long poll {late:.2?} late, {cpu:.2?} CPU a request")
    }
}

fn connect(server: &Server) -> Client {
    Client::connect(&server.host_port(), ClientConfig::default()).expect("the server listens")
}

/// The requests of the honest client: it produces to the topic "honest", reads it, and asks for metadata.
fn request(client: &mut Client, n: usize) {
    match n % 3 {
        0 => {
            let set = MessageSet::of_value(&[1; 100]);
            let produce = ProduceRequest::new(Acks::LEADER, Millis(1000)).with("honest", 0, set);
            let response = client.call(&produce).expect("an answer");
            assert!(response.topics.find("honest", 0).expect("it is answered").error.is_ok());
        }
        1 => {
            let fetch = FetchRequest::new(Millis(0), 0).with("honest", 0, Offset(0), 1000);
            let response = client.call(&fetch).expect("an answer");
            assert!(!response.topics.find("honest", 0).expect("it is answered").messages.is_empty());
        }
        _ => drop(client.call(&MetadataRequest::of(["honest"])).expect("an answer")),
    }
}

fn second_longest(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    *times.iter().nth_back(1).expect("there are several")
}

/// Measures how an honest client is served.
pub(crate) fn measure(server: &Server) -> Figures {
    let mut client = connect(server);
    let mut times = Vec::new();
    // The thread of the server has its name when it answers.
    client.call(&MetadataRequest::all()).expect("an answer");
    let mut clock = BrokerClock::new();
    let before = clock.read();
    for n in 0..3 * ROUNDS {
        let started = Instant::now();
        request(&mut client, n);
        times.push(started.elapsed());
    }
    let cpu = (clock.read() - before) / u32::try_from(times.len()).expect("a few");
    times.sort_unstable();
    let p99 = *times.get(times.len() * 99 / 100).expect("there are many");
    let first_request = |_| {
        let started = Instant::now();
        connect(server).call(&MetadataRequest::of(["honest"])).expect("an answer");
        started.elapsed()
    };
    let wait = Duration::from_millis(50);
    let poll = FetchRequest::new(Millis(50), 1).with("quiet", 0, Offset(0), 1000);
    let lateness = |_| {
        let started = Instant::now();
        client.call(&poll).expect("an answer");
        started.elapsed().saturating_sub(wait)
    };
    Figures {
        p99,
        connect: second_longest((0..20).map(first_request).collect()),
        late: second_longest((0..10).map(lateness).collect()),
        cpu,
    }
}
