//! The broker that is judged.

use std::{env, time::Duration};

use interop::{Cluster, Release};
use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{
    ClientConfig,
    api::FetchRequest,
    ids::{Millis, Offset},
};

use crate::leaders::await_leaders;

/// The release whose behaviour is expected.
pub(crate) const RELEASE: Release = Release::V0_8_2_2;
/// The number of partitions of a new topic, in both kinds of broker.
pub(crate) const PARTITIONS: u16 = 2;

const LIMIT: Duration = Duration::from_secs(20);

/// A broker of one test, which stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    broker: Broker,
    partitions: u16,
}

#[derive(Debug)]
enum Broker {
    Embedded(Server),
    Real(Cluster),
}

/// Codecs by the names that clients give them, and by their numbers on the wire.
pub(crate) const CODECS: [(&str, u8); 4] = [("none", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3)];

impl Target {
    /// Starts a broker that creates the topics that clients ask for.
    pub(crate) fn start() -> Self {
        Self::with("true", PARTITIONS, BrokerConfig::default())
    }

    /// Starts a broker whose new topics have one partition, for clients that choose a partition at random.
    pub(crate) fn with_one_partition() -> Self {
        Self::with("true", 1, BrokerConfig::default())
    }

    /// Starts a broker that creates no topics.
    pub(crate) fn without_auto_create() -> Self {
        Self::with("false", PARTITIONS, BrokerConfig::default().without_auto_create())
    }

    /// Starts a broker that has topic `t`, with [`PARTITIONS`] partitions that have leaders.
    pub(crate) fn with_topic() -> Self {
        let target = Self::start();
        target.create("t");
        target
    }

    fn with(auto_create: &str, partitions: u16, config: BrokerConfig) -> Self {
        let broker = match env::var("KAFKA08_FOREIGN_TARGET").as_deref() {
            Ok("real") => {
                let cluster = Cluster::builder(RELEASE).setting("num.partitions", partitions);
                let cluster = cluster.setting("auto.create.topics.enable", auto_create).start();
                Broker::Real(cluster.unwrap_or_else(|error| panic!("{error}")))
            }
            Ok("embedded") | Err(_) => {
                Broker::Embedded(Server::start(config.with_partitions(partitions)).expect("a free port"))
            }
            Ok(other) => panic!("KAFKA08_FOREIGN_TARGET is real or embedded, not {other}"),
        };
        Self { broker, partitions }
    }

    /// Creates a topic, and waits until its partitions have leaders.
    pub(crate) fn create(&self, topic: &str) {
        await_leaders(&mut self.connect(), topic, self.partitions, LIMIT);
    }

    /// Where the broker listens, as `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        match &self.broker {
            Broker::Embedded(server) => server.host_port(),
            Broker::Real(cluster) => cluster.broker(),
        }
    }

    /// The codec of the first entry of a partition, by its number on the wire.
    pub(crate) fn first_codec(&self, topic: &str, partition: i32) -> u8 {
        // An entry is: offset 8, size 4, CRC 4, magic 1, attributes 1.
        const ATTRIBUTES: usize = 17;
        let request = FetchRequest::new(Millis(0), 0).with(topic, partition, Offset(0), 1 << 20);
        let fetched = self.connect().call(&request).expect("an answer");
        let fetched = fetched.topics.find(topic, partition).expect("it is told");
        fetched.messages.bytes().get(ATTRIBUTES).expect("the partition has an entry") & 7
    }

    fn connect(&self) -> Client {
        Client::connect(&self.address(), ClientConfig::default()).expect("the broker listens")
    }
}
