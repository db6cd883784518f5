//! Requests that this crate does not have, implemented outside of it by its public parts.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{drain, hex, response, start, written};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _,
    api::{Body, Encode, Request},
    connection::Prepared,
    error_code::ErrorCode,
    ids::{Api, ApiKey, ApiVersion, ConnectionId, NodeId, PartitionId, Text},
    wire::{DecodeError, DecodeProblem, EncodeError, Encoder, Reader},
};

/// Metadata of version 1 (Kafka 0.10).
#[derive(Debug, PartialEq)]
struct MetadataRequestV1 {
    /// Which topics; null is all, and an empty list is none.
    topics: Option<Vec<Text>>,
}

#[derive(Debug, PartialEq)]
struct MetadataResponseV1 {
    brokers: Vec<BrokerV1>,
    controller: NodeId,
    topics: Vec<TopicV1>,
}

#[derive(Debug, PartialEq)]
struct BrokerV1 {
    node: NodeId,
    host: Text,
    port: i32,
    rack: Option<Text>,
}

#[derive(Debug, PartialEq)]
struct TopicV1 {
    error: ErrorCode,
    name: Text,
    is_internal: bool,
    /// Error, number, leader.
    partitions: Vec<(ErrorCode, PartitionId, NodeId)>,
}

impl Encode for MetadataRequestV1 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        match &self.topics {
            Some(topics) => to.array("topics", topics, |to, topic| to.text("topic", topic)),
            None => {
                to.int32(-1);
                Ok(())
            }
        }
    }
}

impl Body for MetadataRequestV1 {
    const NAME: &'static str = "Metadata v1 request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        let mut reader = Reader::new(Self::NAME, body);
        let topics = reader.nullable_array("topics", 2, |reader| reader.text("topic"))?;
        Ok((Self { topics }, reader.taken()))
    }
}

impl Request for MetadataRequestV1 {
    type Response = MetadataResponseV1;
    const API: Api = Api { key: ApiKey::METADATA, version: ApiVersion(1) };
}

impl Encode for MetadataResponseV1 {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.array("brokers", &self.brokers, |to, broker| {
            to.int32(broker.node.0);
            to.text("host", &broker.host)?;
            to.int32(broker.port);
            to.nullable_text("rack", broker.rack.as_ref())
        })?;
        to.int32(self.controller.0);
        to.array("topics", &self.topics, |to, topic| {
            to.int16(topic.error.0);
            to.text("topic", &topic.name)?;
            to.int8(topic.is_internal.into());
            to.array("partitions", &topic.partitions, |to, (error, partition, leader)| {
                to.int16(error.0);
                to.int32(partition.0);
                to.int32(leader.0);
                // No replicas, and none in sync.
                to.int32(0);
                to.int32(0);
                Ok(())
            })
        })
    }
}

impl Body for MetadataResponseV1 {
    const NAME: &'static str = "Metadata v1 response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        let mut reader = Reader::new(Self::NAME, body);
        let brokers = reader.array("brokers", 4 + 2 + 4 + 2, |reader| {
            let node = NodeId(reader.int32("node_id")?);
            let host = reader.text("host")?;
            let port = reader.int32("port")?;
            if !(1..=65_535).contains(&port) {
                return Err(reader.fail("port", DecodeProblem::OutOfRange(port.into())));
            }
            Ok(BrokerV1 { node, host, port, rack: reader.nullable_text("rack")? })
        })?;
        let controller = NodeId(reader.int32("controller_id")?);
        let topics = reader.array("topics", 2 + 2 + 1 + 4, |reader| {
            let error = ErrorCode(reader.int16("topic_error")?);
            let name = reader.text("topic")?;
            let is_internal = reader.flag("is_internal")?;
            let partitions = reader.array("partitions", 2 + 4 + 4 + 4 + 4, |reader| {
                let error = ErrorCode(reader.int16("partition_error")?);
                let partition = PartitionId(reader.int32("partition")?);
                let leader = NodeId(reader.int32("leader")?);
                reader.array("replicas", 4, |reader| reader.int32("replica"))?;
                reader.array("isr", 4, |reader| reader.int32("in-sync replica"))?;
                Ok((error, partition, leader))
            })?;
            Ok(TopicV1 { error, name, is_internal, partitions })
        })?;
        Ok((Self { brokers, controller, topics }, reader.taken()))
    }
}

const ANSWER: &str = "00000001          # one broker
                      00000001          # node 1
                      0002 6831         # h1
                      00002384          # port 9092
                      ffff              # no rack
                      00000001          # controller 1
                      00000001          # one topic
                      0000              # no error
                      0001 74           # t
                      00                # not internal
                      00000001          # one partition
                      0000              # no error
                      00000000          # partition 0
                      00000001          # leader 1
                      00000000          # no replicas
                      00000000          # none in sync";

fn answer() -> MetadataResponseV1 {
    MetadataResponseV1 {
        brokers: vec![BrokerV1 { node: NodeId(1), host: Text::from("h1"), port: 9092, rack: None }],
        controller: NodeId(1),
        topics: vec![TopicV1 {
            error: ErrorCode::NONE,
            name: Text::from("t"),
            is_internal: false,
            partitions: vec![(ErrorCode::NONE, PartitionId(0), NodeId(1))],
        }],
    }
}

#[test]
fn an_encoder_counts_what_was_written_whether_it_was_copied_or_not() {
    let mut encoder = Encoder::new();
    assert_eq!((encoder.len(), encoder.is_empty()), (0, true));
    encoder.int16(7);
    assert_eq!((encoder.len(), encoder.is_empty()), (2, false));
    encoder.blob(&Bytes::from(vec![8; 10_000]));
    assert_eq!(encoder.len(), 2 + 10_000);
    encoder.int8(9);
    assert_eq!((encoder.len(), encoder.is_empty()), (2 + 10_000 + 1, false));
    assert_eq!(encoder.into_bytes(), [&[0, 7][..], &[8; 10_000], &[9]].concat());
}

#[test]
fn a_prepared_request_prints_how_long_its_body_is_and_not_what_it_says() {
    let prepared = Prepared::new(&MetadataRequestV1 { topics: Some(vec![Text::from("secret")]) }).expect("it fits");
    let shown = format!("{prepared:?}");
    // A count, and the name behind its length.
    assert!(shown.contains("12 bytes in 1 chunks") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_request_from_outside_is_sent_and_its_answer_read() {
    let mut connection = ClientConnection::new(ClientConfig::default().with_client_id(None), ConnectionId(0));
    let prepared = Prepared::new(&MetadataRequestV1 { topics: None }).expect("it fits the wire");
    let id = connection.send(start(), &prepared).expect("there is room");
    let sent = written(&mut connection);
    assert_eq!(*sent.slice(4..8), *hex("0003 0001"), "Metadata, version 1");
    assert_eq!(*sent.slice(12..), *hex("ffff ffffffff"), "no client id, null topics");
    connection.handle_bytes(start(), &response(id, &hex(ANSWER)));
    let Some(ClientEvent::Response(frame)) = drain(&mut connection).pop() else { panic!("an answer is due") };
    assert_eq!(frame.api, MetadataRequestV1::API);
    assert_eq!(MetadataResponseV1::decode_strict(&frame.body), Ok(answer()));
    assert_eq!(*answer().to_bytes().expect("it fits"), *hex(ANSWER));
}

#[test]
fn a_body_from_outside_is_refused_in_the_same_words_as_those_of_this_crate() {
    for topics in [None, Some(vec![]), Some(vec![Text::from("t")])] {
        let request = MetadataRequestV1 { topics };
        assert_eq!(MetadataRequestV1::decode_strict(&request.to_bytes().expect("it fits")), Ok(request));
    }
    let bytes = Bytes::from(hex(ANSWER));
    for len in 0..bytes.len() {
        let error = MetadataResponseV1::decode(&bytes.slice(..len)).expect_err("cut");
        assert!(matches!(error.problem, DecodeProblem::Truncated { .. } | DecodeProblem::CountTooLarge { .. }));
        assert!(error.at <= len);
    }
    // Two brokers, of at least 12 bytes each, and a byte too few.
    let claimed = Bytes::from([&hex("00000002")[..], &[0; 23]].concat());
    let error = MetadataResponseV1::decode(&claimed).expect_err("two do not fit");
    assert_eq!((error.field, error.problem), ("brokers", DecodeProblem::CountTooLarge { count: 2, fit: 1 }));
    // Port 0.
    let error =
        MetadataResponseV1::decode(&Bytes::from(hex("00000001 00000001 0000 00000000 ffff"))).expect_err("port 0");
    assert_eq!(error.to_string(), "malformed Metadata v1 response: port at byte 10 is 0, which is not allowed");
    let longer = Bytes::from([&bytes[..], &[1]].concat());
    let error = MetadataResponseV1::decode_strict(&longer).expect_err("a byte is left");
    assert_eq!(
        error.to_string(),
        "malformed Metadata v1 response: the last field at byte 54 is followed by 1 byte too many"
    );
}

/// A request that is never answered and may take the broker a minute.
#[derive(Debug)]
struct Slow;

impl Encode for Slow {
    fn encode(&self, _: &mut Encoder) -> Result<(), EncodeError> {
        Ok(())
    }
}

impl Body for Slow {
    const NAME: &'static str = "slow request";

    fn read(_: &Bytes) -> Result<(Self, usize), DecodeError> {
        Ok((Self, 0))
    }
}

impl Request for Slow {
    type Response = MetadataResponseV1;
    const API: Api = Api { key: ApiKey(99), version: ApiVersion(0) };

    fn expects_response(&self) -> bool {
        false
    }

    fn server_wait(&self) -> Duration {
        Duration::from_secs(60)
    }
}

#[test]
fn one_without_an_answer_gives_those_behind_it_time_until_it_is_written() {
    let (start, timeout, slow) = (start(), Duration::from_secs(5), Duration::from_secs(60));
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    connection.send(start, &Prepared::new(&Slow).expect("it fits the wire")).expect("there is room");
    let behind = Prepared::new(&MetadataRequestV1 { topics: None }).expect("it fits the wire").with_timeout(timeout);
    connection.send(start, &behind).expect("there is room");
    assert_eq!(connection.poll_timeout(), Some(start + timeout + slow));
    written(&mut connection);
    assert!(matches!(drain(&mut connection)[..], [ClientEvent::Written { .. }]));
    connection.send(start, &behind).expect("there is room");
    assert_eq!(connection.poll_timeout(), Some(start + timeout));
}

#[test]
fn a_reader_goes_on_where_an_array_could_not_be_read() {
    // Two strings, of which the first has a length of -1.
    let body = Bytes::from(hex("00000002 ffff 0001 61"));
    let mut reader = Reader::new("example", &body);
    let error = reader.array("list", 2, |reader| reader.text("entry")).expect_err("null is not allowed");
    assert_eq!(error.problem, DecodeProblem::Negative(-1));
    // The reader stands where the array stopped, and sees the rest of the body.
    let left = body.len() - reader.taken();
    assert!(left >= 3, "{left}");
    for _ in 0..left {
        reader.int8("byte").expect("it is there");
    }
}
