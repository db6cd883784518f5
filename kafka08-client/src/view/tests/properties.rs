//! What holds for any answers in any order.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// What the public methods of a view say, as plain maps.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    leaders: BTreeMap<TopicPartition, Result<NodeId, LeaderProblem>>,
    endpoints: BTreeMap<NodeId, String>,
    topics: BTreeMap<Text, (ErrorCode, usize)>,
}

impl Seen {
    fn of(view: &View) -> Self {
        let mut seen = Self::default();
        for (name, topic) in view.topics() {
            seen.topics.insert(name.clone(), (topic.error(), topic.partitions().len()));
            for (id, partition) in topic.partitions() {
                seen.leaders.insert(TopicPartition::new(name, id), partition.leader);
            }
        }
        seen.endpoints.extend(view.brokers().map(|node| (node, format!("{:?}", view.endpoint(node)))));
        seen
    }

    /// What has changed between two moments, each list sorted.
    fn changes_to(&self, after: &Self) -> Changes {
        let led = |seen: &Self| -> BTreeMap<TopicPartition, NodeId> {
            seen.leaders.iter().filter_map(|(of, leader)| Some((of.clone(), leader.ok()?))).collect()
        };
        Changes {
            leaders: differing(&led(self), &led(after)),
            endpoints: differing(&self.endpoints, &after.endpoints),
            topics: differing(&self.topics, &after.topics),
        }
    }
}

fn differing<K: Ord + Clone, V: PartialEq>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>) -> Vec<K> {
    let keys: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter(|key| before.get(key) != after.get(key)).cloned().collect()
}

fn any_code() -> impl Strategy<Value = ErrorCode> {
    select(vec![0, 0, 0, 3, 5, 9, -1, 17, 99]).prop_map(ErrorCode)
}

fn any_broker() -> impl Strategy<Value = Broker> {
    (-2..6, select(vec!["a", "b", "", "a b"]), select(vec![1, 2, 0, -1, 65536]))
        .prop_map(|(node, host, raw_port)| Broker { node: NodeId(node), host: host.into(), raw_port })
}

fn any_partition() -> impl Strategy<Value = PartitionMetadata> {
    (any_code(), -2..8, proptest::option::of(-2..6)).prop_map(|(error, id, leader)| PartitionMetadata {
        error,
        partition: PartitionId(id),
        leader: leader.filter(|node| *node != -1).map(NodeId),
        replicas: Vec::new(),
        isr: Vec::new(),
    })
}

fn any_name() -> impl Strategy<Value = Text> {
    select(vec!["t", "u", "v", "w"]).prop_map(Text::from)
}

fn any_answer() -> impl Strategy<Value = MetadataResponse> {
    let topic = (any_code(), any_name(), vec(any_partition(), 0..10))
        .prop_map(|(error, name, partitions)| TopicMetadata { error, name, partitions });
    (vec(any_broker(), 0..6), vec(topic, 0..5)).prop_map(|(brokers, topics)| MetadataResponse::new(brokers, topics))
}

fn any_topics() -> impl Strategy<Value = Topics> {
    prop_oneof![Just(Topics::All), vec(any_name(), 1..3).prop_map(Topics::Named)]
}

/// Answers with the seconds before each.
fn any_history() -> impl Strategy<Value = Vec<(u64, Topics, MetadataResponse)>> {
    vec((select(vec![0, 1, 100, 450, 900, 901]), any_topics(), any_answer()), 1..12)
}

/// What an answer says of the partitions, as the first entries of what was asked for.
fn said(topics: &Topics, answer: &MetadataResponse) -> BTreeMap<TopicPartition, Option<NodeId>> {
    let mut said = BTreeMap::new();
    let mut names = BTreeSet::new();
    for topic in answer.topics() {
        let is_asked =
            matches!(topics, Topics::All) || matches!(topics, Topics::Named(names) if names.contains(&topic.name));
        if !is_asked || !names.insert(topic.name.clone()) {
            continue;
        }
        for partition in topic.partitions.iter().filter(|partition| partition.partition.0 >= 0) {
            let of = TopicPartition::new(&topic.name, partition.partition);
            said.entry(of).or_insert_with(|| partition.leader.filter(|node| node.0 >= 0));
        }
    }
    said
}

proptest! {
    #[test]
    fn what_is_said_is_believed_and_what_is_not_said_stays_for_three_maximum_ages(history in any_history()) {
        let mut view = View::default();
        let mut confirmed = BTreeMap::new();
        let mut now = 0;
        for (pause, topics, answer) in history {
            now += pause;
            let before = Seen::of(&view);
            merge_answer(&mut view, now, &topics, &answer);
            let after = Seen::of(&view);
            let said = said(&topics, &answer);
            confirmed.extend(said.keys().map(|of| (of.clone(), now)));
            for (of, leader) in &said {
                let known = leader.filter(|node| after.endpoints.contains_key(node));
                prop_assert_eq!(after.leaders.get(of).map(|leader| leader.ok()), Some(known), "{:?}", of);
            }
            for (of, time) in &confirmed {
                prop_assert!(now - time > 900 || after.leaders.contains_key(of), "{:?} is lost", of);
            }
            for (of, leader) in before.leaders.iter().filter(|(of, _)| !said.contains_key(of)) {
                let stays = match (leader, after.leaders.get(of)) {
                    (Err(LeaderProblem::BrokerMissing(node)), Some(Ok(found))) => node == found,
                    (_, None) => true,
                    (before, Some(after)) => before == after,
                };
                prop_assert!(stays, "{:?} was {:?} and is {:?}", of, leader, after.leaders.get(of));
            }
        }
    }

    #[test]
    fn changes_are_exactly_what_differs(history in any_history()) {
        let mut view = View::default();
        let mut now = 0;
        for (pause, topics, answer) in history {
            now += pause;
            let before = Seen::of(&view);
            let mut changes = merge_answer(&mut view, now, &topics, &answer);
            changes.leaders.sort();
            changes.endpoints.sort();
            changes.topics.sort();
            prop_assert_eq!(before.changes_to(&Seen::of(&view)), changes);
        }
    }

    #[test]
    fn an_answer_that_is_merged_again_changes_nothing(history in any_history(), later in 0u64..=900) {
        let mut view = View::default();
        let mut now = 0;
        for (pause, topics, answer) in history {
            now += pause;
            merge_answer(&mut view, now, &topics, &answer);
            let before = Seen::of(&view);
            let mut twin = view.clone();
            prop_assert_eq!(merge_answer(&mut view, now, &topics, &answer), Changes::default());
            prop_assert_eq!(&before, &Seen::of(&view));
            // Later, what the answer lists is still the same, and what it does not list may go.
            merge_answer(&mut twin, now + later, &topics, &answer);
            let after = Seen::of(&twin);
            for of in said(&topics, &answer).keys() {
                prop_assert_eq!(before.leaders.get(of), after.leaders.get(of));
            }
        }
    }

    #[test]
    fn a_named_answer_leaves_the_leaders_of_other_topics_alone(history in any_history(), answer in any_answer()) {
        let mut view = View::default();
        for (_, topics, answer) in history {
            merge_answer(&mut view, 0, &topics, &answer);
        }
        let before = Seen::of(&view);
        merge_answer(&mut view, 10_000, &asked("t"), &answer);
        let after = Seen::of(&view);
        for (of, leader) in before.leaders.iter().filter(|(of, _)| of.topic != "t") {
            let after = after.leaders.get(of);
            let is_found = matches!((leader, after), (Err(LeaderProblem::BrokerMissing(_)), Some(Ok(_))));
            prop_assert!(is_found || after == Some(leader), "{:?}", of);
        }
    }
}
