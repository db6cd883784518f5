//! The data directory of the embedded broker beside Kafka's own: each reads the logs of the other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use interop::{Cluster, Release, Tool};
use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, MetadataRequest, ProduceRequest},
    error_code::ErrorCode,
    ids::{Acks, Millis, Offset},
    message::{Budget, Codec, Deflater, Entry, Inflater, MessageSet, MessageSetBuilder},
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

/// Sets of two messages each: plain, and with each codec.
fn sets() -> Vec<MessageSet> {
    [None, Some(Codec::Gzip), Some(Codec::Snappy), Some(Codec::Lz4)]
        .into_iter()
        .map(|codec| {
            let mut builder = MessageSetBuilder::default();
            builder.push(Some(b"key"), Some(b"one")).expect("small");
            builder.push(None, Some(b"two")).expect("small");
            match codec {
                Some(codec) => builder.build_compressed(codec, &mut Deflater::new()).expect("the codec is in"),
                None => builder.build(),
            }
        })
        .collect()
}

/// Produces all sets to partition 0 of "t".
fn produce_all(address: &str) {
    let mut client = Client::connect(address, ClientConfig::default()).expect("the broker listens");
    while client.call(&MetadataRequest::of(["t"])).expect("an answer").leader_of("t", 0).is_err() {}
    for set in sets() {
        let response = client.call(&ProduceRequest::new(Acks::ALL, Millis(1000)).with("t", 0, set)).expect("an answer");
        assert_eq!(response.topics.find("t", 0).expect("it is told").error, ErrorCode::NONE);
    }
}

/// The offsets and values of all messages of partition 0 of "t".
fn read_all(address: &str) -> Vec<(i64, String)> {
    let mut client = Client::connect(address, ClientConfig::default()).expect("the broker listens");
    let request = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 1 << 20);
    let response = client.call(&request).expect("an answer");
    let set = response.topics.find("t", 0).expect("it is told").messages.clone();
    let mut found = Vec::new();
    let mut add = |offset: Offset, value: Option<&[u8]>| {
        found.push((offset.0, String::from_utf8(value.expect("a value").to_vec()).expect("text")));
    };
    for entry in set.entries() {
        match entry.expect("sound") {
            Entry::Plain(message) => add(message.offset, message.value),
            Entry::Compressed(wrapper) => {
                let inner = Inflater::new().open(&wrapper, &mut Budget::new(1000)).expect("sound");
                for entry in inner.entries() {
                    let Entry::Plain(message) = entry.expect("sound") else { panic!("nested") };
                    add(message.offset, message.value);
                }
            }
        }
    }
    found
}

fn expected() -> Vec<(i64, String)> {
    (0..8).map(|offset| (offset, if offset % 2 == 0 { "one" } else { "two" }.to_owned())).collect()
}

#[test]
fn kafka_s_tool_reads_the_segments_of_the_embedded_broker() {
    let folder = Folder::new("dumped");
    let config = BrokerConfig::default().with_data_dir(&folder.0).with_topic("t", 1);
    let server = Server::start(config).expect("the directory can be used");
    produce_all(&server.host_port());
    server.stop();
    let log = folder.0.join("t-0/00000000000000000000.log").display().to_string();
    let tool = Tool::of(Release::V0_8_2_2, "kafka.tools.DumpLogSegments").expect("the jars can be had");
    let printed =
        tool.args(["--files", &log, "--deep-iteration", "--print-data-log"]).run().expect("the tool reads it");
    let lines: Vec<&str> = printed.stdout.lines().filter(|line| line.starts_with("offset: ")).collect();
    assert_eq!(lines.len(), 8, "{}", printed.stdout);
    for ((offset, value), line) in expected().iter().zip(lines) {
        assert!(line.starts_with(&format!("offset: {offset} ")), "{line}");
        assert!(line.contains("isvalid: true") && line.ends_with(&format!("payload: {value}")), "{line}");
    }
}

#[test]
fn the_embedded_broker_reads_the_log_directory_of_a_real_one() {
    let mut cluster = Cluster::start(Release::V0_8_2_2).expect("a broker starts");
    produce_all(&cluster.broker());
    assert_eq!(read_all(&cluster.broker()), expected());
    cluster.kill(1);
    let folder = Folder::new("real");
    copy(&cluster.log_dir(1), &folder.0);
    let server = Server::start(BrokerConfig::default().with_data_dir(&folder.0)).expect("the directory can be used");
    assert_eq!(read_all(&server.host_port()), expected());
}

/// Copies a directory of directories of files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be created");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("it has a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("it can be copied")),
        }
    }
}
