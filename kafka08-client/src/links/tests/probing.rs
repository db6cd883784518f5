//! How releases are found out.

use std::io;

use kafka08_proto::{
    HostPort,
    adapter::ConnectError,
    connection::Disconnect,
    ids::ApiKey,
    probe::{Release, UndeterminedReason},
    profile::Profile,
};

use super::{
    super::{Lane, LinkNews, Opening, Peer},
    rig::{NODE, PEER, Rig, SECOND, address, config},
};
use crate::machine::LinkId;

fn key(rig: &mut Rig, link: LinkId) -> Option<ApiKey> {
    rig.write_all(link);
    rig.call(link).map(|request| request.header.api.key)
}

fn probed(rig: &mut Rig) -> Release {
    let news = rig.news();
    let [LinkNews::Probed { peer: PEER, release }] = &news[..] else { panic!("{news:?}") };
    release.clone()
}

#[test]
fn a_broker_of_0_8_2_is_found_out_on_one_link_that_is_then_dropped() {
    let mut rig = Rig::new(&config());
    rig.links.probe(rig.now, PEER);
    rig.links.probe(rig.now, PEER);
    let link = rig.attempt();
    rig.connect(link);
    assert_eq!(rig.writes, [link]);
    assert_eq!(key(&mut rig, link), Some(ApiKey::LIST_OFFSETS));
    rig.answer(link);
    assert_eq!(rig.writes, [link, link], "the second question is to be written, too");
    assert_eq!(key(&mut rig, link), Some(ApiKey::HEARTBEAT));
    rig.answer_with(link, &[0xff, 0xff], 1);
    assert_eq!(probed(&mut rig), Release::Known(Profile::V0_8_2));
    assert!(rig.dropped.contains(&link) && rig.links.is_empty());
    assert_eq!(rig.connects.len(), 1);
    rig.links.probe(rig.now, PEER);
    rig.attempt();
}

#[test]
fn a_broker_of_0_8_1_is_found_out_on_two_links_without_a_back_off_between_them() {
    let mut rig = Rig::new(&config());
    rig.links.probe(rig.now, PEER);
    let first = rig.attempt();
    rig.connect(first);
    key(&mut rig, first);
    rig.answer(first);
    key(&mut rig, first);
    rig.cut(first, Disconnect::Eof);
    assert!(rig.dropped.contains(&first));
    let second = rig.attempt();
    rig.connect(second);
    key(&mut rig, second);
    rig.answer(second);
    assert_eq!(key(&mut rig, second), Some(ApiKey::OFFSET_FETCH));
    rig.answer(second);
    assert_eq!(key(&mut rig, second), Some(ApiKey::HEARTBEAT));
    rig.cut(second, Disconnect::Eof);
    assert_eq!(probed(&mut rig), Release::Known(Profile::V0_8_1));
}

#[test]
fn a_probe_that_cannot_connect_says_so_and_waits_for_the_back_off_next_time() {
    let mut rig = Rig::new(&config());
    rig.links.probe(rig.now, PEER);
    let link = rig.attempt();
    rig.refuse(link);
    let Release::Undetermined(why) = probed(&mut rig) else { panic!("it cannot be known") };
    assert_eq!(why.reason, UndeterminedReason::NotConnected(io::ErrorKind::ConnectionRefused));
    assert_eq!(why.peer.as_deref(), Some(&address(1)));
    rig.links.probe(rig.now, PEER);
    rig.take();
    assert!(rig.connecting.is_empty(), "it is too early");
    rig.advance(SECOND);
    rig.attempt();
}

#[test]
fn a_peer_without_an_address_has_no_release() {
    let mut rig = Rig::new(&config());
    rig.links.probe(rig.now, Peer::Bootstrap(5));
    let news = rig.news();
    assert!(matches!(news[..], [LinkNews::Probed { peer: Peer::Bootstrap(5), release: Release::Undetermined(_) }]));
}

#[test]
fn a_broker_that_does_not_answer_a_probe_is_given_up_at_its_deadline_and_backed_off_from() {
    let mut rig = Rig::new(&config());
    rig.links.probe(rig.now, PEER);
    let link = rig.attempt();
    rig.connect(link);
    rig.write_all(link);
    rig.advance(SECOND * 30);
    assert!(matches!(probed(&mut rig), Release::Undetermined(_)));
    assert!(rig.dropped.contains(&link));
    assert!(matches!(rig.links.open(rig.now, PEER, Lane::Prompt), Opening::BackingOff { .. }));
}

#[test]
fn a_probe_begins_anew_at_another_address_and_ends_without_one() {
    let mut rig = Rig::new(&config());
    rig.links.probe(rig.now, PEER);
    let old = rig.attempt();
    rig.connect(old);
    rig.links.set_address(rig.now, NODE, Some(address(2)));
    let new = rig.attempt();
    assert!(rig.dropped.contains(&old));
    assert_eq!(rig.connecting[&new], address(2));
    rig.links.set_address(rig.now, NODE, None);
    assert!(matches!(probed(&mut rig), Release::Undetermined(_)));
    assert!(rig.links.is_empty());
}

#[test]
fn the_text_of_a_probe_that_cannot_connect_names_the_error() {
    let io = |kind: io::ErrorKind| io::Error::from(kind);
    let target = address(1);
    let errors = [
        (ConnectError::Target("no port".parse::<HostPort>().expect_err("it has no port")), io::ErrorKind::InvalidInput),
        (ConnectError::NoAddress(target.clone()), io::ErrorKind::NotFound),
        (ConnectError::Setup(io(io::ErrorKind::OutOfMemory)), io::ErrorKind::OutOfMemory),
        (ConnectError::TimedOut { target: target.clone(), after: SECOND, attempts: vec![] }, io::ErrorKind::TimedOut),
        (ConnectError::Resolve { target, error: io(io::ErrorKind::Other) }, io::ErrorKind::Other),
    ];
    for (error, kind) in errors {
        let mut rig = Rig::new(&config());
        rig.links.probe(rig.now, PEER);
        let link = rig.attempt();
        rig.links.handle_connect_failed(link, &error, rig.now);
        let Release::Undetermined(why) = probed(&mut rig) else { panic!("it cannot be known") };
        assert_eq!(why.reason, UndeterminedReason::NotConnected(kind), "{error}");
    }
}
