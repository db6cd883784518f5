//! Topics that the first record creates, on each release and on a cluster of two releases.

use std::{thread, time::Duration};

use interop::{
    Cluster, Release,
    ledger::{Keys, LostAcks},
};
use kafka08_proto::{ids::Acks, partitioner::KeyHash};

use crate::{
    adapter::{Adapter, Job, chosen},
    alone, compare, job, produce,
};

/// `num.partitions` of the brokers.
const PARTITIONS: u16 = 2;

fn without_faults(cluster: &Cluster, topic: &str) -> Job {
    let job = job(cluster, topic, Acks::ALL);
    // Keys choose the partition, so the partitioner needs the number of partitions of a topic that was not there before.
    Job { partitions: PARTITIONS, keys: Keys::Choose(KeyHash::Murmur2), records: job.records / 10, ..job }
}

#[test]
fn the_first_record_of_a_topic_creates_it_on_each_release() {
    let _alone = alone();
    for release in Release::ALL {
        let cluster = Cluster::start(release).unwrap_or_else(|error| panic!("{error}"));
        for adapter in chosen() {
            let job = without_faults(&cluster, &format!("made-{}", adapter.name()));
            deliver(adapter.as_ref(), &job, &format!("{release}\n"));
        }
    }
}

/// Delivers all records in a second, each once.
///
/// A producer that probes releases corrects the offsets that brokers before 0.8.2 tell with acks = -1, and tells none for
/// batches that are answered before the probe. So it knows most of them, and the ledger says that they are true.
fn deliver(adapter: &dyn Adapter, job: &Job, context: &str) {
    let second = Duration::from_secs(1);
    let book = produce(adapter, job, second, || {
        thread::sleep(second);
        Ok(())
    });
    let report = compare(book, job, LostAcks::Nothing, context);
    assert_eq!((report.delivered, report.duplicates), (report.submitted, 0), "{context}{report}");
    let knows_offsets = adapter.probes() || job.tells_offsets();
    assert!(!knows_offsets || report.delivered_without_offset < report.submitted / 2, "{context}{report}");
}

#[test]
fn a_cluster_of_two_releases_takes_all_records() {
    let _alone = alone();
    let builder = Cluster::builder(Release::V0_8_2_2).brokers(3).release_of(2, Release::V0_8_1_1);
    let cluster = builder.start().unwrap_or_else(|error| panic!("{error}"));
    for adapter in chosen() {
        let topic = format!("mixed-{}", adapter.name());
        let plain = without_faults(&cluster, &topic);
        let job = Job { partitions: 6, releases: vec![Release::V0_8_1_1, Release::V0_8_2_2], ..plain };
        cluster.create_topic(&topic, job.partitions, 3, &[]).unwrap_or_else(|error| panic!("{error}"));
        cluster
            .await_in_sync(&topic, job.partitions, 3, Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("{error}"));
        deliver(adapter.as_ref(), &job, "");
    }
}
