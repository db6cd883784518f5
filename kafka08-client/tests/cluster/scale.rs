//! Many brokers, many partitions.

use std::{collections::BTreeSet, sync::Arc};

use kafka08_broker::BrokerConfig;
use kafka08_client::{config::ClusterConfig, error::Cause};
use kafka08_proto::api::ListOffsetsRequest;

use super::{
    SECOND, call,
    rig::{Behaviour, address},
    with,
};

#[test]
fn a_thousand_partitions_of_one_broker_are_asked_for_in_one_request() {
    let mut rig = with(BrokerConfig::default().with_topic("t", 1000), ClusterConfig::default());
    let all = ListOffsetsRequest::latest((0..1000).map(|partition| ("t", partition)));
    let answer = call(&mut rig, all.clone()).expect("the broker is up");
    assert_eq!((answer.response.topics.len(), answer.failed.len()), (1000, 0));
    let (steps, sent) = (rig.steps, rig.brokers.history().next_number());
    call(&mut rig, all).expect("the broker is up");
    assert_eq!(rig.brokers.history().next_number() - sent, 1);
    assert!(rig.steps - steps <= 4, "{}", rig.steps - steps);
}

#[test]
fn a_thousand_brokers_are_asked_by_one_call_within_the_rate_of_connecting() {
    let brokers = BrokerConfig::default().with_brokers(1000).with_topic("t", 1000).with_replication(1);
    let config = ClusterConfig::default().with_call_timeout(120 * SECOND);
    let mut rig = with(brokers, config);
    let leaders: BTreeSet<_> = (0..1000).map(|partition| rig.brokers.leader("t", partition)).collect();
    assert!(leaders.len() > 500, "{} leaders", leaders.len());
    let all = ListOffsetsRequest::latest((0..1000).map(|partition| ("t", partition)));
    let answer = call(&mut rig, all.clone()).expect("brokers are up");
    assert_eq!((answer.response.topics.len(), answer.failed.len()), (1000, 0), "{:?}", answer.failed.first());
    let most = u32::try_from(leaders.len()).expect("small") / 20 + 5;
    assert!(rig.elapsed() <= most * SECOND, "{:?}", rig.elapsed());
    // Connected, they are asked at once.
    let (steps, before) = (rig.steps, rig.elapsed());
    call(&mut rig, all).expect("brokers are up");
    assert_eq!(rig.elapsed(), before);
    assert!(rig.steps - steps <= 2 * 1000 + 10, "{}", rig.steps - steps);
}

#[test]
fn partitions_that_fail_because_no_broker_is_up_share_the_list_of_what_was_tried() {
    let config = ClusterConfig::default().with_call_timeout(5 * SECOND);
    let mut rig = with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), config);
    for node in 1..=3 {
        rig.set(&address(node), Behaviour::Refuses);
    }
    let asked = ListOffsetsRequest::latest((0..1000).map(|partition| ("t", partition)));
    let failed = call(&mut rig, asked.clone()).expect("it ends").failed;
    assert!(failed.iter().all(|(_, failure)| matches!(failure.cause, Cause::Unreachable(_))), "{:?}", failed.first());
    // From now on, the cause is known when the partitions are placed.
    let failed = call(&mut rig, asked).expect("it ends").failed;
    let lists = failed.iter().map(|(_, failure)| match &failure.cause {
        Cause::Unreachable(list) => list,
        other => panic!("{other}"),
    });
    let lists: Vec<_> = lists.collect();
    assert_eq!((lists.len(), lists[0].attempts.len()), (1000, 3));
    assert!(lists.iter().all(|list| Arc::ptr_eq(list, lists[0])), "each partition has a list of its own");
}
