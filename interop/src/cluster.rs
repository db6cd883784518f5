//! ZooKeeper and the brokers of one test.

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Error, Release, Tool, folder, jars,
    process::{Process, free_port, java, loopback, start_on_free_ports},
    zookeeper,
};

/// A ZooKeeper and brokers of one release, ready when this is returned and stopped when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    release: Release,
    jars: PathBuf,
    folder: PathBuf,
    brokers: Vec<Broker>,
    zookeeper_port: u16,
    /// Behind the brokers: they hang when it goes first.
    _zookeeper: Process,
}

#[derive(Debug)]
struct Broker {
    port: u16,
    process: Option<Process>,
    killed: Option<Instant>,
}

/// What a cluster will be.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    release: Release,
    brokers: u16,
    settings: Vec<(String, String)>,
}

impl ClusterBuilder {
    /// With this many brokers, whose ids are 1, 2, …, instead of one.
    #[must_use]
    pub fn brokers(mut self, brokers: u16) -> Self {
        self.brokers = brokers;
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
        let mut cluster =
            Cluster { release: self.release, jars, folder, brokers: Vec::new(), zookeeper_port, _zookeeper: zookeeper };
        for id in 1..=self.brokers {
            let port = free_port()?;
            folder::write(&cluster.properties(id), &self.properties(&cluster, id, port))?;
            cluster.brokers.push(Broker { port, process: None, killed: None });
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

impl Cluster {
    /// A cluster of one broker of `release`; the builder says otherwise.
    #[must_use]
    pub fn builder(release: Release) -> ClusterBuilder {
        ClusterBuilder { release, brokers: 1, settings: Vec::new() }
    }

    /// Starts one broker of `release`.
    ///
    /// # Errors
    /// As [`ClusterBuilder::start`].
    pub fn start(release: Release) -> Result<Self, Error> {
        Self::builder(release).start()
    }

    /// What it is of.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Where the first broker listens, as `127.0.0.1:port`.
    #[must_use]
    pub fn broker(&self) -> String {
        self.broker_of(1)
    }

    /// Where broker `id` listens, as `127.0.0.1:port`; ids begin at 1.
    ///
    /// # Panics
    /// If there is no such broker.
    #[must_use]
    pub fn broker_of(&self, id: u16) -> String {
        format!("127.0.0.1:{}", self.brokers.get(usize::from(id) - 1).expect("ids are 1 to the number of brokers").port)
    }

    /// Where its ZooKeeper listens, as `127.0.0.1:port`.
    #[must_use]
    pub fn zookeeper(&self) -> String {
        format!("127.0.0.1:{}", self.zookeeper_port)
    }

    /// The log folder of a broker: `<topic>-<partition>/` holds its segments.
    #[must_use]
    pub fn log_dir(&self, id: u16) -> PathBuf {
        self.folder.join(format!("logs-{id}"))
    }

    /// Kills broker `id` as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self, id: u16) {
        if let Some(broker) = self.brokers.get_mut(usize::from(id) - 1) {
            broker.process = None;
            broker.killed = Some(Instant::now());
        }
    }

    /// Stops broker `id` in good order, unless it was killed, and starts it again, on its port and with its data.
    ///
    /// After a kill this waits until ZooKeeper has given up the old session: a broker of 0.8.2 that comes back earlier finds
    /// itself registered, and never becomes controller again.
    ///
    /// # Errors
    /// It does not come up.
    pub fn restart(&mut self, id: u16) -> Result<(), Error> {
        /// `zookeeper.session.timeout.ms`, whose default is 6 s, and a few ticks.
        const SESSION: Duration = Duration::from_secs(8);
        if let Some(broker) = self.brokers.get_mut(usize::from(id) - 1) {
            if let Some(mut process) = broker.process.take() {
                process.terminate();
            }
            if let Some(killed) = broker.killed.take() {
                thread::sleep(SESSION.saturating_sub(killed.elapsed()));
            }
        }
        self.launch(id)?;
        self.wait_until_ready(id)
    }

    /// A Java tool of the same release, by its main class.
    #[must_use]
    pub fn tool(&self, class: &str) -> Tool {
        Tool::new(&self.jars, class)
    }

    /// Makes a topic with the release's own tool; returns when the tool is done, which is before leaders are chosen.
    ///
    /// # Errors
    /// The tool fails.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: u16,
        replicas: u16,
        configs: &[(&str, &str)],
    ) -> Result<(), Error> {
        let (partitions, replicas) = (partitions.to_string(), replicas.to_string());
        let zookeeper = self.zookeeper();
        let tool = match self.release {
            Release::V0_8_0 => self.tool("kafka.admin.CreateTopicCommand").args([
                "--zookeeper",
                &zookeeper,
                "--topic",
                name,
                "--partition",
                &partitions,
                "--replica",
                &replicas,
            ]),
            Release::V0_8_1_1 | Release::V0_8_2_2 => {
                let tool = self.tool("kafka.admin.TopicCommand").args([
                    "--zookeeper",
                    &zookeeper,
                    "--create",
                    "--topic",
                    name,
                ]);
                let tool = tool.args(["--partitions", &partitions, "--replication-factor", &replicas]);
                configs.iter().fold(tool, |tool, (key, value)| tool.args(["--config", &format!("{key}={value}")]))
            }
        };
        tool.run().map(drop)
    }

    fn properties(&self, id: u16) -> PathBuf {
        self.folder.join(format!("server-{id}.properties"))
    }

    fn log(&self, id: u16) -> PathBuf {
        self.folder.join(format!("broker-{id}.log"))
    }

    fn launch(&mut self, id: u16) -> Result<(), Error> {
        // A log of before would say "started" for the process that is to come.
        let log = self.log(id);
        if log.exists() {
            fs::rename(&log, log.with_extension("old.log"))
                .map_err(Error::io(format!("renaming {}", log.display())))?;
        }
        let mut command = java(&self.jars, "-Xmx256m");
        command.arg(folder::log4j(&self.folder)).arg("kafka.Kafka").arg(self.properties(id));
        let process = Process::start(format!("broker {id} of {}", self.release), command, log)?;
        if let Some(broker) = self.brokers.get_mut(usize::from(id) - 1) {
            broker.process = Some(process);
        }
        Ok(())
    }

    fn wait_until_ready(&mut self, id: u16) -> Result<(), Error> {
        let started = self.release.started();
        match self.brokers.get_mut(usize::from(id) - 1) {
            Some(Broker { port, process: Some(process), .. }) => {
                process.wait_until_ready(Some(started), loopback(*port))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.brokers.clear();
        folder::leave(&self.folder, &self.release);
    }
}
