use kafka08_broker::{BrokerConfig, Loss};
use kafka08_proto::ids::{NodeId, Offset};

use crate::{
    rig::{Rig, plain},
    steps::{
        OK, described, ends, fetched_for_debugging, hold, kill, leader, let_go, move_to, ms, produced, shrink, start,
        three,
    },
};

fn lost(from: i64, to: i64) -> Loss {
    Loss { topic: "t".into(), partition: 0.into(), from: Offset(from), to: Offset(to) }
}

/// All that a replica has, as text.
fn log(rig: &mut Rig, of: NodeId) -> String {
    plain(&fetched_for_debugging(rig, of, 0).messages).into_iter().map(|(_, value)| value).collect()
}

/// The leader has "abcde", and is alone in sync. The others have "ab".
fn alone_with_three(config: BrokerConfig) -> (Rig, [NodeId; 3]) {
    let (mut rig, nodes) = three(config.with_isr_lag(ms(500)));
    let [leader, follower, other] = nodes;
    assert_eq!(produced(&mut rig, leader, -1, &["a", "b"]), (OK, 0));
    hold(&mut rig, follower);
    hold(&mut rig, other);
    produced(&mut rig, leader, 1, &["c", "d", "e"]);
    rig.pass(ms(500));
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(5, 5), (2, 2), (2, 2)]);
    (rig, nodes)
}

#[test]
fn a_leader_out_of_sync_loses_what_it_does_not_have() {
    let (mut rig, [old, new, other]) = alone_with_three(BrokerConfig::default());
    kill(&mut rig, old);
    assert!(rig.cluster.losses().is_empty());
    rig.pass(ms(100));
    assert_eq!(leader(&rig.cluster), Some(new));
    assert_eq!(rig.cluster.losses(), [lost(2, 5)]);
    let partition = described(&mut rig, other);
    assert_eq!((partition.leader, partition.isr), (Some(new), vec![new]));
    // The next election loses nothing more.
    start(&mut rig, old);
    move_to(&mut rig, old);
    assert_eq!((ends(&rig, old), rig.cluster.losses()), ((2, 2), &[lost(2, 5)][..]));
}

#[test]
fn a_replica_that_comes_back_takes_the_messages_of_a_leader_that_was_out_of_sync() {
    let (mut rig, [old, new, other]) = alone_with_three(BrokerConfig::default());
    kill(&mut rig, old);
    rig.pass(ms(100));
    // The new leader has more messages than the old one when that comes back, and the lengths alone do not tell the two apart.
    assert_eq!(produced(&mut rig, new, -1, &["v", "w", "x", "y"]), (OK, 2));
    start(&mut rig, old);
    let_go(&mut rig, other);
    for node in [old, new, other] {
        assert_eq!((ends(&rig, node), log(&mut rig, node)), ((6, 6), "abvwxy".to_owned()));
    }
    assert_eq!(rig.cluster.losses(), [lost(2, 5)]);
}

#[test]
fn messages_that_nobody_could_read_are_no_loss() {
    let (mut rig, [old, new, other]) = three(BrokerConfig::default());
    produced(&mut rig, old, -1, &["a"]);
    hold(&mut rig, new);
    hold(&mut rig, other);
    produced(&mut rig, old, 1, &["b"]);
    kill(&mut rig, old);
    rig.pass(ms(100));
    start(&mut rig, old);
    assert_eq!((leader(&rig.cluster), ends(&rig, old), ends(&rig, new)), (Some(new), (1, 1), (1, 1)));
    assert!(rig.cluster.losses().is_empty());
}

#[test]
fn without_unclean_elections_a_partition_waits_for_a_replica_in_sync() {
    let (mut rig, nodes) = alone_with_three(BrokerConfig::default().without_unclean_election());
    let [old, follower, other] = nodes;
    kill(&mut rig, old);
    rig.pass(ms(100));
    let partition = described(&mut rig, other);
    assert_eq!((leader(&rig.cluster), partition.leader, partition.isr.len()), (None, None, 0));
    // A replica that starts does not help if it is not in sync.
    kill(&mut rig, follower);
    rig.pass(ms(100));
    start(&mut rig, follower);
    assert_eq!(leader(&rig.cluster), None);
    start(&mut rig, old);
    assert_eq!(leader(&rig.cluster), Some(old));
    let_go(&mut rig, follower);
    let_go(&mut rig, other);
    assert_eq!(nodes.map(|node| ends(&rig, node)), [(5, 5); 3]);
    assert!(rig.cluster.losses().is_empty());
}

#[test]
fn moving_the_leader_to_a_replica_out_of_sync_loses_messages() {
    let (mut rig, [old, new, other]) = alone_with_three(BrokerConfig::default());
    move_to(&mut rig, new);
    assert_eq!(rig.cluster.losses(), [lost(2, 5)]);
    assert_eq!([old, new, other].map(|node| log(&mut rig, node)), ["ab"; 3].map(str::to_owned));
    // The old leader follows at once.
    assert_eq!(produced(&mut rig, new, -1, &["x"]), (OK, 2));
    assert_eq!(log(&mut rig, old), "abx");
}

#[test]
fn a_crash_of_the_only_replica_in_sync_loses_what_it_has_not_flushed() {
    for is_noticed in [false, true] {
        let (mut rig, [old, follower, other]) = alone_with_three(BrokerConfig::default().without_unclean_election());
        rig.with(|cluster, _| cluster.flush(old));
        produced(&mut rig, old, 1, &["f", "g"]);
        rig.with(|cluster, now| cluster.crash(old, now));
        rig.pass(ms(if is_noticed { 100 } else { 50 }));
        start(&mut rig, old);
        let_go(&mut rig, follower);
        let_go(&mut rig, other);
        assert_eq!(leader(&rig.cluster), Some(old));
        assert_eq!(rig.cluster.losses(), [lost(5, 7)], "{is_noticed}");
        assert_eq!([old, follower, other].map(|node| log(&mut rig, node)), ["abcde"; 3].map(str::to_owned));
    }
}

#[test]
fn a_crash_loses_nothing_that_was_flushed_or_that_another_replica_has() {
    let (mut rig, nodes) = alone_with_three(BrokerConfig::default());
    rig.with(|cluster, _| cluster.flush(nodes[0]));
    rig.with(|cluster, now| cluster.crash(nodes[0], now));
    start(&mut rig, nodes[0]);
    assert_eq!((ends(&rig, nodes[0]), rig.cluster.losses().len()), ((5, 5), 0));

    let (mut rig, nodes) = three(BrokerConfig::default());
    produced(&mut rig, nodes[0], -1, &["a"]);
    rig.with(|cluster, now| cluster.crash(nodes[0], now));
    rig.pass(ms(100));
    start(&mut rig, nodes[0]);
    assert_eq!((nodes.map(|node| ends(&rig, node)), rig.cluster.losses().len()), ([(1, 1); 3], 0));
}

#[test]
fn what_is_appended_behind_a_truncation_is_not_flushed() {
    let (mut rig, nodes) = alone_with_three(BrokerConfig::default());
    let [old, new, _] = nodes;
    rig.with(|cluster, _| cluster.flush(old));
    move_to(&mut rig, new);
    assert_eq!(produced(&mut rig, new, -1, &["x", "y", "z"]), (OK, 2));
    assert_eq!(ends(&rig, old), (5, 5));
    rig.with(|cluster, now| cluster.crash(old, now));
    assert_eq!(ends(&rig, old), (2, 2));
}

#[test]
fn two_replicas_that_know_an_older_high_watermark_can_lose_an_acknowledged_message() {
    let (mut rig, [old, slow, new]) = three(BrokerConfig::default().without_unclean_election());
    // `slow` has the message, and does not know that all others have it, too.
    hold(&mut rig, new);
    produced(&mut rig, old, 1, &["a"]);
    hold(&mut rig, slow);
    let_go(&mut rig, new);
    assert_eq!((ends(&rig, old), ends(&rig, slow), ends(&rig, new)), ((1, 1), (1, 0), (1, 1)));
    // It drops the message when it follows another leader, and leads before it has fetched the message again.
    move_to(&mut rig, new);
    kill(&mut rig, old);
    kill(&mut rig, new);
    rig.pass(ms(100));
    assert_eq!((leader(&rig.cluster), ends(&rig, slow)), (Some(slow), (0, 0)));
    assert_eq!(rig.cluster.losses(), [lost(0, 1)]);
    for node in [old, new] {
        start(&mut rig, node);
        assert_eq!(ends(&rig, node), (0, 0));
    }
}

#[test]
fn a_replica_that_was_removed_from_the_set_and_fetches_is_in_sync_again() {
    let (mut rig, [leader, follower, _]) = three(BrokerConfig::default());
    hold(&mut rig, follower);
    shrink(&mut rig, follower);
    assert_eq!(described(&mut rig, leader).isr.len(), 2);
    let_go(&mut rig, follower);
    assert_eq!(described(&mut rig, leader).isr.len(), 3);
}
