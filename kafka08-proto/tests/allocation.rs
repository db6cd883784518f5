//! What a peer's bytes may cost, counted exactly.

use std::ops::ControlFlow;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
    api::{
        Body, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
        OffsetCommitRequestV0, OffsetFetchResponse, ProduceRequest, ProduceResponse,
    },
    ids::Offset,
    message::{Budget, Cursor, Inflater, MessageSetBuilder},
};

const KIB: u64 = 1 << 10;

/// What a connection costs that receives `bytes` and waits for more.
fn cost(mut connection: impl Connection, bytes: &[u8]) -> AllocationInfo {
    measure(|| {
        connection.receive(bytes);
        // As a driver would, which asks for room before it reads.
        assert!(!connection.buffers().0.is_empty());
    })
}

#[test]
fn four_bytes_that_claim_anything_cost_no_more_than_64_kib() {
    let limit = u32::try_from(ClientConfig::default().limits().max_frame).expect("64 MiB").to_be_bytes();
    for claim in [[0x7f, 0xff, 0xff, 0xff], limit] {
        let client = cost(ClientConnection::new(ClientConfig::default()), &claim);
        assert!(client.bytes_max <= 64 * KIB, "{claim:x?}: {client:?}");
        let server = cost(ServerConnection::new(ServerConfig::default()), &claim);
        assert!(server.bytes_max <= 64 * KIB, "{claim:x?}: {server:?}");
    }
    // One that a server takes: exactly its limit.
    let claim = 104_857_600u32.to_be_bytes();
    assert!(cost(ServerConnection::new(ServerConfig::default()), &claim).bytes_max <= 64 * KIB);
}

#[test]
fn a_frame_that_is_coming_costs_twice_what_has_come_and_64_kib() {
    let mut connection = ClientConnection::new(ClientConfig::default());
    let piece = vec![0; 10_000];
    let mut received = 4;
    connection.receive(&(8u32 << 20).to_be_bytes());
    let mut held = 0;
    for _ in 0..800 {
        let step = measure(|| connection.receive(&piece));
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
    });
    assert_eq!((messages, counted.count_total), (2000, 0));
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

#[test]
fn an_idle_connection_costs_less_than_a_kibibyte() {
    let idle = measure(|| std::mem::forget(ClientConnection::new(ClientConfig::default())));
    assert!(idle.bytes_max <= KIB, "{idle:?}");
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
    within::<OffsetFetchResponse>(many(6), RESPONSE);
    within::<MetadataResponse>(many(10), RESPONSE);
    within::<MetadataResponse>([vec![0; 4], many(8)].concat(), RESPONSE);
    within::<MetadataRequest>(many(2), REQUEST);
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
    within::<OffsetFetchResponse>(lies(0, 6, 2, 16), RESPONSE);
    within::<MetadataResponse>(lies(4, 8, 4, 18), RESPONSE);
    within::<ProduceRequest>(lies(6, 6, 2, 8), REQUEST);
    // Counts of nothing.
    within::<MetadataResponse>(vec![0x03, 0x3c, 0x0c, 0x00, 0xb6], RESPONSE);
    within::<ProduceResponse>(vec![0x7f, 0xff, 0xff, 0xff], RESPONSE);
}
