//! Waiting until the brokers of a cluster agree on something.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::Cluster;
use crate::{
    Error,
    zookeeper::{self, PartitionState},
};

const POLL: Duration = Duration::from_millis(50);

impl Cluster {
    /// What the controller has written about a partition. `None` while the partition does not exist.
    ///
    /// This is read from ZooKeeper: brokers of 0.8 do not tell each other when a replica comes into sync again, so their
    /// metadata may show an old set (KAFKA-1367).
    ///
    /// # Errors
    /// ZooKeeper does not answer.
    pub fn partition(&self, topic: &str, partition: u16) -> Result<Option<PartitionState>, Error> {
        zookeeper::partition_state(self.zookeeper_port, topic, partition)
    }

    /// Waits until a partition has a leader that `accepts` takes, and returns the leader's id.
    ///
    /// # Errors
    /// There is none within `limit`, or ZooKeeper does not answer.
    pub fn await_leader(
        &self,
        topic: &str,
        partition: u16,
        limit: Duration,
        accepts: impl Fn(u16) -> bool,
    ) -> Result<u16, Error> {
        let what = format!("the leader of {topic}-{partition}");
        self.watch(&what, limit, || {
            let state = self.partition(topic, partition)?;
            Ok((state.as_ref().and_then(|state| state.leader).filter(|leader| accepts(*leader)), format!("{state:?}")))
        })
    }

    /// Waits until each of the first `partitions` of a topic has a leader, and `replicas` replicas in sync.
    ///
    /// # Errors
    /// That is not so within `limit`, or ZooKeeper does not answer.
    pub fn await_in_sync(&self, topic: &str, partitions: u16, replicas: usize, limit: Duration) -> Result<(), Error> {
        (0..partitions).try_for_each(|partition| {
            let what = format!("{replicas} replicas of {topic}-{partition} in sync");
            self.watch(&what, limit, || {
                let state = self.partition(topic, partition)?;
                let is_in_sync =
                    state.as_ref().is_some_and(|state| state.leader.is_some() && state.in_sync.len() == replicas);
                Ok((is_in_sync.then_some(()), format!("{state:?}")))
            })
        })
    }

    /// Waits until ZooKeeper knows nothing of broker `id`.
    pub(super) fn await_unregistered(&self, id: u16, limit: Duration) -> Result<(), Error> {
        self.watch(&format!("the end of the session of broker {id}"), limit, || {
            let is_registered = zookeeper::is_registered(self.zookeeper_port, id)?;
            Ok(((!is_registered).then_some(()), "it is registered".to_owned()))
        })
    }

    /// Looks until there is a result. `look` also says what there is instead.
    fn watch<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl Fn() -> Result<(Option<T>, String), Error>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        loop {
            let instead = match look() {
                Ok((Some(found), _)) => return Ok(found),
                Ok((None, instead)) => instead,
                Err(error) if started.elapsed() > limit => return Err(error),
                // ZooKeeper may be slow while brokers start.
                Err(error) => error.to_string(),
            };
            if started.elapsed() > limit {
                return Err(Error::NotReady {
                    what: what.to_owned(),
                    after: limit,
                    log: self.folder.clone(),
                    last_lines: instead,
                });
            }
            thread::sleep(POLL);
        }
    }
}
