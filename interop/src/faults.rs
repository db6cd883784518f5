//! What goes wrong in a cluster, step by step, while producers are at work.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use crate::{Cluster, Error};

/// How long a step may take until the cluster is as it should be: some seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Applies faults to the brokers of one topic, whose replicas are on all brokers, and keeps what happened.
///
/// Each method that ends a fault waits until all replicas are in sync. So at most one broker is behind the others at any
/// time, and with `min.insync.replicas=2` nothing that was acknowledged by all may be lost.
#[derive(Debug)]
pub struct Faults<'a> {
    cluster: &'a mut Cluster,
    topic: String,
    partitions: u16,
    replicas: usize,
    started: Instant,
    history: String,
    killed: usize,
}

impl<'a> Faults<'a> {
    /// Makes a topic, of which every broker has a replica, and waits until all are in sync. A write with acks = -1 needs two
    /// of them, and only a replica that is in sync becomes leader: both are settings of the topic, because 0.8.2.2 ignores
    /// the broker's `min.insync.replicas`.
    ///
    /// # Errors
    /// The topic cannot be made.
    pub fn new(cluster: &'a mut Cluster, topic: &str, partitions: u16) -> Result<Self, Error> {
        let replicas = cluster.all_brokers().len();
        let configs = [("min.insync.replicas", "2"), ("unclean.leader.election.enable", "false")];
        let wanted = u16::try_from(replicas).expect("a small number of brokers");
        cluster.create_topic(topic, partitions, wanted, &configs)?;
        cluster.await_in_sync(topic, partitions, replicas, LIMIT)?;
        let topic = topic.to_owned();
        Ok(Self { cluster, topic, partitions, replicas, started: Instant::now(), history: String::new(), killed: 0 })
    }

    /// Lets producers work for a while.
    pub fn quiet(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Kills the leader of a partition as `kill -9` does. Another broker has become leader of everything that it led when
    /// this returns. Returns the id of the dead broker, for [`Faults::revive`].
    ///
    /// # Errors
    /// There is no leader, or no other one.
    pub fn kill_leader(&mut self, partition: u16) -> Result<u16, Error> {
        let dead = self.leader(partition)?;
        self.note(&format!("kill -9 of broker {dead}, leader of partition {partition}"));
        self.cluster.kill(dead);
        self.killed += 1;
        self.await_leaders_without(dead)?;
        Ok(dead)
    }

    /// Kills the leader of a partition while the others have not what it has acknowledged with acks = 1 in the last
    /// moment: they are paused before. They stay in sync, because they go on before anybody misses them. Otherwise as
    /// [`Faults::kill_leader`].
    ///
    /// # Errors
    /// As [`Faults::kill_leader`].
    pub fn kill_leader_ahead(&mut self, partition: u16) -> Result<u16, Error> {
        /// A third of `zookeeper.session.timeout.ms` and `replica.lag.time.max.ms`.
        const AHEAD: Duration = Duration::from_millis(700);
        let dead = self.leader(partition)?;
        let count = u16::try_from(self.replicas).expect("a small number of brokers");
        let others = || (1..=count).filter(|broker| *broker != dead);
        others().try_for_each(|broker| self.cluster.pause(broker))?;
        thread::sleep(AHEAD);
        self.cluster.kill(dead);
        self.killed += 1;
        self.note(&format!("kill -9 of broker {dead}, leader of partition {partition}, {AHEAD:?} ahead of the others"));
        others().try_for_each(|broker| self.cluster.resume(broker))?;
        self.await_leaders_without(dead)?;
        Ok(dead)
    }

    /// Starts a broker that was killed, and waits until all replicas are in sync.
    ///
    /// # Errors
    /// The broker does not come up, or its replicas do not come into sync.
    pub fn revive(&mut self, broker: u16) -> Result<(), Error> {
        self.cluster.restart(broker)?;
        self.note(&format!("broker {broker} is up"));
        self.await_in_sync()
    }

    /// Stops the leader of a partition for `time`, as SIGSTOP does, lets it go on, and waits until all replicas are in sync.
    ///
    /// # Errors
    /// There is no leader, or no other one; or replicas do not come into sync.
    pub fn pause_leader(&mut self, partition: u16, time: Duration) -> Result<(), Error> {
        let paused = self.leader(partition)?;
        self.note(&format!("broker {paused}, leader of partition {partition}, is paused"));
        self.cluster.pause(paused)?;
        let since = Instant::now();
        let another = self.await_leaders_without(paused);
        thread::sleep(time.saturating_sub(since.elapsed()));
        self.cluster.resume(paused)?;
        self.note(&format!("broker {paused} goes on"));
        another?;
        self.await_in_sync()
    }

    /// What happened until now, with the seconds since the start.
    #[must_use]
    pub fn history(&self) -> &str {
        &self.history
    }

    /// How many brokers were killed.
    #[must_use]
    pub fn killed(&self) -> usize {
        self.killed
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        self.cluster
    }

    fn leader(&self, partition: u16) -> Result<u16, Error> {
        self.cluster.await_leader(&self.topic, partition, LIMIT, |_| true)
    }

    fn await_leaders_without(&mut self, broker: u16) -> Result<(), Error> {
        for partition in 0..self.partitions {
            self.cluster.await_leader(&self.topic, partition, LIMIT, |leader| leader != broker)?;
        }
        self.note("every partition has another leader");
        Ok(())
    }

    fn await_in_sync(&mut self) -> Result<(), Error> {
        self.cluster.await_in_sync(&self.topic, self.partitions, self.replicas, LIMIT)?;
        self.note("all replicas are in sync");
        Ok(())
    }

    fn note(&mut self, what: &str) {
        let passed = self.started.elapsed().as_secs_f64();
        writeln!(self.history, "{passed:7.2} s  {what}").expect("a String takes what is written to it");
    }
}
