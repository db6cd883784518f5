//! Brokers that are connected and do not answer, and brokers that cannot be reached for a while.

use std::{collections::BTreeSet, time::Duration};

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    cluster::{Cluster, Route},
    config::{ClusterConfig, ReleaseSetting},
    machine::Machine as _,
};
use kafka08_proto::{
    HostPort,
    api::{ListOffsetsRequest, MetadataRequest, OffsetCommitRequestV1, OffsetFetchRequestV1, ProduceRequest},
    fate::Fate,
    ids::{Acks, ApiKey, Millis, NodeId, Offset},
    message::MessageSet,
};

use super::{
    SECOND, call, finish, leader,
    rig::{Behaviour, Rig, address},
    start, three, with,
};

fn one() -> Rig<Cluster> {
    with(BrokerConfig::default().with_topic("t", 1), ClusterConfig::default())
}

/// Another broker than this one.
fn other(than: NodeId) -> NodeId {
    NodeId(if than.0 == 1 { 2 } else { 1 })
}

#[test]
fn calls_that_have_waited_for_a_paused_broker_end_when_it_answers_again() {
    let mut rig = one();
    let offsets = ListOffsetsRequest::latest([("t", 0)]);
    call(&mut rig, offsets.clone()).expect("the broker is up");
    rig.brokers(|brokers, now| brokers.pause(NodeId(1), now));
    let first = start(&mut rig, offsets);
    rig.pass(4 * SECOND);
    // It is known to be silent by now, and nobody else can be asked.
    let any = start(&mut rig, MetadataRequest::of(["t"]));
    let missing = start(&mut rig, ListOffsetsRequest::latest([("missing", 0)]));
    // The entry of the bootstrap list was connected as well, and is silent, too.
    rig.pass(8 * SECOND);
    let last = start(&mut rig, MetadataRequest::of(["t"]));
    rig.pass(SECOND);
    rig.brokers(|brokers, now| brokers.resume(NodeId(1), now));
    for claim in [any, last] {
        finish(&mut rig, claim).expect("the broker is back");
    }
    finish(&mut rig, first).expect("the broker is back");
    assert!(rig.elapsed() < 14 * SECOND, "{:?}", rig.elapsed());
    finish(&mut rig, missing).expect("the broker says that there is no such topic");
    assert!(rig.elapsed() < 16 * SECOND, "{:?}", rig.elapsed());
}

#[test]
fn a_paused_leader_is_left_also_if_the_new_one_is_named_long_after_its_silence_was_noticed() {
    let brokers = BrokerConfig::default().with_brokers(3).with_topic("t", 6).with_election_delay(100 * SECOND);
    let mut rig = with(brokers, ClusterConfig::default());
    let offsets = ListOffsetsRequest::latest([("t", 0)]);
    call(&mut rig, offsets.clone()).expect("brokers are up");
    let paused = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    let before = start(&mut rig, offsets.clone());
    rig.pass(8 * SECOND);
    let behind = start(&mut rig, offsets);
    rig.pass(2 * SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, other(paused), now)).expect("it exists");
    let moved = rig.elapsed();
    let refreshes = rig.machine.stats().refreshes;
    assert!(refreshes < 30, "{refreshes} look-ups in ten seconds");
    for claim in [before, behind] {
        let answer = finish(&mut rig, claim).expect("the others are up");
        assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    }
    assert!(rig.elapsed() - moved < 2 * SECOND, "{:?}", rig.elapsed() - moved);
}

#[test]
fn requests_that_wait_behind_a_full_link_leave_a_silent_broker() {
    let mut rig = three();
    call(&mut rig, ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)))).expect("brokers are up");
    let paused = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    // More than one connection takes.
    let claims: Vec<_> = (0..100).map(|_| start(&mut rig, ListOffsetsRequest::latest([("t", 0)]))).collect();
    rig.pass(2 * SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, other(paused), now)).expect("it exists");
    for claim in claims {
        let answer = finish(&mut rig, claim).expect("the others are up");
        assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    }
    assert!(rig.elapsed() < 6 * SECOND, "{:?}", rig.elapsed());
}

#[test]
fn requests_for_any_broker_that_wait_behind_a_full_link_go_to_another_one() {
    let brokers = BrokerConfig::default().with_brokers(2).with_topic("t", 1);
    let mut rig = with(brokers, ClusterConfig::default());
    call(&mut rig, MetadataRequest::of(["t"])).expect("brokers are up");
    rig.pass(SECOND);
    // All of them go to the broker that is connected.
    let nodes: BTreeSet<_> = rig.brokers.links().map(|(_, link)| link.node()).collect();
    let [busy] = nodes.into_iter().collect::<Vec<_>>()[..] else { panic!("one broker is connected") };
    rig.brokers(|brokers, now| brokers.pause(busy, now));
    let claims: Vec<_> = (0..100).map(|_| start(&mut rig, MetadataRequest::of(["t"]))).collect();
    let from = rig.elapsed();
    for claim in claims {
        finish(&mut rig, claim).expect("one broker is up");
    }
    assert!(rig.elapsed() - from < 10 * SECOND, "{:?}", rig.elapsed() - from);
}

#[test]
fn a_produce_that_has_left_the_queue_of_a_silent_broker_is_not_sent_a_second_time() {
    let brokers = BrokerConfig::default().with_brokers(2).with_topic("t", 1);
    let release = ReleaseSetting::Is(brokers.profile());
    let mut rig = with(brokers, ClusterConfig::default().with_release(release).with_call_timeout(100 * SECOND));
    rig.set(&address(2), Behaviour::Refuses);
    call(&mut rig, MetadataRequest::of(["t"])).expect("one broker is up");
    rig.brokers(|brokers, now| brokers.pause(NodeId(1), now));
    // As many as one connection takes, and one that waits for room.
    let mut claims: Vec<_> = (0..65)
        .map(|_| {
            let produce = ProduceRequest::new(Acks::LEADER, Millis(10)).with("t", 0, MessageSet::of_value(b"v"));
            rig.command(|cluster, now| cluster.call_at(now, Route::Any, produce)).expect("it is taken")
        })
        .collect();
    let last = claims.pop().expect("there are some");
    rig.pass(5 * SECOND);
    // The last one could go to another broker, and there is none. The next link takes it, and is silent, too.
    rig.set(&address(1), Behaviour::IsSilent);
    rig.cut(NodeId(1));
    for claim in claims {
        rig.command(|cluster, _| cluster.cancel(claim.id()));
    }
    rig.pass(SECOND);
    rig.set(&address(2), Behaviour::Serves(NodeId(2)));
    let error = finish(&mut rig, last).expect_err("nobody has answered");
    assert_eq!((error.fate, error.attempts), (Fate::MaybeApplied, 1), "{error:?}");
    let at_another = rig.brokers.history().of(ApiKey::PRODUCE).count();
    assert_eq!(at_another, 0, "the first one may store it");
    call(&mut rig, MetadataRequest::of(["t"])).expect("the other one is up");
}

#[test]
fn nobody_is_sought_for_calls_that_have_ended() {
    let config = ClusterConfig::default().with_call_timeout(5 * SECOND);
    let mut rig = with(BrokerConfig::default().with_topic("t", 1), config);
    call(&mut rig, MetadataRequest::of(["t"])).expect("the broker is up");
    rig.brokers(|brokers, now| brokers.pause(NodeId(1), now));
    let claim = start(&mut rig, MetadataRequest::of(["t"]));
    finish(&mut rig, claim).expect_err("nobody answers");
    rig.set(&address(1), Behaviour::Refuses);
    rig.cut(NodeId(1));
    let connects = rig.connects.len();
    rig.pass(300 * SECOND);
    assert!(rig.connects.len() - connects <= 2, "{} attempts for nobody", rig.connects.len() - connects);
    assert_eq!(rig.machine.poll_timeout(), None);
}

#[test]
fn a_client_that_is_closed_while_a_broker_is_silent_waits_for_nothing() {
    let mut rig = one();
    call(&mut rig, MetadataRequest::of(["t"])).expect("the broker is up");
    rig.brokers(|brokers, now| brokers.pause(NodeId(1), now));
    start(&mut rig, MetadataRequest::of(["t"]));
    rig.pass(5 * SECOND);
    rig.command(|cluster, now| cluster.close(now));
    assert_eq!(rig.machine.poll_timeout(), None);
    assert!(rig.machine.is_over());
}

#[test]
fn a_call_leaves_the_queue_of_a_leader_that_drops_packets_when_another_one_is_named() {
    let mut rig = three();
    let offsets = ListOffsetsRequest::latest([("t", 0)]);
    call(&mut rig, offsets.clone()).expect("brokers are up");
    let lost = leader(&rig, 0);
    rig.set(&address(lost.0), Behaviour::DropsPackets);
    rig.cut(lost);
    let claim = start(&mut rig, offsets);
    rig.pass(SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, other(lost), now)).expect("it exists");
    let answer = finish(&mut rig, claim).expect("the others are up");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    // Connecting takes ten seconds to fail. Other brokers are asked after three.
    assert!(rig.elapsed() < 5 * SECOND, "{:?}", rig.elapsed());
}

#[test]
fn a_call_that_waits_for_the_back_off_of_a_dead_leader_follows_the_new_one() {
    for seed in 0..10 {
        let config = ClusterConfig::default().with_seed(seed);
        let mut rig = with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), config);
        let offsets = ListOffsetsRequest::latest([("t", 0)]);
        call(&mut rig, offsets.clone()).expect("brokers are up");
        let dead = leader(&rig, 0);
        rig.set(&address(dead.0), Behaviour::Refuses);
        rig.cut(dead);
        let claim = start(&mut rig, offsets);
        rig.pass(20 * SECOND);
        rig.brokers(|brokers, now| brokers.move_leader("t", 0, other(dead), now)).expect("it exists");
        let moved = rig.elapsed();
        let answer = finish(&mut rig, claim).expect("the others are up");
        assert!(answer.failed.is_empty(), "{:?}", answer.failed);
        assert!(rig.elapsed() - moved < 2 * SECOND, "{:?}, seed {seed}", rig.elapsed() - moved);
    }
}

#[test]
fn a_refresh_of_a_topic_that_does_not_exist_comes_to_an_end() {
    let brokers = BrokerConfig::default().with_topic("t", 1).without_auto_create();
    let mut rig = with(brokers, ClusterConfig::default());
    rig.command(|cluster, now| cluster.refresh(now, MetadataRequest::of(["missing"]).topics));
    rig.pass(100 * SECOND);
    let refreshes = rig.machine.stats().refreshes;
    rig.pass(100 * SECOND);
    assert_eq!(rig.machine.stats().refreshes, refreshes);
}

/// Entries of any kind in any order, with one that is live.
#[test]
fn a_dead_entry_of_the_bootstrap_list_costs_its_share_of_the_time_to_connect_once() {
    use Behaviour::{DropsPackets, IsSilent, IsUnknown, Refuses, Serves};
    let at = |n: usize| HostPort::new(format!("host{n}"), 9092);
    for seed in 0..60u64 {
        let kinds = [DropsPackets, IsSilent, IsUnknown, Refuses];
        let dead =
            (0..9u32).map(|n| kinds[usize::try_from((seed >> (n % 6)) % if n < 4 { 2 } else { 4 }).expect("small")]);
        let entries: Vec<_> = dead.chain([Serves(NodeId(1))]).collect();
        let config = ClusterConfig::default().with_bootstrap((0..entries.len()).map(at)).with_seed(seed);
        let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 1), Cluster::new(config));
        for (n, behaviour) in entries.iter().enumerate() {
            rig.set(&at(n), *behaviour);
        }
        call(&mut rig, MetadataRequest::of(["t"])).unwrap_or_else(|error| panic!("{seed}: {error}"));
        assert!(rig.elapsed() <= 10 * SECOND, "{entries:?} took {:?} with seed {seed}", rig.elapsed());
    }
}

#[test]
fn a_request_for_a_broker_whose_probe_has_failed_is_made_again() {
    let mut rig = three();
    call(&mut rig, MetadataRequest::of(["t"])).expect("brokers are up");
    let node = NodeId(3);
    rig.set(&address(3), Behaviour::Refuses);
    rig.cut(node);
    let commit = OffsetFetchRequestV1::new("g").with("t", 0);
    let claim = rig.command(|cluster, now| cluster.call_at(now, Route::Node(node), commit)).expect("taken");
    rig.pass(2 * SECOND);
    rig.set(&address(3), Behaviour::Serves(node));
    finish(&mut rig, claim).expect("the broker is back");
    assert!(rig.elapsed() < Duration::from_secs(20), "{:?}", rig.elapsed());
}

#[test]
fn a_broker_that_answers_only_what_was_given_up_is_not_silent_any_more() {
    let first = HostPort::new("first", 9092);
    let config = ClusterConfig::default().with_bootstrap([first.clone()]);
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 1), Cluster::new(config));
    rig.set(&first, Behaviour::Serves(NodeId(1)));
    let offsets = ListOffsetsRequest::latest([("t", 0)]);
    call(&mut rig, offsets.clone()).expect("the broker is up");
    // From now on, its own address is the only one.
    rig.set(&first, Behaviour::Refuses);
    rig.brokers(|brokers, now| brokers.pause(NodeId(1), now));
    let id = start(&mut rig, offsets).id();
    rig.pass(4 * SECOND);
    rig.command(|cluster, _| cluster.cancel(id));
    rig.brokers(|brokers, now| brokers.resume(NodeId(1), now));
    rig.pass(SECOND);
    let before = rig.elapsed();
    call(&mut rig, MetadataRequest::of(["t"])).expect("the broker is back");
    assert!(rig.elapsed() - before < SECOND, "{:?}", rig.elapsed() - before);
}

/// Three brokers, the coordinator of "g", and the number of the partition that decides about it.
fn coordinated() -> (Rig<Cluster>, NodeId) {
    // A paused broker keeps what it leads until the test moves it.
    let brokers = BrokerConfig::default()
        .with_brokers(3)
        .with_topic("t", 6)
        .with_offsets_partitions(1)
        .with_election_delay(1000 * SECOND);
    let mut rig = with(brokers, ClusterConfig::default());
    call(&mut rig, OffsetFetchRequestV1::new("g").with("t", 0)).expect("there is a coordinator");
    let coordinator = rig.brokers.leader("__consumer_offsets", 0).expect("it exists by now");
    (rig, coordinator)
}

#[test]
fn a_paused_coordinator_is_left_as_soon_as_another_broker_names_the_new_one() {
    let (mut rig, paused) = coordinated();
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    let before = start(&mut rig, OffsetFetchRequestV1::new("g").with("t", 0));
    rig.pass(8 * SECOND);
    // The coordinator is known to be silent by now.
    let behind = start(&mut rig, OffsetFetchRequestV1::new("g").with("t", 1));
    rig.pass(2 * SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("__consumer_offsets", 0, other(paused), now)).expect("it exists");
    let (moved, steps) = (rig.elapsed(), rig.steps);
    assert!(steps < 2000, "{steps} steps in ten seconds");
    for claim in [before, behind] {
        let answer = finish(&mut rig, claim).expect("the others are up");
        assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    }
    assert!(rig.elapsed() - moved < 2 * SECOND, "{:?}", rig.elapsed() - moved);
}

#[test]
fn a_commit_that_a_paused_coordinator_may_have_stored_is_not_sent_to_another_one() {
    let (mut rig, paused) = coordinated();
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    let commit = start(&mut rig, OffsetCommitRequestV1::new("g").with("t", 0, Offset(7), ""));
    rig.pass(5 * SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("__consumer_offsets", 0, other(paused), now)).expect("it exists");
    rig.pass(5 * SECOND);
    let next = start(&mut rig, OffsetFetchRequestV1::new("g").with("t", 0));
    let answer = finish(&mut rig, next).expect("the others are up");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    assert!(rig.elapsed() < 12 * SECOND, "{:?}", rig.elapsed());
    let failed = finish(&mut rig, commit).expect("it ends").failed;
    assert!(failed.iter().all(|(_, failure)| failure.fate == Fate::MaybeApplied), "{failed:?}");
    assert_eq!(failed.len(), 1);
}

#[test]
fn a_paused_coordinator_that_answers_again_keeps_what_it_has() {
    let (mut rig, paused) = coordinated();
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    let claim = start(&mut rig, OffsetFetchRequestV1::new("g").with("t", 0));
    rig.pass(10 * SECOND);
    rig.brokers(|brokers, now| brokers.resume(paused, now));
    let answer = finish(&mut rig, claim).expect("the coordinator is back");
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    let steps = rig.steps;
    rig.pass(100 * SECOND);
    assert!(rig.steps - steps < 50, "{} steps for nobody", rig.steps - steps);
}

#[test]
fn a_leader_stays_silent_when_an_older_link_to_it_ends() {
    let brokers = BrokerConfig::default().with_brokers(3).with_topic("t", 6).with_election_delay(1000 * SECOND);
    let mut rig = with(brokers, ClusterConfig::default().with_call_timeout(200 * SECOND));
    let offsets = ListOffsetsRequest::latest([("t", 0)]);
    call(&mut rig, offsets.clone()).expect("brokers are up");
    let paused = leader(&rig, 0);
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    // The first times out after 30 s and goes over another link. The second keeps the old link open for 20 s more.
    let first = start(&mut rig, offsets.clone());
    rig.pass(20 * SECOND);
    let second = start(&mut rig, offsets);
    rig.pass(34 * SECOND);
    rig.brokers(|brokers, now| brokers.move_leader("t", 0, other(paused), now)).expect("it exists");
    let moved = rig.elapsed();
    for claim in [first, second] {
        let answer = finish(&mut rig, claim).expect("the others are up");
        assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    }
    assert!(rig.elapsed() - moved < 2 * SECOND, "{:?}", rig.elapsed() - moved);
}

#[test]
fn many_groups_of_a_paused_coordinator_are_looked_up_at_a_bounded_rate() {
    let (mut rig, paused) = coordinated();
    rig.brokers(|brokers, now| brokers.pause(paused, now));
    let fetch = |group: usize| OffsetFetchRequestV1::new(format!("g{group}")).with("t", 0);
    let claims: Vec<_> = (0..500).map(|group| start(&mut rig, fetch(group))).collect();
    rig.pass(6 * SECOND);
    let before = rig.brokers.history().next_number();
    rig.pass(10 * SECOND);
    let look_ups = rig.brokers.history().next_number() - before;
    assert!((500..2500).contains(&look_ups), "{look_ups} requests in ten seconds");
    rig.brokers(|brokers, now| brokers.move_leader("__consumer_offsets", 0, other(paused), now)).expect("it exists");
    let moved = rig.elapsed();
    for claim in claims {
        let answer = finish(&mut rig, claim).expect("the others are up");
        assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    }
    assert!(rig.elapsed() - moved < 5 * SECOND, "{:?}", rig.elapsed() - moved);
}
