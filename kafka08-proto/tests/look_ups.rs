//! Look-ups by topic and partition find the same as a search from end to end, and do not grow with what they search.

use bytes::Bytes;
use kafka08_proto::{
    api::{
        Body as _, Broker, ByTopic, CommittedOffset, Encode as _, FetchResponse, FetchedPartition, LeaderProblem,
        ListOffsetsResponse, MetadataResponse, OffsetCommitResponse, OffsetFetchResponseV0, OffsetFetchResponseV1,
        PartitionMetadata, PartitionOffsets, PartitionProblem, ProduceResponse, ProducedPartition, TopicItems,
        TopicMetadata,
    },
    error_code::{ErrorCode, Retry},
    ids::{ApiKey, NodeId, Offset, PartitionId, Text, TopicPartition},
    message::{MessageSet, Origin},
};
use proptest::{collection::vec, prelude::*};

#[test]
fn every_partition_of_20_000_is_found_however_the_list_came_about() {
    const MANY: i32 = 20_000;
    // Below `MANY`, in an order without any: 7919 has no divisor in common with it.
    let shuffled = || (0..i64::from(MANY)).map(|n| i32::try_from(n * 7919 % i64::from(MANY)).expect("small"));
    let mut pushed = ByTopic::default();
    shuffled().for_each(|partition| pushed.push("t", partition, partition));
    let partitions = shuffled().map(|partition| (PartitionId(partition), partition)).collect();
    let given = ByTopic::from(vec![TopicItems { topic: Text::from("t"), partitions }]);
    assert_eq!(pushed, given);
    for items in [pushed, given] {
        for partition in 0..MANY {
            assert_eq!(items.find("t", partition), Some(&partition));
            assert_eq!(items.find("u", partition), None);
        }
        assert_eq!((items.find("t", -1), items.find("t", MANY)), (None, None));
        assert_eq!(items.duplicate(), None);
    }
}

#[test]
fn a_group_without_items_takes_the_items_that_are_added_to_it() {
    let group = |topic, partitions: std::ops::Range<i32>| TopicItems {
        topic: Text::from(topic),
        partitions: partitions.map(|n| (PartitionId(n), produced(n.into()))).collect(),
    };
    let mut items = ByTopic::from(vec![group("empty", 0..0), group("t", 0..20)]);
    items.push("empty", 0, produced(0));
    items.push("new", 0, produced(0));
    items.push("empty", 1, produced(0));
    let lengths: Vec<_> = items.topics().iter().map(|group| (&*group.topic, group.partitions.len())).collect();
    assert_eq!(lengths, [("empty", 2), ("t", 20), ("new", 1)]);
}

fn produced(offset: i64) -> ProducedPartition {
    ProducedPartition { error: ErrorCode::NONE, offset: Offset(offset) }
}

/// What a search from end to end finds.
fn searched<'t>(items: &'t ByTopic<ProducedPartition>, topic: &str, partition: i32) -> Option<&'t ProducedPartition> {
    let mut all = items.iter().filter(|(name, number, _)| **name == *topic && *number == PartitionId(partition));
    all.next().map(|(_, _, item)| item)
}

#[test]
fn a_topic_that_stands_twice_is_one_topic() {
    let group = |partitions: std::ops::Range<i32>| TopicItems {
        topic: Text::from("t"),
        partitions: partitions.map(|n| (PartitionId(n), produced(n.into()))).collect(),
    };
    for (first, second) in [(0..2, 2..4), (0..20, 20..40), (0..0, 0..20)] {
        let end = second.end;
        let mut items = ByTopic::from(vec![group(first), group(second)]);
        items.push("t", end, produced(0));
        assert_eq!(items.topics().len(), 2, "what is added goes to a group that is there");
        assert!((0..=end).all(|n| items.find("t", PartitionId(n)).is_some()));
        assert!(items.find("t", PartitionId(end + 1)).is_none());
    }
}

proptest! {
    #[test]
    fn what_is_found_is_the_first_of_its_kind_however_the_list_came_about(
        given in vec(("[a-c]", vec(0..6i32, 0..6)), 0..6),
        pushed in vec(("[a-d]", 0..8i32), 0..40),
    ) {
        let mut count = 0;
        let mut number = || { count += 1; count };
        let groups = given.into_iter().map(|(topic, partitions)| TopicItems {
            topic: Text::from(topic),
            partitions: partitions.into_iter().map(|n| (PartitionId(n), produced(number()))).collect(),
        });
        let mut items = ByTopic::from(groups.collect::<Vec<_>>());
        for (topic, partition) in pushed {
            items.push(topic, partition, produced(number()));
        }
        let mut pairs: Vec<_> = items.iter().map(|(topic, partition, _)| TopicPartition::new(topic, partition)).collect();
        prop_assert_eq!(items.len(), pairs.len());
        for topic in ["a", "b", "c", "d", "e"] {
            for partition in -1..9 {
                let expected = searched(&items, topic, partition);
                prop_assert_eq!(items.find(topic, PartitionId(partition)), expected);
            }
        }
        pairs.sort();
        let twice: Vec<_> = pairs.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
        match items.duplicate() {
            Some(duplicate) => prop_assert!(twice.contains(&duplicate)),
            None => prop_assert!(twice.is_empty()),
        }
        // Read back from the wire it finds the same.
        let response = ProduceResponse { topics: items };
        let read = ProduceResponse::decode(&response.to_bytes().expect("small")).expect("its own bytes");
        prop_assert_eq!(&read, &response);
        for (topic, partition, _) in read.topics.iter() {
            prop_assert_eq!(read.topics.find(topic, partition), searched(&read.topics, topic, partition.0));
        }
    }

    #[test]
    fn metadata_finds_the_first_of_each_kind_in_short_and_long_lists(
        brokers in vec(0..30i32, 0..40),
        topics in vec(("[a-f]{1,2}", vec((0..40i32, -1..30i32), 0..40)), 0..40),
    ) {
        let brokers: Vec<_> = (0..).zip(brokers).map(|(port, node)| Broker {
            node: NodeId(node),
            host: Text::from("h"),
            raw_port: port,
        }).collect();
        let partition = |(partition, leader)| PartitionMetadata {
            error: ErrorCode::NONE,
            partition: PartitionId(partition),
            leader: (leader >= 0).then_some(NodeId(leader)),
            replicas: vec![],
            isr: vec![],
        };
        let topics: Vec<_> = topics.into_iter().map(|(name, partitions)| TopicMetadata {
            error: ErrorCode::NONE,
            name: Text::from(name),
            partitions: partitions.into_iter().map(partition).collect(),
        }).collect();
        let response = MetadataResponse::new(brokers, topics);
        let read = MetadataResponse::decode(&response.to_bytes().expect("small")).expect("its own bytes");
        prop_assert_eq!(&read, &response);
        for node in -1..31 {
            let expected = response.brokers().iter().find(|broker| broker.node == NodeId(node));
            prop_assert_eq!(response.broker(NodeId(node)), expected);
            prop_assert_eq!(read.broker(NodeId(node)), expected);
        }
        for name in response.topics().iter().map(|topic| &topic.name).chain([&Text::from("zz")]) {
            prop_assert_eq!(read.topic(name), response.topics().iter().find(|topic| topic.name == *name));
        }
    }
}

#[test]
fn a_partition_of_metadata_is_found_among_many_in_any_order() {
    let partition = |n| PartitionMetadata {
        error: ErrorCode::NONE,
        partition: PartitionId(n),
        leader: Some(NodeId(n % 3)),
        replicas: vec![],
        isr: vec![],
    };
    let brokers = (0..3).map(|node| Broker { node: NodeId(node), host: Text::from("h"), raw_port: 9092 + node });
    let topics = (0..100).map(|n| TopicMetadata {
        error: ErrorCode::NONE,
        name: Text::from(format!("t{n}")),
        partitions: (0..50).rev().map(partition).collect(),
    });
    let response = MetadataResponse::new(brokers.collect(), topics.collect());
    for topic in 0..100 {
        for n in 0..50 {
            let name = format!("t{topic}");
            let found = response.find(&name, PartitionId(n)).expect("it is listed");
            assert_eq!(found, response.topic(&name).and_then(|topic| topic.find(n)).expect("listed"));
        }
    }
    assert_eq!(response.find("t5", PartitionId(50)), None);
    assert_eq!(response.find("t100", PartitionId(0)), None);
}

#[test]
fn items_that_differ_or_are_grouped_otherwise_are_not_equal() {
    let of = |groups: Vec<(&str, Vec<(PartitionId, ProducedPartition)>)>| {
        let group = |(topic, partitions)| TopicItems { topic: Text::from(topic), partitions };
        ByTopic::from(groups.into_iter().map(group).collect::<Vec<_>>())
    };
    let at = |partition, offset| (PartitionId(partition), produced(offset));
    let both = of(vec![("t", vec![at(0, 1), at(1, 1)])]);
    let mut pushed = ByTopic::default();
    pushed.push("t", 0, produced(1));
    assert_ne!(pushed, both);
    pushed.push("t", 1, produced(1));
    assert_eq!(pushed, both, "however they came about");
    assert_ne!(of(vec![("t", vec![at(0, 1), at(1, 2)])]), both, "another offset");
    assert_ne!(of(vec![("u", vec![at(0, 1), at(1, 1)])]), both, "another topic");
    assert_ne!(of(vec![("t", vec![at(0, 1)]), ("t", vec![at(1, 1)])]), both, "two groups");
}

#[test]
fn metadata_is_equal_if_both_its_lists_are() {
    let listed = metadata();
    let of = |brokers: &[Broker], topics: &[TopicMetadata]| MetadataResponse::new(brokers.to_vec(), topics.to_vec());
    assert_eq!(of(listed.brokers(), listed.topics()), listed);
    assert_ne!(of(&[], listed.topics()), listed);
    assert_ne!(of(listed.brokers(), &[]), listed);
}

#[test]
fn what_is_indexed_prints_what_it_lists_and_nothing_else() {
    let mut items = ByTopic::default();
    (0..20).for_each(|n| items.push("t", n, ()));
    assert_eq!(format!("{items:?}"), format!("ByTopic {{ topics: {:?} }}", items.topics()));
    let metadata = metadata();
    assert_eq!(
        format!("{metadata:?}"),
        format!("MetadataResponse {{ brokers: {:?}, topics: {:?} }}", metadata.brokers(), metadata.topics())
    );
}

fn metadata() -> MetadataResponse {
    let partition = |n, leader, error| PartitionMetadata {
        error: ErrorCode(error),
        partition: PartitionId(n),
        leader: (leader >= 0).then_some(NodeId(leader)),
        replicas: vec![],
        isr: vec![],
    };
    let topic = |name, error, partitions| TopicMetadata { error: ErrorCode(error), name: Text::from(name), partitions };
    MetadataResponse::new(
        vec![Broker { node: NodeId(0), host: Text::from("h"), raw_port: 9092 }],
        vec![
            topic("t", 0, vec![partition(0, 0, 9), partition(1, -1, 5), partition(2, -1, 0), partition(3, 7, 0)]),
            topic("new", 5, vec![]),
            topic("a b", 17, vec![]),
        ],
    )
}

#[test]
fn a_leader_that_is_not_known_is_told_by_its_reason() {
    let metadata = metadata();
    assert_eq!(metadata.leader_of("t", 0).map(|broker| broker.node), Ok(NodeId(0)), "code 9 means nothing");
    for (topic, partition, problem, retry, text) in [
        (
            "u",
            0,
            LeaderProblem::TopicMissing,
            Retry::Limited,
            "no leader is known for u/0: the metadata does not list the topic; ask for it by its name",
        ),
        (
            "new",
            0,
            LeaderProblem::TopicRefused(ErrorCode(5)),
            Retry::Yes,
            "no leader is known for new/0: the topic has LeaderNotAvailable (5); ask for metadata again after a pause: a \
             leader is being elected or the topic is new",
        ),
        (
            "a b",
            0,
            LeaderProblem::TopicRefused(ErrorCode(17)),
            Retry::No,
            "no leader is known for a b/0: the topic has InvalidTopic (17); use another topic",
        ),
        (
            "t",
            4,
            LeaderProblem::NoSuchPartition,
            Retry::Limited,
            "no leader is known for t/4: the topic has no such partition; check the number, or ask for metadata again",
        ),
        (
            "t",
            1,
            LeaderProblem::NoLeader(ErrorCode(5)),
            Retry::Yes,
            "no leader is known for t/1: the partition has LeaderNotAvailable (5); ask for metadata again after a pause: a \
             leader is being elected or the topic is new",
        ),
        (
            "t",
            2,
            LeaderProblem::NoLeader(ErrorCode(0)),
            Retry::Yes,
            "no leader is known for t/2: the partition has no leader now; ask for metadata again after a pause",
        ),
        (
            "t",
            3,
            LeaderProblem::BrokerMissing(NodeId(7)),
            Retry::Yes,
            "no leader is known for t/3: the leader is broker 7, which the metadata does not list; ask for metadata again after a \
             pause",
        ),
    ] {
        let error = metadata.leader_of(topic, partition).expect_err("no leader");
        assert_eq!((error.problem, error.retry()), (problem, retry));
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_partition_that_failed_is_an_error_that_names_it() {
    let failed = ProducedPartition { error: ErrorCode(6), ..produced(-1) };
    let mut response = ProduceResponse::default();
    response.topics.push("t", 0, produced(42));
    response.topics.push("t", 1, failed);
    assert_eq!(response.partition("t", 0), Ok(&produced(42)));
    let refused = response.partition("t", 1).expect_err("code 6");
    assert_eq!((refused.problem, refused.retry()), (PartitionProblem::Refused(ErrorCode(6)), Retry::Yes));
    assert_eq!(
        refused.to_string(),
        "Produce for t/1 failed with NotLeaderForPartition (6): look up the leader, then try again"
    );
    let missing = response.partition("t", 2).expect_err("not listed");
    assert_eq!((missing.problem, missing.retry()), (PartitionProblem::Missing, Retry::Limited));
    assert_eq!(
        missing.to_string(),
        "the Produce response does not list t/2: if the request did, the messages may have been appended or not; send \
         them again if a duplicate does no harm"
    );
}

#[test]
fn every_response_with_a_code_for_each_partition_gives_the_item_or_the_error() {
    let code = |code| ErrorCode(code);
    let mut fetch = FetchResponse::default();
    let messages = MessageSet::new(Bytes::new(), Origin::Fetched);
    fetch.topics.push("t", 0, FetchedPartition { error: code(1), high_watermark: Offset::NONE, messages });
    let mut offsets = ListOffsetsResponse::default();
    offsets.topics.push("t", 0, PartitionOffsets { error: code(3), offsets: vec![] });
    let mut commit = OffsetCommitResponse::default();
    commit.topics.push("t", 0, code(12));
    let codes = [
        fetch.partition("t", 0).expect_err("code 1"),
        offsets.partition("t", 0).expect_err("code 3"),
        commit.partition("t", 0).expect_err("code 12"),
    ]
    .map(|error| error.problem);
    assert_eq!(codes, [1, 3, 12].map(|number| PartitionProblem::Refused(code(number))));
    assert_eq!(fetch.topics.find("t", 0).map(|item| item.error), Some(code(1)), "whatever its code");
    assert_eq!(offsets.topics.find("t", 0).map(|item| item.error), Some(code(3)));
    assert_eq!(commit.topics.find("t", 0), Some(&code(12)));
    let missing = [
        fetch.partition("t", 9).expect_err("not listed"),
        offsets.partition("t", 9).expect_err("not listed"),
        commit.partition("t", 9).expect_err("not listed"),
    ]
    .map(|error| (error.api.0, error.problem));
    assert_eq!(missing, [1, 2, 8].map(|key| (key, PartitionProblem::Missing)));
}

#[test]
fn each_version_of_offset_fetch_says_in_its_own_way_that_nothing_is_committed() {
    let mut topics = ByTopic::default();
    for (partition, offset, error) in [(0, 7, 0), (1, -1, 0), (2, -1, 3), (3, -1, 16), (5, 0, 0)] {
        let (offset, error) = (Offset(offset), ErrorCode(error));
        topics.push("t", partition, CommittedOffset { offset, metadata: None, error });
    }
    let (v0, v1) = (OffsetFetchResponseV0 { topics: topics.clone() }, OffsetFetchResponseV1 { topics });
    let of_v0 = |n| v0.committed("t", n).map(|found| found.map(|found| found.offset)).map_err(|error| error.problem);
    let of_v1 = |n| v1.committed("t", n).map(|found| found.map(|found| found.offset)).map_err(|error| error.problem);
    let refused = |code| Err(PartitionProblem::Refused(ErrorCode(code)));
    assert_eq!((of_v0(0), of_v1(0)), (Ok(Some(Offset(7))), Ok(Some(Offset(7)))));
    assert_eq!((of_v0(5), of_v1(5)), (Ok(Some(Offset(0))), Ok(Some(Offset(0)))), "a group at the very beginning");
    // ZooKeeper holds whatever was committed, where Kafka says by it that it has nothing.
    assert_eq!((of_v0(1), of_v1(1)), (Ok(Some(Offset(-1))), Ok(None)));
    // Version 1 says by code 3 that there is no such partition.
    assert_eq!((of_v0(2), of_v1(2)), (Ok(None), refused(3)));
    assert_eq!((of_v0(3), of_v1(3)), (refused(16), refused(16)));
    assert_eq!((of_v0(4), of_v1(4)), (Err(PartitionProblem::Missing), Err(PartitionProblem::Missing)));
    assert_eq!(v1.committed("t", 4).map_err(|error| error.api), Err(ApiKey::OFFSET_FETCH));
}
