//! What a data directory keeps over a restart.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{
    ClientConfig,
    api::{
        FetchRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequestV0, OffsetCommitRequestV1,
        OffsetFetchRequestV0, OffsetFetchRequestV1, ProduceRequest,
    },
    error_code::ErrorCode,
    ids::{Acks, Millis, NodeId, Offset, OffsetTime},
    message::{Codec, Deflater, Entry, MessageSet, MessageSetBuilder},
};

/// A directory that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(folder: &Folder, config: BrokerConfig) -> Server {
    Server::start(config.with_data_dir(&folder.0)).expect("the directory can be used")
}

fn connect(server: &Server) -> Client {
    Client::connect(&server.host_port(), ClientConfig::default()).expect("the server listens")
}

fn produce(client: &mut Client, partition: i32, set: MessageSet) -> Offset {
    let request = ProduceRequest::new(Acks::ALL, Millis(1000)).with("t", partition, set);
    let response = client.call(&request).expect("an answer");
    let told = response.topics.find("t", partition).expect("it is told");
    assert_eq!(told.error, ErrorCode::NONE);
    told.offset
}

fn values(client: &mut Client, partition: i32, from: i64) -> Vec<String> {
    let request = FetchRequest::new(Millis(0), 0).with("t", partition, Offset(from), 1 << 20);
    let response = client.call(&request).expect("an answer");
    let set = &response.topics.find("t", partition).expect("it is told").messages;
    let plain = set.entries().map(|entry| match entry.expect("sound") {
        Entry::Plain(message) => String::from_utf8(message.value.expect("a value").to_vec()).expect("text"),
        Entry::Compressed(wrapper) => format!("a {} set up to {}", wrapper.codec, wrapper.offset),
    });
    plain.collect()
}

#[test]
fn messages_topics_and_offsets_of_both_stores_outlive_a_restart() {
    let folder = Folder::new("restart");
    let server = start(&folder, BrokerConfig::default().with_topic("t", 2).with_topic("empty", 3));
    let mut client = connect(&server);
    produce(&mut client, 0, MessageSet::of_value(b"one"));
    let mut builder = MessageSetBuilder::default();
    builder.push(None, Some(b"two")).expect("small");
    produce(&mut client, 0, builder.build_compressed(Codec::Gzip, &mut Deflater::new()).expect("the codec is in"));
    produce(&mut client, 1, MessageSet::of_value(b"other"));
    let in_zookeeper = OffsetCommitRequestV0::new("a group %").with("t", 0, Offset(7));
    assert_eq!(client.call(&in_zookeeper).expect("an answer").partition("t", 0), Ok(()));
    coordinator(&mut client);
    let in_kafka = OffsetCommitRequestV1::new("g").with("t", 0, Offset(9), "m");
    assert_eq!(client.call(&in_kafka).expect("an answer").partition("t", 0), Ok(()));
    server.stop();

    let server = start(&folder, BrokerConfig::default().with_topic("t", 2));
    let mut client = connect(&server);
    assert_eq!(values(&mut client, 0, 0), ["one", "a gzip set up to 1"]);
    assert_eq!(values(&mut client, 1, 0), ["other"]);
    assert_eq!(produce(&mut client, 0, MessageSet::of_value(b"three")), Offset(2));
    let topics = client.call(&MetadataRequest::all()).expect("an answer");
    assert_eq!(topics.topic("empty").expect("it is kept").partitions.len(), 3);
    let found = client.call(&OffsetFetchRequestV0::new("a group %").with("t", 0)).expect("an answer");
    assert_eq!(found.committed("t", 0).expect("no error").map(|found| found.offset), Some(Offset(7)));
    let found = client.call(&OffsetFetchRequestV1::new("g").with("t", 0)).expect("an answer");
    let told = found.committed("t", 0).expect("no error").expect("it was committed");
    assert_eq!((told.offset, told.metadata.as_deref()), (Offset(9), Some("m")));
}

/// Asks until there is a coordinator.
fn coordinator(client: &mut Client) {
    let request = kafka08_proto::api::ConsumerMetadataRequest::new("g");
    while client.call(&request).expect("an answer").coordinator().is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn two_servers_do_not_share_a_directory() {
    let folder = Folder::new("lock");
    let _server = start(&folder, BrokerConfig::default());
    let error = Server::start(BrokerConfig::default().with_data_dir(&folder.0)).expect_err("it is in use");
    let text = error.to_string();
    assert!(text.contains(&folder.0.display().to_string()), "{text}");
}

#[test]
fn each_broker_of_a_cluster_has_a_directory_and_a_deleted_topic_leaves_none() {
    let folder = Folder::new("cluster");
    let config = || BrokerConfig::default().with_brokers(3).with_topic("t", 1);
    let server = start(&folder, config());
    let leader = server.with(|cluster, _| cluster.leader("t", 0)).expect("it is led");
    let mut client =
        Client::connect(&server.address_of(leader).expect("it is there").to_string(), ClientConfig::default())
            .expect("the server listens");
    produce(&mut client, 0, MessageSet::of_value(b"one"));
    server.stop();
    let file = |node: i32| folder.0.join(format!("broker-{node}/t-0/00000000000000000000.log"));
    let stored: Vec<Vec<u8>> = (1..=3).map(|node| fs::read(file(node)).expect("each replica is stored")).collect();
    assert!(stored[0].len() > 26 && stored.iter().all(|other| *other == stored[0]));

    let server = start(&folder, config());
    assert_eq!(server.with(|cluster, _| cluster.ends("t", 0, NodeId(2))), Some((Offset(1), Offset(1))));
    server.with(|cluster, now| cluster.delete_topic("t", now));
    server.stop();
    assert!((1..=3).all(|node| !file(node).exists()));
}

#[test]
fn a_torn_tail_is_dropped_and_the_log_goes_on_behind_it() {
    let folder = Folder::new("torn");
    let server = start(&folder, BrokerConfig::default().with_topic("t", 1));
    let mut client = connect(&server);
    produce(&mut client, 0, MessageSet::of_value(b"one"));
    produce(&mut client, 0, MessageSet::of_value(b"two"));
    server.stop();
    let path = folder.0.join("t-0/00000000000000000000.log");
    let bytes = fs::read(&path).expect("it is stored");
    fs::write(&path, &bytes[..bytes.len() - 1]).expect("it can be written");
    let server = start(&folder, BrokerConfig::default());
    let mut client = connect(&server);
    assert_eq!(values(&mut client, 0, 0), ["one"]);
    assert_eq!(produce(&mut client, 0, MessageSet::of_value(b"again")), Offset(1));
}

#[test]
fn segments_and_their_times_come_back() {
    let folder = Folder::new("segments");
    let config = || BrokerConfig::default().with_topic("t", 1).with_segment_bytes(100);
    let server = start(&folder, config());
    let mut client = connect(&server);
    for _ in 0..6 {
        produce(&mut client, 0, MessageSet::of_value(&[b'x'; 24]));
    }
    let mut latest = ListOffsetsRequest::new();
    latest.topics.push("t", 0, kafka08_proto::api::ListOffsetsPartition { time: OffsetTime::LATEST, max_offsets: 10 });
    let offsets = |client: &mut Client| {
        client.call(&latest).expect("an answer").topics.find("t", 0).expect("it is told").offsets.clone()
    };
    let before = offsets(&mut client);
    assert_eq!(before, [6, 4, 2, 0].map(Offset));
    server.stop();
    let server = start(&folder, config());
    assert_eq!(offsets(&mut connect(&server)), before);
}
