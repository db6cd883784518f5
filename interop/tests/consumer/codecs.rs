//! Topics that Kafka's own producers have compressed, with each codec that their releases have.

use std::path::Path;

use interop::{Cluster, Release, Tool, ledger::Found};
use kafka08_client::{config::StartAt, consumer::ConsumerEvent};
use kafka08_proto::message::Codec;

use crate::{
    alone, config,
    java::{Told, new_producer, record, source},
    panicking,
    reader::{Read, Reading, read},
    writer::Writer,
};

const PARTITIONS: u16 = 2;
const COUNT: usize = 1000;

fn codecs(release: Release) -> &'static [(&'static str, Option<Codec>)] {
    const ALL: [(&str, Option<Codec>); 4] =
        [("none", None), ("gzip", Some(Codec::Gzip)), ("snappy", Some(Codec::Snappy)), ("lz4", Some(Codec::Lz4))];
    if release == Release::V0_8_2_2 { &ALL } else { &ALL[..3] }
}

/// Reads a topic, with fetches that end within sets. Only its start and its end are told.
fn read_whole(cluster: &Cluster, topic: &str) -> Read {
    let config = config(cluster).with_partition_bytes(6000);
    let all = read(&config, &Reading::topic(topic, PARTITIONS, &StartAt::Earliest));
    let is_usual = |event: &ConsumerEvent| match event {
        ConsumerEvent::Started { .. } => true,
        ConsumerEvent::Ended { at, expected, .. } => at == expected,
        _ => false,
    };
    assert!(all.events.iter().all(is_usual), "{topic}: {:?}", all.events);
    assert_eq!(all.messages(), COUNT, "{topic}");
    all
}

/// Without doubt that the log has what the test is about.
fn assert_codec(writer: &mut Writer, topic: &str, codec: Option<Codec>) {
    for partition in 0..PARTITIONS {
        let found = writer.codecs(topic, partition);
        assert!(found.len() > 1 && found.iter().all(|found| *found == codec), "{topic}: {found:?}");
    }
}

fn compiled(cluster: &Cluster, name: &str) -> Tool {
    Tool::compiled(cluster.release(), Path::new(&source(name))).unwrap_or_else(panicking)
}

fn old_producer(cluster: &Cluster, writer: &mut Writer) {
    let release = cluster.release();
    let topic = |codec: &str| format!("old-{codec}");
    let jobs: Vec<String> =
        codecs(release).iter().map(|(codec, _)| format!("{}:{codec}:{COUNT}", topic(codec))).collect();
    for (codec, _) in codecs(release) {
        writer.await_leaders(&topic(codec), PARTITIONS);
    }
    let tool = compiled(cluster, "OldProducer.java").args([cluster.broker().as_str()]);
    tool.args(jobs.iter().map(String::as_str)).run().unwrap_or_else(panicking);
    for (name, codec) in codecs(release) {
        let topic = topic(name);
        assert_codec(writer, &topic, *codec);
        let all = read_whole(cluster, &topic);
        let mut numbers: Vec<usize> = Vec::new();
        for partition in 0..PARTITIONS {
            let found = all.of(&topic, partition);
            let offsets: Vec<i64> = (0..).take(found.len()).collect();
            assert_eq!(all.offsets(&topic, partition), offsets, "{release} {topic} {partition}");
            let of_partition: Vec<usize> = found.iter().map(number).collect();
            assert!(of_partition.is_sorted(), "{release} {topic} {partition}: in the order of sending");
            numbers.extend(of_partition);
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>(), "{release} {topic}");
    }
}

/// The number of a record, whose key and value are compared.
fn number(found: &Found) -> usize {
    let value = found.value.as_deref().and_then(|value| str::from_utf8(value).ok());
    let number = value.and_then(|value| value.split_once(' ')?.0.parse().ok()).unwrap_or_else(|| panic!("{found:?}"));
    let (key, value) = record(number);
    assert_eq!((&found.key, &found.value), (&Some(key), &Some(value)));
    number
}

fn java_producer(cluster: &Cluster, writer: &mut Writer) {
    let topic = |codec: &str| format!("new-{codec}");
    let codecs = codecs(cluster.release());
    for (codec, _) in codecs {
        writer.await_leaders(&topic(codec), PARTITIONS);
    }
    let jobs: Vec<String> = codecs.iter().map(|(codec, _)| format!("{}:-:{codec}:{COUNT}", topic(codec))).collect();
    let told: Told = new_producer(&compiled(cluster, "NewProducer.java"), &cluster.broker(), &jobs);
    for (name, codec) in codecs {
        let topic = topic(name);
        assert_codec(writer, &topic, *codec);
        let all = read_whole(cluster, &topic);
        for partition in 0..PARTITIONS {
            let expected = told.get(&(topic.clone(), partition)).expect("something was sent to it");
            assert_eq!(all.of(&topic, partition), expected, "{topic} {partition}");
        }
    }
}

#[test]
fn what_kafkas_own_producers_compress_is_read_whole() {
    let _alone = alone();
    for release in Release::ALL {
        let cluster = Cluster::builder(release).setting("num.partitions", PARTITIONS).start().unwrap_or_else(panicking);
        let mut writer = Writer::connect(&cluster.broker());
        old_producer(&cluster, &mut writer);
        // The Java producer came with 0.8.2.
        if release == Release::V0_8_2_2 {
            java_producer(&cluster, &mut writer);
        }
    }
}
