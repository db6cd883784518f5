//! ZooKeeper and the brokers of one test.

mod builder;
mod watch;

use std::{fs, path::PathBuf, time::Duration};

pub use builder::ClusterBuilder;

use crate::{
    Error, Release, Tool, folder,
    process::{Process, java, loopback},
};

/// A ZooKeeper and brokers, ready when this is returned and stopped when it is dropped.
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
    release: Release,
    jars: PathBuf,
    port: u16,
    state: State,
}

#[derive(Debug)]
enum State {
    Stopped,
    Running(Process),
    Paused(Process),
}

impl Cluster {
    /// A cluster of one broker of `release`; the builder says otherwise.
    #[must_use]
    pub fn builder(release: Release) -> ClusterBuilder {
        ClusterBuilder::new(release)
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
        format!("127.0.0.1:{}", self.get(id).port)
    }

    /// Where each broker listens, in the order of the ids.
    #[must_use]
    pub fn all_brokers(&self) -> Vec<String> {
        self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.port)).collect()
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
    ///
    /// # Panics
    /// If there is no such broker.
    pub fn kill(&mut self, id: u16) {
        // Dropping the process kills it.
        self.get_mut(id).state = State::Stopped;
    }

    /// Stops broker `id` as SIGSTOP does: its connections stay open, and nothing is answered, until [`Cluster::resume`].
    ///
    /// # Errors
    /// The signal cannot be sent.
    ///
    /// # Panics
    /// If there is no such broker, or it does not run.
    pub fn pause(&mut self, id: u16) -> Result<(), Error> {
        let broker = self.get_mut(id);
        match std::mem::replace(&mut broker.state, State::Stopped) {
            State::Running(process) => {
                process.pause()?;
                broker.state = State::Paused(process);
                Ok(())
            }
            other => panic!("broker {id} does not run: {other:?}"),
        }
    }

    /// Lets broker `id` go on after [`Cluster::pause`].
    ///
    /// # Errors
    /// The signal cannot be sent.
    ///
    /// # Panics
    /// If there is no such broker, or it is not paused.
    pub fn resume(&mut self, id: u16) -> Result<(), Error> {
        let broker = self.get_mut(id);
        match std::mem::replace(&mut broker.state, State::Stopped) {
            State::Paused(process) => {
                process.resume()?;
                broker.state = State::Running(process);
                Ok(())
            }
            other => panic!("broker {id} is not paused: {other:?}"),
        }
    }

    /// Stops broker `id` in good order, unless it was killed, and starts it again, on its port and with its data.
    ///
    /// After a kill this waits until ZooKeeper has given up the old session: a broker of 0.8.2 that comes back earlier finds
    /// itself registered, and never becomes controller again.
    ///
    /// # Errors
    /// It does not come up.
    ///
    /// # Panics
    /// If there is no such broker.
    pub fn restart(&mut self, id: u16) -> Result<(), Error> {
        /// Twice the default of `zookeeper.session.timeout.ms`.
        const SESSION: Duration = Duration::from_secs(12);
        let broker = self.get_mut(id);
        if let State::Running(mut process) = std::mem::replace(&mut broker.state, State::Stopped) {
            process.terminate();
        }
        self.await_unregistered(id, SESSION)?;
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

    fn get(&self, id: u16) -> &Broker {
        let place = usize::from(id).checked_sub(1);
        place.and_then(|place| self.brokers.get(place)).expect("ids are 1 to the number of brokers")
    }

    fn get_mut(&mut self, id: u16) -> &mut Broker {
        let place = usize::from(id).checked_sub(1);
        place.and_then(|place| self.brokers.get_mut(place)).expect("ids are 1 to the number of brokers")
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
        let Broker { release, jars, .. } = self.get(id);
        let mut command = java(jars, "-Xmx256m");
        command.arg(folder::log4j(&self.folder)).arg("kafka.Kafka").arg(self.properties(id));
        let process = Process::start(format!("broker {id} of {release}"), command, log)?;
        self.get_mut(id).state = State::Running(process);
        Ok(())
    }

    fn wait_until_ready(&mut self, id: u16) -> Result<(), Error> {
        match self.get_mut(id) {
            Broker { release, port, state: State::Running(process), .. } => {
                process.wait_until_ready(Some(release.started()), loopback(*port))
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
