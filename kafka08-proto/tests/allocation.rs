//! What a peer's bytes may cost, counted exactly.

mod common;

use std::ops::ControlFlow;

use allocation_counter::{AllocationInfo, measure};
use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection, ServerConfig, ServerConnection,
    api::{
        Body, Broker, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
        MetadataResponse, OffsetCommitRequestV0, OffsetCommitResponse, OffsetFetchRequestV0, OffsetFetchResponseV0,
        PartitionMetadata, ProduceRequest, ProduceResponse, Request, TopicMetadata,
        membership::{HeartbeatRequest, JoinGroupResponse},
    },
    connection::Prepared,
    error_code::ErrorCode,
    ids::{Acks, ConnectionId, Generation, Millis, NodeId, Offset, PartitionId, Text},
    message::{Budget, Cursor, Inflater, MessageSet, MessageSetBuilder},
};

const KIB: u64 = 1 << 10;

/// What a connection costs that receives `bytes` and waits for more.
fn cost(mut connection: impl Connection, bytes: &[u8]) -> AllocationInfo {
    let now = common::start();
    measure(|| {
        connection.handle_bytes(now, bytes);
        // As a driver would, which asks for room before it reads.
        assert!(!connection.buffers().0.is_empty());
    })
}

#[test]
fn four_bytes_that_claim_anything_cost_no_more_than_64_kib() {
    let limit = u32::try_from(ClientConfig::default().limits().max_frame).expect("64 MiB").to_be_bytes();
    for claim in [[0x7f, 0xff, 0xff, 0xff], limit] {
        let client = cost(ClientConnection::new(ClientConfig::default(), ConnectionId(0)), &claim);
        assert!(client.bytes_max <= 64 * KIB, "{claim:x?}: {client:?}");
        let server = cost(ServerConnection::new(ServerConfig::default(), ConnectionId(0)), &claim);
        assert!(server.bytes_max <= 64 * KIB, "{claim:x?}: {server:?}");
    }
    // One that a server takes: exactly its limit.
    let claim = 104_857_600u32.to_be_bytes();
    assert!(cost(ServerConnection::new(ServerConfig::default(), ConnectionId(0)), &claim).bytes_max <= 64 * KIB);
}

#[test]
fn a_frame_that_is_coming_costs_twice_what_has_come_and_64_kib() {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let (now, piece) = (common::start(), vec![0; 10_000]);
    let mut received = 4;
    connection.handle_bytes(now, &(8u32 << 20).to_be_bytes());
    let mut held = 0;
    for _ in 0..800 {
        let step = measure(|| connection.handle_bytes(now, &piece));
        received += 10_000;
        held += step.bytes_current;
        assert!(held <= 2 * received + 64 * 1024, "{held} held of {received} received");
    }
}

#[test]
fn iterating_a_message_set_allocates_nothing() {
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    for n in 0..1000u32 {
        builder.push(Some(&n.to_be_bytes()), Some(b"value")).expect("small");
    }
    let set = builder.build();
    let mut bytes = 0;
    let counted = measure(|| {
        for entry in set.entries() {
            bytes += usize::from(entry.is_ok());
        }
    });
    assert_eq!((bytes, counted.count_total), (1000, 0));
}

#[test]
fn a_connection_that_was_never_used_costs_nothing_and_waiting_for_its_first_byte_a_kibibyte() {
    let idle = measure(|| std::mem::forget(ClientConnection::new(ClientConfig::default(), ConnectionId(0))));
    assert_eq!(idle.bytes_max, 0, "{idle:?}");
    assert!(cost(ClientConnection::new(ClientConfig::default(), ConnectionId(0)), &[]).bytes_max <= KIB);
}

#[test]
fn looking_for_duplicates_in_a_small_request_allocates_nothing() {
    let mut request = FetchRequest::new(Millis(100), 1).with("t", 0, Offset(0), 1000);
    for partition in 1..=16 {
        let counted = measure(|| assert_eq!(request.topics.duplicate(), None));
        assert_eq!(counted.count_total, 0, "{partition} partitions");
        request = request.with("t", partition, Offset(0), 1000);
    }
}

#[test]
fn metadata_of_up_to_16_brokers_topics_and_partitions_costs_no_index() {
    let broker = |n| Broker { node: NodeId(n), host: Text::from_static("h"), raw_port: 9092 };
    let partition = |n| PartitionMetadata {
        error: ErrorCode::NONE,
        partition: PartitionId(n),
        leader: Some(NodeId(0)),
        replicas: vec![],
        isr: vec![],
    };
    let topic = |partitions: i32| TopicMetadata {
        error: ErrorCode::NONE,
        name: Text::from_static("t"),
        partitions: (0..partitions).map(partition).collect(),
    };
    let index = |brokers: i32, topics: i32, partitions: i32| {
        let brokers = (0..brokers).map(broker).collect();
        let topics = (0..topics).map(|_| topic(partitions)).collect();
        let mut response = MetadataResponse::default();
        measure(|| response = MetadataResponse::new(brokers, topics)).count_total
    };
    for (brokers, topics, partitions) in [(15, 0, 0), (16, 0, 0), (0, 15, 1), (0, 16, 0), (0, 16, 1), (0, 1, 16)] {
        assert_eq!(index(brokers, topics, partitions), 0, "{brokers} brokers, {topics} topics of {partitions}");
    }
    for (brokers, topics, partitions) in [(17, 0, 0), (18, 0, 0), (0, 17, 0), (0, 1, 17), (0, 1, 18), (0, 9, 2)] {
        assert!(index(brokers, topics, partitions) > 0, "{brokers} brokers, {topics} topics of {partitions}");
    }
}

/// Allocations of 64 requests that leave together, and of their answers: encoding, matching, decoding.
fn exchange<R: Request>(connection: &mut ClientConnection, request: &R, answer: &[u8]) -> u64 {
    const IN_FLIGHT: usize = 64;
    let now = common::start();
    let mut tickets = Vec::with_capacity(IN_FLIGHT);
    let mut answers = Vec::with_capacity(IN_FLIGHT * (8 + answer.len()));
    let sent = measure(|| {
        for _ in 0..IN_FLIGHT {
            tickets.push(connection.request(now, request).expect("there is room"));
        }
        let (_, queue) = connection.buffers();
        queue.advance(queue.remaining());
    });
    for ticket in &tickets {
        answers.extend(common::response(ticket.id(), answer));
    }
    let answered = measure(|| {
        connection.handle_bytes(now, &answers);
        for ticket in &tickets {
            let Some(ClientEvent::Response(frame)) = connection.poll_event() else { panic!("no answer") };
            ticket.redeem(frame).expect("a sound answer");
        }
        assert!(connection.poll_event().is_none());
    });
    (sent.count_total + answered.count_total).div_ceil(IN_FLIGHT as u64)
}

#[test]
fn a_small_request_costs_at_most_four_allocations_from_request_to_its_decoded_answer() {
    let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let heartbeat =
        HeartbeatRequest { group: "a-group".into(), generation: Generation(1), consumer: "a-consumer".into() };
    let error_code = [0, 0];
    let produce =
        ProduceRequest::new(Acks::LEADER, Millis(1000)).with("page-views", 0, MessageSet::of_value(&[7; 100]));
    let produced = common::hex(
        "00000001                     # topics: 1
         000a 706167652d7669657773    # \"page-views\"
         00000001 00000000            # partitions: 1, partition 0
         0000                         # error code: none
         0000000000000007             # offset",
    );
    // What the connection keeps grows once.
    exchange(&mut connection, &heartbeat, &error_code);
    exchange(&mut connection, &produce, &produced);
    let heartbeat = exchange(&mut connection, &heartbeat, &error_code);
    let produce = exchange(&mut connection, &produce, &produced);
    assert!(heartbeat <= 4 && produce <= 4, "{heartbeat} for a heartbeat, {produce} for a produce");
}

#[test]
fn preparing_a_small_request_allocates_for_its_body_once() {
    let produce = ProduceRequest::new(Acks::LEADER, Millis(1000)).with("page-views", 0, MessageSet::of_value(&[7; 50]));
    let counted = measure(|| drop(Prepared::new(&produce).expect("it fits the wire")));
    assert!(counted.count_total <= 2, "{counted:?}");
}

#[test]
fn visiting_a_message_set_in_one_go_or_step_by_step_allocates_nothing() {
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    (0..1000u32).for_each(|n| builder.push(None, Some(&n.to_be_bytes())).expect("small"));
    let set = builder.build();
    let (mut inflater, mut budget) = (Inflater::new(), Budget::new(0));
    let mut messages = 0;
    let counted = measure(|| {
        set.for_each_message(Offset(0), &mut inflater, &mut budget, |found| {
            messages += usize::from(found.is_ok());
            ControlFlow::Continue(())
        });
        let mut cursor = Cursor::new(Offset(0));
        while set.visit(&mut cursor, &mut inflater, &mut budget, |_| ControlFlow::Break(())).tail.is_none() {
            messages += 1;
        }
        let mut cursor = Cursor::new(Offset(0));
        while cursor.next_message(&set, &mut inflater, &mut budget).is_some() {
            messages += 1;
        }
    });
    assert_eq!((messages, counted.count_total), (3000, 0));
}

#[test]
fn a_set_is_built_with_one_allocation_and_in_used_memory_with_none() {
    let fill = |builder: &mut MessageSetBuilder| {
        (0..100u32).for_each(|n| builder.push(None, Some(&n.to_be_bytes())).expect("small"));
        builder.push(Some(b"key"), None).expect("small");
    };
    let capacity = 100 * 30 + 29;
    let fresh = measure(|| {
        let mut builder = MessageSetBuilder::with_capacity(capacity);
        fill(&mut builder);
        assert_eq!(builder.build().len(), capacity);
    });
    assert_eq!(fresh.count_total, 1);

    let mut builder = MessageSetBuilder::default();
    for round in 0..4 {
        let counted = measure(|| {
            fill(&mut builder);
            assert_eq!(builder.take().len(), capacity);
        });
        assert!(round == 0 || counted.count_total == 0, "round {round}: {counted:?}");
    }
    fill(&mut builder);
    builder.clear();
    let counted = measure(|| fill(&mut builder));
    assert_eq!((builder.messages(), counted.count_total), (101, 0));
    // Memory that somebody still holds is left alone.
    let held = builder.take();
    let copy = held.bytes().to_vec();
    builder.push(None, Some(&[0xff; 100])).expect("small");
    assert_eq!((held.bytes(), builder.take().len()), (&copy.into(), 126));
}

#[test]
fn checking_a_set_that_was_built_here_does_not_look_at_it() {
    let mut builder = MessageSetBuilder::default();
    (0..10u32).for_each(|n| builder.push(None, Some(&n.to_be_bytes())).expect("small"));
    let set = builder.build();
    let counted = measure(|| assert_eq!(set.inspect(&mut Budget::new(0)).expect("sound").largest, 30));
    assert_eq!(counted.count_total, 0);
}

fn decode<B: Body>(body: Vec<u8>) -> (Option<B>, AllocationInfo) {
    let body = Bytes::from(body);
    let mut decoded = None;
    let counted = measure(|| decoded = B::decode(&body).ok());
    (decoded, counted)
}

/// Asserts that decoding a hostile body stays within `16 KiB + factor * len`, succeed or not.
fn within<B: Body>(body: Vec<u8>, factor: u64) {
    let len = body.len() as u64;
    let (_, counted) = decode::<B>(body);
    assert!(counted.bytes_max <= 16 * KIB + factor * len, "{}: {len} bytes cost {counted:?}", B::NAME);
}

#[test]
fn what_is_decoded_stays_within_a_multiple_of_what_was_received() {
    const RESPONSE: u64 = 10;
    const REQUEST: u64 = 17;
    // As many of the smallest elements as fit: everything zero is an empty name without partitions.
    let many = |size: usize| {
        let count = 100_000u32;
        [&count.to_be_bytes()[..], &vec![0; count as usize * size]].concat()
    };
    assert!(decode::<ProduceResponse>(many(6)).0.is_some(), "the worst of them is well formed");
    within::<ProduceResponse>(many(6), RESPONSE);
    within::<FetchResponse>(many(6), RESPONSE);
    within::<ListOffsetsResponse>(many(6), RESPONSE);
    within::<OffsetFetchResponseV0>(many(6), RESPONSE);
    within::<MetadataResponse>(many(10), RESPONSE);
    within::<MetadataResponse>([vec![0; 4], many(8)].concat(), RESPONSE);
    within::<MetadataRequest>(many(2), REQUEST);
    // Names that are not UTF-8 are replaced by names in memory of their own.
    let replaced = [&100_000u32.to_be_bytes()[..], &[0, 1, 0xff].repeat(100_000)].concat();
    assert!(decode::<MetadataRequest>(replaced.clone()).0.is_some(), "a broker reads it");
    within::<MetadataRequest>(replaced, REQUEST);
    within::<ProduceRequest>([vec![0; 6], many(6)].concat(), REQUEST);
    within::<FetchRequest>([vec![0; 12], many(6)].concat(), REQUEST);
    within::<ListOffsetsRequest>([vec![0; 4], many(6)].concat(), REQUEST);
    within::<OffsetCommitRequestV0>([vec![0; 2], many(6)].concat(), REQUEST);
    // Counts that lie, at two levels: as many topics as fit, of which the first claims as many partitions as fit.
    let lies = |head: usize, topic: usize, name: usize, partition: usize| {
        const LEN: usize = 600_000;
        let count = |size: usize| u32::try_from(LEN / size).expect("few").to_be_bytes();
        let mut body = [&vec![0; head][..], &count(topic), &vec![0; name], &count(partition)].concat();
        body.resize(head + 4 + name + 4 + LEN, 0);
        body
    };
    within::<ProduceResponse>(lies(0, 6, 2, 14), RESPONSE);
    within::<FetchResponse>(lies(0, 6, 2, 18), RESPONSE);
    within::<ListOffsetsResponse>(lies(0, 6, 2, 10), RESPONSE);
    within::<OffsetFetchResponseV0>(lies(0, 6, 2, 16), RESPONSE);
    within::<MetadataResponse>(lies(4, 8, 4, 18), RESPONSE);
    within::<ProduceRequest>(lies(6, 6, 2, 8), REQUEST);
    // Items, of which an index is made: topics of one partition each, and one topic of as many as fit.
    let one_each = |head: usize, item: usize| {
        let count = 50_000u32;
        let topic = [&[0, 0, 0, 0, 0, 1][..], &vec![0; item]].concat();
        [&vec![0; head][..], &count.to_be_bytes(), &topic.repeat(count as usize)].concat()
    };
    let all_in_one = |head: usize, item: usize| {
        let count = 100_000u32;
        [&vec![0; head][..], &[0, 0, 0, 1, 0, 0], &count.to_be_bytes(), &vec![0; count as usize * item]].concat()
    };
    for shape in [&one_each as &dyn Fn(usize, usize) -> Vec<u8>, &all_in_one] {
        assert!(decode::<OffsetCommitResponse>(shape(0, 6)).0.is_some(), "it is well formed");
        within::<OffsetCommitResponse>(shape(0, 6), RESPONSE);
        within::<ProduceResponse>(shape(0, 14), RESPONSE);
        within::<FetchResponse>(shape(0, 18), RESPONSE);
        within::<ListOffsetsResponse>(shape(0, 10), RESPONSE);
        within::<OffsetFetchResponseV0>(shape(0, 16), RESPONSE);
        within::<JoinGroupResponse>(shape(8, 4), RESPONSE);
        within::<OffsetFetchRequestV0>(shape(2, 4), REQUEST);
        within::<ProduceRequest>(shape(6, 8), REQUEST);
    }
    let partitions = [vec![0; 4], vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0x86, 0xa0], vec![0; 100_000 * 18]].concat();
    assert!(decode::<MetadataResponse>(partitions.clone()).0.is_some(), "100 000 partitions without replicas");
    within::<MetadataResponse>(partitions, RESPONSE);
    // Counts of nothing.
    within::<MetadataResponse>(vec![0x03, 0x3c, 0x0c, 0x00, 0xb6], RESPONSE);
    within::<ProduceResponse>(vec![0x7f, 0xff, 0xff, 0xff], RESPONSE);
}
