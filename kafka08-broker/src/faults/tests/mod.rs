//! Tests of rules, on bytes that were written by hand. The frames are those of the official serializers of 0.8.2.

mod codes;
mod delivery;
mod engine;
mod frames;
mod metadata;
mod partitions;
mod sets;
mod text;

use bytes::Bytes;
use kafka08_proto::{
    api::{Encode as _, RequestHeader},
    error_code::ErrorCode,
    ids::{ConnectionId, CorrelationId, NodeId, Offset, PartitionId, Text},
    profile::Profile,
    wire::Encoder,
};

use super::{Faults, Incoming, Plan, Rule, apply};
use crate::wire::{
    Answer, BrokerView, CommittedOffset, CoordinatorAnswer, Fetched, Group, Groups, Listed, MetadataAnswer,
    PartitionView, Produced, Request, TopicView,
};

/// Each request has the client id "c" and the correlation id 1, and is about t/0.
const METADATA: &str = "00000012 0003 0000 00000001 000163  00000001 000174";
const PRODUCE: &str = "00000040 0000 0000 00000001 000163  0001 000003e8  00000001 000174 00000001 00000000 0000001c
    0000000000000000 00000010 1fecd70a 00 00 00000001 6b 00000001 76";
const PRODUCE_ACKS_0: &str =
    "00000024 0000 0000 00000001 000163  0000 000003e8  00000001 000174 00000001 00000000 00000000";
/// From offset 5.
const FETCH: &str = "00000032 0001 0000 00000001 000163  ffffffff 00000064 00000001
    00000001 000174 00000001 00000000 0000000000000005 00100000";
const LIST_OFFSETS: &str = "0000002a 0002 0000 00000001 000163  ffffffff
    00000001 000174 00000001 00000000 ffffffffffffffff 00000001";
const OFFSET_COMMIT: &str = "00000028 0008 0000 00000001 000163  000167
    00000001 000174 00000001 00000000 0000000000000007 00016d";
const OFFSET_FETCH: &str = "0000001d 0009 0001 00000001 000163  000167  00000001 000174 00000001 00000000";
const CONSUMER_METADATA: &str = "0000000e 000a 0000 00000001 000163  000167";
const HEARTBEAT: &str = "00000016 000c 0000 00000001 000163  000167 00000001 00026331";

/// The bytes of hexadecimal digits. Two dashes begin a comment up to the end of the line.
fn hex(text: &str) -> Bytes {
    let digits: String = text.lines().map(|line| line.split("--").next().unwrap()).collect();
    let digits: Vec<u8> = digits.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A request that was read from its frame.
struct Asked {
    header: RequestHeader,
    body: Bytes,
    request: Request,
}

impl Asked {
    fn new(frame: &str) -> Self {
        let (header, body) = RequestHeader::split(&hex(frame).slice(4..)).unwrap();
        let request = Request::read(&header, &body, Profile::V0_8_2, 100).unwrap();
        Self { header, body, request }
    }

    fn incoming(&self) -> Incoming<'_> {
        self.on(ConnectionId(7), NodeId(1))
    }

    fn on(&self, connection: ConnectionId, node: NodeId) -> Incoming<'_> {
        Incoming { node, connection, number: 1, header: &self.header, request: &self.request, body: &self.body }
    }
}

fn plan(rule: Rule, frame: &str) -> Plan {
    let mut faults = Faults::new(1);
    faults.add(rule);
    faults.decide(&Asked::new(frame).incoming())
}

/// The body of the true answer after the rule was applied to it.
#[track_caller]
fn assert_answer(rule: Rule, frame: &str, body: &str) {
    let mut answer = truth(frame);
    apply(&plan(rule, frame), &mut answer);
    assert_body(&answer, body);
}

#[track_caller]
fn assert_body(answer: &Answer, body: &str) {
    let mut encoder = Encoder::new();
    answer.encode(&mut encoder).unwrap();
    assert_eq!(encoder.into_bytes(), hex(body));
}

fn one<T>(item: T) -> Groups<T> {
    vec![Group { topic: Some(Text::from("t")), items: vec![(PartitionId(0), item)] }]
}

/// The answer of the broker without rules: two brokers, and the topic t with two partitions and two messages.
fn truth(frame: &str) -> Answer {
    let error = ErrorCode::NONE;
    let broker = |node: i32, host: &str, port| BrokerView { node: NodeId(node), host: host.into(), port };
    let view = |partition: i32| PartitionView {
        error,
        partition: PartitionId(partition),
        leader: NodeId(1),
        replicas: vec![NodeId(1)],
        isr: vec![NodeId(1)],
    };
    match Asked::new(frame).request {
        Request::Produce { .. } => Answer::Produce(one(Produced { error, offset: Offset(42) })),
        Request::Fetch { .. } => Answer::Fetch(one(Fetched { error, high_watermark: Offset(7), set: vec![hex(TWO)] })),
        Request::ListOffsets { .. } => Answer::ListOffsets(one(Listed { error, offsets: vec![Offset(20), Offset(0)] })),
        Request::OffsetCommit { .. } => Answer::OffsetCommit(one(error)),
        Request::OffsetFetch { .. } => {
            let metadata = Some(Text::from("m"));
            Answer::OffsetFetch(one(CommittedOffset { offset: Offset(7), metadata, error }))
        }
        Request::Metadata { .. } => Answer::Metadata(MetadataAnswer {
            brokers: vec![broker(1, "h1", 9092), broker(2, "h2", 9093)],
            topics: vec![TopicView { error, topic: Some(Text::from("t")), partitions: vec![view(0), view(1)] }],
        }),
        Request::ConsumerMetadata { .. } => {
            Answer::ConsumerMetadata(CoordinatorAnswer { error, coordinator: broker(1, "h1", 9092) })
        }
        other => panic!("{other:?} has no answer here"),
    }
}

/// k/v at offset 5, and null/"w" at offset 6.
const TWO: &str = "0000000000000005 00000010 1fecd70a 00 00 00000001 6b 00000001 76
    0000000000000006 0000000f a50b8f63 00 00 ffffffff 00000001 77";

fn id(number: i32) -> CorrelationId {
    CorrelationId(number)
}
