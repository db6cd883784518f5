//! A consumer of many partitions in which nothing happens: how often it asks, and what that costs.

use std::{thread, time::Duration};

use interop::{Cluster, Release};
use kafka08_async::{Consumer, ConsumerConfig, EndAt, Runtime, StartAt, Wrap};
use kafka08_async_std::{AsyncStd, smol::Smol};
use kafka08_tokio::Tokio;
use rustix::time::{ClockId, clock_gettime};

use crate::number;

const TOPIC: &str = "idle";
const PARTITIONS: u16 = 40;
const BROKERS: u16 = 3;

/// What a consumer has done, and what it took.
#[derive(Debug)]
struct Idled {
    fetches: u64,
    cpu: Duration,
}

/// CPU time of this process. The brokers are processes of their own.
fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Lets a consumer rest for a time, after it has begun.
fn idle(time: Duration, fetches: impl Fn() -> u64) -> Idled {
    thread::sleep(Duration::from_secs(3));
    let (before, cpu_before) = (fetches(), cpu());
    thread::sleep(time);
    Idled { fetches: fetches() - before, cpu: cpu().saturating_sub(cpu_before) }
}

/// On a runtime with a thread of its own: this thread only waits.
fn idle_on<Rt>(time: Duration, brokers: &[String], block_on: impl FnOnce(Opening<Rt>) -> Consumer<Rt>) -> Idled
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    let consumer = block_on(Box::pin(open(brokers.to_vec())));
    idle(time, || consumer.stats().fetches)
}

type Opening<Rt> = std::pin::Pin<Box<dyn Future<Output = Consumer<Rt>> + Send>>;

async fn open<Rt>(brokers: Vec<String>) -> Consumer<Rt>
where
    Rt: Wrap<<Rt as Runtime>::TcpStream, Stream: 'static>,
{
    let consumer = Consumer::connect(&brokers, ConsumerConfig::default()).await.expect("a broker answers");
    for partition in 0..i32::from(PARTITIONS) {
        consumer.assign(TOPIC, partition, StartAt::Latest, EndAt::Never).expect("a sound name");
    }
    consumer
}

#[test]
#[ignore = "four times a minute, and nothing else may run in this process; .ci/long consumer-faults"]
fn forty_idle_partitions_cost_few_fetches_and_little_time() {
    let cluster =
        Cluster::builder(Release::V0_8_2_2).brokers(BROKERS).start().unwrap_or_else(|error| panic!("{error}"));
    cluster.create_topic(TOPIC, PARTITIONS, 1, &[]).unwrap_or_else(|error| panic!("{error}"));
    let (brokers, time) = (cluster.all_brokers(), Duration::from_secs(number("KAFKA08_SECONDS", 60)));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let on_threads = || {
        let consumer =
            kafka08_blocking::Consumer::connect(&brokers, ConsumerConfig::default()).expect("a broker answers");
        for partition in 0..i32::from(PARTITIONS) {
            consumer.assign(TOPIC, partition, StartAt::Latest, EndAt::Never).expect("a sound name");
        }
        idle(time, || consumer.stats().fetches)
    };
    let idled = [
        ("tokio", idle_on::<Tokio>(time, &brokers, |opening| runtime.block_on(opening))),
        ("async-std", idle_on::<AsyncStd>(time, &brokers, async_std::task::block_on)),
        ("smol", idle_on::<Smol>(time, &brokers, smol::block_on)),
        ("blocking", on_threads()),
    ];
    // Each broker answers after 500 ms that there is nothing.
    let most = 2 * time.as_secs() * u64::from(BROKERS) + u64::from(BROKERS);
    for (adapter, Idled { fetches, cpu }) in idled {
        let share = cpu.as_secs_f64() / time.as_secs_f64() * 100.0;
        println!("{adapter}: {fetches} fetches in {time:?}, at most {most}; CPU {cpu:?}, {share:.3} %");
        assert!(fetches <= most && fetches > 0, "{adapter}: {fetches} fetches, and {most} may be");
        // Ten times what is wanted.
        assert!(share < 10.0, "{adapter}: {share} % of a processor");
    }
}
