use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    ClientEvent,
    api::{ListOffsetsRequest, MetadataRequest, ProduceRequest},
    error_code::ErrorCode,
    ids::{Acks, Millis, Offset, OffsetTime},
    message::{Codec, Deflater, Entry, Inflater, MessageSet, MessageSetBuilder, Origin},
};

use crate::rig::{Rig, plain, values};

fn damaged(set: &MessageSet, at: usize, flip: u8) -> MessageSet {
    let mut bytes = set.bytes().to_vec();
    *bytes.get_mut(at).expect("it lies in the set") ^= flip;
    MessageSet::new(bytes.into(), Origin::Produced)
}

#[test]
fn the_broker_gives_the_offsets() {
    let mut rig = Rig::with_topic();
    let first = rig.produce(values(&["a", "b"]));
    assert_eq!((first.error, first.offset), (ErrorCode::NONE, Offset(0)));
    assert_eq!(rig.produce(values(&["c"])).offset, Offset(2));
    let expected = [(0, "a"), (1, "b"), (2, "c")].map(|(offset, value)| (offset, value.to_owned()));
    assert_eq!(plain(&rig.fetch(0, 1000).messages), expected);
}

#[test]
fn every_partition_succeeds_or_fails_alone() {
    let mut rig = Rig::with_topic();
    let request = ProduceRequest::new(Acks::ALL, Millis(1000))
        .with("t", 1, values(&["a"]))
        .with("t", 2, values(&["b"]))
        .with("unknown", 0, values(&["c"]));
    let response = rig.call(&request);
    let error = |topic, partition| response.topics.find(topic, partition).expect("it is told").error;
    assert_eq!(error("t", 1), ErrorCode::NONE);
    assert_eq!(error("t", 2), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(error("unknown", 0), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let response = rig.call(&MetadataRequest::all());
    assert!(response.topic("unknown").is_none(), "a produce creates no topic");
}

#[test]
fn of_two_sets_for_one_partition_the_last_is_kept() {
    let mut rig = Rig::with_topic();
    let request =
        ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, values(&["a"])).with("t", 0, values(&["b"]));
    assert_eq!(rig.call(&request).topics.len(), 1);
    assert_eq!(plain(&rig.fetch(0, 1000).messages), [(0, "b".to_owned())]);
}

#[test]
fn acks_0_is_not_answered_and_the_next_request_is() {
    let mut rig = Rig::with_topic();
    rig.send(0, &ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, values(&["a"])));
    assert!(matches!(rig.events(0)[..], [ClientEvent::Written { .. }]));
    assert_eq!(rig.fetch(0, 1000).high_watermark, Offset(1));
}

#[test]
fn acks_0_that_fails_closes_the_connection_and_keeps_what_succeeded() {
    let mut rig = Rig::with_topic();
    let request = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, values(&["a"])).with("t", 7, values(&["b"]));
    let id = rig.send(1, &request).id();
    let closed = rig.closed(1);
    assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [id]);
    assert_eq!(rig.fetch(0, 1000).high_watermark, Offset(1));
}

#[test]
fn more_acks_than_replicas_time_out_and_the_messages_stay() {
    let mut rig = Rig::with_topic();
    let ticket = rig.send(0, &ProduceRequest::new(Acks(2), Millis(500)).with("t", 0, values(&["a"])));
    rig.pass(Duration::from_millis(499));
    assert!(rig.answer(0, ticket).is_none());
    rig.pass(Duration::from_millis(1));
    let response = rig.answer(0, ticket).expect("its time is over");
    let told = response.topics.find("t", 0).expect("it is told");
    assert_eq!((told.error, told.offset), (ErrorCode::REQUEST_TIMED_OUT, Offset(0)));
    assert_eq!(rig.fetch(0, 1000).high_watermark, Offset(1));
}

#[test]
fn a_set_is_checked_as_a_real_broker_does() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_message(100));
    rig.create("t", 1);
    let good = values(&["a"]);
    let empty = MessageSet::new(bytes::Bytes::new(), Origin::Produced);
    let cut = MessageSet::new(good.bytes().slice(..good.len() - 1), Origin::Produced);
    let small = damaged(&good, 11, 15 ^ 13);
    // A codec that does not exist, under a checksum that fits.
    let mut codec = good.bytes().to_vec();
    codec[17] = 5;
    let sum = crc32(&codec[16..]);
    codec[12..16].copy_from_slice(&sum.to_be_bytes());
    let codec = MessageSet::new(codec.into(), Origin::Produced);
    let exact = values(&["x".repeat(100 - 26).as_str()]);
    let large = values(&["x".repeat(101 - 26).as_str()]);
    for (set, error, offset) in [
        (empty, ErrorCode::NONE, -1),
        (cut, ErrorCode::NONE, -1),
        (damaged(&good, 20, 1), ErrorCode::INVALID_MESSAGE, -1),
        (small, ErrorCode::INVALID_MESSAGE, -1),
        (codec, ErrorCode::UNKNOWN, -1),
        (large, ErrorCode::MESSAGE_SIZE_TOO_LARGE, -1),
        (exact, ErrorCode::NONE, 0),
    ] {
        let told = rig.produce(set);
        assert_eq!((told.error, told.offset), (error, Offset(offset)));
    }
}

/// CRC-32 bit by bit, so that the test leans on nothing.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

#[test]
fn compressed_sets_are_flattened_into_one_with_absolute_offsets() {
    let mut rig = Rig::with_topic();
    rig.produce(values(&["before"]));
    let compressed = |codec, value: &[u8]| {
        let mut builder = MessageSetBuilder::default();
        builder.push(None, Some(value)).expect("small");
        builder.build_compressed(codec, &mut Deflater::new()).expect("the codec is in")
    };
    let mixed = [
        values(&["plain"]).bytes().to_vec(),
        compressed(Codec::Gzip, b"gzip").bytes().to_vec(),
        compressed(Codec::Snappy, b"snappy").bytes().to_vec(),
    ];
    let told = rig.produce(MessageSet::new(mixed.concat().into(), Origin::Produced));
    assert_eq!((told.error, told.offset), (ErrorCode::NONE, Offset(1)));
    let fetched = rig.fetch(2, 1000).messages;
    let Some(Ok(Entry::Compressed(wrapper))) = fetched.entries().next() else { panic!("one wrapper") };
    assert_eq!((wrapper.offset, wrapper.codec), (Offset(3), Codec::Snappy));
    let inner = Inflater::new().open(&wrapper, &mut kafka08_proto::message::Budget::new(1000)).expect("sound");
    let expected = [(1, "plain"), (2, "gzip"), (3, "snappy")].map(|(offset, value)| (offset, value.to_owned()));
    assert_eq!(plain(&inner), expected);
}

#[test]
fn memory_is_bounded_and_the_oldest_go_first() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_log_bytes(300_000));
    rig.create("t", 1);
    let large = "x".repeat(10_000);
    for _ in 0..100 {
        rig.produce(values(&[&large]));
    }
    assert_eq!(rig.fetch(0, 1000).error, ErrorCode::OFFSET_OUT_OF_RANGE);
    let (first, last) =
        (rig.call(&ListOffsetsRequest::new().with("t", 0, OffsetTime::EARLIEST)), rig.fetch(99, 20_000));
    let first = first.topics.find("t", 0).expect("it is told").offsets[0];
    assert!((70..95).contains(&first.0), "about 30 messages of 10 kB fit, and the log starts at {first}");
    assert_eq!(plain(&last.messages), [(99, large)]);
}

#[test]
fn a_request_with_more_partitions_than_allowed_closes_the_connection() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_partitions_per_request(1));
    rig.create("t", 2);
    rig.produce(values(&["a"]));
    rig.send(
        1,
        &ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, values(&["a"])).with("t", 1, values(&["b"])),
    );
    rig.closed(1);
}
