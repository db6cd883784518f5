//! What the errors of the crate say: what happened, to what, and what to do next.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use kafka08_broker::{BrokerConfig, NoSuchPartition, NotDecoded, Refused, Rule, Server};
use kafka08_proto::ids::{NodeId, PartitionId, TopicPartition};

#[test]
fn a_connection_that_is_refused_says_by_whom_and_why() {
    assert_eq!(Refused::NotRunning(NodeId(2)).to_string(), "broker 2 does not run: start it first");
    assert_eq!(
        Refused::TooManyConnections { node: NodeId(1), limit: 256 }.to_string(),
        "broker 1 has 256 connections already: raise BrokerConfig::with_max_connections"
    );
}

#[test]
fn a_partition_that_is_not_there_is_named() {
    let of = TopicPartition { topic: "orders".into(), partition: PartitionId(3) };
    assert_eq!(
        NoSuchPartition { of: of.clone(), node: None }.to_string(),
        "there is no partition 3 of orders: create the topic first"
    );
    assert_eq!(
        NoSuchPartition { of, node: Some(NodeId(2)) }.to_string(),
        "broker 2 has no replica of partition 3 of orders"
    );
}

#[test]
fn a_condition_that_does_not_hold_says_how_long_it_was_waited() {
    let server = Server::start(BrokerConfig::default()).expect("a free port");
    let error = server.wait_until(Duration::from_millis(1), |_| false).expect_err("it never holds");
    assert_eq!(
        error.to_string(),
        "the condition did not hold within 1ms: look at the history of the cluster for what happened"
    );
}

#[test]
fn a_body_that_cannot_be_decoded_says_why() {
    assert_eq!(NotDecoded::NoResponse.to_string(), "the request has no answer");
    assert_eq!(NotDecoded::NotKept.to_string(), "the body is longer than the history keeps: raise its limit");
}

#[test]
fn a_rule_that_cannot_be_read_says_where_and_what_could_stand_there() {
    let error = "produce nht=3: answer code=6".parse::<Rule>().expect_err("a misspelling");
    let text = error.to_string();
    assert!(text.contains("nht"), "{text}");
}

#[test]
fn a_server_that_cannot_start_says_where_and_what_to_do() {
    let taken = Server::start(BrokerConfig::default()).expect("a free port");
    let config = BrokerConfig::default().with_listen(taken.address());
    let text = Server::start(config).expect_err("the port is taken").to_string();
    assert!(text.contains(&taken.host_port()) && text.contains("use another port"), "{text}");
    let text = Server::start(BrokerConfig::default().with_topic("a b", 1)).expect_err("a bad name").to_string();
    assert!(text.contains("\"a b\"") && text.contains("1 to 255 characters"), "{text}");
    let config = BrokerConfig::default().with_max_topics(1).with_topic("a", 1).with_topic("b", 1);
    let text = Server::start(config).expect_err("too many topics").to_string();
    assert!(text.contains("with_max_topics"), "{text}");
}

/// The errors of a folder of sources.
fn errors(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(errors(&path));
            continue;
        }
        let text = fs::read_to_string(&path).expect("it can be read");
        let names = text.lines().filter_map(|line| {
            let (_, rest) = line.split_once("Error for ").filter(|(front, _)| front.starts_with("impl "))?;
            Some(rest.trim_end_matches([' ', '{', '}']).to_owned())
        });
        found.extend(names);
    }
    found
}

#[test]
fn every_error_has_a_test_of_its_text() {
    let here = ["NoSuchPartition", "NotDecoded", "NotInTime", "ParseRuleError", "Refused"];
    // Their tests stand beside them, because they are not public.
    let inside = ["CompactError", "StorageError"];
    let known: BTreeSet<String> = here.into_iter().chain(inside).map(str::to_owned).collect();
    assert_eq!(errors(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")), known);
}
