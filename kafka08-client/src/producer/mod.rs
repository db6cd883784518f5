//! Sends records to the leaders of their partitions.
//!
//! A [`Producer`] owns a cluster, and takes batches from an [`Accumulator`]. Callers never touch the producer: they
//! append to the accumulator, and read events.
//!
//! | file | what it owns |
//! |---|---|
//! | `event`, `error` | what a user is told, and why records were not delivered |
//! | `exchange` | where the producer and its accumulator meet |
//! | `flushes` | flushes, in order, and what each waits for |
//! | `net` | what batches need of the cluster, so that they can be tested without one |
//! | `batches` | batches: queued for a broker, in flight, waiting for another attempt; retries, halves, outcomes, acks 0 |

mod batches;
mod error;
mod event;
mod exchange;
mod flushes;
mod net;

use std::{collections::BTreeSet, io, sync::Arc, time::Instant};

use kafka08_proto::{ClientConnection, adapter::ConnectError, api::Topics, error_code::ErrorCode, ids::Text};

pub use error::{ProduceCause, ProduceError};
pub use event::{Outcome, ProducerEvent};

use self::{batches::Batches, flushes::Flushes};
#[expect(unused_imports, reason = "named in the documentation")]
use crate::accumulator::Accumulator;
use crate::{
    cluster::{Cluster, ClusterStats, ForOwner},
    config::ProducerConfig,
    error::Unreachable,
    links::{Lane, LinkNews, Peer},
    machine::{LinkId, Machine, Output},
    view::{Changes, View},
};

/// Sends the records of one [`Accumulator`] to the brokers, as a state machine.
///
/// # Use
/// Create an accumulator and a producer with the same settings. In each turn of the loop that drives the machine, call
/// [`Producer::exchange`] after time was told or bytes were moved, and before outputs are taken. See [`Machine`] for the
/// rest. `exchange` needs the accumulator for as long as it runs; nothing else does, so only `exchange` is called under a
/// lock.
///
/// # A batch
/// It is taken when it is full, or its linger is over, or it is flushed, and its partition has no other in flight. It
/// goes to the leader of its partition together with batches of other partitions. If it fails and
/// [`RetryPolicy`](crate::config::RetryPolicy) allows it, it is sent again: at once if there is another leader, otherwise
/// after a pause. If a broker says that it is too large, its halves are sent, one after the other. When its delivery
/// timeout passes, it ends; if its bytes are on their way at that time, its partition sends nothing until the request has
/// ended.
///
/// Each record ends once, as [`ProducerEvent::Ended`]. The fate of a failed record is the worst of all attempts.
///
/// # Bounded work
/// One call of `poll_output` encodes at most one request, and compresses at most [`ProducerConfig::with_batch_size`]
/// bytes, or one batch if that is larger.
#[derive(Debug)]
pub struct Producer<C> {
    cluster: Cluster,
    batches: Batches<C>,
    flushes: Flushes,
    /// With acks 0 a flush ends with a confirmation.
    confirms: bool,
    /// Topics whose partitions the accumulator has to be told.
    listed: BTreeSet<Text>,
    /// Topics that were asked for and cannot be used yet.
    problems: Vec<(Text, ErrorCode)>,
    /// When the accumulator has to be looked at again.
    look_at: Option<Instant>,
    /// Bytes were let go in this exchange, or a partition can be sent to again.
    freed: bool,
    life: Life,
}

/// How far closing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    /// Everything that is left ends at this time.
    Closing(Instant),
    /// The time for closing has passed: what the accumulator has is ended in the next exchange.
    Aborting,
    /// Everything has ended.
    Over,
}

/// What a producer has done, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProducerStats {
    /// The cluster.
    pub cluster: ClusterStats,
    /// Batches that were taken from the accumulator and are not over.
    pub batches: usize,
    /// Produce requests that are unanswered.
    pub in_flight: usize,
    /// Produce requests so far.
    pub requests: u64,
    /// Attempts beyond the first of each batch, so far.
    pub retries: u64,
    /// Batches that were halved so far.
    pub splits: u64,
    /// Records that have ended as [`Outcome::Delivered`] so far.
    pub delivered: u64,
    /// Records that have ended as [`Outcome::Written`] so far.
    pub written: u64,
    /// Records that have ended as [`Outcome::Failed`] so far.
    pub failed: u64,
    /// Records that were told as [`ProducerEvent::Unconfirmed`] so far.
    pub unconfirmed: u64,
}

impl<C: Clone> Producer<C> {
    /// Creates a producer. Give the same settings to its accumulator. It connects when it is first asked for a topic.
    #[must_use]
    pub fn new(config: &ProducerConfig) -> Self {
        Self {
            cluster: Cluster::owned(config.cluster.clone()),
            batches: Batches::new(config),
            flushes: Flushes::default(),
            confirms: config.acks == kafka08_proto::ids::Acks::NONE,
            listed: BTreeSet::new(),
            problems: Vec::new(),
            look_at: None,
            freed: false,
            life: Life::Open,
        }
    }

    /// What metadata says.
    #[must_use]
    pub fn view(&self) -> &View {
        self.cluster.view()
    }

    /// Connects to a broker now, and asks which brokers there are. This creates no topic. Without this, it connects when
    /// it is first asked for a topic.
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

    /// What the producer has done, and what it holds. Looks at the peers that back off, and at no link.
    #[must_use]
    pub fn stats(&self) -> ProducerStats {
        let counts = self.batches.counts;
        ProducerStats {
            cluster: self.cluster.stats(),
            batches: self.batches.len(),
            in_flight: self.batches.in_flight(),
            requests: counts.requests,
            retries: counts.retries,
            splits: counts.splits,
            delivered: counts.delivered,
            written: counts.written,
            failed: counts.failed,
            unconfirmed: counts.unconfirmed,
        }
    }

    /// Takes the news of the cluster.
    fn take_news(&mut self, now: Instant) {
        while let Some(news) = self.cluster.poll_owner() {
            match news {
                ForOwner::Link(news) => self.take_link_news(now, news),
                ForOwner::Changed(changes) => self.take_changes(now, changes),
                ForOwner::Topic { topic, code } if code.is_ok() => {
                    self.listed.insert(topic);
                }
                ForOwner::Topic { topic, code } => self.problems.push((topic, code)),
            }
        }
    }

    fn take_link_news(&mut self, now: Instant, news: LinkNews) {
        let (batches, net) = (&mut self.batches, &mut self.cluster);
        match news {
            LinkNews::Answered { token, frame, .. } => batches.handle_answered(net, now, token, &frame.body),
            LinkNews::Written { token, .. } => batches.handle_written(net, now, token),
            LinkNews::Failed { token, loss, fate, .. } => batches.handle_failed(net, now, token, &loss, fate),
            LinkNews::Ready { peer: Peer::Node(node), lane: Lane::Produce }
            | LinkNews::Awake { peer: Peer::Node(node), lane: Lane::Produce } => batches.handle_ready(now, node),
            LinkNews::NotConnected { peer: Peer::Node(node), lane: Lane::Produce, reason } => {
                batches.handle_not_connected(node, reason);
            }
            LinkNews::Silent { peer: Peer::Node(node), lane: Lane::Produce } => batches.handle_silent(net, now, node),
            LinkNews::Ended { peer: Peer::Node(node), lane: Lane::Produce, unconfirmed, .. } => {
                batches.handle_ended(net, node, &unconfirmed);
            }
            _ => {}
        }
    }

    fn take_changes(&mut self, now: Instant, changes: Changes) {
        for node in changes.endpoints {
            self.batches.handle_endpoint(node);
        }
        // Behind the addresses, which the placing of batches looks at.
        for of in changes.leaders {
            self.batches.handle_leader(&mut self.cluster, now, &of);
            self.listed.insert(of.topic);
        }
        self.listed.extend(changes.topics);
    }
}

impl<C: Clone> Machine for Producer<C> {
    type Event = ProducerEvent<C>;

    fn poll_output(&mut self, now: Instant) -> Option<Output<ProducerEvent<C>>> {
        loop {
            self.take_news(now);
            // Events first, because they let callers append again.
            if let Some(event) = self.batches.events.pop_front() {
                return Some(Output::Event(event));
            }
            let sent = match self.life {
                Life::Open | Life::Closing(_) => self.batches.poll_send(&mut self.cluster, now),
                Life::Aborting | Life::Over => batches::Progress::None,
            };
            match self.cluster.poll_output(now) {
                Some(Output::Connect { link, to, within }) => return Some(Output::Connect { link, to, within }),
                Some(Output::Drop(link)) => return Some(Output::Drop(link)),
                Some(Output::Write(link)) => return Some(Output::Write(link)),
                // The producer makes no calls, so none can end.
                Some(Output::Event(_)) => {}
                None if sent == batches::Progress::Some || self.cluster.has_owner_news() => {}
                None if !self.batches.events.is_empty() => {}
                None => break,
            }
        }
        // What has come up since the exchange must not wait for the next event.
        if self.batches.returns.are_urgent() || !self.listed.is_empty() || !self.problems.is_empty() {
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
        if self.life == Life::Over {
            return self.cluster.poll_timeout();
        }
        let closing = match self.life {
            Life::Closing(deadline) => Some(deadline),
            Life::Open | Life::Aborting | Life::Over => None,
        };
        let all = [self.cluster.poll_timeout(), self.batches.poll_timeout(), self.look_at, closing];
        all.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.cluster.handle_timeout(now);
        self.take_news(now);
        // Behind the news: an answer that is here counts, though the time of its batch is over.
        self.batches.handle_timeout(&mut self.cluster, now);
        if self.look_at.is_some_and(|at| at <= now) {
            // The exchange that follows says when to look again.
            self.look_at = None;
        }
        if let Life::Closing(deadline) = self.life
            && deadline <= now
        {
            self.abort(now);
        }
    }

    fn is_over(&self) -> bool {
        self.life == Life::Over && self.batches.events.is_empty() && self.cluster.is_over()
    }
}
