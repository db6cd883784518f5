//! What a step costs when most links are idle.

use kafka08_proto::ids::NodeId;

use super::{
    super::{Lane, Peer, Token},
    rig::{Rig, SECOND, address, config, prompt},
};

/// The links that are looked at in 100 rounds of four busy links, beside so many idle ones.
fn looks(idle: i32) -> u64 {
    let mut rig = Rig::new(&config().with_connects_per_second(u32::MAX));
    for node in 0..idle + 4 {
        rig.links.set_address(rig.now, NodeId(node), Some(address(1)));
        rig.links.open(rig.now, Peer::Node(NodeId(node)), Lane::Produce);
    }
    rig.take();
    let links: Vec<_> = rig.connecting.keys().copied().collect();
    for &link in &links {
        rig.connect(link);
    }
    let before = rig.links.looks;
    let mut token = 0;
    for _ in 0..100 {
        for (node, &link) in (0..4).zip(&links) {
            token += 1;
            let peer = Peer::Node(NodeId(node));
            rig.links.send(rig.now, peer, Lane::Produce, &prompt(), Token(token)).expect("there is room");
            rig.take();
            rig.write(link, usize::MAX);
            rig.answer(link);
            rig.advance(SECOND / 1000);
        }
    }
    assert_eq!(rig.links.schedule.len(), links.len(), "one deadline for each link");
    rig.links.looks - before
}

#[test]
fn a_step_looks_at_the_links_that_have_news_and_at_no_others() {
    let alone = looks(0);
    assert_eq!(alone, 800, "each round trip is a write and a read");
    assert_eq!(looks(1000), alone);
}
