//! The partition of a key, judged by Kafka's own Java producer.

mod leaders;

use std::{collections::BTreeMap, time::Duration};

use interop::{Cluster, Release};
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    api::FetchRequest,
    ids::{Millis, Offset, PartitionId},
    message::Entry,
    partitioner::KeyHash,
};
use leaders::await_leaders;

const LIMIT: Duration = Duration::from_secs(20);
const PARTITIONS: u16 = 7;

#[test]
fn the_java_producer_puts_each_key_where_murmur2_says() {
    let cluster = Cluster::start(Release::V0_8_2_2).expect("a broker starts");
    cluster.create_topic("keyed", PARTITIONS, 1, &[]).expect("the tool makes it");
    let mut client = Client::connect(&cluster.broker(), ClientConfig::default()).expect("the broker listens");
    let partitions = || (0..).map(PartitionId).take(PARTITIONS.into());
    await_leaders(&mut client, "keyed", PARTITIONS, LIMIT);

    // Of all lengths modulo four, because a hash takes words and what is left; some beyond ASCII.
    let keys: Vec<String> = (0..60).map(|n: usize| format!("{}{n}", "k\u{e9}y-".repeat(n % 5))).collect();
    let lines: String = keys.iter().map(|key| format!("{key}:v\n")).collect();
    let broker = cluster.broker();
    let args = ["--new-producer", "--broker-list", &broker, "--topic", "keyed", "--request-required-acks", "1"];
    let parsing = ["--property", "parse.key=true", "--property", "key.separator=:"];
    let tool = cluster.tool("kafka.tools.ConsoleProducer").args(args).args(parsing);
    tool.input(&lines).run().expect("the tool runs");

    let mut found = BTreeMap::new();
    for partition in partitions() {
        let request = FetchRequest::new(Millis(0), 0).with("keyed", partition, Offset(0), 1 << 20);
        let fetched =
            client.call(&request).expect("an answer").topics.find("keyed", partition).expect("it is told").clone();
        for entry in fetched.messages.entries() {
            let Ok(Entry::Plain(message)) = entry else { panic!("{entry:?}") };
            found.insert(String::from_utf8(message.key.expect("a key").to_vec()).expect("text"), partition);
        }
    }
    let expected: BTreeMap<_, _> = keys
        .into_iter()
        .map(|key| {
            let partition =
                KeyHash::Murmur2.partition(key.as_bytes(), PARTITIONS.into()).expect("there are partitions");
            (key, partition)
        })
        .collect();
    assert_eq!(found, expected);
    assert!(partitions().all(|partition| found.values().any(|found| *found == partition)), "each has some");
}
