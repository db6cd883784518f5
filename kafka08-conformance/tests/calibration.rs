//! The checks themselves are tested: each fails when the broker has a fault that it is there to find, and each of these faults is
//! found. The embedded broker has the faults; without one it passes every check (see `embedded.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kafka08_broker::{BrokerConfig, Lie, Rule, Server};
use kafka08_conformance::{Target, Verdict, run};
use kafka08_proto::{error_code::ErrorCode, ids::NodeId, profile::Profile};

/// What is wrong with the broker.
enum Fault {
    /// A rule that its answers follow.
    Rule(Rule),
    /// It accepts connections and bytes, and does nothing.
    Paused,
    /// It is another release.
    Release(Profile),
    /// It has another limit of messages than the target says.
    MessageLimit(usize),
    /// It gives up on a request that takes this long to arrive.
    Impatience(Duration),
}

/// A rule for every request of a check. The requests that only make a topic have correlation id 0, and are answered well.
fn on_checks() -> Rule {
    Rule::on_any().matching("of a check", |view| view.header.correlation_id.0 != 0)
}

/// The registry: each fault, by name.
fn faults() -> Vec<(&'static str, Fault)> {
    let rule = |rule| Fault::Rule(rule);
    vec![
        ("the correlation id is wrong", rule(on_checks().shift_id(1))),
        ("the last field is wrong", rule(on_checks().corrupt(11, 0x40))),
        ("every code is -1", rule(on_checks().answer_with(ErrorCode::UNKNOWN))),
        ("every code is 0", rule(on_checks().answer_with(ErrorCode::NONE))),
        ("an answer comes twice", rule(on_checks().twice())),
        ("nothing is answered", rule(on_checks().ignore())),
        ("the connection is closed instead", rule(on_checks().close_before())),
        ("answers are late", rule(on_checks().delay(Duration::from_secs(3)))),
        ("answers are cut", rule(on_checks().cut(9))),
        ("acks 0 is answered", rule(on_checks().answer_acks_0())),
        ("a failed produce with acks 0 keeps the connection", rule(on_checks().keep_open_on_acks_0())),
        ("partitions are missing", rule(on_checks().omit())),
        ("partitions are doubled", rule(on_checks().duplicate())),
        ("another protocol is spoken", rule(on_checks().lie(Lie::Http))),
        ("the broker is paused", Fault::Paused),
        ("the broker is 0.8.0", Fault::Release(Profile::V0_8_0)),
        ("the broker is 0.8.1", Fault::Release(Profile::V0_8_1)),
        ("messages may be one byte larger", Fault::MessageLimit(1_000_013)),
        ("it does not wait for the rest of a request", Fault::Impatience(Duration::from_millis(50))),
        ("messages may be one byte smaller only", Fault::MessageLimit(1_000_011)),
    ]
}

/// The ids of the checks that fail with a fault, of those that apply.
fn tripped_by(fault: Fault) -> BTreeSet<String> {
    let config = BrokerConfig::default()
        .with_partitions(2)
        .with_offsets_partitions(4)
        .with_segment_bytes(4 << 20)
        .with_max_frame(104_857_600)
        .with_max_connections(4096);
    let server = Server::start(match fault {
        Fault::Release(profile) => config.with_profile(profile),
        Fault::MessageLimit(bytes) => config.with_max_message(bytes),
        Fault::Impatience(time) => config.with_frame_timeout(time),
        Fault::Rule(_) | Fault::Paused => config,
    })
    .expect("a free port");
    match fault {
        Fault::Rule(rule) => drop(server.add_rule(rule)),
        Fault::Paused => server.with(|cluster, now| cluster.pause(NodeId(1), now)),
        Fault::Release(_) | Fault::MessageLimit(_) | Fault::Impatience(_) => {}
    }
    let target = Target::new(server.host_port(), Profile::V0_8_2)
        .with_partitions(2)
        .with_segment_bytes(4 << 20)
        .with_fresh_cluster()
        // A check that waits for what never comes ends after this time. It is longer than any pause in a check.
        .with_time_limit(Duration::from_millis(2500))
        .with_workers(64);
    let report = run(&target, |_| true);
    let failed =
        report.results().iter().filter(|result| matches!(result.verdict, Verdict::Failed(_) | Verdict::Error(_)));
    failed.map(|result| result.id.clone()).collect()
}

#[test]
#[ignore = "it takes minutes: `.ci/long calibration` runs it"]
fn each_check_is_tripped_by_a_fault_and_each_fault_trips_a_check() {
    let mut faults_of: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, fault) in faults() {
        let tripped = tripped_by(fault);
        println!("{:>4} checks: {name}", tripped.len());
        assert!(!tripped.is_empty(), "no check finds that {name}");
        for id in tripped {
            faults_of.entry(id).or_default().push(name);
        }
    }
    let server = Server::start(BrokerConfig::default().with_partitions(2)).expect("a free port");
    let target = Target::new(server.host_port(), Profile::V0_8_2).with_partitions(2).with_segment_bytes(4 << 20);
    let report = run(&target.with_fresh_cluster(), |_| true);
    let applies = |verdict: &Verdict| !matches!(verdict, Verdict::Skipped(_));
    let applicable = report.results().iter().filter(|result| applies(&result.verdict)).map(|result| result.id.as_str());
    let missed: Vec<&str> = applicable.filter(|id| !faults_of.contains_key(*id)).collect();
    assert!(missed.is_empty(), "no fault trips {} checks: {missed:?}", missed.len());
    // A check that only a paused broker fails would find very little.
    let weak = faults_of.iter().filter(|(_, faults)| faults.len() == 1);
    println!("tripped by one fault only: {:?}", weak.collect::<Vec<_>>());
}
