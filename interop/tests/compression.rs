//! Compressed sets, judged by Kafka's own producers and consumers, on every release.

mod leaders;

use std::{ops::ControlFlow, time::Duration};

use interop::{Cluster, Release};
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, FetchedPartition, ProduceRequest},
    error_code::ErrorCode,
    ids::{Acks, Millis, Offset},
    message::{Budget, Codec, Deflater, Entry, Inflater, MessageSet},
};
use leaders::await_leaders;

const LIMIT: Duration = Duration::from_secs(20);

fn start(release: Release) -> (Cluster, Client) {
    let cluster = Cluster::start(release).unwrap_or_else(|error| panic!("{release}: {error}"));
    let client = Client::connect(&cluster.broker(), ClientConfig::default()).expect("the broker listens");
    (cluster, client)
}

fn codecs(release: Release) -> &'static [Codec] {
    if release == Release::V0_8_2_2 { &[Codec::Gzip, Codec::Snappy, Codec::Lz4] } else { &[Codec::Gzip, Codec::Snappy] }
}

fn create(client: &mut Client, topic: &str) {
    await_leaders(client, topic, 2, LIMIT);
}

fn compressed(codec: Codec, values: &[String]) -> MessageSet {
    let mut builder = MessageSet::builder();
    values.iter().for_each(|value| builder.push(Some(b"key"), Some(value.as_bytes())).expect("small"));
    builder.build_compressed(codec, &mut Deflater::new()).expect("every codec is in")
}

fn fetch(client: &mut Client, topic: &str, offset: i64) -> FetchedPartition {
    let request = FetchRequest::new(Millis(1000), 1).with(topic, 0, Offset(offset), 1 << 20);
    client.call(&request).expect("an answer").topics.find(topic, 0).expect("it is told").clone()
}

/// Offsets and values from `from` on, and where to go on from.
fn read(set: &MessageSet, from: i64) -> (Vec<(i64, String)>, Offset) {
    let mut messages = Vec::new();
    let visit = set.for_each_message(Offset(from), &mut Inflater::new(), &mut Budget::new(1 << 24), |found| {
        let message = found.unwrap_or_else(|error| panic!("{error}"));
        let value = message.value.expect("a value").to_vec();
        messages.push((message.offset.0, String::from_utf8(value).expect("text")));
        ControlFlow::Continue(())
    });
    (messages, visit.position)
}

fn codecs_in(set: &MessageSet) -> Vec<Option<Codec>> {
    let codec = |entry| match entry {
        Ok(Entry::Compressed(wrapper)) => Some(wrapper.codec),
        _ => None,
    };
    set.entries().map(codec).collect()
}

/// Long enough for more than one block of each codec, and no two alike.
fn values(what: &str) -> Vec<String> {
    (0..200).map(|n| format!("{what} {n} {}", "x".repeat(n * 3))).collect()
}

#[test]
fn what_we_compress_is_read_by_us_and_by_kafkas_own_consumer() {
    for release in Release::ALL {
        let (cluster, mut client) = start(release);
        for &codec in codecs(release) {
            let topic = format!("ours-{codec}");
            create(&mut client, &topic);
            let values = values(&topic);
            let request =
                ProduceRequest::new(Acks::LEADER, Millis(5000)).with(topic.as_str(), 0, compressed(codec, &values));
            let told = *client.call(&request).expect("an answer").topics.find(&topic, 0).expect("it is told");
            assert_eq!((told.error, told.offset), (ErrorCode::NONE, Offset(0)), "{release} {codec}");

            let set = fetch(&mut client, &topic, 150).messages;
            assert_eq!(codecs_in(&set), [Some(codec)], "a broker keeps it as one wrapper");
            let expected: Vec<_> = (150..200).zip(values[150..].iter().cloned()).collect();
            assert_eq!(read(&set, 150), (expected, Offset(200)), "{release} {codec}");

            let broker = cluster.broker();
            let args = ["--broker-list", &broker, "--topic", &topic, "--partition", "0", "--max-messages", "200"];
            let output = cluster.tool("kafka.tools.SimpleConsumerShell").args(args).run().expect("the tool runs");
            let lines: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("ours-")).collect();
            assert_eq!(lines, values.iter().map(String::as_str).collect::<Vec<_>>(), "{release} {codec}");
        }
    }
}

#[test]
fn what_kafkas_own_producers_compress_is_read_by_us() {
    for release in Release::ALL {
        let (cluster, mut client) = start(release);
        let producers: &[(&str, &[&str], Option<Codec>)] = match release {
            Release::V0_8_2_2 => &[
                ("kafka.tools.ConsoleProducer", &["--sync", "--compression-codec", "gzip"], Some(Codec::Gzip)),
                ("kafka.tools.ConsoleProducer", &["--sync", "--compression-codec", "snappy"], Some(Codec::Snappy)),
                ("kafka.tools.ConsoleProducer", &["--sync", "--compression-codec", "lz4"], Some(Codec::Lz4)),
                ("kafka.tools.ConsoleProducer", &["--new-producer", "--compression-codec", "gzip"], Some(Codec::Gzip)),
                (
                    "kafka.tools.ConsoleProducer",
                    &["--new-producer", "--compression-codec", "snappy"],
                    Some(Codec::Snappy),
                ),
                ("kafka.tools.ConsoleProducer", &["--new-producer", "--compression-codec", "lz4"], Some(Codec::Lz4)),
                ("kafka.tools.ConsoleProducer", &["--new-producer", "--compression-codec", "none"], None),
            ],
            Release::V0_8_0 | Release::V0_8_1_1 => &[
                ("kafka.producer.ConsoleProducer", &["--sync", "--compress"], Some(Codec::Gzip)),
                ("kafka.producer.ConsoleProducer", &["--sync"], None),
            ],
        };
        for (number, (class, args, codec)) in producers.iter().enumerate() {
            let topic = format!("theirs-{number}");
            create(&mut client, &topic);
            let lines: Vec<String> = (0..50).map(|n| format!("line {n} of {topic}")).collect();
            let broker = cluster.broker();
            // Their default is acks = 0: the producer would end before the broker has taken all.
            let tool = cluster.tool(class).args(["--broker-list", &broker, "--topic", &topic]);
            let tool = tool.args(["--request-required-acks", "1"]).args(args.iter().copied());
            tool.input(&format!("{}\n", lines.join("\n"))).run().unwrap_or_else(|error| panic!("{release}: {error}"));

            // Without keys they are spread over both partitions.
            let mut found = Vec::new();
            for partition in 0..2 {
                let request = FetchRequest::new(Millis(1000), 1).with(topic.as_str(), partition, Offset(0), 1 << 20);
                let fetched = client
                    .call(&request)
                    .expect("an answer")
                    .topics
                    .find(&topic, partition)
                    .expect("it is told")
                    .clone();
                assert!(codecs_in(&fetched.messages).iter().all(|found| found == codec), "{release} {class} {args:?}");
                found.extend(read(&fetched.messages, 0).0.into_iter().map(|(_, value)| value));
            }
            found.sort_unstable();
            let mut expected = lines.clone();
            expected.sort_unstable();
            assert_eq!(found, expected, "{release} {class} {args:?}");
        }
    }
}

#[test]
fn a_fetched_set_is_produced_again_without_being_opened() {
    let (_cluster, mut client) = start(Release::V0_8_2_2);
    for topic in ["from", "to"] {
        create(&mut client, topic);
    }
    let values = values("mirrored");
    let request = ProduceRequest::new(Acks::LEADER, Millis(5000)).with("from", 0, compressed(Codec::Snappy, &values));
    client.call(&request).expect("an answer");
    let fetched = fetch(&mut client, "from", 0).messages.whole_entries();
    let request = ProduceRequest::new(Acks::LEADER, Millis(5000)).with("to", 0, fetched);
    assert!(client.call(&request).expect("an answer").topics.find("to", 0).expect("it is told").error.is_ok());
    let (again, position) = read(&fetch(&mut client, "to", 0).messages, 0);
    assert_eq!(again, (0..).zip(values).collect::<Vec<_>>());
    assert_eq!(position, Offset(200));
}
