//! How links are connected, and when not.

use kafka08_proto::{Connection as _, connection::Disconnect, ids::NodeId};

use super::{
    super::{Lane, LinkNews, Opening, Peer, Token},
    rig::{NODE, PEER, Rig, SECOND, address, config, prompt},
};
use crate::backoff::Backoff;

#[test]
fn a_link_is_connected_once_for_each_lane_and_told_when_it_is_ready() {
    let mut rig = Rig::new(&config());
    for lane in [Lane::Prompt, Lane::Fetch] {
        assert_eq!(rig.links.open(rig.now, PEER, lane), Opening::Connecting);
        assert_eq!(rig.links.open(rig.now, PEER, lane), Opening::Connecting);
        assert!(!rig.links.can_send(PEER, lane));
        let link = rig.attempt();
        assert!(rig.links.connection(link).is_none(), "it is not connected");
        rig.connect(link);
        assert_eq!(rig.told(), [format!("ready {lane:?}")]);
        assert_eq!(rig.links.open(rig.now, PEER, lane), Opening::Ready);
        assert!(rig.links.can_send(PEER, lane));
        let peer = rig.links.connection(link).and_then(|connection| connection.config().peer().cloned());
        assert_eq!(peer.as_deref(), Some(&address(1)));
    }
    assert_eq!(rig.connects.len(), 2);
}

#[test]
fn a_bootstrap_broker_has_its_address_from_the_settings_and_others_have_none() {
    let mut rig = Rig::new(&config().with_bootstrap([address(8), address(9)]));
    assert_eq!(rig.links.address(Peer::Bootstrap(1)), Some(&address(9)));
    assert_eq!(rig.links.open(rig.now, Peer::Bootstrap(1), Lane::Prompt), Opening::Connecting);
    rig.take();
    assert_eq!(rig.connects[0].1, address(9));
    for unknown in [Peer::Bootstrap(2), Peer::Node(NodeId(77))] {
        assert_eq!(rig.links.open(rig.now, unknown, Lane::Prompt), Opening::NoAddress);
        assert_eq!(rig.links.address(unknown), None);
    }
}

#[test]
fn a_refused_peer_is_connected_to_again_by_itself_when_its_back_off_is_over() {
    let mut rig = Rig::new(&config());
    rig.links.open(rig.now, PEER, Lane::Prompt);
    let first = rig.attempt();
    rig.refuse(first);
    let news = rig.news();
    let [LinkNews::NotConnected { peer: PEER, lane: Lane::Prompt, reason }] = &news[..] else { panic!("{news:?}") };
    assert!(reason.contains("broker:1"), "{reason}");
    assert_eq!(rig.links.poll_timeout(), None, "nobody wants it now");
    let Opening::BackingOff { until, last } = rig.links.open(rig.now, PEER, Lane::Prompt) else { panic!("too early") };
    assert!(until > rig.now && until <= rig.now + config().reconnect_backoff.first);
    assert_eq!(last.as_ref(), Some(reason));
    assert_eq!(rig.links.stats().backing_off, 1);
    assert_eq!(rig.links.poll_timeout(), Some(until));
    rig.advance(SECOND);
    assert_eq!(rig.connects.last().map(|(_, _, at)| *at), Some(until));
    let second = rig.attempt();
    assert!(!rig.dropped.contains(&first), "what has failed by itself is not dropped");
    rig.connect(second);
    assert_eq!(rig.told(), ["ready Prompt"]);
}

#[test]
fn failures_of_lanes_that_were_connected_together_count_as_one() {
    let first = SECOND;
    let mut config = config();
    config.reconnect_backoff = Backoff { first, most: SECOND * 1000 };
    let mut rig = Rig::new(&config);
    for lane in [Lane::Prompt, Lane::Produce, Lane::Fetch] {
        rig.links.open(rig.now, PEER, lane);
    }
    rig.take();
    for link in rig.connecting.keys().copied().collect::<Vec<_>>() {
        rig.refuse(link);
    }
    let Opening::BackingOff { until, .. } = rig.links.open(rig.now, PEER, Lane::Prompt) else { panic!("too early") };
    assert!(until <= rig.now + first, "three failures in a row would allow four times as much");
    assert_eq!(rig.links.stats().connects_failed, 3);
}

#[test]
fn a_peer_that_accepts_and_closes_is_connected_to_less_and_less_often() {
    let mut rig = Rig::new(&config());
    while rig.now < rig.start + SECOND * 120 {
        rig.links.open(rig.now, PEER, Lane::Prompt);
        rig.take();
        for link in rig.connecting.keys().copied().collect::<Vec<_>>() {
            rig.connect(link);
            rig.cut(link, Disconnect::Eof);
        }
        rig.advance(SECOND / 100);
    }
    // From 50 ms to 10 s the waits double eight times. After that the mean wait is 5 s.
    let attempts = rig.connects.len();
    assert!((15..=60).contains(&attempts), "{attempts} attempts in two minutes");
    assert!(rig.told().iter().all(|news| news == "ready Prompt" || news == "ended Prompt idle []"));
}

#[test]
fn an_answer_resets_the_back_off() {
    let mut config = config();
    config.reconnect_backoff = Backoff { first: SECOND, most: SECOND * 1000 };
    let mut rig = Rig::new(&config);
    for _ in 0..8 {
        rig.links.open(rig.now, PEER, Lane::Prompt);
        rig.advance(SECOND * 1000);
        let link = rig.attempt();
        rig.refuse(link);
    }
    rig.links.open(rig.now, PEER, Lane::Prompt);
    rig.advance(SECOND * 1000);
    let link = rig.attempt();
    rig.connect(link);
    rig.send(Lane::Prompt, &prompt(), 1);
    rig.write_all(link);
    rig.answer(link);
    assert_eq!(rig.links.stats().backing_off, 0);
    rig.send(Lane::Prompt, &prompt(), 2);
    rig.cut(link, Disconnect::Eof);
    let Opening::BackingOff { until, .. } = rig.links.open(rig.now, PEER, Lane::Prompt) else { panic!("too early") };
    assert!(until <= rig.now + SECOND, "the ninth failure in a row would allow up to 256 s");
}

#[test]
fn at_most_so_many_attempts_are_made_in_a_second_and_the_others_wait_in_line() {
    let mut rig = Rig::new(&config().with_connects_per_second(20));
    let peers: Vec<_> = (10..60).map(NodeId).collect();
    let mut untils = Vec::new();
    for &node in &peers {
        let port = u16::try_from(node.0).expect("it is small");
        rig.links.set_address(rig.now, node, Some(address(port)));
        if let Opening::BackingOff { until, last: None } = rig.links.open(rig.now, Peer::Node(node), Lane::Prompt) {
            untils.push(until);
        }
    }
    rig.take();
    assert_eq!(rig.connects.len(), 20);
    rig.advance(SECOND * 5);
    let at: Vec<_> = rig.connects.iter().map(|(_, _, at)| *at).collect();
    assert_eq!(at.len(), 50, "all were connected by themselves");
    assert!(at.windows(21).all(|window| window[20] >= window[0] + SECOND), "20 a second");
    assert_eq!(&at[20..], untils, "each at the time that was told");
    let order: Vec<_> = rig.connects.iter().map(|(_, to, _)| i32::from(to.port())).collect();
    assert_eq!(order, peers.iter().map(|node| node.0).collect::<Vec<_>>());
    assert_eq!(rig.links.poll_timeout(), None);
}

#[test]
fn news_of_a_link_that_was_dropped_are_ignored() {
    let mut rig = Rig::new(&config());
    rig.links.open(rig.now, PEER, Lane::Prompt);
    let link = rig.attempt();
    rig.links.set_address(rig.now, NODE, None);
    assert_eq!(rig.told(), ["not connected Prompt"]);
    assert!(rig.dropped.contains(&link));
    rig.links.handle_connected(link, rig.now);
    rig.links.handle_progress(link, rig.now);
    let error = kafka08_proto::adapter::ConnectError::NoAddress(address(1));
    rig.links.handle_connect_failed(link, &error, rig.now);
    assert_eq!(rig.told(), [""; 0]);
    assert!(rig.links.connection(link).is_none());
    assert!(rig.links.is_empty());
    assert_eq!(rig.links.stats().connects_failed, 0);
}

#[test]
fn the_reason_of_a_failure_names_the_address_also_where_the_error_does_not() {
    let mut rig = Rig::new(&config());
    rig.links.open(rig.now, PEER, Lane::Prompt);
    let link = rig.attempt();
    let error = kafka08_proto::adapter::ConnectError::Setup(std::io::Error::other("no"));
    rig.links.handle_connect_failed(link, &error, rig.now);
    let news = rig.news();
    let [LinkNews::NotConnected { reason, .. }] = &news[..] else { panic!("{news:?}") };
    assert_eq!(&**reason, "broker:1: connected, but the socket could not be set up: no");
}

#[test]
fn links_to_an_address_of_before_drain_and_what_was_wanted_is_connected_to_the_new_one() {
    let mut rig = Rig::new(&config());
    let old = rig.connected(Lane::Produce);
    rig.send(Lane::Produce, &prompt(), 1);
    rig.links.open(rig.now, PEER, Lane::Prompt);
    let attempt = rig.attempt();
    rig.links.set_address(rig.now, NODE, Some(address(1)));
    rig.take();
    assert_eq!((rig.connects.len(), rig.dropped.len()), (2, 0), "it is the same address");
    rig.links.set_address(rig.now, NODE, Some(address(2)));
    rig.take();
    assert!(rig.dropped.contains(&attempt) && !rig.dropped.contains(&old));
    let to: Vec<_> = rig.connecting.values().cloned().collect();
    assert_eq!(to, [address(2), address(2)]);
    assert_eq!(rig.links.stats().draining, 1);
    rig.write_all(old);
    rig.answer(old);
    assert_eq!(rig.told(), ["answered 1", "ended Produce idle []"]);
    assert!(rig.dropped.contains(&old));
}

#[test]
fn a_new_address_ends_the_back_off_of_the_old_one() {
    let mut rig = Rig::new(&config());
    rig.links.open(rig.now, PEER, Lane::Prompt);
    let link = rig.attempt();
    rig.refuse(link);
    assert!(matches!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::BackingOff { .. }));
    rig.links.set_address(rig.now, NODE, Some(address(2)));
    rig.take();
    assert_eq!(rig.connecting.values().cloned().collect::<Vec<_>>(), [address(2)]);
    assert_eq!(rig.links.poll_timeout(), None, "the wish is fulfilled");
}

#[test]
fn without_an_address_links_drain_and_none_is_opened() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    rig.links.set_address(rig.now, NODE, None);
    assert_eq!(rig.told(), ["ended Prompt idle []"]);
    assert!(rig.dropped.contains(&link));
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::NoAddress);
    assert!(rig.links.is_empty());
}

#[test]
fn an_answer_on_one_lane_ends_the_waiting_of_the_others() {
    let mut config = config();
    config.reconnect_backoff = Backoff { first: SECOND * 1000, most: SECOND * 1000 };
    let mut rig = Rig::new(&config);
    let link = rig.connected(Lane::Prompt);
    rig.links.open(rig.now, PEER, Lane::Produce);
    let attempt = rig.attempt();
    rig.refuse(attempt);
    assert!(matches!(rig.links.open(rig.now, PEER, Lane::Produce), Opening::BackingOff { .. }));
    rig.send(Lane::Prompt, &prompt(), 1);
    rig.write_all(link);
    rig.answer(link);
    rig.attempt();
    assert_eq!(rig.links.stats().connects, 3);
}

#[test]
fn a_stream_that_has_ended_untold_is_no_reason_to_wait_for_room() {
    let mut rig = Rig::new(&config());
    let link = rig.connected(Lane::Prompt);
    rig.links.connection(link).expect("it is connected").handle_disconnect(Disconnect::Eof);
    assert_eq!(rig.links.ready(Lane::Prompt).count(), 0);
    let opening = rig.links.open(rig.now, PEER, Lane::Prompt);
    assert!(matches!(opening, Opening::BackingOff { .. }), "{opening:?}");
    assert_eq!(rig.told(), ["ended Prompt idle []"]);
}

#[test]
fn a_wish_whose_turn_comes_while_it_is_repeated_is_connected_once() {
    let mut rig = Rig::new(&config().with_connects_per_second(2));
    for lane in [Lane::Prompt, Lane::Produce, Lane::Fetch] {
        rig.links.open(rig.now, PEER, lane);
    }
    rig.take();
    assert_eq!(rig.connects.len(), 2);
    // The time was not told yet.
    rig.now += SECOND;
    assert_eq!(rig.links.open(rig.now, PEER, Lane::Fetch), Opening::Connecting);
    rig.take();
    assert_eq!(rig.connects.len(), 3);
}

#[test]
fn a_wish_in_line_waits_for_the_back_off_too_if_its_peer_fails_meanwhile() {
    let mut config = config().with_connects_per_second(2);
    config.reconnect_backoff = Backoff { first: SECOND * 1000, most: SECOND * 1000 };
    let mut rig = Rig::new(&config);
    rig.links.set_address(rig.now, NodeId(2), Some(address(2)));
    rig.links.open(rig.now, PEER, Lane::Prompt);
    rig.links.open(rig.now, Peer::Node(NodeId(2)), Lane::Prompt);
    rig.take();
    let failed = *rig.connecting.first_key_value().expect("it is being connected").0;
    assert!(matches!(rig.links.open(rig.now, PEER, Lane::Fetch), Opening::BackingOff { .. }));
    rig.refuse(failed);
    rig.advance(SECOND * 2);
    assert_eq!(rig.connects.len(), 2);
    rig.advance(SECOND * 1000);
    assert_eq!(rig.connects.len(), 3);
}

#[test]
fn the_ready_links_of_a_lane_are_listed_and_all_links_are_counted() {
    let mut rig = Rig::new(&config().with_bootstrap([address(9)]));
    rig.connected(Lane::Produce);
    rig.connected(Lane::Prompt);
    rig.links.open(rig.now, Peer::Bootstrap(0), Lane::Prompt);
    let link = rig.attempt();
    rig.connect(link);
    rig.send(Lane::Prompt, &prompt(), 1);
    let frame = rig.links.stats().staged;
    rig.send(Lane::Produce, &prompt(), 2);
    rig.links.send(rig.now, Peer::Bootstrap(0), Lane::Prompt, &prompt(), Token(3)).expect("there is room");
    assert_eq!(rig.links.ready(Lane::Prompt).collect::<Vec<_>>(), [(Peer::Bootstrap(0), 1), (PEER, 1)]);
    assert_eq!(rig.links.ready(Lane::Produce).collect::<Vec<_>>(), [(PEER, 1)]);
    assert_eq!(rig.links.ready(Lane::Fetch).count(), 0);
    rig.links.drain(rig.now, PEER, Lane::Produce);
    rig.links.drain(rig.now, PEER, Lane::Prompt);
    rig.links.open(rig.now, PEER, Lane::Fetch);
    rig.links.open(rig.now, PEER, Lane::Prompt);
    let stats = rig.links.stats();
    assert_eq!((stats.connecting, stats.ready, stats.draining), (2, 1, 2));
    assert_eq!((stats.in_flight, stats.staged, stats.connects), (3, 3 * frame, 5));
}
