//! The brokers of a cluster as one state machine: bytes and time go in, bytes come out.
//!
//! The cluster joins the parts that do not know each other: connections, rules, APIs, the purgatory, and the state of the
//! brokers. One file is for one part of a request's way: `connections` and `link` receive it, `serve` takes it up,
//! `answering` ends it. `control` has the commands of a test.

mod answering;
mod connections;
mod control;
mod link;
mod serve;
mod snapshot;
mod stored;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

pub use control::{NoSuchPartition, Refused};
use kafka08_proto::{
    HostPort,
    ids::{ConnectionId, NodeId},
};
pub use link::Link;

use crate::{
    BrokerConfig,
    apis::Caller,
    faults::{Faults, Rule, RuleId},
    groups::ZooKeeper,
    history::History,
    purgatory::{Purgatory, WaitId},
    seed::Seed,
    state::{Led, Now, State},
    timers::Timers,
    wire::Answer,
};

/// What happens at a later time on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterDue {
    /// A request has waited long enough.
    Wait(WaitId),
    /// A connection may have been idle, or its client too slow, for too long.
    Link(ConnectionId),
    /// The next piece of an answer is written.
    Script(ConnectionId),
    /// Offsets that are too old are removed.
    Sweep,
}

/// What a driver must do for a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterEvent {
    /// Accept connections at the broker's address.
    Listen(NodeId),
    /// Accept no more connections at the broker's address, and close its port. Its connections are closed.
    Unlisten(NodeId),
}

/// Whether a state machine has more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Requests that have arrived are not served yet: call [`Cluster::turn`] again.
    More,
    /// Nothing is left to do until bytes arrive or a deadline passes.
    Idle,
}

/// Counts of what was refused because of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitStats {
    /// Connections that were closed at once, because there were too many.
    pub connections: u64,
    /// Connections that were closed because they were idle.
    pub idle: u64,
    /// Connections that were closed because their client did not read its answers, or a request arrived too slowly.
    pub slow: u64,
    /// Connections that were closed because answers that nobody read took too much memory.
    pub unsent: u64,
    /// Connections that were closed because a request was malformed, too large, or of an unknown kind.
    pub malformed: u64,
}

/// The brokers of a cluster without sockets, clock or threads. [`Server`](crate::Server) is a cluster that has them.
///
/// # How to drive it
///
/// 1. Call [`Cluster::connect`] for each connection that a client makes with a broker.
/// 2. Move its bytes through [`Cluster::link`], and call [`Cluster::handle_io`].
/// 3. Call [`Cluster::turn`] until it returns [`Turn::Idle`]. Each call does a bounded amount of work, so that a driver can
///    accept connections and move bytes in between.
/// 4. Call [`Cluster::poll_ready`] until it returns `None`, and move the bytes of each connection that it names, or close its
///    socket if [`Cluster::link`] returns `None`.
/// 5. Call [`Cluster::poll_event`] until it returns `None`: it tells at which addresses to listen.
/// 6. Wait until bytes can be moved or the time of [`Cluster::poll_timeout`] has come. Then go on with step 2 or 3.
///
/// The same requests, times and commands give the same answers: every choice is drawn from the seed of the configuration.
///
/// # What it keeps
///
/// Logs up to [`BrokerConfig::with_max_log_bytes`], answers that were not read up to [`BrokerConfig::with_max_unsent`], for
/// each connection one request of at most [`BrokerConfig::with_max_frame`], and what the other limits allow.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) state: State,
    pub(crate) zookeeper: ZooKeeper,
    /// The requests that wait for messages or replicas.
    pub(crate) purgatory: Purgatory<Caller>,
    /// The deadlines of requests and connections.
    pub(crate) timers: Timers<ClusterDue>,
    /// Fetches that have enough, and are answered behind the request that gave it to them.
    pub(crate) woken: VecDeque<WaitId>,
    /// The connections that have not ended. They are added by `connect` and removed by `drop_link` only, which keep `unsent`
    /// right.
    links: BTreeMap<ConnectionId, Link>,
    /// How many connections each broker has. Counting them anew for each that is made would let a client that connects in a loop
    /// cost more the more connections there are.
    links_of: BTreeMap<NodeId, usize>,
    next_connection: u64,
    /// The connections that may have a request to serve.
    queue: VecDeque<ConnectionId>,
    /// The connections that the driver must look at.
    ready: VecDeque<ConnectionId>,
    events: VecDeque<ClusterEvent>,
    /// Connections that ended by a reset, until the driver has asked.
    resets: BTreeSet<ConnectionId>,
    /// Answers of brokers that are paused.
    postponed: Vec<(Caller, Answer)>,
    /// The bytes of all answers that clients have not read.
    unsent: usize,
    /// The value of `unsent` at which a turn ends.
    unsent_of_turn: usize,
    /// The rules of what goes wrong.
    faults: Faults,
    history: History,
    limits: LimitStats,
}

impl Cluster {
    /// Creates the brokers of a configuration, and its topics. The addresses are told in Metadata answers; a broker without one
    /// has 127.0.0.1:9092.
    #[must_use]
    pub fn new(config: BrokerConfig, addresses: &BTreeMap<NodeId, HostPort>, now: Now) -> Self {
        let mut cluster = Self {
            faults: Faults::new(config.seed),
            history: History::new(config.history_entries, config.history_bytes),
            state: State::new(config, addresses),
            zookeeper: ZooKeeper::default(),
            purgatory: Purgatory::new(),
            timers: Timers::new(),
            woken: VecDeque::new(),
            links: BTreeMap::new(),
            links_of: BTreeMap::new(),
            next_connection: 0,
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            resets: BTreeSet::new(),
            postponed: Vec::new(),
            unsent: 0,
            unsent_of_turn: 0,
            limits: LimitStats::default(),
        };
        cluster.events.extend(cluster.state.nodes.keys().map(|node| ClusterEvent::Listen(*node)));
        cluster.create_configured(now);
        // The timer sets itself again after each sweep.
        cluster.schedule_sweep(now);
        cluster
    }

    /// Creates the topics of the configuration.
    fn create_configured(&mut self, now: Now) {
        for (name, partitions) in self.state.config.topics.clone() {
            // A name that is not allowed leaves no topic, as with a real broker's tool. `Server::start` reports it.
            let _ = self.state.create_topic(&name, partitions, Led::AtOnce, now);
        }
        self.settle(now);
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &BrokerConfig {
        &self.state.config
    }

    /// Counts of what was refused because of a limit.
    #[must_use]
    pub fn limit_stats(&self) -> LimitStats {
        self.limits
    }

    /// Where choices are drawn from.
    pub(crate) fn seed(&mut self) -> &mut Seed {
        &mut self.state.seed
    }

    /// What a driver must do for a broker.
    pub fn poll_event(&mut self) -> Option<ClusterEvent> {
        self.events.pop_front()
    }

    /// The next time at which to call [`Cluster::turn`]. `None` if nothing has a deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.state.timers.next()].into_iter().flatten().min()
    }

    /// Whether a connection that has ended is to be reset instead of closed, because of a rule. Tells it once.
    pub fn take_reset(&mut self, id: ConnectionId) -> bool {
        self.resets.remove(&id)
    }

    /// Adds a rule: see [`Rule`] for what can go wrong. Rules are asked in the order in which they were added.
    pub fn add_rule(&mut self, rule: Rule) -> RuleId {
        self.faults.add(rule)
    }

    /// Removes a rule, and returns it. Answers that the rule delays are still given.
    pub fn remove_rule(&mut self, id: RuleId) -> Option<Rule> {
        self.faults.remove(id)
    }

    /// Removes all rules.
    pub fn clear_rules(&mut self) {
        self.faults.clear();
    }

    /// How many requests a rule was applied to. 0 if it was removed.
    #[must_use]
    pub fn fired(&self, id: RuleId) -> u64 {
        self.faults.fired(id)
    }

    /// The rules, and how many requests each was applied to.
    #[must_use]
    pub fn rules(&self) -> Vec<(RuleId, Rule, u64)> {
        self.faults.report()
    }

    /// The latest requests and their answers.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Forgets the requests that were seen so far.
    pub fn clear_history(&mut self) {
        self.history.clear();
    }
}
