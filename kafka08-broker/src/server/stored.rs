//! The data directory of a server.
//!
//! Logs are written in the same turn in which they change. Topics and offsets in ZooKeeper are written whole, and so at
//! intervals. The files of a log are the business of [`storage`](crate::storage).

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    time::{Duration, Instant},
};

use kafka08_proto::ids::{NodeId, Text};

use super::now;
use crate::{
    Cluster,
    state::{StorageWork, StoredLog},
    storage::{DataDir, StorageError},
};

/// How often the file of topics and offsets in ZooKeeper is written at most. It is written whole each time.
const META_EVERY: Duration = Duration::from_secs(1);

/// The directories that keep what a cluster holds: one for each broker, and one for what they share. A cluster of one broker
/// has one for both.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The directory of what brokers share: topics, and offsets in ZooKeeper.
    shared: DataDir,
    /// Empty if there is one broker: its logs are in the shared directory.
    of_brokers: BTreeMap<NodeId, DataDir>,
    /// The version of the file of topics and offsets.
    written: (u64, u64),
    /// When the file may be written again.
    next: Instant,
    /// Whether a write has failed. Nothing is written after that, so that the files stay a prefix of what happened.
    has_failed: bool,
}

impl Stored {
    /// Opens the directory, and gives a cluster that has no topics yet what it holds.
    ///
    /// # Errors
    /// The directory is in use, or a file in it cannot be read.
    pub(crate) fn open(root: &Path, cluster: &mut Cluster) -> io::Result<Self> {
        let (shared, loaded) = DataDir::open(root).map_err(to_io)?;
        let nodes: Vec<NodeId> = cluster.config().nodes().collect();
        let mut of_brokers = BTreeMap::new();
        let mut logs = Vec::new();
        let mut add = |node: NodeId, loaded: Vec<crate::storage::Loaded>| {
            for log in loaded {
                if let Some(torn) = &log.torn {
                    eprintln!("kafka08-broker: {torn}");
                }
                let topic = Text::from(log.topic);
                logs.push(StoredLog { node, topic, partition: log.partition, segments: log.segments });
            }
        };
        match nodes[..] {
            [only] => add(only, loaded),
            _ => {
                for node in nodes {
                    let (dir, loaded) = DataDir::open(&root.join(format!("broker-{}", node.0))).map_err(to_io)?;
                    add(node, loaded);
                    of_brokers.insert(node, dir);
                }
            }
        }
        // Recording begins after the restore. Otherwise everything that was read would be written again.
        cluster.restore(shared.meta(), logs, now());
        cluster.record();
        let mut stored = Self { shared, of_brokers, written: (0, 0), next: Instant::now(), has_failed: false };
        stored.write_meta(cluster).map_err(to_io)?;
        Ok(stored)
    }

    /// Writes what has changed. Returns when it wants to be called again.
    ///
    /// # Errors
    /// A file cannot be written. A real broker stops then, and so should the caller.
    pub(crate) fn follow(&mut self, cluster: &mut Cluster) -> Result<Option<Instant>, StorageError> {
        if self.has_failed {
            return Ok(None);
        }
        let done = self.try_follow(cluster);
        // The changes that failed are lost with the call, so a later write would leave a gap.
        self.has_failed = done.is_err();
        done
    }

    fn try_follow(&mut self, cluster: &mut Cluster) -> Result<Option<Instant>, StorageError> {
        for action in cluster.take_storage_actions() {
            let dir = self.of_brokers.get_mut(&action.node).unwrap_or(&mut self.shared);
            match action.what {
                StorageWork::Change(changes) => dir.apply(&action.topic, action.partition, changes)?,
                StorageWork::Remove => dir.remove(&action.topic, action.partition)?,
            }
        }
        if cluster.meta_version() == self.written {
            return Ok(None);
        }
        if Instant::now() < self.next {
            return Ok(Some(self.next));
        }
        self.write_meta(cluster)?;
        Ok(None)
    }

    fn write_meta(&mut self, cluster: &Cluster) -> Result<(), StorageError> {
        self.shared.write_meta(&cluster.meta())?;
        self.written = cluster.meta_version();
        let now = Instant::now();
        self.next = now.checked_add(META_EVERY).unwrap_or(now);
        Ok(())
    }

    /// Writes everything, and waits until it is on the disk.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn close(mut self, cluster: &mut Cluster) -> Result<(), StorageError> {
        self.next = Instant::now();
        self.follow(cluster)?;
        self.shared.flush()?;
        self.of_brokers.values_mut().try_for_each(DataDir::flush)
    }
}

fn to_io(error: StorageError) -> io::Error {
    let kind = match &error {
        StorageError::Io { error, .. } => error.kind(),
        StorageError::Locked { .. } => io::ErrorKind::ResourceBusy,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error.to_string())
}
