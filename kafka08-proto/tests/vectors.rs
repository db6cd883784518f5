//! The bytes that official clients and brokers of 0.8.2 wrote, field by field: read to the expected value, and written back
//! to the same bytes.

mod common;

use std::fmt::Debug;

use bytes::Bytes;
use common::{drain, hex, start, written};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, ServerConfig, ServerConnection, ServerEvent,
    api::{
        Body, Broker, ByTopic, Encode as _, FetchPartition, FetchRequest, FetchResponse, FetchedPartition,
        ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
        PartitionMetadata, PartitionOffsets, ProduceRequest, ProduceResponse, ProducedPartition, Request,
        RequestHeader, TopicItems, TopicMetadata, Topics,
    },
    error_code::ErrorCode,
    ids::{Acks, ConnectionId, CorrelationId, Millis, NodeId, Offset, OffsetTime, PartitionId, ReplicaId, Text},
    message::{Codec, Entry, MessageSet, MessageSetBuilder, Origin, Tail},
};

/// One item of partition 0 of topic "t".
fn of_t0<T>(item: T) -> ByTopic<T> {
    ByTopic::from(vec![TopicItems { topic: Text::from("t"), partitions: vec![(PartitionId(0), item)] }])
}

/// Checks a request against its whole frame, whose correlation id is 1 and whose client id is "c".
fn check_request<R: Request + PartialEq + Debug>(text: &str, expected: &R) {
    let frame = Bytes::from(hex(text));
    let (size, payload) = (frame.slice(..4), frame.slice(4..));
    assert_eq!(*size, i32::try_from(payload.len()).expect("short").to_be_bytes());

    let (header, body) = RequestHeader::split(&payload).expect("a sound header");
    let client_id = Some(Text::from("c"));
    assert_eq!(header, RequestHeader { api: R::API, correlation_id: CorrelationId(1), client_id: client_id.clone() });
    assert_eq!(R::decode_strict(&body).as_ref(), Ok(expected));
    assert_eq!(expected.to_bytes(), Ok(body));

    let mut connection = ClientConnection::new(ClientConfig::default().with_client_id(client_id), ConnectionId(0));
    let ticket = connection.request(start(), expected).expect("a sound request");
    let bytes = written(&mut connection);
    let id_at = 4 + 2 + 2..4 + 2 + 2 + 4;
    assert_eq!(bytes.slice(id_at.clone()), &ticket.id().0.to_be_bytes()[..]);
    assert_eq!([&bytes.slice(..id_at.start)[..], &[0, 0, 0, 1], &bytes.slice(id_at.end..)].concat(), frame);
}

/// Checks a response against its whole frame, whose correlation id is 1.
fn check_response<R: Request>(text: &str, request: &R, expected: &R::Response)
where
    R::Response: PartialEq + Debug,
{
    let frame = Bytes::from(hex(text));
    let (size, id, body) = (frame.slice(..4), frame.slice(4..8), frame.slice(8..));
    assert_eq!(*size, i32::try_from(frame.len() - 4).expect("short").to_be_bytes());
    assert_eq!(*id, [0, 0, 0, 1]);
    assert_eq!(R::Response::decode_strict(&body).as_ref(), Ok(expected));
    assert_eq!(expected.to_bytes(), Ok(body.clone()));

    let mut client = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let ticket = client.request(start(), request).expect("a sound request");
    written(&mut client);
    client.handle_bytes(start(), &[&size, &ticket.id().0.to_be_bytes()[..], &body].concat());
    match drain(&mut client).pop() {
        Some(ClientEvent::Response(frame)) => assert_eq!(&ticket.redeem(frame).expect("its answer"), expected),
        other => panic!("{other:?}"),
    }

    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    server.handle_bytes(start(), &hex("0000000a 0003 0000 00000001 ffff")); // correlation id 1, null client id
    let Some(ServerEvent::Request(call)) = server.poll_event() else { panic!("a request is due") };
    server.respond(call.call, expected).expect("it fits");
    assert_eq!(written(&mut server), frame);
}

#[test]
fn a_metadata_request_for_one_topic_is_read_and_written_as_on_the_wire() {
    check_request(
        "00000012      # size
         0003 0000     # Metadata, version 0
         00000001      # correlation id
         0001 63       # client id c
         00000001      # one topic
         0001 74       # t",
        &MetadataRequest { topics: Topics::Named(vec![Text::from("t")]) },
    );
}

#[test]
fn a_metadata_request_for_all_topics_is_an_empty_list() {
    check_request(
        "0000000f      # size
         0003 0000     # Metadata, version 0
         00000001      # correlation id
         0001 63       # client id c
         00000000      # no topics, which means all",
        &MetadataRequest { topics: Topics::All },
    );
}

#[test]
fn a_produce_request_is_read_and_written_as_on_the_wire() {
    check_request(
        "00000040          # size
         0000 0000         # Produce, version 0
         00000001          # correlation id
         0001 63           # client id c
         0001              # acks: the leader
         000003e8          # timeout 1000 ms
         00000001          # one topic
         0001 74           # t
         00000001          # one partition
         00000000          # partition 0
         0000001c          # 28 bytes of messages
         0000000000000000  # offset 0
         00000010          # 16 bytes of message
         1fecd70a          # checksum
         00 00             # magic, attributes
         00000001 6b       # key k
         00000001 76       # value v",
        &ProduceRequest {
            acks: Acks(1),
            timeout: Millis(1000),
            topics: of_t0(MessageSet::new(
                Bytes::from(hex("0000000000000000 00000010 1fecd70a 00 00 00000001 6b 00000001 76")),
                Origin::Produced,
            )),
        },
    );
}

#[test]
fn a_fetch_request_is_read_and_written_as_on_the_wire() {
    check_request(
        "00000032          # size
         0001 0000         # Fetch, version 0
         00000001          # correlation id
         0001 63           # client id c
         ffffffff          # replica id -1
         00000064          # wait 100 ms
         00000001          # at least 1 byte
         00000001          # one topic
         0001 74           # t
         00000001          # one partition
         00000000          # partition 0
         0000000000000005  # from offset 5
         00100000          # at most 1 MiB",
        &FetchRequest {
            replica: ReplicaId(-1),
            max_wait: Millis(100),
            min_bytes: 1,
            topics: of_t0(FetchPartition { offset: Offset(5), max_bytes: 1_048_576 }),
        },
    );
}

#[test]
fn a_list_offsets_request_is_read_and_written_as_on_the_wire() {
    check_request(
        "0000002a          # size
         0002 0000         # ListOffsets, version 0
         00000001          # correlation id
         0001 63           # client id c
         ffffffff          # replica id -1
         00000001          # one topic
         0001 74           # t
         00000001          # one partition
         00000000          # partition 0
         ffffffffffffffff  # time -1: the latest
         00000001          # at most 1 offset",
        &ListOffsetsRequest {
            replica: ReplicaId(-1),
            topics: of_t0(ListOffsetsPartition { time: OffsetTime(-1), max_offsets: 1 }),
        },
    );
}

#[test]
fn a_produce_response_is_read_and_written_as_on_the_wire() {
    check_response(
        "0000001d          # size
         00000001          # correlation id
         00000001          # one topic
         0001 74           # t
         00000001          # one partition
         00000000          # partition 0
         0000              # no error
         000000000000002a  # offset 42",
        &ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 0, MessageSet::of_value(b"v")),
        &ProduceResponse { topics: of_t0(ProducedPartition { error: ErrorCode(0), offset: Offset(42) }) },
    );
}

#[test]
fn a_fetch_response_is_read_and_written_as_on_the_wire() {
    let response = FetchResponse {
        topics: of_t0(FetchedPartition {
            error: ErrorCode(0),
            high_watermark: Offset(2),
            messages: MessageSet::new(
                Bytes::from(hex("0000000000000000 00000010 1fecd70a 00 00 00000001 6b 00000001 76
                                 0000000000000001 0000000f a50b8f63 00 00 ffffffff    00000001 77")),
                Origin::Fetched,
            ),
        }),
    };
    check_response(
        "00000058          # size
         00000001          # correlation id
         00000001          # one topic
         0001 74           # t
         00000001          # one partition
         00000000          # partition 0
         0000              # no error
         0000000000000002  # high watermark 2
         00000037          # 55 bytes of messages
         0000000000000000  # offset 0
         00000010          # 16 bytes of message
         1fecd70a          # checksum
         00 00             # magic, attributes
         00000001 6b       # key k
         00000001 76       # value v
         0000000000000001  # offset 1
         0000000f          # 15 bytes of message
         a50b8f63          # checksum
         00 00             # magic, attributes
         ffffffff          # null key
         00000001 77       # value w",
        &FetchRequest::new(Millis(100), 1).with("t", 0, Offset(0), 1_048_576),
        &response,
    );
    let messages = &response.topics.find("t", 0).expect("listed").messages;
    assert_eq!(parts(messages), [(0, Some(&b"k"[..]), Some(&b"v"[..])), (1, None, Some(b"w"))]);
}

#[test]
fn a_list_offsets_response_is_read_and_written_as_on_the_wire() {
    check_response(
        "00000029          # size
         00000001          # correlation id
         00000001          # one topic
         0001 74           # t
         00000001          # one partition
         00000000          # partition 0
         0000              # no error
         00000002          # two offsets
         0000000000000014  # 20
         0000000000000000  # 0",
        &ListOffsetsRequest::new().with("t", 0, OffsetTime::LATEST),
        &ListOffsetsResponse {
            topics: of_t0(PartitionOffsets { error: ErrorCode(0), offsets: vec![Offset(20), Offset(0)] }),
        },
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_metadata_response_is_read_and_written_as_on_the_wire() {
    check_response(
        "0000006a          # size
         00000001          # correlation id
         00000002          # two brokers
         00000001          # node 1
         0002 6831         # h1
         00002384          # port 9092
         00000002          # node 2
         0002 6832         # h2
         00002385          # port 9093
         00000002          # two topics
         0000              # no error
         0001 74           # t
         00000002          # two partitions
         0009              # error 9: a replica is down
         00000000          # partition 0
         00000001          # leader 1
         00000002          # two replicas
         00000001 00000002 # 1, 2
         00000001          # one in sync
         00000001          # 1
         0005              # error 5: no leader
         00000001          # partition 1
         ffffffff          # leader -1
         00000001          # one replica
         00000002          # 2
         00000000          # none in sync
         0005              # error 5: no leader
         0001 75           # u
         00000000          # no partitions",
        &MetadataRequest::all(),
        &MetadataResponse::new(
            vec![
                Broker { node: NodeId(1), host: Text::from("h1"), raw_port: 9092 },
                Broker { node: NodeId(2), host: Text::from("h2"), raw_port: 9093 },
            ],
            vec![
                TopicMetadata {
                    error: ErrorCode(0),
                    name: Text::from("t"),
                    partitions: vec![
                        PartitionMetadata {
                            error: ErrorCode(9),
                            partition: PartitionId(0),
                            leader: Some(NodeId(1)),
                            replicas: vec![NodeId(1), NodeId(2)],
                            isr: vec![NodeId(1)],
                        },
                        PartitionMetadata {
                            error: ErrorCode(5),
                            partition: PartitionId(1),
                            leader: None,
                            replicas: vec![NodeId(2)],
                            isr: vec![],
                        },
                    ],
                },
                TopicMetadata { error: ErrorCode(5), name: Text::from("u"), partitions: vec![] },
            ],
        ),
    );
}

type Parts<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>);

/// Offset, key and value of each message of a sound set.
fn parts(set: &MessageSet) -> Vec<Parts<'_>> {
    let entries = set.entries().map(|entry| match entry {
        Ok(Entry::Plain(message)) => (message.offset.0, message.key, message.value),
        other => panic!("{other:?}"),
    });
    entries.collect()
}

/// A key or a value.
type Part = Option<&'static [u8]>;

/// Messages with their bytes, without offset and size.
fn messages() -> [(Vec<u8>, Part, Part); 3] {
    [
        // checksum, magic and attributes, key, value
        (hex("d20cbff5 00 00 ffffffff    00000001 76"), None, Some(b"v")),
        (hex("1fecd70a 00 00 00000001 6b 00000001 76"), Some(b"k"), Some(b"v")),
        (hex("908204f6 00 00 00000001 6b ffffffff   "), Some(b"k"), None),
    ]
}

#[test]
fn a_message_is_read_with_its_key_and_value_or_their_absence() {
    for (bytes, key, value) in messages() {
        let size = i32::try_from(bytes.len()).expect("short");
        let entry = [&7_i64.to_be_bytes()[..], &size.to_be_bytes(), &bytes].concat();
        let set = MessageSet::new(Bytes::from(entry), Origin::Fetched);
        assert_eq!(parts(&set), [(7, key, value)]);
    }
}

#[test]
fn a_builder_writes_messages_as_the_official_producer_does() {
    let mut builder = MessageSet::builder();
    let mut fetched = MessageSetBuilder::fetched_from(Offset(7));
    let mut expected = (Vec::new(), Vec::new());
    for (offset, (bytes, key, value)) in (0_i64..).zip(messages()) {
        builder.push(key, value).expect("room");
        fetched.push(key, value).expect("room");
        let size = i32::try_from(bytes.len()).expect("short").to_be_bytes();
        expected.0.extend([&offset.to_be_bytes()[..], &size, &bytes].concat());
        expected.1.extend([&(offset + 7).to_be_bytes()[..], &size, &bytes].concat());
    }
    assert_eq!((builder.messages(), builder.len()), (3, expected.0.len()));
    assert_eq!(builder.build(), MessageSet::new(Bytes::from(expected.0), Origin::Produced));
    assert_eq!(fetched.build(), MessageSet::new(Bytes::from(expected.1), Origin::Fetched));
}

#[test]
fn a_compressed_entry_comes_unopened_with_its_codec() {
    let snappy = hex("82534e4150505900                     # magic
                      00000001 00000001 0000002a           # version, oldest reader, 42 bytes follow
                      370000190110101fecd70a050f18016b0000000176050c09013c0fa50b8f630000ffffffff0000000177");
    let lz4 = hex("04224d18 60 40 1a 2b000000              # magic, flags, block size, checksum, 43 bytes follow
                   1600010051101fecd70a0f0071016b00000001760c00020200f0010fa50b8f630000ffffffff0000000177
                   00000000                                # end mark");
    let cases = [
        // offset, size, checksum, magic and codec, null key, length of the value
        (hex("0000000000000001 0000004c 2f32b028 00 02 ffffffff 0000003e"), snappy, Codec::Snappy),
        (hex("0000000000000001 00000048 ea1291dc 00 03 ffffffff 0000003a"), lz4, Codec::Lz4),
    ];
    for (head, value, codec) in cases {
        let set = MessageSet::new(Bytes::from([head, value.clone()].concat()), Origin::Produced);
        let mut entries = set.entries();
        let Some(Ok(Entry::Compressed(wrapper))) = entries.next() else { panic!("{codec:?}") };
        assert_eq!((wrapper.offset, wrapper.codec, wrapper.value), (Offset(1), codec, &value[..]));
        assert_eq!((entries.next(), entries.tail()), (None, Some(Tail::Clean)));
    }
}
