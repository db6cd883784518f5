//! The first brokers that are asked.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{cluster::Cluster, config::ClusterConfig, error::Cause};
use kafka08_proto::{HostPort, api::MetadataRequest, ids::NodeId};

use super::{
    SECOND, call,
    rig::{Behaviour, Rig, address},
    three,
};

/// A client of one broker, whose bootstrap list has other entries, too.
fn with_list(entries: &[Behaviour], seed: u64) -> Rig<Cluster> {
    let at = |n: usize| HostPort::new(format!("host{n}"), 9092);
    let list: Vec<_> = (0..entries.len()).map(at).collect();
    let config = ClusterConfig::default().with_bootstrap(list).with_seed(seed);
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 1), Cluster::new(config));
    for (n, behaviour) in entries.iter().enumerate() {
        rig.set(&at(n), *behaviour);
    }
    rig
}

#[test]
fn any_mixture_of_dead_entries_and_one_live_one_connects_within_one_connect_timeout() {
    use Behaviour::{DropsPackets, IsSilent, IsUnknown, Refuses, Serves};
    let live = Serves(NodeId(1));
    for seed in 0..20 {
        for list in [
            vec![IsUnknown, Refuses, IsSilent, DropsPackets, live],
            vec![live, IsSilent, DropsPackets, IsUnknown, Refuses],
            vec![DropsPackets, DropsPackets, live, DropsPackets],
            vec![IsSilent, IsSilent, IsSilent, IsSilent, live],
            vec![IsUnknown; 9].into_iter().chain([live]).collect(),
        ] {
            let mut rig = with_list(&list, seed);
            call(&mut rig, MetadataRequest::of(["t"])).unwrap_or_else(|error| panic!("{list:?}, {seed}: {error}"));
            assert!(rig.elapsed() <= 10 * SECOND, "{list:?} took {:?} with seed {seed}", rig.elapsed());
        }
    }
}

#[test]
fn when_nobody_can_be_reached_each_failure_is_told_with_its_reason() {
    use Behaviour::{IsUnknown, Refuses};
    let mut rig = with_list(&[IsUnknown, Refuses], 0);
    let claim = rig.command(|cluster, now| cluster.call(now, MetadataRequest::all())).expect("taken");
    rig.wait_until(SECOND, |rig| rig.machine.unreachable().is_some());
    let told = rig.machine.unreachable().expect("just seen").to_string();
    assert!(told.contains("host0") && told.contains("host1"), "{told}");
    assert!(told.contains("no such name") && told.contains("refused"), "{told}");
    let failure = super::finish(&mut rig, claim).expect_err("nobody is there");
    assert!(matches!(failure.cause, Cause::Unreachable(_)), "{failure}");
    assert_eq!(failure.attempts, 0);
}

#[test]
fn a_client_does_not_connect_more_often_than_its_rate_while_nobody_answers() {
    let mut rig = with_list(&[Behaviour::Refuses; 3], 0);
    let _claim = rig.command(|cluster, now| cluster.call(now, MetadataRequest::all())).expect("taken");
    rig.pass(60 * SECOND);
    let most = rig.connects.iter().map(|(at, _)| {
        let end = *at + SECOND;
        rig.connects.iter().filter(|(other, _)| (*at..end).contains(other)).count()
    });
    assert!(most.max().unwrap_or(0) <= 20);
    // Three addresses, each with a back-off of up to ten seconds.
    assert!((6..200).contains(&rig.connects.len()), "{} attempts in a minute", rig.connects.len());
}

#[test]
fn the_bootstrap_list_is_used_again_when_no_known_broker_can_be_reached() {
    let mut rig = three();
    call(&mut rig, MetadataRequest::of(["t"])).expect("brokers are up");
    // The brokers come back behind another name only.
    let entry = HostPort::new("elsewhere", 9092);
    let config = ClusterConfig::default().with_bootstrap([address(1), entry.clone()]);
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 1), Cluster::new(config));
    call(&mut rig, MetadataRequest::of(["t"])).expect("the broker is up");
    rig.set(&address(1), Behaviour::Refuses);
    rig.set(&entry, Behaviour::Serves(NodeId(1)));
    rig.cut(NodeId(1));
    rig.pass(Duration::from_secs(1));
    call(&mut rig, MetadataRequest::of(["t"])).expect("the other name leads there");
}
