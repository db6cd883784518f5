//! What a merge costs, and what it keeps.

use bytes::Bytes;

use super::*;

/// Brokers list partitions in the order of a hash map. 7919 is prime, so each number comes once.
fn large(topics: i32, partitions: i32) -> MetadataResponse {
    let of = |id: i32| PartitionMetadata {
        error: ErrorCode::NONE,
        partition: PartitionId(i32::try_from(i64::from(id) * 7919 % i64::from(partitions)).expect("it is smaller")),
        leader: Some(NodeId(id % 3)),
        replicas: Vec::new(),
        isr: Vec::new(),
    };
    let topic = |n: i32| TopicMetadata {
        error: ErrorCode::NONE,
        name: format!("topic-{n}").into(),
        partitions: (0..partitions).map(of).collect(),
    };
    let brokers = (0..3).map(|node| broker(&format!("{node}=host{node}:9092"))).collect();
    MetadataResponse::new(brokers, (0..topics).map(topic).collect())
}

fn allocations_of_merging_again(listed: &MetadataResponse, topics: &Topics) -> u64 {
    let mut view = View::default();
    merge_answer(&mut view, 0, topics, listed);
    let mut changes = None;
    let counted = allocation_counter::measure(|| {
        changes = Some(view.merge(at(10), MAX_AGE, topics, listed, &|_, to| Some(to)));
    });
    assert_eq!(changes, Some(Changes::default()));
    assert!(view.topics().all(|(_, topic)| topic.partitions().all(|(_, partition)| partition.confirmed == at(10))));
    counted.count_total
}

#[test]
fn an_unchanged_answer_of_a_thousand_partitions_allocates_nothing() {
    assert_eq!(allocations_of_merging_again(&large(1, 1_000), &asked("topic-0")), 0);
    assert_eq!(allocations_of_merging_again(&large(1, 1_000), &Topics::All), 0);
    assert_eq!(allocations_of_merging_again(&large(10, 100), &Topics::All), 0);
}

#[test]
fn many_unchanged_topics_allocate_only_the_nodes_of_their_ordered_set() {
    let allocations = allocations_of_merging_again(&large(1_000, 1), &Topics::All);
    assert!(allocations <= 1_000 / 4, "{allocations}");
}

#[test]
fn a_million_partitions_are_merged_and_found() {
    let listed = large(1, 1_000_000);
    let mut view = View::default();
    let changes = view.merge(at(0), MAX_AGE, &Topics::All, &listed, &|_, to| Some(to));
    assert_eq!(changes.leaders.len(), 1_000_000);
    assert_eq!(view.topic("topic-0").map(|topic| topic.partitions().len()), Some(1_000_000));
    // The place 1 of the answer has the number 7919 and the leader 1.
    assert_eq!(view.leader("topic-0", PartitionId(7919)), Ok(NodeId(1)));
    assert_eq!(view.merge(at(1), MAX_AGE, &Topics::All, &listed, &|_, to| Some(to)), Changes::default());
    // One of a million, many times: slow if each merge looked at all of them.
    let one = answer("| topic-0: 5@0");
    for _ in 0..100_000 {
        view.merge(at(2), MAX_AGE, &Topics::All, &one, &|_, to| Some(to));
    }
    assert_eq!(view.leader("topic-0", PartitionId(5)), Ok(NodeId(0)));
}

#[test]
fn a_view_keeps_no_memory_of_the_frame() {
    let frame = Bytes::from(b"hosttopic".to_vec());
    let text = |range| Text::try_from(frame.slice(range)).expect("it is UTF-8");
    let listed = Broker { node: NodeId(1), host: text(0..4), raw_port: 1 };
    let topic = TopicMetadata { error: ErrorCode::NONE, name: text(4..9), partitions: vec![partition("0@1")] };
    let listed = MetadataResponse::new(vec![listed], vec![topic]);
    let topics = Topics::Named(vec![text(4..9)]);
    let mut view = View::default();
    let changes = merge_answer(&mut view, 0, &topics, &listed);
    drop((listed, topics));
    assert!(frame.is_unique(), "{view:?} {changes:?}");
    assert_eq!(show(&view), "1=host:1 | topic: 0@1");
}
