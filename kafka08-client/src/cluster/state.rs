//! What a cluster holds.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Instant,
};

use kafka08_proto::{api::Topics, connection::Cancelled, fate::Fate, ids::Text};

use super::{
    CallId, ClusterEvent, ClusterStats, Ended, ForOwner,
    call::{Aim, Call},
    coordinators::Coordinators,
    refresh::Refresh,
    releases::Releases,
    seeking::Seeking,
};
use crate::{
    config::ClusterConfig,
    error::Cause,
    links::{Lane, Links, Peer, Token},
    seed::Seed,
    timers::Timers,
    view::View,
};

/// A client of a cluster, as a state machine.
///
/// [`Cluster::call`] finds the brokers of a request, takes the request apart if its partitions have several leaders, asks
/// again what may be asked again, and puts the answers together. It connects when it is first asked for something, and keeps
/// one connection for each broker and kind of request.
///
/// Drive it as [`Machine`](crate::machine::Machine) says.
pub struct Cluster {
    pub(super) config: ClusterConfig,
    pub(super) links: Links,
    pub(super) view: Arc<View>,
    pub(super) seed: Seed,
    /// Which topics are looked up, and when.
    pub(super) refresh: Refresh,
    /// The request for metadata that is in flight. No other is sent meanwhile.
    pub(super) asking: Option<Token>,
    /// Who was asked for metadata last.
    pub(super) asked: Option<Peer>,
    /// When metadata was answered last.
    pub(super) last_answer: Option<Instant>,
    /// Which broker is connected to when any will do.
    pub(super) seeking: Seeking,
    /// The coordinators that are known or being looked up.
    pub(super) coordinators: Coordinators,
    /// What brokers are able to answer.
    pub(super) releases: Releases,
    pub(super) calls: BTreeMap<CallId, Call>,
    /// Calls that any broker can answer, and that wait for one to be connected or for its release.
    pub(super) waits_for_any: BTreeSet<CallId>,
    /// Requests that were sent or wait for a link.
    pub(super) jobs: BTreeMap<Token, Job>,
    /// Requests that wait for a link, by link, in order.
    pub(super) queues: BTreeMap<(Peer, Lane), VecDeque<Token>>,
    /// Peers that owe an answer for longer than they should.
    pub(super) silent: BTreeSet<Peer>,
    /// Requests that silent peers have, and that any other broker can answer.
    pub(super) stuck: BTreeSet<Token>,
    /// What is due when, apart from what the links have.
    pub(super) timers: Timers<Timer>,
    pub(super) next_token: u64,
    pub(super) next_call: u64,
    pub(super) events: VecDeque<ClusterEvent>,
    pub(super) owner: Owner,
    pub(super) life: Life,
    pub(super) counts: ClusterStats,
}

/// What a request is for.
#[derive(Debug)]
pub(super) enum Job {
    /// Units of a call.
    Part(Part),
    /// A look-up of topics.
    Metadata { topics: Topics, peer: Peer },
    /// A look-up of a group's coordinator.
    Coordinator { group: Text, peer: Peer },
}

/// Units of one call that go to the same broker.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) call: CallId,
    pub(super) units: Vec<usize>,
    pub(super) peer: Peer,
    pub(super) state: PartState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartState {
    /// It waits for a link.
    Queued,
    /// It is on a link, and its answer or its failure will be told.
    Sent,
}

/// What is due at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A call ends.
    Deadline(CallId),
    /// Open units of a call are placed again.
    Retry(CallId),
    /// Topics are looked up.
    Refresh,
    /// Another broker is tried.
    Seek,
    /// A group's coordinator is looked up again.
    Coordinator(Text),
}

/// Whether a machine of this crate owns the cluster, and what it has not been told yet.
#[derive(Debug)]
pub(super) enum Owner {
    /// Its user takes events, and nobody is told anything else.
    None,
    /// What the owner has not taken yet.
    Some(VecDeque<ForOwner>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Calls are taken.
    Open,
    /// No call is taken, and no link is opened.
    Closed,
}

impl Cluster {
    pub(super) fn with_owner(config: ClusterConfig, owner: Owner) -> Self {
        Self {
            links: Links::new(&config),
            view: Arc::default(),
            // The links draw from the same seed, so this one starts elsewhere.
            seed: Seed::new(config.seed_or_zero() ^ 0x5bd1_e995_9bd1_e995),
            refresh: Refresh::new(config.refresh_pause, config.retry_backoff),
            asking: None,
            asked: None,
            last_answer: None,
            seeking: Seeking::new(),
            coordinators: Coordinators::default(),
            releases: Releases::new(config.release),
            calls: BTreeMap::new(),
            waits_for_any: BTreeSet::new(),
            jobs: BTreeMap::new(),
            queues: BTreeMap::new(),
            silent: BTreeSet::new(),
            stuck: BTreeSet::new(),
            timers: Timers::new(),
            next_token: 0,
            next_call: 0,
            events: VecDeque::new(),
            owner,
            life: Life::Open,
            counts: ClusterStats::default(),
            config,
        }
    }

    pub(super) fn new_token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    pub(super) fn tell_owner(&mut self, news: ForOwner) {
        if let Owner::Some(queue) = &mut self.owner {
            queue.push_back(news);
        }
    }

    /// Ends a call, with what it has.
    pub(super) fn end_call(&mut self, id: CallId, otherwise: &Cause) {
        let Some(call) = self.calls.remove(&id) else { return };
        // Its requests first: cancelling makes room for those of other calls.
        for token in &call.parts {
            self.drop_job(*token);
        }
        self.leave(&call);
        let ended: Ended = call.finish(otherwise);
        self.events.push_back(ClusterEvent::Ended(ended));
    }

    /// Gives up the requests of a call, because the cluster is closed. What was sent of them may still be applied.
    pub(super) fn give_up_parts(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        for token in std::mem::take(&mut call.parts) {
            let Some(Job::Part(part)) = self.jobs.remove(&token) else { continue };
            let is_on_its_way = part.state == PartState::Sent && self.links.cancel(token) == Cancelled::Abandoned;
            let fate = if is_on_its_way && call.changes_state { Fate::MaybeApplied } else { Fate::NotApplied };
            for n in &part.units {
                call.lose(*n, Cause::Closed, fate);
            }
        }
        // What a unit has waited for until now is not why it ends.
        for n in call.open_units() {
            call.lose(n, Cause::Closed, Fate::NotApplied);
        }
    }

    /// Removes a call from everything that it waits for.
    pub(super) fn leave(&mut self, call: &Call) {
        for topic in &call.waits_for {
            self.refresh.leave(topic, call.id);
        }
        if let Aim::Coordinator(group) = &call.aim {
            self.coordinators.leave(group, call.id);
        }
        self.waits_for_any.remove(&call.id);
        self.timers.set(Timer::Deadline(call.id), None);
        self.timers.set(Timer::Retry(call.id), None);
    }

    /// Removes a request from all tables. Its place in a queue stays behind, and is skipped.
    pub(super) fn take_job(&mut self, token: Token) -> Option<Job> {
        // A token that stayed there would have brokers sought for nobody.
        self.stuck.remove(&token);
        self.jobs.remove(&token)
    }

    /// Gives up a request. Its answer is not wanted.
    pub(super) fn drop_job(&mut self, token: Token) {
        if let Some(Job::Part(Part { state: PartState::Sent, .. })) = self.take_job(token) {
            self.links.cancel(token);
        }
    }

    /// Sets when a call's open units are placed again, if it has any.
    pub(super) fn retry_later(&mut self, now: Instant, id: CallId) {
        let backoff = self.config.retry_backoff;
        let Some(call) = self.calls.get_mut(&id) else { return };
        // Parts that are lost together are one failure.
        if self.timers.has(&Timer::Retry(id)) {
            return;
        }
        call.failures = call.failures.saturating_add(1);
        // Half of the wait is fixed, so that a retry never comes at once.
        let wait = backoff.wait_half(call.failures, &mut self.seed);
        self.timers.set(Timer::Retry(id), now.checked_add(wait));
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("config", &self.config)
            .field("calls", &self.calls.len())
            .field("jobs", &self.jobs.len())
            .field("links", &self.links.stats())
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
