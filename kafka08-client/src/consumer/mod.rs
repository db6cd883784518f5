//! Fetches messages from the leaders of their partitions.
//!
//! A [`Consumer`] owns a cluster, and puts what it fetches into an [`Assignment`]. Callers never touch the consumer: they assign
//! partitions, take sets from the assignment, and read events.
//!
//! It never decompresses, verifies or copies messages: it follows the headers of entries to know what to fetch next. Messages
//! are decoded where they are used.
//!
//! | file | what it owns |
//! |---|---|
//! | `event` | what a user is told, and why a partition is not read |
//! | `exchange` | where the consumer and its assignment meet |
//! | `state` | what a consumer holds besides partitions and brokers: settings, counts, timers |
//! | `topics` | topics of which all partitions are read |
//! | `track` | one partition: how far it is, and what keeps it from being read |
//! | `starting`, `larger` | look-ups of where partitions start and end; of groups that commit in two stores |
//! | `planning` | what is asked of a broker next, and how it shares its room |
//! | `fetching`, `answers` | when a broker is asked, and what follows from its answers |
//! | `found` | what a fetched set is good for |
//! | `calls` | how calls begin, and what each partition of them has come to |
//! | `committing`, `interval` | commits, one in flight for each group; those that are made every so often |
//! | `closing` | how a consumer closes |

mod answers;
mod calls;
mod closing;
mod committing;
mod event;
mod exchange;
mod fetching;
mod found;
mod interval;
mod larger;
mod planning;
mod starting;
mod state;
mod topics;
mod track;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    sync::Arc,
    time::Instant,
};

use kafka08_proto::{
    ClientConnection,
    adapter::ConnectError,
    api::Topics,
    ids::{NodeId, Text, TopicPartition},
};

#[expect(unused_imports, reason = "named in the documentation")]
use crate::assignment::Assignment;
pub use event::{CommitCause, ConsumerEvent, FetchCause, ResetCause};
pub use state::ConsumerStats;

use self::{
    answers::Answered,
    committing::{Committing, Group},
    fetching::{Node, Progress, Sent},
    interval::Interval,
    starting::Look,
    state::{Counts, Due, Life, Returns, Terms},
    topics::Wanted,
    track::Track,
};
use crate::{
    assignment::PartitionIndex,
    cluster::{CallId, Cluster, ClusterEvent, ForOwner, OWNERS_TOKENS},
    config::{ConsumerConfig, OffsetStore},
    error::Unreachable,
    links::{Lane, LinkNews, Peer, Token},
    machine::{LinkId, Machine, Output},
    seed::Seed,
    timers::Timers,
    view::{Changes, View},
};

/// Fetches what an [`Assignment`] says, as a state machine.
///
/// # Use
/// Create an assignment and a consumer with the same settings. In each turn of the loop that drives the machine, call
/// [`Consumer::exchange`] after time was told or bytes were moved, and before outputs are taken. See [`Machine`] for the rest.
/// Only `exchange` needs the assignment, so only `exchange` is called under its lock. Call it also when the assignment says
/// [`Wake::Yes`](crate::assignment::Wake).
///
/// # Errors
/// A broker that is lost, a leader that moves and temporary error codes are met with retries for as long as the partition is
/// assigned; the position stays. What lasts is told as [`ConsumerEvent::Stalled`].
#[derive(Debug)]
pub struct Consumer {
    cluster: Cluster,
    terms: Terms,
    tracks: BTreeMap<PartitionIndex, Track>,
    by_name: BTreeMap<TopicPartition, PartitionIndex>,
    /// How many partitions of each topic are read, and one more if the topic is assigned as such.
    topics: BTreeMap<Text, usize>,
    /// Topics of which all partitions are read.
    wanted: BTreeMap<Text, Wanted>,
    /// Those of them of which there may be news in the view.
    to_list: BTreeSet<Text>,
    nodes: BTreeMap<NodeId, Node>,
    /// Brokers that may be asked for something.
    to_ask: BTreeSet<NodeId>,
    /// Brokers that would be asked, were there room.
    starved: BTreeSet<NodeId>,
    /// The assignment does not know yet that some are.
    tells_starved: bool,
    sent: BTreeMap<Token, Sent>,
    next_token: u64,
    answers: VecDeque<Answered>,
    /// Partitions whose start or end is to be looked up.
    to_look: BTreeSet<PartitionIndex>,
    looks: BTreeMap<CallId, Look>,
    groups: BTreeMap<(Text, OffsetStore), Group>,
    committing: BTreeMap<CallId, Committing>,
    /// What is committed every so often, if anything is.
    interval: Option<Interval>,
    events: VecDeque<ConsumerEvent>,
    returns: Returns,
    timers: Timers<Due>,
    /// When the assignment has to be met again.
    look_at: Option<Instant>,
    seed: Seed,
    counts: Counts,
    life: Life,
}

impl Consumer {
    /// Creates a consumer. Give the same settings to its assignment. It connects when something is assigned.
    #[must_use]
    pub fn new(config: &ConsumerConfig) -> Self {
        let terms = Terms::of(config);
        Self {
            cluster: Cluster::owned(config.cluster.clone()),
            terms,
            tracks: BTreeMap::new(),
            by_name: BTreeMap::new(),
            topics: BTreeMap::new(),
            wanted: BTreeMap::new(),
            to_list: BTreeSet::new(),
            nodes: BTreeMap::new(),
            to_ask: BTreeSet::new(),
            starved: BTreeSet::new(),
            tells_starved: false,
            sent: BTreeMap::new(),
            next_token: OWNERS_TOKENS,
            answers: VecDeque::new(),
            to_look: BTreeSet::new(),
            looks: BTreeMap::new(),
            groups: BTreeMap::new(),
            committing: BTreeMap::new(),
            interval: config.interval_commit.as_ref().map(Interval::new),
            events: VecDeque::new(),
            returns: Returns::default(),
            timers: Timers::new(),
            look_at: None,
            seed: Seed::new(config.cluster.seed_or_zero()),
            counts: Counts::default(),
            life: Life::Open,
        }
    }

    /// What metadata says.
    #[must_use]
    pub fn view(&self) -> &View {
        self.cluster.view()
    }

    /// Connects to a broker now, and asks which brokers there are. This creates no topic.
    pub fn connect(&mut self, now: Instant) {
        self.cluster.refresh(now, Topics::All);
    }

    /// Whether any broker has answered so far.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.cluster.has_answered()
    }

    /// What happened at each address, if every broker was tried and none could be connected to.
    #[must_use]
    pub fn unreachable(&self) -> Option<Arc<Unreachable>> {
        self.cluster.unreachable()
    }

    /// What happened at each address that has failed and has not answered since.
    #[must_use]
    pub fn trouble(&self) -> Unreachable {
        self.cluster.trouble()
    }

    /// The number of partitions that something keeps from being read at the moment. Looks at each partition.
    #[must_use]
    pub fn troubled(&self) -> usize {
        self.tracks.values().filter(|track| track.trouble.is_some()).count()
    }

    /// What the consumer has done, and what it holds. Looks at the peers that back off, and at no partition.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            cluster: self.cluster.stats(),
            partitions: self.tracks.len(),
            in_flight: self.sent.len(),
            fetches: self.counts.fetches,
            bytes: self.counts.bytes,
            resets: self.counts.resets,
        }
    }

    /// Wants to know of a topic, once for each of its partitions, and once for itself.
    fn watch(&mut self, now: Instant, topic: &Text) {
        let count = self.topics.entry(topic.clone()).or_default();
        *count += 1;
        if *count == 1 {
            self.cluster.watch_topic(now, topic);
        }
    }

    fn unwatch(&mut self, topic: &Text) {
        let Some(count) = self.topics.get_mut(topic) else { return };
        *count -= 1;
        if *count == 0 {
            self.topics.remove(topic);
            self.cluster.forget_topic(topic);
        }
    }

    /// Takes the news of the cluster.
    fn take_news(&mut self, now: Instant) {
        while let Some(news) = self.cluster.poll_owner() {
            match news {
                ForOwner::Link(news) => self.take_link_news(now, news),
                ForOwner::Changed(changes) => self.take_changes(now, &changes),
                // The view says the same.
                ForOwner::Topic { .. } => {}
            }
        }
    }

    fn take_link_news(&mut self, now: Instant, news: LinkNews) {
        match news {
            LinkNews::Answered { token, frame, .. } => self.handle_answered(now, token, &frame),
            LinkNews::Failed { token, loss, .. } => self.handle_failed(now, token, &loss),
            // A link that has ended may have been waited for, and another one is opened only when it is asked for.
            LinkNews::Ready { peer: Peer::Node(node), lane: Lane::Fetch }
            | LinkNews::Ended { peer: Peer::Node(node), lane: Lane::Fetch, .. } => {
                self.to_ask.insert(node);
            }
            LinkNews::NotConnected { peer: Peer::Node(node), lane: Lane::Fetch, reason } => {
                self.note_not_connected(now, node, &reason);
            }
            _ => {}
        }
    }

    fn take_changes(&mut self, now: Instant, changes: &Changes) {
        for node in &changes.endpoints {
            self.leave_fetch(*node);
            self.to_ask.insert(*node);
        }
        self.note_listed(changes);
        for of in &changes.leaders {
            let Some(&at) = self.by_name.get(of) else { continue };
            let leader = self.cluster.view().leader(&of.topic, of.partition).ok();
            let Some(track) = self.tracks.get_mut(&at) else { continue };
            if matches!(track.stage, track::Stage::Reading { .. }) {
                // Another leader owes nothing to the pause of the one before.
                track.is_pausing = false;
                self.timers.set(Due::Again(at), None);
                self.place(now, at);
            } else if track.leave_asked(leader) {
                self.to_look.insert(at);
            }
        }
    }

    fn take_ended(&mut self, now: Instant, event: ClusterEvent) {
        let ClusterEvent::Ended(ended) = event;
        let id = ended.id();
        if let Some(look) = self.looks.remove(&id) {
            self.take_look(now, look, ended);
        } else if let Some(committing) = self.committing.remove(&id) {
            self.take_committed(now, committing, ended);
            self.close_when_over(now);
        }
    }
}

impl Machine for Consumer {
    type Event = ConsumerEvent;

    fn poll_output(&mut self, now: Instant) -> Option<Output<ConsumerEvent>> {
        loop {
            self.take_news(now);
            if let Some(event) = self.events.pop_front() {
                return Some(Output::Event(event));
            }
            self.drive_looks(now);
            // Behind the look-ups, which may have said where partitions start; before the outputs, which write what was staged.
            let sent = self.poll_fetch(now);
            match self.cluster.poll_output(now) {
                Some(Output::Connect { link, to, within }) => return Some(Output::Connect { link, to, within }),
                Some(Output::Drop(link)) => return Some(Output::Drop(link)),
                Some(Output::Write(link)) => return Some(Output::Write(link)),
                Some(Output::Event(event)) => self.take_ended(now, event),
                None if sent == Progress::Some || self.cluster.has_owner_news() => {}
                None if !self.events.is_empty() || !self.to_look.is_empty() => {}
                None => break,
            }
        }
        // What has come up since the exchange must not wait for the next event.
        let has_news = !self.answers.is_empty() || !self.returns.is_empty() || !self.to_list.is_empty();
        if has_news || self.tells_starved || self.is_interval_due() {
            self.look_at = Some(now);
        }
        None
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.cluster.link(link)
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.cluster.handle_connected(link, now);
        self.take_news(now);
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        self.cluster.handle_connect_failed(link, error, now);
        self.take_news(now);
    }

    fn handle_io_error(&mut self, link: LinkId, error: &io::Error) {
        self.cluster.handle_io_error(link, error);
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.cluster.handle_progress(link, now);
        self.take_news(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let all = [self.cluster.poll_timeout(), self.timers.first(), self.look_at, self.life.until()];
        all.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.cluster.handle_timeout(now);
        self.take_news(now);
        if self.look_at.is_some_and(|at| at <= now) {
            // The exchange that follows says when to look again.
            self.look_at = None;
        }
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                // What the cluster has learned meanwhile counts for the next attempt.
                Due::Again(at) => self.try_again(now, at),
                Due::Stalled(at) => self.tell_stalled(now, at),
                Due::Unlisted(topic) => self.tell_unlisted(now, topic),
                Due::Commit => self.note_interval_due(),
            }
        }
        self.close_when_late(now);
    }

    fn is_over(&self) -> bool {
        self.cluster.is_over() && self.events.is_empty()
    }
}
