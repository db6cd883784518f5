use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_proto::ids::NodeId;

use crate::rig::Rig;

#[test]
fn the_last_replica_in_sync_leads_again_after_it_was_stopped() {
    let mut rig = Rig::new(BrokerConfig::default().without_unclean_election().with_topic("t", 1));
    rig.with(|cluster, now| cluster.stop(NodeId(1), now));
    // The session that would have ended without a word ends now, after the broker has been noticed already.
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.cluster.leader("t", 0), None);
    rig.with(|cluster, now| cluster.start(NodeId(1), now));
    assert_eq!(rig.cluster.leader("t", 0), Some(NodeId(1)));
}
