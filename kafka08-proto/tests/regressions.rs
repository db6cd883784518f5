//! The vectors that every release must get right, by name; each once broke some client. Those that have a test elsewhere are
//! listed with it, the others follow.
//!
//! | vector | test |
//! |---|---|
//! | len-neg1, len-0, len-3, tls-alert, http | `bounds::a_length_that_no_frame_has_ends_the_connection`; their cost in `allocation` |
//! | meta-5, topics-max | `bounds::an_array_is_believed_no_further_than_its_bytes_reach` |
//! | topics-6B×100k | `allocation::what_is_decoded_stays_within_a_multiple_of_what_was_received` |
//! | inner-minus-12, inner-zero | `compression::a_hostile_inner_size_is_one_error_and_ends_the_set` |
//! | zero-tail | `message_sets::a_zeroed_tail_is_one_error_and_its_offset_is_the_one_behind_the_last_message` |
//! | cut-k | `message_sets::a_set_cut_anywhere_gives_its_whole_entries_and_says_what_the_next_needs` |
//! | key-too-long | `message_sets::lengths_that_do_not_fit_their_message_are_errors_and_not_a_cut_set` |
//! | two-gzip | here |
//! | nest-2 | `compression::a_compressed_set_inside_a_compressed_set_is_an_error` |
//! | nest-20000 | `compression::gzip_nested_20_000_deep_is_refused_in_a_small_stack` |
//! | bomb-gzip | `compression::a_megabyte_of_gzip_that_would_be_a_gibibyte_is_refused_at_the_limit` |
//! | bomb-snappy | `compression::a_snappy_block_that_claims_4_gib_is_refused_by_its_ratio_before_anything_is_allocated` |
//! | xerial-chunk | `compression::malformed_snappy_frames_are_refused` |
//! | lz4-0.8 | `compression::both_lz4_header_checksums_are_read_and_no_other` |
//! | corr-0 | `fates::matching::id_zero_answers_a_consumer_metadata_that_failed_and_nothing_else` |
//! | corr-wrong, dup, swapped | `fates::matching`: an id that was never sent, was answered already, or is out of order |
//! | acks0-reply | here |
//! | meta-lies | here, as far as the codec goes; what a cluster makes of it is not built yet |
//! | set-null | here |
//! | null-empty | `message_sets::null_and_empty_are_different_in_keys_and_values` |
//! | offset-neg | here, as far as the codec goes; the consumer that must not seek to 0 is not built yet |
//! | dur-30d | `ids::numbers` (what the wire holds); a client's own timeout may be of any length |

mod common;

use bytes::{Buf as _, Bytes};
use common::{hex, start as origin};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _,
    api::{
        Body as _, Broker, Encode as _, FetchRequest, FetchResponse, LeaderProblem, ListOffsetsResponse,
        MetadataRequest, MetadataResponse, PartitionMetadata, ProduceRequest, TopicMetadata,
    },
    connection::{CloseReason, MatchError},
    error_code::ErrorCode,
    ids::{Acks, ConnectionId, Millis, NodeId, Offset, PartitionId, Text},
    message::MessageSet,
    wire::DecodeProblem,
};

#[cfg(feature = "gzip")]
#[test]
fn two_gzip_both_wrappers_of_a_set_are_delivered() {
    use std::ops::ControlFlow;

    use kafka08_proto::message::{Budget, Codec, Deflater, Inflater, MessageSetBuilder, Origin, Tail};

    let wrapper = |first, value: &[u8]| {
        let mut builder = MessageSetBuilder::fetched_from(Offset(first));
        builder.push(None, Some(value)).expect("small");
        builder.build_compressed(Codec::Gzip, &mut Deflater::new()).expect("gzip is in").bytes().to_vec()
    };
    let set = MessageSet::new([wrapper(0, b"a"), wrapper(1, b"b")].concat().into(), Origin::Fetched);
    let mut values = Vec::new();
    let visit = set.for_each_message(Offset(0), &mut Inflater::new(), &mut Budget::new(1000), |found| {
        values.push(found.expect("sound").value.map(<[u8]>::to_vec));
        ControlFlow::Continue(())
    });
    assert_eq!(values, [Some(b"a".to_vec()), Some(b"b".to_vec())]);
    assert_eq!((visit.position, visit.tail), (Offset(2), Some(Tail::Clean)));
}

#[test]
fn acks0_reply_an_answer_to_it_ends_the_connection_also_when_another_is_due() {
    let mut client = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
    let silent = client.request(origin(), &produce).expect("there is room").id();
    let due = client.request(origin(), &MetadataRequest::all()).expect("there is room").id();
    let (_, queue) = client.buffers();
    queue.advance(queue.remaining());
    client.handle_bytes(origin(), &[&[0, 0, 0, 8][..], &silent.0.to_be_bytes(), &[0; 4]].concat());
    let reason = std::iter::from_fn(|| client.poll_event()).find_map(|event| match event {
        ClientEvent::Closed(closed) => Some(closed.reason),
        _ => None,
    });
    assert_eq!(reason, Some(CloseReason::Match(MatchError::Unknown { got: silent, expected: due })));
}

#[test]
fn meta_lies_are_held_as_they_are_and_what_is_asked_of_them_says_no() {
    let broker =
        |node, host: &'static str, raw_port| Broker { node: NodeId(node), host: Text::from_static(host), raw_port };
    let partition = |partition, leader| PartitionMetadata {
        error: ErrorCode::NONE,
        partition: PartitionId(partition),
        leader: (leader >= 0).then_some(NodeId(leader)),
        replicas: vec![],
        isr: vec![],
    };
    let lies = MetadataResponse::new(
        vec![broker(1, "", 70_000), broker(1, "h", 9092), broker(2, "h", -1), broker(3, "h", 0)],
        vec![TopicMetadata {
            error: ErrorCode::NONE,
            name: "t".into(),
            partitions: vec![partition(5, 7), partition(5, 1), partition(-1, 2), partition(6, -1)],
        }],
    );
    let read = MetadataResponse::decode_strict(&lies.to_bytes().expect("it fits")).expect("the layout is sound");
    assert_eq!(read, lies);
    let ports: Vec<_> = read.brokers().iter().map(Broker::port).collect();
    assert_eq!(ports, [None, Some(9092), None, None]);
    // The first of two counts, and a leader that is not listed or is none is no leader.
    let problem = |partition| read.leader_of("t", partition).map_err(|error| error.problem);
    assert_eq!(problem(5), Err(LeaderProblem::BrokerMissing(NodeId(7))));
    assert_eq!(problem(6), Err(LeaderProblem::NoLeader(ErrorCode::NONE)));
    assert_eq!(problem(-1).map(|broker| broker.node), Ok(NodeId(2)));
    assert_eq!(read.broker(NodeId(1)).map(Broker::port), Some(None));
}

#[test]
fn offset_neg_is_read_as_it_was_sent() {
    // One topic "t", partition 0, no error, one offset: -1.
    let body = [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0xff; 8]].concat();
    let response = ListOffsetsResponse::decode_strict(&Bytes::from(body)).expect("well formed");
    assert_eq!(response.topics.find("t", 0).expect("it is told").offsets, [Offset(-1)]);
    let request = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(-5), 10);
    let read = FetchRequest::decode_strict(&request.to_bytes().expect("it fits")).expect("well formed");
    assert_eq!(read, request);
}

#[test]
fn a_fetched_set_that_is_null_is_an_empty_set_for_its_partition_alone() {
    let with = |code: &str, size: &str| {
        hex(&format!(
            "00000001          # one topic
             0001 74           # t
             00000002          # two partitions
             00000000          # partition 0
             0000              # no error
             000000000000000c  # high watermark 12
             0000001d          # 29 bytes of messages
             000000000000000b  # offset 11
             00000011          # 17 bytes of message
             5e35f884          # checksum
             00 00             # magic, attributes
             ffffffff          # null key
             00000003 6d3131   # value m11
             00000001          # partition 1
             {code}            # its code
             ffffffffffffffff  # no high watermark
             {size}            # the size of its set"
        ))
    };
    for code in ["0000", "0023", "004c"] {
        let null = FetchResponse::decode_strict(&Bytes::from(with(code, "ffffffff"))).expect("null is no fault");
        assert_eq!(null.topics.find("t", 0).expect("listed").messages.entries().filter(Result::is_ok).count(), 1);
        assert!(null.topics.find("t", 1).expect("listed").messages.is_empty());
        assert_eq!(null.to_bytes().expect("it fits"), with(code, "00000000"), "null is not written");
    }
    for size in ["fffffffe", "80000000"] {
        let error = FetchResponse::decode(&Bytes::from(with("004c", size))).expect_err("no size");
        assert_eq!((error.field, error.at), ("message_set", 72));
        assert!(matches!(error.problem, DecodeProblem::Negative(..-1)), "{error}");
    }
}

#[test]
fn a_produced_set_that_is_null_is_refused_as_a_broker_refuses_it() {
    // acks 1, timeout 0, topic "t", partition 0, size -1
    let body = hex("0001 00000000 00000001 000174 00000001 00000000 ffffffff");
    let error = ProduceRequest::decode(&Bytes::from(body)).expect_err("a broker closes the connection");
    assert_eq!(error.problem, DecodeProblem::Negative(-1));
}
