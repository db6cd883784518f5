//! What a cluster will be, and its settings.

use std::{fmt::Write as _, path::PathBuf};

use super::{Broker, Cluster, State};
use crate::{
    Error, Release, folder, jars,
    process::{free_port, start_on_free_ports},
    zookeeper,
};

/// What a cluster will be.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    release: Release,
    brokers: u16,
    /// The releases of brokers that are not of `release`, by id.
    others: Vec<(u16, Release)>,
    settings: Vec<(String, String)>,
}

impl ClusterBuilder {
    pub(super) fn new(release: Release) -> Self {
        Self { release, brokers: 1, others: Vec::new(), settings: Vec::new() }
    }

    /// With this many brokers, whose ids are 1, 2, …, instead of one.
    #[must_use]
    pub fn brokers(mut self, brokers: u16) -> Self {
        self.brokers = brokers;
        self
    }

    /// With another release of broker `id`. ZooKeeper and the tools stay those of the cluster's release.
    #[must_use]
    pub fn release_of(mut self, id: u16, release: Release) -> Self {
        self.others.push((id, release));
        self
    }

    /// With this line in each broker's `server.properties`, instead of what this crate writes for the key.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// Java or Maven is missing, the jars cannot be had, or a process does not come up; the error says which.
    pub fn start(&self) -> Result<Cluster, Error> {
        let jars = jars::fetch(self.release.version(), self.release.pom())?;
        start_on_free_ports(|| self.try_start(jars.clone()))
    }

    fn try_start(&self, jars: PathBuf) -> Result<Cluster, Error> {
        let folder = folder::create(self.release.version())?;
        let (zookeeper, zookeeper_port) = zookeeper::start(&jars, &folder)?;
        let release = self.release;
        let mut cluster = Cluster { release, jars, folder, brokers: Vec::new(), zookeeper_port, _zookeeper: zookeeper };
        for id in 1..=self.brokers {
            let port = free_port()?;
            folder::write(&cluster.properties(id), &self.properties(&cluster, id, port))?;
            let release = self.others.iter().find(|(other, _)| *other == id).map_or(release, |(_, release)| *release);
            let jars = jars::fetch(release.version(), release.pom())?;
            cluster.brokers.push(Broker { release, jars, port, state: State::Stopped });
        }
        for id in 1..=self.brokers {
            cluster.launch(id)?;
        }
        (1..=self.brokers).try_for_each(|id| cluster.wait_until_ready(id))?;
        Ok(cluster)
    }

    fn properties(&self, cluster: &Cluster, id: u16, port: u16) -> String {
        let logs = cluster.folder.join(format!("logs-{id}"));
        let mut settings = vec![
            ("broker.id".to_owned(), id.to_string()),
            ("port".to_owned(), port.to_string()),
            ("host.name".to_owned(), "127.0.0.1".to_owned()),
            ("advertised.host.name".to_owned(), "127.0.0.1".to_owned()),
            ("log.dirs".to_owned(), logs.display().to_string()),
            ("zookeeper.connect".to_owned(), format!("127.0.0.1:{}", cluster.zookeeper_port)),
        ];
        let fixed = [
            ("num.partitions", "2"),
            ("log.cleaner.enable", "true"),
            // The default is allocated at start, and would not fit the heap.
            ("log.cleaner.dedupe.buffer.size", "4194304"),
            ("log.cleaner.io.buffer.size", "131072"),
            // With one replica it would only make a stop take fifteen seconds.
            ("controlled.shutdown.enable", "false"),
            ("num.network.threads", "2"),
            ("num.io.threads", "2"),
            // The default of 50 makes the first ConsumerMetadata slow.
            ("offsets.topic.num.partitions", "4"),
        ];
        let of_a_cluster = [
            ("default.replication.factor", "3"),
            ("zookeeper.session.timeout.ms", "2000"),
            ("replica.lag.time.max.ms", "2000"),
        ];
        let of_a_cluster = of_a_cluster.iter().filter(|_| self.brokers > 1);
        settings.extend(fixed.iter().chain(of_a_cluster).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        settings.retain(|(key, _)| self.settings.iter().all(|(other, _)| other != key));
        settings.extend(self.settings.iter().cloned());
        settings.iter().fold(String::new(), |mut text, (key, value)| {
            writeln!(text, "{key}={value}").expect("a String takes what is written to it");
            text
        })
    }
}
