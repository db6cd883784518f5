//! Starts of groups that commit in two stores.

use kafka08_broker::{BrokerConfig, RequestView, Rule};
use kafka08_client::{
    config::{ConsumerConfig, EndAt, OffsetStore, ReleaseSetting, Reset, StartAt},
    consumer::{ConsumerEvent, FetchCause, ResetCause},
};
use kafka08_proto::{
    api::{ConsumerMetadataRequest, OffsetCommitRequestV0, OffsetCommitRequestV1},
    error_code::ErrorCode,
    ids::{ApiKey, ApiVersion, NodeId, Offset, Text},
    profile::Profile,
};

use crate::{
    SECOND,
    both::{ConsumerRig, ask, assign, cluster, committed, numbers, part, produce, rig, rig_at, started},
    rig::address,
};

fn three() -> BrokerConfig {
    BrokerConfig::default().with_brokers(3).with_replication(3).with_topic("t", 3)
}

fn larger(otherwise: Reset) -> StartAt {
    StartAt::LargerCommitted { group: Text::from_static("g"), otherwise }
}

/// Brokers with ten messages, and a group that has committed these offsets in each store.
fn with_commits(kafka: Option<i64>, zookeeper: Option<i64>) -> ConsumerRig {
    let mut rig = rig(BrokerConfig::default().with_topic("t", 3), ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..10));
    // Not through the consumer, which is to look for the coordinator by itself.
    ask(&mut rig, NodeId(1), &ConsumerMetadataRequest { group: Text::from_static("g") });
    rig.pass(5 * SECOND);
    if let Some(offset) = kafka {
        let request = OffsetCommitRequestV1::new("g").with("t", 0, Offset(offset), Text::default());
        assert_eq!(ask(&mut rig, NodeId(1), &request).topics.find("t", 0), Some(&ErrorCode::NONE));
    }
    if let Some(offset) = zookeeper {
        let request = OffsetCommitRequestV0::new("g").with("t", 0, Offset(offset));
        assert_eq!(ask(&mut rig, NodeId(1), &request).topics.find("t", 0), Some(&ErrorCode::NONE));
    }
    rig
}

fn resets(rig: &ConsumerRig) -> usize {
    rig.events.iter().filter(|event| matches!(event, ConsumerEvent::Reset { .. })).count()
}

fn failures(rig: &ConsumerRig) -> Vec<FetchCause> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Failed { cause, .. } => Some(cause.clone()),
        _ => None,
    };
    rig.events.iter().filter_map(of).collect()
}

#[test]
fn the_larger_of_both_offsets_counts_and_one_that_is_absent_does_not() {
    for (kafka, zookeeper, from) in
        [(Some(3), Some(7), 7), (Some(7), Some(3), 7), (Some(5), None, 5), (None, Some(5), 5), (Some(0), None, 0)]
    {
        let mut rig = with_commits(kafka, zookeeper);
        assign(&mut rig, 0, larger(Reset::Latest), EndAt::Never);
        rig.pass(5 * SECOND);
        assert_eq!((started(&rig), resets(&rig)), (vec![(0, from)], 0), "{kafka:?} {zookeeper:?}");
    }
}

#[test]
fn a_group_that_has_committed_in_neither_store_is_reset_or_fails_once() {
    let why = ResetCause::NothingCommitted { group: Text::from_static("g") };
    for (otherwise, from) in [(Reset::Earliest, Some(0)), (Reset::Latest, Some(10)), (Reset::Fail, None)] {
        let mut rig = with_commits(None, None);
        assign(&mut rig, 0, larger(otherwise), EndAt::Never);
        rig.pass(10 * SECOND);
        match from {
            Some(from) => assert_eq!((started(&rig), resets(&rig)), (vec![(0, from)], 1)),
            None => assert_eq!(failures(&rig), [FetchCause::Lost(why.clone())]),
        }
    }
}

#[test]
fn a_store_that_cannot_answer_is_waited_for_and_is_never_taken_for_an_empty_one() {
    // The one with the larger offset, and the one with the smaller.
    for (kafka, zookeeper) in [(7, 3), (3, 7)] {
        let mut rig = with_commits(Some(kafka), Some(zookeeper));
        let rule = rig.brokers.add_rule("consumer-metadata: answer code=15".parse().expect("a rule"));
        assign(&mut rig, 0, larger(Reset::Latest), EndAt::Never);
        rig.pass(300 * SECOND);
        assert_eq!((started(&rig), resets(&rig), failures(&rig)), (vec![], 0, vec![]));
        let stalled = rig.events.iter().filter(|event| matches!(event, ConsumerEvent::Stalled { .. })).count();
        assert_eq!(stalled, 1, "{:?}", rig.events);
        assert!(rig.brokers.remove_rule(rule).is_some());
        rig.pass(60 * SECOND);
        assert_eq!(started(&rig), [(0, 7)]);
    }
}

#[test]
fn an_error_in_one_store_is_asked_for_again_and_the_other_one_is_not() {
    for version in [0, 1] {
        for code in [56, -1, 14] {
            let mut rig = with_commits(Some(3), Some(7));
            let is_of_store = move |request: &RequestView<'_>| request.header.api.version == ApiVersion(version);
            let rule = Rule::on(ApiKey::OFFSET_FETCH).matching("of one store", is_of_store);
            rig.brokers.add_rule(rule.first(5).answer_with(ErrorCode(code)));
            assign(&mut rig, 0, larger(Reset::Fail), EndAt::Never);
            rig.pass(120 * SECOND);
            assert_eq!((started(&rig), failures(&rig)), (vec![(0, 7)], vec![]), "version {version}, code {code}");
            let asked = |version| {
                let requests = rig.brokers.history().of(ApiKey::OFFSET_FETCH);
                requests.filter(|seen| seen.api().version == ApiVersion(version)).count()
            };
            assert_eq!((asked(version), asked(1 - version)), (6, 1), "version {version}, code {code}");
        }
    }
}

#[test]
fn a_seek_forgets_what_the_stores_have_said() {
    let mut rig = with_commits(Some(3), Some(7));
    rig.brokers.add_rule("consumer-metadata: answer code=15".parse().expect("a rule"));
    assign(&mut rig, 0, larger(Reset::Fail), EndAt::Never);
    rig.pass(2 * SECOND);
    let _ = rig.command(|both, _| both.assignment.seek(&part(0), StartAt::Offset(Offset(1))));
    rig.brokers.clear_rules();
    rig.pass(120 * SECOND);
    assert_eq!(started(&rig), [(0, 1)]);
}

/// Brokers of these releases, which a consumer has to find out.
fn releases(of: [Profile; 3]) -> ConsumerRig {
    let brokers =
        (1..).zip(of).fold(three(), |brokers, (node, profile)| brokers.with_profile_of(NodeId(node), profile));
    let cluster = cluster().with_bootstrap((1..=3).map(address)).with_release(ReleaseSetting::Probe);
    let mut rig = rig_at(brokers, ConsumerConfig::default().with_cluster(cluster));
    produce(&mut rig, 0, numbers(0..10));
    rig
}

#[test]
fn in_a_cluster_before_0_8_2_the_offset_in_zookeeper_counts_alone() {
    for committed_there in [Some(4), None] {
        let mut rig = releases([Profile::V0_8_1; 3]);
        if let Some(offset) = committed_there {
            let offsets = vec![(part(0), Offset(offset))];
            let group = Text::from_static("g");
            let id = rig.command(|both, _| both.assignment.commit_offsets(group, OffsetStore::ZooKeeper, offsets));
            assert_eq!(committed(&mut rig, id), []);
        }
        assign(&mut rig, 0, larger(Reset::Latest), EndAt::Never);
        rig.pass(120 * SECOND);
        assert_eq!((started(&rig), failures(&rig)), (vec![(0, committed_there.unwrap_or(10))], vec![]));
    }
    // The same if the settings say so.
    let brokers = three().with_profile(Profile::V0_8_1);
    let mut rig = rig(brokers, ConsumerConfig::default());
    produce(&mut rig, 0, numbers(0..10));
    assign(&mut rig, 0, larger(Reset::Earliest), EndAt::Never);
    rig.pass(5 * SECOND);
    assert_eq!((started(&rig), resets(&rig)), (vec![(0, 0)], 1));
}

#[test]
fn while_a_broker_that_may_know_of_offsets_in_kafka_is_silent_nothing_is_taken_for_none() {
    let mut rig = releases([Profile::V0_8_1, Profile::V0_8_2, Profile::V0_8_1]);
    let offsets = vec![(part(0), Offset(4))];
    let group = Text::from_static("g");
    let id = rig.command(|both, _| both.assignment.commit_offsets(group, OffsetStore::ZooKeeper, offsets));
    assert_eq!(committed(&mut rig, id), []);
    rig.brokers(|brokers, now| brokers.pause(NodeId(2), now));
    assign(&mut rig, 0, larger(Reset::Latest), EndAt::Never);
    rig.pass(300 * SECOND);
    assert_eq!((started(&rig), failures(&rig)), (vec![], vec![]));
}

#[test]
fn brokers_without_either_store_fail_a_partition() {
    let mut rig = releases([Profile::V0_8_0; 3]);
    assign(&mut rig, 0, larger(Reset::Earliest), EndAt::Never);
    rig.pass(120 * SECOND);
    let failures = failures(&rig);
    assert!(
        matches!(failures[..], [FetchCause::Attempt(kafka08_client::error::Cause::Release { .. })]),
        "{failures:?}"
    );
    assert_eq!(started(&rig), []);
}
