//! Commands of a test to a server.

use std::{io, sync::Arc, time::Duration};

use kafka08_proto::{error_code::ErrorCode, ids::NodeId};

use super::shared::{NotInTime, Shared};
use crate::{BrokerConfig, Cluster, Now, Rule, RuleId, Seen, Snapshot, state::is_valid_name};

/// Commands a server, from any thread.
///
/// [`Control::with`] gives access to the [`Cluster`] and all its methods. The other methods are short forms of the most
/// common ones.
///
/// ```
/// use kafka08_broker::{BrokerConfig, Server};
/// use kafka08_proto::ids::NodeId;
///
/// let server = Server::start(BrokerConfig::default().with_brokers(3))?;
/// server.create_topic("t", 1)?;
/// let leader = server.with(|cluster, _| cluster.leader("t", 0)).expect("a new topic has a leader");
/// server.kill(leader);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Runs a command while nothing is served. The brokers act on it at once.
    ///
    /// Do not wait in the command for something that a client does: no client is served meanwhile.
    pub fn with<T>(&self, command: impl FnOnce(&mut Cluster, Now) -> T) -> T {
        self.shared.with(command)
    }

    /// Waits until a condition holds. It is looked at again whenever something has happened.
    ///
    /// # Errors
    /// The condition does not hold within the limit.
    pub fn wait_until(&self, limit: Duration, holds: impl FnMut(&Cluster) -> bool) -> Result<(), NotInTime> {
        self.shared.wait_until(limit, holds)
    }

    /// Why the brokers have stopped by themselves: the data directory cannot be written any more. `None` if they have not.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.failure()
    }

    /// Creates a topic that has leaders at once: [`Cluster::create_topic`].
    ///
    /// # Errors
    /// InvalidTopic: the name is not allowed. Unknown: there are too many topics, or no broker runs.
    pub fn create_topic(&self, name: &str, partitions: u16) -> Result<(), ErrorCode> {
        self.with(|cluster, now| cluster.create_topic(name, partitions, now))
    }

    /// Adds a rule: [`Cluster::add_rule`].
    pub fn add_rule(&self, rule: Rule) -> RuleId {
        self.with(|cluster, _| cluster.add_rule(rule))
    }

    /// How many requests a rule was applied to: [`Cluster::fired`].
    #[must_use]
    pub fn fired(&self, id: RuleId) -> u64 {
        self.with(|cluster, _| cluster.fired(id))
    }

    /// The state of the cluster at this moment: [`Cluster::snapshot`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.with(|cluster, _| cluster.snapshot())
    }

    /// The requests that were seen, oldest first: a copy of [`Cluster::history`].
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.with(|cluster, _| cluster.history().iter().cloned().collect())
    }

    /// Ends the process of a broker, as `kill -9` does: [`Cluster::kill`]. Its port is closed soon after.
    pub fn kill(&self, node: NodeId) {
        self.with(|cluster, now| cluster.kill(node, now));
    }

    /// Starts a broker that was stopped or killed: [`Cluster::start`]. Its port is open soon after.
    pub fn start_again(&self, node: NodeId) {
        self.with(|cluster, now| cluster.start(node, now));
    }

    /// Removes all topics, offsets, rules and history: [`Cluster::reset`].
    pub fn reset(&self) {
        self.with(Cluster::reset);
    }
}

/// Checks that the topics of a configuration can be created.
pub(crate) fn check_topics(config: &BrokerConfig) -> io::Result<()> {
    let refuse = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if let Some((name, _)) = config.topics.iter().find(|(name, _)| !is_valid_name(name)) {
        return refuse(format!(
            "the topic {name:?} cannot be created: a name has 1 to 255 characters of a-z, A-Z, 0-9, '.', '_' and '-', and is \
             neither \".\" nor \"..\""
        ));
    }
    let (topics, limit) = (config.topics.len(), config.max_topics);
    if topics > limit {
        return refuse(format!(
            "there are {topics} topics to create, and at most {limit}: raise BrokerConfig::with_max_topics"
        ));
    }
    Ok(())
}
