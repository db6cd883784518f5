//! Handles of the consumer on a cluster of real brokers whose leaders are killed, and readers that are killed themselves.
//!
//! `KAFKA08_RECORDS` is the number of records for each adapter (default: 20,000), `KAFKA08_ROUNDS` the number of leaders that are
//! killed in a row (default: 2), `KAFKA08_ADAPTERS` names the adapters, `KAFKA08_SEED` says when readers are killed (default: 1).

mod idle;
mod killed;
mod steady;
mod writer;

use std::{collections::BTreeMap, env, thread, time::Duration};

use bytes::Bytes;
use interop::{
    Cluster, Error, Faults, Release,
    ledger::{Found, Log},
};

pub(crate) const PARTITIONS: u16 = 4;

/// The last value of each partition.
pub(crate) const LAST: &str = "last";

/// Offset and value of each message, by partition.
pub(crate) type Read = BTreeMap<i32, Vec<(i64, String)>>;

pub(crate) fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

fn stored(log: &Log) -> Read {
    let value = |value: &Option<Bytes>| String::from_utf8(value.clone().unwrap_or_default().to_vec()).expect("text");
    let of = |found: &[Found]| found.iter().map(|found| (found.offset, value(&found.value))).collect();
    log.partitions.iter().map(|(partition, found)| (i32::from(*partition), of(found))).collect()
}

/// What one adapter and one killed reader read while leaders are killed is compared with the logs.
fn read_through_faults(cluster: &mut Cluster, adapter: &steady::Adapter, store: &str) {
    let rounds = number("KAFKA08_ROUNDS", 2);
    let topic = format!("read-{}", adapter.name);
    let mut faults = Faults::new(cluster, &topic, PARTITIONS).unwrap_or_else(|error| panic!("{error}"));
    let brokers = faults.cluster().all_brokers();
    let writing = writer::Writing::new(
        number("KAFKA08_RECORDS", 20_000),
        Duration::from_secs(8) * u32::try_from(rounds).expect("a few"),
    );
    let killed = killed::Killed::new(&brokers, &topic, store);
    let (read, sent) = thread::scope(|scope| {
        let writer = scope.spawn(|| writer::write(&brokers, &topic, &writing));
        let reader = scope.spawn(|| adapter.read(&brokers, &topic));
        let killer = scope.spawn(|| killed.run_and_kill(&writing));
        let applied = (0..rounds).try_for_each(|round| {
            faults.quiet(Duration::from_secs(1));
            let dead = faults.kill_leader(u16::try_from(round % u64::from(PARTITIONS)).expect("small"))?;
            faults.quiet(Duration::from_secs(1));
            faults.revive(dead)
        });
        writing.calm();
        let sent = writer.join().expect("all are delivered");
        killer.join().expect("the reader runs until it is killed");
        let read = reader.join().expect("it reads everything");
        applied.unwrap_or_else(|error: Error| panic!("{error}"));
        (read, sent)
    });
    let runs = killed.finish();
    println!("{topic}\n{}", faults.history());
    let log = Log::read(&brokers, &topic, PARTITIONS).unwrap_or_else(|error| panic!("{error}"));
    let stored = stored(&log);
    let repeated = writer::assert_repeats_were_told(&stored, &sent);
    steady::assert_is_log(&read, &stored);
    let again = killed::assert_nothing_missed(&runs, &stored);
    println!(
        "{} messages in the logs, {repeated} of them sent twice, as was told; one reader has read each once; another was \
         killed {} times and has read {again} again, none of them committed",
        stored.values().map(Vec::len).sum::<usize>(),
        runs.len() - 1,
    );
}

#[test]
fn readers_miss_nothing_while_leaders_and_readers_are_killed() {
    let mut cluster = Cluster::builder(Release::V0_8_2_2).brokers(3).start().unwrap_or_else(|error| panic!("{error}"));
    for (adapter, store) in steady::chosen().iter().zip(["kafka", "zookeeper"].into_iter().cycle()) {
        read_through_faults(&mut cluster, adapter, store);
    }
}
