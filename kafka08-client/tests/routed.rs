//! Requests are taken apart by broker, and answers are put together in the order asked.

use bytes::Bytes;
use kafka08_client::cluster::{Place, Routed};
use kafka08_proto::{
    api::{
        Broker, ByTopic, CommittedOffset, ConsumerMetadataRequest, ConsumerMetadataResponse, FetchRequest,
        FetchResponse, FetchedPartition, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
        OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse, OffsetFetchRequestV0, OffsetFetchRequestV1,
        OffsetFetchResponseV1, PartitionOffsets, ProduceRequest, ProduceResponse, ProducedPartition, TopicItems,
        TopicMetadata,
    },
    error_code::ErrorCode,
    ids::{Acks, Generation, Millis, NodeId, Offset, PartitionId, ReplicaId, Text, TopicPartition},
    message::{MessageSet, Origin},
};

fn tp(topic: &'static str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn set(bytes: &'static [u8]) -> MessageSet {
    MessageSet::new(Bytes::from_static(bytes), Origin::Produced)
}

/// The entries of an answer or a request, in order.
fn listed<T: Clone>(items: &ByTopic<T>) -> Vec<(&str, i32, T)> {
    items.iter().map(|(topic, partition, item)| (topic.as_str(), partition.0, item.clone())).collect()
}

#[test]
fn each_request_says_which_brokers_it_is_for() {
    let group = Text::from("readers");
    assert_eq!(ProduceRequest::new(Acks::ALL, Millis(0)).place(), Place::Leaders);
    assert_eq!(FetchRequest::new(Millis(0), 0).place(), Place::Leaders);
    assert_eq!(ListOffsetsRequest::new().place(), Place::Leaders);
    assert_eq!(OffsetCommitRequestV1::new("readers").place(), Place::Coordinator(&group));
    assert_eq!(OffsetFetchRequestV1::new("readers").place(), Place::Coordinator(&group));
    assert_eq!(OffsetCommitRequestV0::new("readers").place(), Place::Any);
    assert_eq!(OffsetFetchRequestV0::new("readers").place(), Place::Any);
    assert_eq!(MetadataRequest::all().place(), Place::Any);
    assert_eq!(ConsumerMetadataRequest::new("readers").place(), Place::Any);
}

#[test]
fn partitions_are_told_once_each_in_the_order_asked() {
    let mut request = OffsetFetchRequestV0::new("g");
    let group = |topic: &'static str, partitions: &[i32]| TopicItems {
        topic: Text::from(topic),
        partitions: partitions.iter().map(|&n| (PartitionId(n), ())).collect(),
    };
    request.topics =
        ByTopic::from(vec![group("b", &[3, 0, 3]), group("a", &[1]), group("b", &[0, 2]), group("c", &[])]);
    assert_eq!(request.partitions(), [tp("b", 3), tp("b", 0), tp("a", 1), tp("b", 2)]);
    assert!(MetadataRequest::of(["a"]).partitions().is_empty());
    assert!(ConsumerMetadataRequest::new("g").partitions().is_empty());
}

#[test]
fn a_part_of_a_produce_shares_its_messages_and_keeps_acks_and_timeout() {
    let request = ProduceRequest::new(Acks::ALL, Millis(1500))
        .with("b", 1, set(b"one"))
        .with("a", 0, set(b"two"))
        .with("b", 0, set(b"three"));
    let part = request.part(&mut |topic, _| **topic == *"b");
    assert_eq!((part.acks, part.timeout), (Acks::ALL, Millis(1500)));
    assert_eq!(listed(&part.topics), [("b", 1, set(b"one")), ("b", 0, set(b"three"))]);
    let place = |of: &ProduceRequest| of.topics.find("b", 0).map(|set| set.bytes().as_ptr());
    assert_eq!(place(&part), place(&request), "the messages are shared");
}

#[test]
fn a_part_keeps_the_other_fields() {
    let mut fetch = FetchRequest::new(Millis(500), 10).with("t", 0, Offset(5), 100).with("t", 1, Offset(6), 200);
    fetch.replica = ReplicaId::DEBUG;
    let mut expected = FetchRequest::new(Millis(500), 10).with("t", 1, Offset(6), 200);
    expected.replica = ReplicaId::DEBUG;
    let of_1 = |_: &Text, partition: PartitionId| partition == PartitionId(1);
    assert_eq!(fetch.part(&mut { of_1 }), expected);

    let mut offsets = ListOffsetsRequest::latest([("t", 0), ("t", 1)]);
    offsets.replica = ReplicaId::DEBUG;
    let mut expected = ListOffsetsRequest::latest([("t", 1)]);
    expected.replica = ReplicaId::DEBUG;
    assert_eq!(offsets.part(&mut { of_1 }), expected);

    let v1 = |commit: OffsetCommitRequestV1| OffsetCommitRequestV1 {
        generation: Generation(4),
        consumer: Text::from("c"),
        ..commit
    };
    let commit = v1(OffsetCommitRequestV1::new("g").with("t", 0, Offset(5), "x").with("t", 1, Offset(6), "y"));
    assert_eq!(commit.part(&mut { of_1 }), v1(OffsetCommitRequestV1::new("g").with("t", 1, Offset(6), "y")));
    let commit = OffsetCommitRequestV0::new("g").with("t", 0, Offset(5)).with("t", 1, Offset(6));
    assert_eq!(commit.part(&mut { of_1 }), OffsetCommitRequestV0::new("g").with("t", 1, Offset(6)));
    let offsets = OffsetFetchRequestV1::new("g").with("t", 0).with("t", 1);
    assert_eq!(offsets.part(&mut { of_1 }), OffsetFetchRequestV1::new("g").with("t", 1));
    let offsets = OffsetFetchRequestV0::new("g").with("t", 0).with("t", 1);
    assert_eq!(offsets.part(&mut { of_1 }), OffsetFetchRequestV0::new("g").with("t", 1));
}

#[test]
fn a_request_without_partitions_stays_whole() {
    let request = MetadataRequest::of(["a", "b"]);
    assert_eq!(request.part(&mut |_, _| false), request);
    let request = ConsumerMetadataRequest::new("g");
    assert_eq!(request.part(&mut |_, _| false), request);
}

#[test]
fn answers_of_two_brokers_are_put_together_in_the_order_asked() {
    let fetched = |offset, bytes| FetchedPartition {
        error: ErrorCode::NONE,
        high_watermark: Offset(offset),
        messages: MessageSet::new(Bytes::from_static(bytes), Origin::Fetched),
    };
    let mut request = FetchRequest::new(Millis(500), 1);
    for (topic, partition) in [("b", 1), ("b", 0), ("a", 0)] {
        request = request.with(topic, partition, Offset(0), 9);
    }
    let (mut left, mut right) = (FetchResponse::default(), FetchResponse::default());
    left.topics.push("a", 0, fetched(10, b"a0"));
    left.topics.push("b", 1, fetched(20, b"b1"));
    right.topics.push("b", 0, fetched(30, b"b0"));
    let merged = request.merge(vec![(vec![tp("b", 0)], right), (vec![tp("a", 0), tp("b", 1)], left)]);
    let expected = [("b", 1, fetched(20, b"b1")), ("b", 0, fetched(30, b"b0")), ("a", 0, fetched(10, b"a0"))];
    assert_eq!(listed(&merged.topics), expected);
}

#[test]
fn of_each_answer_only_what_it_was_asked_for_counts_and_the_first_entry_of_it() {
    let mut request = ProduceRequest::new(Acks::ALL, Millis(0));
    for partition in 0..3 {
        request = request.with("t", partition, set(b"m"));
    }
    let answer = |entries: &[(&'static str, i32, i64)]| {
        let mut answer = ProduceResponse::default();
        for &(topic, partition, offset) in entries {
            let entry = ProducedPartition { error: ErrorCode::NONE, offset: Offset(offset) };
            answer.topics.push(topic, partition, entry);
        }
        answer
    };
    let merged = request.merge(vec![
        // Partition 1 is the other broker's, 9 and "u" were asked of nobody, and 0 is listed again.
        (vec![tp("t", 0), tp("t", 2)], answer(&[("t", 1, 66), ("t", 0, 5), ("u", 0, 66), ("t", 0, 66), ("t", 9, 66)])),
        (vec![tp("t", 1), tp("x", 0)], answer(&[("t", 0, 77), ("t", 2, 77), ("t", 1, 6), ("x", 0, 77)])),
    ]);
    let offsets: Vec<_> = merged.topics.iter().map(|(_, partition, entry)| (partition.0, entry.offset.0)).collect();
    // Partition 2 was left out by the broker that was asked for it.
    assert_eq!(offsets, [(0, 5), (1, 6)]);
    assert_eq!(merged.topics.topics().len(), 1);
}

#[test]
fn of_two_answers_for_a_partition_the_later_one_that_lists_it_counts() {
    let request = OffsetCommitRequestV1::new("g").with("t", 0, Offset(5), "").with("t", 1, Offset(6), "");
    let answer = |entries: &[(i32, i16)]| {
        let mut answer = OffsetCommitResponse::default();
        entries.iter().for_each(|&(partition, code)| answer.topics.push("t", partition, ErrorCode(code)));
        answer
    };
    let both = vec![tp("t", 0), tp("t", 1)];
    let merged = request.merge(vec![(both.clone(), answer(&[(0, 16), (1, 16)])), (both, answer(&[(1, 0)]))]);
    assert_eq!(listed(&merged.topics), [("t", 0, ErrorCode(16)), ("t", 1, ErrorCode(0))]);
}

#[test]
fn nothing_comes_of_no_answers_and_of_an_answer_without_entries() {
    let request = OffsetFetchRequestV1::new("g").with("t", 0);
    assert_eq!(request.merge(vec![]), OffsetFetchResponseV1::default());
    assert_eq!(request.merge(vec![(vec![tp("t", 0)], OffsetFetchResponseV1::default())]).topics.len(), 0);
    let entry = CommittedOffset { offset: Offset(5), metadata: Some(Text::from("m")), error: ErrorCode::NONE };
    let mut answer = OffsetFetchResponseV1::default();
    answer.topics.push("t", 0, entry.clone());
    assert_eq!(listed(&request.merge(vec![(vec![tp("t", 0)], answer)]).topics), [("t", 0, entry)]);
}

fn topic(name: &'static str, code: i16) -> TopicMetadata {
    TopicMetadata { error: ErrorCode(code), name: Text::from(name), partitions: vec![] }
}

#[test]
fn metadata_has_the_topics_that_were_asked_for_once_each_in_the_order_asked() {
    let brokers = vec![Broker { node: NodeId(1), host: Text::from("h"), raw_port: 9092 }];
    let answer =
        MetadataResponse::new(brokers.clone(), vec![topic("a", 5), topic("x", 0), topic("b", 3), topic("a", 0)]);
    let request = MetadataRequest::of(["b", "missing", "a", "b"]);
    let merged = request.merge(vec![(vec![], answer.clone())]);
    assert_eq!(merged, MetadataResponse::new(brokers, vec![topic("b", 3), topic("a", 5)]));
    assert_eq!(MetadataRequest::all().merge(vec![(vec![], answer.clone())]), answer, "all topics were asked for");
    let last = MetadataRequest::all().merge(vec![(vec![], MetadataResponse::default()), (vec![], answer.clone())]);
    assert_eq!(last, answer);
    assert_eq!(MetadataRequest::all().merge(vec![]), MetadataResponse::default());
}

#[test]
fn of_the_answers_about_a_coordinator_the_last_one_counts() {
    let broker = Broker { node: NodeId(1), host: Text::from("h"), raw_port: 9092 };
    let found = ConsumerMetadataResponse { error: ErrorCode::NONE, broker };
    let request = ConsumerMetadataRequest::new("g");
    let not_yet = ConsumerMetadataResponse::not_available();
    assert_eq!(request.merge(vec![(vec![], not_yet.clone()), (vec![], found.clone())]), found);
    assert_eq!(request.merge(vec![]), not_yet);
}

/// Takes a request for `topics` × `partitions` partitions apart for ten brokers, and puts their answers together.
///
/// There are so many partitions that a search from start to end for each of them would take minutes.
fn many(topics: i32, partitions: i32) {
    let names: Vec<_> = (0..topics).map(|n| Text::from(format!("topic-{n}"))).collect();
    let asked = |partition: i32| names.iter().map(move |name| (name.clone(), partition));
    let request = ListOffsetsRequest::latest((0..partitions).flat_map(asked));
    let total = usize::try_from(topics * partitions).expect("positive");
    let all = request.partitions();
    assert_eq!(all.len(), total);
    let mut answers = Vec::new();
    for broker in 0..10 {
        let mut position = 0;
        let part = request.part(&mut |_, _| {
            position += 1;
            position % 10 == broker
        });
        let own = part.partitions();
        assert_eq!(own.len(), total / 10);
        let mut answer = ListOffsetsResponse::default();
        // Each broker answers in the reverse order, and says something of its own about every partition of broker 0.
        for (n, of) in own.iter().rev().chain(all.iter().skip(9).step_by(10)).enumerate() {
            let entry =
                PartitionOffsets { error: ErrorCode::NONE, offsets: vec![Offset(i64::try_from(n).expect("few"))] };
            answer.topics.push(of.topic.clone(), of.partition, entry);
        }
        let mut told = 0;
        request.verdicts(&answer, &mut |_, _, _| told += 1);
        assert_eq!(told, 2 * total / 10);
        answers.push((own, answer));
    }
    let merged = request.merge(answers);
    let merged: Vec<_> =
        merged.topics.iter().map(|(topic, partition, entry)| (topic, partition, &entry.offsets)).collect();
    assert_eq!(merged.len(), total);
    for (n, (of, (topic, partition, offsets))) in all.iter().zip(&merged).enumerate() {
        assert_eq!((&of.topic, of.partition), (*topic, *partition));
        let place = total / 10 - 1 - n / 10;
        assert_eq!(**offsets, [Offset(i64::try_from(place).expect("few"))]);
    }
}

#[test]
fn a_request_for_200_000_partitions_of_one_topic_is_taken_apart_and_put_together() {
    many(1, 200_000);
}

#[test]
fn a_request_for_200_000_topics_is_taken_apart_and_put_together() {
    many(200_000, 1);
}
