//! Brokers of later releases, which old clients meet all the same.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    Error, Tool, folder, jars,
    process::{Process, free_port, java, loopback, start_on_free_ports},
    zookeeper,
};

/// A release of Kafka after 0.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewerRelease {
    /// 1.1.1, with a ZooKeeper: the last that can send later formats as they are.
    V1_1_1,
    /// 3.9.1, without ZooKeeper: the last line that answers the requests of 0.8.
    V3_9_1,
    /// 4.1.0, without ZooKeeper.
    V4_1_0,
}

/// A broker of a later release, ready when this is returned and stopped when it is dropped.
#[derive(Debug)]
pub struct NewerBroker {
    release: NewerRelease,
    jars: PathBuf,
    folder: PathBuf,
    port: u16,
    broker: Option<Process>,
    /// Behind the broker, which would hang without it.
    _zookeeper: Option<Process>,
}

impl NewerRelease {
    /// Its number.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_1_1 => "1.1.1",
            Self::V3_9_1 => "3.9.1",
            Self::V4_1_0 => "4.1.0",
        }
    }

    fn pom(self) -> &'static str {
        match self {
            Self::V1_1_1 => include_str!("../poms/1.1.1.xml"),
            Self::V3_9_1 => include_str!("../poms/3.9.1.xml"),
            Self::V4_1_0 => include_str!("../poms/4.1.0.xml"),
        }
    }

    /// What a broker logs when it is up.
    fn started(self) -> &'static str {
        match self {
            Self::V1_1_1 => "started (kafka.server.KafkaServer)",
            Self::V3_9_1 | Self::V4_1_0 => "Kafka Server started",
        }
    }
}

impl NewerBroker {
    /// Starts a broker.
    ///
    /// # Errors
    /// Java or Maven is missing, the jars cannot be had, or a process does not come up; the error says which.
    pub fn start(release: NewerRelease) -> Result<Self, Error> {
        Self::start_with(release, &[])
    }

    /// Starts a broker with these lines in its `server.properties`, instead of what this crate writes for the same keys.
    ///
    /// # Errors
    /// As [`NewerBroker::start`].
    pub fn start_with(release: NewerRelease, settings: &[&str]) -> Result<Self, Error> {
        let jars = jars::fetch(release.version(), release.pom())?;
        start_on_free_ports(|| Self::try_start(release, settings, &jars))
    }

    fn try_start(release: NewerRelease, more: &[&str], jars: &Path) -> Result<Self, Error> {
        let folder = folder::create(release.version())?;
        let port = free_port()?;
        let mut settings = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
        let zookeeper = if release == NewerRelease::V1_1_1 {
            let (zookeeper, at) = zookeeper::start(jars, &folder)?;
            settings += &format!("\nbroker.id=1\nzookeeper.connect=127.0.0.1:{at}\n");
            Some(zookeeper)
        } else {
            let controller = free_port()?;
            settings += &format!(
                ",CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
                 process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
                 controller.listener.names=CONTROLLER\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
            );
            None
        };
        settings += &format!("log.dirs={}\n", folder.join("logs").display());
        // One broker can hold one replica. The last line: the default is allocated at start, and would not fit the heap.
        settings += "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
                     transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
                     transaction.state.log.num.partitions=4\nlog.cleaner.dedupe.buffer.size=4194304\n";
        // Of a key that stands twice, the last line counts.
        settings += &more.join("\n");
        let properties = folder.join("server.properties");
        folder::write(&properties, &settings)?;
        let text = properties.display().to_string();
        if zookeeper.is_none() {
            // Any cluster id will do.
            let args = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", &text];
            Tool::new(jars, "kafka.tools.StorageTool").args(args).run()?;
        }
        let mut command = java(jars, "-Xmx512m");
        command.arg(folder::log4j(&folder)).args(["kafka.Kafka", &text]);
        let mut broker = Process::start(format!("the broker of {release}"), command, folder.join("broker.log"))?;
        broker.wait_until_ready(Some(release.started()), loopback(port))?;
        Ok(Self { release, jars: jars.to_owned(), folder, port, broker: Some(broker), _zookeeper: zookeeper })
    }

    /// Where it listens, as `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        loopback(self.port).to_string()
    }

    /// A Java tool of the same release, by its main class or by the path of a source file, for which `java` must be that of
    /// a JDK.
    #[must_use]
    pub fn tool(&self, class: &str) -> Tool {
        Tool::new(&self.jars, class)
    }
}

impl Drop for NewerBroker {
    fn drop(&mut self) {
        self.broker = None;
        folder::leave(&self.folder, &self.release);
    }
}

impl fmt::Display for NewerRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka {}", self.version())
    }
}
