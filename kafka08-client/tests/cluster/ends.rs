//! Closing, deadlines, and what is left behind.

use kafka08_client::machine::Machine as _;
use kafka08_proto::{api::ListOffsetsRequest, ids::NodeId};

use super::{SECOND, call, start, three};

#[test]
fn a_closed_client_ends_its_calls_and_its_links() {
    let mut rig = three();
    call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("brokers are up");
    for node in 1..=3 {
        rig.brokers(|brokers, now| brokers.pause(NodeId(node), now));
    }
    let claim = start(&mut rig, ListOffsetsRequest::latest([("t", 0), ("t", 1)]));
    rig.command(|cluster, now| cluster.close(now));
    let answer = super::finish(&mut rig, claim).expect("it ends");
    assert_eq!(answer.failed.len(), 2);
    rig.pass(60 * SECOND);
    assert!(rig.machine.is_over());
    assert_eq!(rig.open_links(), 0);
    assert_eq!(rig.machine.poll_timeout(), None);
}

#[test]
fn links_that_are_idle_are_closed_and_nothing_is_left() {
    let mut rig = three();
    call(&mut rig, ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)))).expect("brokers are up");
    assert!(rig.open_links() >= 2);
    rig.pass(600 * SECOND);
    assert_eq!(rig.open_links(), 0);
    assert_eq!(rig.machine.poll_timeout(), None, "an idle client has nothing to wait for");
}
