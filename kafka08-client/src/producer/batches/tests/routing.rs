//! Where batches go, and when.

use std::{sync::Arc, time::Duration};

use kafka08_proto::{
    fate::Fate,
    ids::NodeId,
    message::{Codec, Entry, MessageSet, Origin},
};

use super::rig::{Rig, to, values};
use crate::{
    accumulator::{PartIndex, Stuck},
    config::ProducerConfig,
    producer::Outcome,
};

#[test]
fn one_request_has_the_ready_batches_of_one_broker() {
    let mut rig = Rig::new(&ProducerConfig::default());
    for partition in 0..6 {
        rig.add(partition, &[b"v"]);
    }
    let sent = rig.send();
    let nodes: Vec<_> = sent.iter().map(|(node, _)| *node).collect();
    assert_eq!(nodes, [NodeId(1), NodeId(2)]);
    assert_eq!(rig.content(sent[0].1), [(0, 1), (2, 1), (4, 1)]);
    assert_eq!(rig.content(sent[1].1), [(1, 1), (3, 1), (5, 1)]);
}

#[test]
fn a_request_is_bounded_and_the_next_begins_behind_it() {
    // A set of one record of 1 byte has 27 bytes, and a partition 15 more.
    let config = ProducerConfig::default().with_max_request_size(84).with_max_requests_per_link(2);
    let mut rig = Rig::new(&config);
    for partition in [0, 2, 4, 6, 8] {
        rig.add(partition, &[b"v"]);
    }
    let sent: Vec<_> = rig.send().iter().map(|(_, token)| *token).collect();
    let content: Vec<_> = sent.iter().map(|token| rig.content(*token)).collect();
    assert_eq!(content, [[(0, 1), (2, 1)], [(4, 1), (6, 1)]]);
    rig.answer_all(sent[0], 0);
    // The first partition is ready again, and 8 has waited longer.
    rig.add(0, &[b"v"]);
    let next = rig.send_one();
    assert_eq!(rig.content(next), [(8, 1), (0, 1)]);
}

#[test]
fn two_batches_of_a_partition_go_into_two_requests() {
    let mut rig = Rig::new(&ProducerConfig::default().with_max_in_flight_per_partition(2));
    rig.add(0, &[b"a"]);
    rig.add(0, &[b"b", b"c"]);
    let sent = rig.send();
    assert_eq!(sent.iter().map(|(_, token)| rig.content(*token)).collect::<Vec<_>>(), [[(0, 1)], [(0, 2)]]);
}

#[test]
fn a_refused_leader_is_looked_up_and_another_gets_the_batch_at_once() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.answer(first, &[(0, 6, -1)]);
    assert_eq!(rig.net.stale, ["t"]);
    assert!(rig.send().is_empty(), "the same leader is asked again only after a pause");
    rig.move_leader(0, Some(2));
    let [(node, second)] = rig.send()[..] else { panic!("it goes to the new leader") };
    assert_eq!(node, NodeId(2));
    rig.answer(second, &[(0, 0, 7)]);
    let told = rig.told();
    // Code 6 comes after the append too, if acks is -1.
    assert!(matches!(told[..], [(_, Outcome::Delivered { maybe_applied: 1, .. })]), "{told:?}");
}

#[test]
fn a_pause_is_at_most_a_second_and_then_the_same_leader_is_tried() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    for _ in 0..8 {
        let token = rig.send_one();
        rig.answer(token, &[(0, 19, -1)]);
        rig.pass(Duration::from_secs(1));
    }
    assert_eq!(rig.send().len(), 1);
}

#[test]
fn partitions_without_leader_in_pause_or_at_a_lost_broker_are_stuck() {
    let mut rig = Rig::new(&ProducerConfig::default());
    let stuck = |rig: &mut Rig| std::mem::take(&mut rig.batches.returns.stuck);
    rig.move_leader(0, None);
    rig.add(0, &[b"v"]);
    assert_eq!(stuck(&mut rig), [(PartIndex::first(0), Stuck::Yes)]);
    rig.move_leader(0, Some(1));
    assert_eq!(stuck(&mut rig), [(PartIndex::first(0), Stuck::No)]);
    rig.batches.handle_not_connected(NodeId(1), Arc::from("refused"));
    assert_eq!(stuck(&mut rig), [(PartIndex::first(0), Stuck::Yes)]);
    rig.batches.handle_ready(rig.now, NodeId(1));
    let token = rig.send_one();
    rig.answer(token, &[(0, 19, -1)]);
    rig.pass(Duration::from_secs(1));
    let token = rig.send_one();
    rig.batches.handle_silent(&mut rig.net, rig.now, NodeId(1));
    rig.answer(token, &[(0, 0, 0)]);
    let expected = [Stuck::No, Stuck::Yes, Stuck::No, Stuck::Yes, Stuck::No].map(|stuck| (PartIndex::first(0), stuck));
    assert_eq!(stuck(&mut rig), expected);
}

#[test]
fn a_silent_broker_is_left_for_the_new_leader() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    let old = rig.send_one();
    rig.net.touched.insert(old);
    rig.move_leader(0, Some(2));
    assert!(rig.send().is_empty(), "a broker that answers is waited for");
    rig.batches.handle_silent(&mut rig.net, rig.now, NodeId(1));
    assert_eq!(rig.net.drained, [NodeId(1)]);
    let [(NodeId(2), new)] = rig.send()[..] else { panic!("it goes to the new leader") };
    // What the old leader says late is not heard.
    rig.answer(old, &[(0, 0, 3)]);
    assert!(rig.told().is_empty());
    rig.answer(new, &[(0, 0, 5)]);
    let told = rig.told();
    assert!(matches!(told[..], [(_, Outcome::Delivered { maybe_applied: 1, .. })]), "{told:?}");
    assert_eq!(rig.released(), 1);
}

#[test]
fn an_untouched_request_to_a_silent_broker_is_withdrawn() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    rig.add(2, &[b"v"]);
    let old = rig.send_one();
    rig.batches.handle_silent(&mut rig.net, rig.now, NodeId(1));
    rig.move_leader(0, Some(2));
    assert_eq!(rig.net.cancelled, [old]);
    let sent = rig.send();
    assert_eq!(sent.iter().map(|(node, _)| node.0).collect::<Vec<_>>(), [1, 2]);
    for (_, token) in sent {
        rig.answer_all(token, 0);
    }
    let told = rig.told();
    let once = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Delivered { maybe_applied: 0, .. });
    assert!(told.len() == 2 && told.iter().all(once), "{told:?}");
}

#[cfg(feature = "gzip")]
#[test]
fn a_set_is_compressed_if_that_makes_it_smaller() {
    let mut rig = Rig::new(&ProducerConfig::default().with_compression(Some(Codec::Gzip)));
    let large = rig.add(0, &[&[7; 1000], &[7; 1000]]);
    let small = rig.add(2, &[b"v"]);
    let token = rig.send_one();
    let wire = |id| rig.batches.flights[&id].pieces[0].wire.clone().expect("it was sent");
    let set = MessageSet::new(wire(large), Origin::Produced);
    assert!(set.len() < 200);
    let entries: Vec<_> = set.entries().collect();
    let [Ok(Entry::Compressed(wrapper))] = entries[..] else { panic!("{entries:?}") };
    let mut inflater = kafka08_proto::message::Inflater::new();
    let inner = inflater.open(&wrapper, &mut kafka08_proto::message::Budget::new(10_000)).expect("it is gzip");
    assert_eq!(values(&inner), [[7; 1000], [7; 1000]]);
    assert_eq!(wire(small), rig.batches.flights[&small].pieces[0].plain);
    rig.time_out(token, Fate::MaybeApplied);
}

#[test]
fn a_call_compresses_no_more_than_one_full_batch() {
    let config = ProducerConfig::default().with_compression(Some(Codec::Snappy)).with_batch_size(2100);
    let mut rig = Rig::new(&config);
    for partition in [0, 2, 4] {
        rig.add(partition, &[&[7; 1000]]);
    }
    let sent: Vec<_> = rig.send().iter().map(|(_, token)| rig.content(*token).len()).collect();
    assert_eq!(sent, [2, 1]);
    assert_eq!(rig.batches.flights.values().filter(|flight| flight.to == to(4)).count(), 1);
}

#[test]
fn a_link_that_was_given_up_keeps_its_partitions_stuck_and_no_others() {
    let mut rig = Rig::new(&ProducerConfig::default());
    let stuck = |rig: &mut Rig| std::mem::take(&mut rig.batches.returns.stuck);
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.add(2, &[b"v"]);
    let second = rig.send_one();
    rig.pass(Duration::from_millis(600));
    assert_eq!(stuck(&mut rig), [0, 2].map(|part| (PartIndex::first(part), Stuck::Yes)));
    // The broker is slow. Its link takes no more requests from now on.
    rig.time_out(first, Fate::MaybeApplied);
    rig.add(4, &[b"v"]);
    assert_eq!(stuck(&mut rig), [], "4 goes over the next link, 0 pauses, and 2 waits on the link that was given up");
    let third = rig.send_one();
    rig.answer(third, &[(4, 0, 0)]);
    assert_eq!(stuck(&mut rig), []);
    rig.answer(second, &[(2, 0, 0)]);
    assert_eq!(stuck(&mut rig), [(PartIndex::first(2), Stuck::No)]);
}

#[test]
fn a_partition_is_stuck_if_its_request_is_on_a_link_that_was_given_up() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.pass(Duration::from_millis(400));
    rig.add(2, &[b"v"]);
    rig.send_one();
    rig.time_out(first, Fate::MaybeApplied);
    let stuck = std::mem::take(&mut rig.batches.returns.stuck);
    assert!(stuck.contains(&(PartIndex::first(2), Stuck::Yes)), "{stuck:?}");
}

#[test]
fn a_request_that_times_out_on_an_old_link_leaves_the_new_one_as_it_is() {
    let mut rig = Rig::new(&ProducerConfig::default().with_max_requests_per_link(2));
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.add(2, &[b"v"]);
    let second = rig.send_one();
    rig.time_out(first, Fate::MaybeApplied);
    rig.net.links_before = 1;
    for partition in [4, 6] {
        rig.add(partition, &[b"v"]);
        rig.send_one();
    }
    std::mem::take(&mut rig.batches.returns.stuck);
    rig.time_out(second, Fate::MaybeApplied);
    rig.add(8, &[b"v"]);
    assert!(rig.send().is_empty(), "two requests are on the new link");
    assert_eq!(rig.batches.returns.stuck, [], "the broker answers on the new link");
}

#[test]
fn a_silent_broker_is_left_also_if_an_older_link_to_it_has_ended() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    let old = rig.send_one();
    rig.net.touched.insert(old);
    rig.net.silent.insert(NodeId(1));
    rig.batches.handle_silent(&mut rig.net, rig.now, NodeId(1));
    rig.batches.handle_ended(&rig.net, NodeId(1), &[]);
    rig.move_leader(0, Some(2));
    assert_eq!(rig.send().iter().map(|(node, _)| *node).collect::<Vec<_>>(), [NodeId(2)]);
}

#[test]
fn a_late_answer_on_an_older_link_ends_no_trouble_with_the_new_one() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.add(2, &[b"v"]);
    let second = rig.send_one();
    rig.time_out(first, Fate::MaybeApplied);
    rig.batches.handle_not_connected(NodeId(1), Arc::from("refused"));
    rig.answer(second, &[(2, 0, 0)]);
    rig.add(4, &[b"v"]);
    assert!(rig.batches.returns.stuck.contains(&(PartIndex::first(4), Stuck::Yes)), "{:?}", rig.batches.returns.stuck);
}

#[test]
fn a_release_that_was_not_found_out_is_asked_for_again_after_a_pause() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.net.profile = None;
    let mut probes = Vec::new();
    for pause in [0, 1, 60, 1] {
        rig.pass(Duration::from_secs(pause));
        rig.add(0, &[b"v"]);
        let token = rig.send_one();
        rig.answer_all(token, 0);
        probes.push(rig.net.probes);
    }
    assert_eq!(probes, [1, 1, 2, 2]);
}

#[test]
fn a_broker_to_which_nothing_goes_any_more_is_forgotten_with_its_address() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    rig.add(1, &[b"v"]);
    let [(_, first), _] = rig.send()[..] else { panic!("two brokers lead") };
    rig.answer_all(first, 0);
    for node in [1, 2] {
        rig.batches.handle_endpoint(NodeId(node));
    }
    assert_eq!(rig.batches.nodes.keys().copied().collect::<Vec<_>>(), [NodeId(2)]);
}

#[test]
fn a_request_on_an_old_link_is_left_for_the_new_leader_and_the_new_link_stays() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.add(2, &[b"v"]);
    let second = rig.send_one();
    rig.net.touched.extend([first, second]);
    rig.batches.handle_silent(&mut rig.net, rig.now, NodeId(1));
    rig.time_out(first, Fate::MaybeApplied);
    // Another link is connected to the broker, so it is not silent any more.
    rig.batches.handle_ready(rig.now, NodeId(1));
    rig.move_leader(2, Some(2));
    let sent: Vec<_> = rig.send().iter().map(|(node, _)| *node).collect();
    assert_eq!(sent, [NodeId(2)]);
    assert_eq!(rig.net.drained, []);
}

#[test]
fn a_request_that_times_out_unsent_does_not_give_its_link_up() {
    let mut rig = Rig::new(&ProducerConfig::default().with_max_requests_per_link(2));
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.add(2, &[b"v"]);
    rig.send_one();
    rig.time_out(first, Fate::NotApplied);
    rig.add(4, &[b"v"]);
    rig.send_one();
    rig.add(6, &[b"v"]);
    assert!(rig.send().is_empty(), "two requests are on the link");
}
