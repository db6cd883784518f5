//! The partition of a key, judged by Kafka's own producers of 0.8.2.2: 10,000 keys each.

mod leaders;

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use interop::{Cluster, Release, Seed, Tool, ledger::Log};
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    partitioner::{KeyHash, ScalaRule},
};
use leaders::await_leaders;

const LIMIT: Duration = Duration::from_secs(20);
const KEYS: u64 = 10_000;
/// A prime number, so that a difference of two hashes shows.
const PARTITIONS: u16 = 31;

/// A text of any characters: of all lengths in UTF-8, which are one or two units in Java.
fn text(seed: &mut Seed) -> Vec<u8> {
    let ends = [0x80, 0x800, 0x1_0000, 0x11_0000];
    let length = length(seed);
    let mut character = || {
        let end = ends.get(usize::try_from(seed.below(4)).expect("below 4")).copied().expect("there are 4");
        let code = u32::try_from(seed.below(end)).expect("a character's number");
        // Half of a surrogate pair is no character.
        char::from_u32(code).unwrap_or('\u{1f600}')
    };
    (0..length).map(|_| character()).collect::<String>().into_bytes()
}

fn bytes(seed: &mut Seed) -> Vec<u8> {
    (0..length(seed)).map(|_| u8::try_from(seed.below(256)).expect("below 256")).collect()
}

/// Mostly short, of all remainders modulo four, because a hash takes words and what is left; some empty, some long.
fn length(seed: &mut Seed) -> u64 {
    match seed.below(100) {
        0 => 0,
        1 => 1000 + seed.below(1000),
        _ => 1 + seed.below(40),
    }
}

/// Lets one of Kafka's producers send keys, and compares where they are with what the rule says.
fn check(cluster: &Cluster, producer: &str, rule: KeyHash, make: impl Fn(&mut Seed) -> Vec<u8>) {
    cluster.create_topic(producer, PARTITIONS, 1, &[]).expect("the tool makes it");
    let mut client = Client::connect(&cluster.broker(), ClientConfig::default()).expect("the broker listens");
    await_leaders(&mut client, producer, PARTITIONS, LIMIT);

    let seed = Seed::new(8);
    let keys: Vec<Vec<u8>> = (0..KEYS).map(|number| make(&mut seed.part(number))).collect();
    let mut lines = String::new();
    for key in &keys {
        key.iter().for_each(|byte| write!(lines, "{byte:02x}").expect("a String takes it"));
        lines.push('\n');
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/Keys.java");
    let tool = Tool::of(Release::V0_8_2_2, &source.display().to_string()).expect("the jars are there");
    tool.args([producer, &cluster.broker(), producer]).input(&lines).run().expect("the producer works");

    let log = Log::read(&cluster.all_brokers(), producer, PARTITIONS).expect("the log is read");
    let mut found = BTreeMap::new();
    for (&partition, messages) in &log.partitions {
        assert!(!messages.is_empty(), "{producer}: partition {partition} is empty");
        for message in messages {
            let number: usize =
                str::from_utf8(message.value.as_deref().expect("a value")).expect("digits").parse().expect("a number");
            let key = message.key.as_deref().expect("a key").to_vec();
            assert_eq!(found.insert(number, (key, partition)), None, "{producer}: {number} is there twice");
        }
    }
    let place =
        |key: &[u8]| rule.partition(key, PARTITIONS.into()).and_then(|partition| u16::try_from(partition.0).ok());
    for (number, key) in keys.into_iter().enumerate() {
        let expected = place(&key).expect("there are partitions");
        assert_eq!(found.remove(&number), Some((key, expected)), "{producer}: key {number}");
    }
}

#[test]
fn each_producer_of_0_8_2_puts_its_keys_where_the_rule_says() {
    let cluster = Cluster::start(Release::V0_8_2_2).expect("a broker starts");
    check(&cluster, "java", KeyHash::Murmur2, bytes);
    check(&cluster, "scala-string", KeyHash::ScalaString(ScalaRule::Absolute), text);
    check(&cluster, "scala-bytes", KeyHash::ScalaBytes(ScalaRule::Absolute), bytes);
}
