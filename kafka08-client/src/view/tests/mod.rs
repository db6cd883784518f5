//! Answers and views as texts, so that a test shows both at one look.
//!
//! An answer is `1=a:9092 2=b:9092 | t: 0@1 1@- | u!5:`: brokers, then topics. `!` is before a code, `@` before a leader,
//! `-` is none. A view reads the same, with `~` behind the name of a topic that is to be asked for again, `?` before a
//! leader that is not known, and the problem of an address in the place of the address.

mod ages;
mod bounds;
mod cost;
mod lies;
mod properties;

use std::{
    collections::BTreeSet,
    sync::OnceLock,
    time::{Duration, Instant},
};

use kafka08_proto::{
    HostPort,
    api::{Broker, LeaderProblem, MetadataResponse, PartitionMetadata, TopicMetadata, Topics},
    error_code::ErrorCode,
    ids::{NodeId, PartitionId, Text, TopicPartition},
};

use super::{Changes, View};

const MAX_AGE: Duration = Duration::from_secs(300);

/// A time after the start of the tests.
fn at(seconds: u64) -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "the standard library makes an Instant in no other way")]
    let start = *START.get_or_init(Instant::now);
    start + Duration::from_secs(seconds)
}

fn code_and_rest(text: &str) -> (&str, ErrorCode) {
    let (rest, code) = text.split_once('!').unwrap_or((text, "0"));
    (rest, ErrorCode(code.parse().expect("a code is a number")))
}

fn broker(text: &str) -> Broker {
    let (node, address) = text.split_once('=').expect("a broker is id=host:port");
    let (host, port) = address.rsplit_once(':').expect("a broker has a port");
    let host = match host {
        "<long>" => "h".repeat(65_000),
        "<nul>" => "a\0b".to_owned(),
        "<newline>" => "a\nb".to_owned(),
        "<space>" => "a b".to_owned(),
        host => host.to_owned(),
    };
    let port = port.parse().expect("a port is a number");
    Broker { node: NodeId(node.parse().expect("an id is a number")), host: host.into(), raw_port: port }
}

fn partition(text: &str) -> PartitionMetadata {
    let (rest, error) = code_and_rest(text);
    let (id, leader) = rest.split_once('@').expect("a partition has a leader");
    let leader = (leader != "-").then(|| NodeId(leader.parse().expect("a leader is a number")));
    let id = PartitionId(id.parse().expect("an id is a number"));
    PartitionMetadata { error, partition: id, leader, replicas: Vec::new(), isr: Vec::new() }
}

fn topic(text: &str) -> TopicMetadata {
    let (name, partitions) = text.split_once(':').expect("a topic is name: partitions");
    let (name, error) = code_and_rest(name.trim());
    TopicMetadata { error, name: name.into(), partitions: partitions.split_whitespace().map(partition).collect() }
}

fn answer(text: &str) -> MetadataResponse {
    let mut parts = text.split('|');
    let brokers = parts.next().unwrap_or_default().split_whitespace().map(broker).collect();
    MetadataResponse::new(brokers, parts.map(topic).collect())
}

/// `*` is all topics.
fn asked(text: &str) -> Topics {
    if text == "*" { Topics::All } else { Topics::Named(text.split_whitespace().map(Text::from).collect()) }
}

fn merge(view: &mut View, seconds: u64, topics: &str, text: &str) -> Changes {
    merge_answer(view, seconds, &asked(topics), &answer(text))
}

fn merge_answer(view: &mut View, seconds: u64, topics: &Topics, answer: &MetadataResponse) -> Changes {
    let changes = view.merge(at(seconds), MAX_AGE, topics, answer, &|_, to| Some(to));
    assert_sound(view);
    changes
}

fn seen(text: &str) -> View {
    let mut view = View::default();
    merge(&mut view, 0, "*", text);
    view
}

fn show(view: &View) -> String {
    let brokers = view.brokers().map(|node| match view.endpoint(node).expect("a known broker has an endpoint") {
        Ok(to) => format!("{node}={to}"),
        Err(problem) => format!("{node}={problem:?}"),
    });
    let mut parts = vec![brokers.collect::<Vec<_>>().join(" ")];
    for (name, topic) in view.topics() {
        let mut part = name.to_string();
        if view.unsettled().any(|unsettled| unsettled == name) {
            part.push('~');
        }
        if !topic.error().is_ok() {
            part.push_str(&format!("!{}", topic.error().0));
        }
        part.push(':');
        for (id, _) in topic.partitions() {
            part.push_str(&match view.leader(name, id) {
                Ok(node) => format!(" {id}@{node}"),
                Err(LeaderProblem::NoLeader(code)) => format!(" {id}@-!{}", code.0),
                Err(LeaderProblem::BrokerMissing(node)) => format!(" {id}@?{node}"),
                Err(other) => format!(" {id}@{other:?}"),
            });
        }
        parts.push(part);
    }
    parts.join(" | ").trim().to_owned()
}

/// The partitions, brokers and topics of changes, sorted.
fn show_changes(changes: &Changes) -> String {
    let mut leaders: Vec<_> = changes.leaders.iter().map(|of| format!("{}/{}", of.topic, of.partition)).collect();
    let mut endpoints: Vec<_> = changes.endpoints.iter().map(ToString::to_string).collect();
    let mut topics: Vec<_> = changes.topics.iter().map(ToString::to_string).collect();
    for list in [&mut leaders, &mut endpoints, &mut topics] {
        list.sort();
    }
    leaders.into_iter().chain(endpoints).chain(topics).collect::<Vec<_>>().join(" ")
}

/// Compares what a view keeps besides its topics and brokers with what follows from these.
fn assert_sound(view: &View) {
    let (mut covered, mut led, mut unsettled) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, topic) in &view.topics {
        assert_eq!(name, &topic.name);
        covered.insert((topic.covered, name.clone()));
        let ids: Vec<_> = topic.partitions().map(|(id, _)| id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b) && ids.iter().all(|id| id.0 >= 0), "{ids:?}");
        let is_empty = topic.error.is_ok() && ids.is_empty();
        let mut is_unsettled = is_empty || [3, 5, -1].contains(&topic.error.0);
        for (_, partition) in topic.partitions() {
            if let Ok(node) | Err(LeaderProblem::BrokerMissing(node)) = partition.leader {
                led.insert((node, name.clone()));
                assert_eq!(partition.leader.is_ok(), view.endpoint(node).is_some(), "{name:?} {partition:?}");
            }
            is_unsettled |= !partition.leader.is_ok_and(|node| view.endpoint(node).is_some_and(|to| to.is_ok()));
        }
        if is_unsettled {
            unsettled.insert(name.clone());
        }
    }
    assert_eq!(view.partitions, view.topics.values().map(|topic| topic.partitions().len()).sum::<usize>());
    assert_eq!((&view.covered, &view.led, &view.unsettled), (&covered, &led, &unsettled));
}
