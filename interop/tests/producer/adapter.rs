//! The producers that the tests are made with, behind one interface.

use std::{env, time::Duration};

use interop::{Release, ledger::Keys};
use kafka08_async_std::{AsyncStd, smol::Smol};
use kafka08_client::config::{ClusterConfig, ProducerConfig};
use kafka08_proto::{HostPort, ids::Acks};
use kafka08_tokio::Tokio;

use crate::{
    feed::Feed,
    handles::{Async, Blocking},
    machine::Machine,
    simple::Simple,
};

/// With acks = 0, the number of records after which a flush is asked for.
pub(crate) const FLUSH: u64 = 500;

/// What a producer is to do.
pub(crate) struct Job {
    /// Addresses of brokers, to begin with.
    pub(crate) brokers: Vec<String>,
    pub(crate) topic: String,
    pub(crate) partitions: u16,
    pub(crate) keys: Keys,
    pub(crate) acks: Acks,
    /// The number of records.
    pub(crate) records: u64,
    /// Releases of all brokers.
    pub(crate) releases: Vec<Release>,
    /// Brokers behind a proxy: the address that metadata tells, and the proxy's.
    pub(crate) proxies: Vec<(HostPort, HostPort)>,
}

impl Job {
    /// Where to connect to instead of an address that metadata tells.
    pub(crate) fn route(&self, told: HostPort) -> HostPort {
        route(&self.proxies, told)
    }

    /// Whether each broker tells the offset that it has given. Before 0.8.2, the offset in an answer is another one with
    /// acks = -1.
    pub(crate) fn tells_offsets(&self) -> bool {
        self.acks != Acks::ALL || self.releases.iter().all(|release| *release == Release::V0_8_2_2)
    }

    /// How long a record may take.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// The addresses of brokers, to begin with.
    pub(crate) fn bootstrap(&self) -> Vec<String> {
        self.brokers.iter().map(|broker| self.route(broker.parse().expect("an address")).to_string()).collect()
    }

    /// The settings of a producer of `kafka08-client`.
    pub(crate) fn config(&self) -> ProducerConfig {
        let proxies = self.proxies.clone();
        let cluster = ClusterConfig::default().with_endpoint_filter(move |_, told| Some(route(&proxies, told)));
        let config = ProducerConfig::default().with_cluster(cluster);
        config.with_acks(self.acks).with_delivery_timeout(self.patience())
    }
}

fn route(proxies: &[(HostPort, HostPort)], told: HostPort) -> HostPort {
    proxies.iter().find(|(broker, _)| *broker == told).map_or(told, |(_, proxy)| proxy.clone())
}

/// A producer in one of its runtimes.
pub(crate) trait Adapter: Sync {
    fn name(&self) -> &'static str;

    /// Whether it finds out the releases of brokers.
    fn probes(&self) -> bool {
        true
    }

    /// Sends what the feed gives, tells the feed how each record has ended, and returns when all have.
    fn produce(&self, job: &Job, feed: &Feed);
}

/// Those that `KAFKA08_ADAPTERS` names, with commas between them.
pub(crate) fn chosen() -> Vec<Box<dyn Adapter>> {
    let names = env::var("KAFKA08_ADAPTERS").unwrap_or_else(|_| "tokio".to_owned());
    let adapter = |name: &str| -> Box<dyn Adapter> {
        match name {
            "tokio" => Box::new(Async::<Tokio>::new("tokio", |work| {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                runtime.expect("a runtime").block_on(work);
            })),
            "async-std" => Box::new(Async::<AsyncStd>::new("async-std", |work| async_std::task::block_on(work))),
            "smol" => Box::new(Async::<Smol>::new("smol", |work| smol::block_on(work))),
            "blocking" => Box::new(Blocking),
            "machine" => Box::new(Machine),
            "simple" => Box::new(Simple),
            other => panic!("KAFKA08_ADAPTERS: {other} is none of: tokio, async-std, smol, blocking, machine, simple"),
        }
    };
    names.split(',').map(|name| adapter(name.trim())).collect()
}
