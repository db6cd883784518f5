//! Producers on clusters of real brokers that fail: what each record was told is compared with all logs afterwards.
//!
//! `KAFKA08_RECORDS` is the number of records of each test and adapter (default: 20,000). `KAFKA08_ROUNDS` is the number of
//! leaders that are killed in a row (default: 2). `KAFKA08_ADAPTERS` names the adapters. `KAFKA08_SEED` chooses keys, values
//! and where proxies end connections (default: 1).

mod adapter;
mod creation;
mod feed;
mod handles;
mod machine;
mod simple;

use std::{
    env,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use adapter::{Adapter, Job, chosen};
use feed::{Feed, Pace};
use interop::{
    ByteLimits, Cluster, Error, Faults, Proxy, Release, Seed,
    ledger::{Book, Keys, Log, LostAcks, Report, judge},
};
use kafka08_proto::{ids::Acks, partitioner::KeyHash};

const PARTITIONS: u16 = 4;
/// What about 60 requests and answers have: most connections end with several batches under way.
const LIMITS: ByteLimits = ByteLimits { to_broker: 256 << 10, to_client: 2 << 10 };

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

/// The brokers of one test at a time: those of all together would starve each other on a small machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn three(release: Release) -> Cluster {
    Cluster::builder(release).brokers(3).start().unwrap_or_else(|error| panic!("{error}"))
}

fn job(cluster: &Cluster, topic: &str, acks: Acks) -> Job {
    let (brokers, topic) = (cluster.all_brokers(), topic.to_owned());
    let (releases, records) = (vec![cluster.release()], number("KAFKA08_RECORDS", 20_000));
    Job { brokers, topic, partitions: PARTITIONS, keys: Keys::Any, acks, records, releases, proxies: Vec::new() }
}

/// Lets a producer work while `faults` are applied, and then finish.
fn produce(adapter: &dyn Adapter, job: &Job, during: Duration, faults: impl FnOnce() -> Result<(), Error>) -> Book {
    let run = number("KAFKA08_SEED", 1);
    let book = Book::new(run, &job.topic, 1, job.partitions, job.keys);
    let feed = Feed::new(book, Pace { records: job.records, during });
    let applied = thread::scope(|scope| {
        let producer = scope.spawn(|| adapter.produce(job, &feed));
        feed.await_progress();
        let applied = faults();
        feed.calm();
        producer.join().expect("the producer does not panic");
        applied
    });
    applied.unwrap_or_else(|error| panic!("{error}"));
    feed.into_book()
}

/// Compares with the logs, prints and returns what was found.
fn compare(book: Book, job: &Job, lost: LostAcks, context: &str) -> Report {
    let log = Log::read(&job.brokers, &job.topic, job.partitions).unwrap_or_else(|error| panic!("{error}"));
    let report = judge(&[book], &log, lost);
    println!("{}\n{context}{report}", job.topic);
    report.assert_clean();
    report
}

/// Kills the leaders of the partitions in turn, with three replicas, and compares.
fn through_killed_leaders(
    acks: Acks,
    kill: impl Fn(&mut Faults<'_>, u16) -> Result<u16, Error>,
    lost: impl Fn(usize) -> LostAcks,
    judge: impl Fn(&Report),
) {
    let _alone = alone();
    let rounds = number("KAFKA08_ROUNDS", 2);
    let mut cluster = three(Release::V0_8_2_2);
    for adapter in chosen() {
        let topic = format!("killed{}-{}", acks.0, adapter.name());
        let mut faults = Faults::new(&mut cluster, &topic, PARTITIONS).unwrap_or_else(|error| panic!("{error}"));
        let job = job(faults.cluster(), &topic, acks);
        let during = Duration::from_secs(8) * u32::try_from(rounds).expect("a few");
        let book = produce(adapter.as_ref(), &job, during, || {
            (0..rounds).try_for_each(|round| {
                faults.quiet(Duration::from_secs(1));
                let partition = u16::try_from(round % u64::from(PARTITIONS)).expect("below a u16");
                let dead = kill(&mut faults, partition)?;
                faults.quiet(Duration::from_secs(1));
                faults.revive(dead)
            })
        });
        judge(&compare(book, &job, lost(faults.killed()), faults.history()));
    }
}

#[test]
fn nothing_that_all_replicas_acknowledged_is_lost_when_leaders_are_killed() {
    through_killed_leaders(Acks::ALL, |faults, partition| faults.kill_leader(partition), |_| LostAcks::Nothing, |_| {});
}

#[test]
fn only_what_a_dead_leader_acknowledged_last_is_lost_with_acks_1() {
    let lost = |died| LostAcks::LastOfLeaders { died };
    through_killed_leaders(
        Acks::LEADER,
        |faults, partition| faults.kill_leader_ahead(partition),
        lost,
        |report| {
            assert!(report.lost_acks > 0, "the leaders were not ahead of the others, so the test shows nothing");
        },
    );
}

#[test]
fn nothing_is_lost_when_a_leader_is_silent_for_seven_seconds() {
    let _alone = alone();
    let mut cluster = three(Release::V0_8_2_2);
    for adapter in chosen() {
        let topic = format!("paused-{}", adapter.name());
        let mut faults = Faults::new(&mut cluster, &topic, PARTITIONS).unwrap_or_else(|error| panic!("{error}"));
        let job = job(faults.cluster(), &topic, Acks::ALL);
        let book = produce(adapter.as_ref(), &job, Duration::from_secs(10), || {
            faults.quiet(Duration::from_secs(1));
            faults.pause_leader(0, Duration::from_secs(7))
        });
        compare(book, &job, LostAcks::Nothing, faults.history());
    }
}

#[test]
fn acks_0_through_resets_is_written_failed_or_unconfirmed() {
    let _alone = alone();
    let cluster = Cluster::start(Release::V0_8_2_2).unwrap_or_else(|error| panic!("{error}"));
    let seed = Seed::new(number("KAFKA08_SEED", 1));
    for (part, adapter) in (0..).zip(chosen()) {
        let topic = format!("resets-{}", adapter.name());
        cluster.create_topic(&topic, PARTITIONS, 1, &[]).unwrap_or_else(|error| panic!("{error}"));
        let proxy = Proxy::start(&cluster.broker(), seed.part(part), LIMITS).expect("a proxy");
        let address = |address: String| address.parse().expect("an address");
        let proxies = vec![(address(cluster.broker()), address(proxy.address()))];
        let job = Job { proxies, keys: Keys::Choose(KeyHash::Murmur2), ..job(&cluster, &topic, Acks::NONE) };
        let during = Duration::from_secs(3);
        let book = produce(adapter.as_ref(), &job, during, || {
            thread::sleep(during);
            Ok(())
        });
        let stats = proxy.stop();
        assert!(stats.resets + stats.closes > 0, "no connection was ended: {stats:?}");
        compare(book, &job, LostAcks::Nothing, &format!("{stats:?}\n"));
    }
}
