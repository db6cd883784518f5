//! What an answer may add, so that brokers that lie do not fill the memory.

use super::*;

#[test]
fn brokers_that_are_new_in_each_answer_are_taken_up_to_a_bound() {
    let mut view = seen("1=a:9092 | t: 0@1");
    for answer in 0..30 {
        let brokers = (0..1000).map(|n| Broker { node: NodeId(2 + answer * 1000 + n), host: "h".into(), raw_port: 1 });
        merge_answer(&mut view, 1, &asked("t"), &MetadataResponse::new(brokers.collect(), vec![topic("t: 0@1")]));
    }
    assert_eq!(view.brokers().count(), 10_000);
    // What is known is still believed.
    merge(&mut view, 2, "t", "1=b:1 | t: 0@1");
    assert_eq!(view.endpoint(NodeId(1)), Some(Ok(&HostPort::new("b", 1))));
}

#[test]
fn topics_that_nobody_asked_for_are_taken_up_to_a_bound_and_others_always() {
    let mut view = View::default();
    for answer in 0..13 {
        let topics = (0..10_000).map(|n| topic(&format!("t{}: 0@1", answer * 10_000 + n)));
        let listed = MetadataResponse::new(vec![broker("1=a:9092")], topics.collect());
        view.merge(at(1), MAX_AGE, &Topics::All, &listed, &|_, to| Some(to));
    }
    assert_eq!(view.topics().count(), 100_000);
    view.merge(at(2), MAX_AGE, &asked("wanted"), &answer("1=a:9092 | wanted: 0@1"), &|_, to| Some(to));
    assert_eq!(view.leader("wanted", PartitionId(0)), Ok(NodeId(1)));
}

#[test]
fn partitions_that_are_new_in_each_answer_are_taken_up_to_a_bound() {
    let mut view = View::default();
    for answer in 0..12 {
        let partitions = (0..100_000).map(|n| {
            let id = PartitionId(answer * 100_000 + n);
            PartitionMetadata { partition: id, leader: Some(NodeId(1)), ..partition("0@1") }
        });
        let listed = TopicMetadata { partitions: partitions.collect(), ..topic("t:") };
        let listed = MetadataResponse::new(vec![broker("1=a:9092")], vec![listed]);
        view.merge(at(1), MAX_AGE, &asked("t"), &listed, &|_, to| Some(to));
    }
    assert_eq!(view.topic("t").map(|topic| topic.partitions().len()), Some(1_000_000));
    // Those of all topics together count for topics that nobody has asked for.
    view.merge(at(2), MAX_AGE, &Topics::All, &answer("1=a:9092 | t: 0@1 | u: 0@1"), &|_, to| Some(to));
    assert!(view.topic("u").is_none());
    view.merge(at(3), MAX_AGE, &asked("u"), &answer("1=a:9092 | u: 0@1"), &|_, to| Some(to));
    assert_eq!(view.leader("u", PartitionId(0)), Ok(NodeId(1)));
}
