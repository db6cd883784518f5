//! Waiting until a topic can be used.

use std::{
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_proto::{api::MetadataRequest, ids::PartitionId};

/// Asks for a topic, which creates it if need be, until each of its first `partitions` has a leader.
pub(crate) fn await_leaders(client: &mut Client, topic: &str, partitions: u16, limit: Duration) {
    let started = Instant::now();
    loop {
        let metadata = client.call(&MetadataRequest::of([topic])).expect("an answer");
        if (0..partitions).all(|partition| metadata.leader_of(topic, PartitionId(partition.into())).is_ok()) {
            return;
        }
        assert!(started.elapsed() < limit, "not every partition of {topic} has a leader: {metadata:?}");
        thread::sleep(Duration::from_millis(50));
    }
}
