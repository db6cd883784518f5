//! Requests that find their brokers.
//!
//! A *call* is a request with a deadline. It is taken apart into *units*: one for each partition, or one for the whole request.
//! Units that go to the same broker are sent as one *part*. A unit whose broker was the wrong one, or was lost, is placed again
//! alone. When all units have ended, the answers are put together.
//!
//! ```text
//!   call ---> units ---> placed ---> queue of a link ---> sent ---> answered ---> ended
//!               ^        |                                |         |
//!               |        waits: for metadata, a           |         "not the leader", and others
//!               |        coordinator, a release           |         that may pass
//!               +-----------------------------------------+---------+
//!                 after a pause, while the fate of the unit allows it
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `routed` | how each request is taken apart, what its answers mean, and how they are put together |
//! | `claim`, `call`, `work` | what the user holds; one call and its units; the request behind a type that is not known here |
//! | `state`, `driving` | what a cluster holds; what its driver tells it and takes from it |
//! | `routing`, `queues` | where units go; requests that wait for a link |
//! | `answering` | what follows from answers and from the ends of links |
//! | `trouble` | what follows when brokers are silent or cannot be reached |
//! | `asking`, `refresh` | look-ups of topics and coordinators; which topics, and when |
//! | `seeking` | which broker to connect to when any will do |
//! | `coordinators`, `releases` | what is known of groups, and of the releases of brokers |
//! | `following` | how the coordinators of groups are looked up, and followed when they change |

mod answering;
mod asking;
mod call;
mod claim;
mod coordinators;
mod driving;
mod following;
mod queues;
mod refresh;
mod releases;
mod routed;
mod routing;
mod seeking;
mod state;
mod trouble;
mod work;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::{
    api::{Request, RequestProblem, Topics, check_topic_name},
    error_code::ErrorCode,
    ids::{ApiKey, NodeId, Text, TopicPartition},
    profile::Profile,
};

pub use claim::{Answer, CallId, Claim, Ended, Redeem, Refused, RefusedWhy};
pub use routed::{Place, Routed, Stale, Verdict};
pub use state::Cluster;

use call::{Aim, Call, NewCall};
use state::{Life, Owner, Timer};
use work::{Divisible, IsWhole, Whole, Work};

use crate::{
    config::{ClusterConfig, ReleaseSetting},
    error::Cause,
    links::{Lane, LinkNews, LinkStats, Links, Peer},
    view::{Changes, View},
};

/// Where a request goes that is not taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Any broker.
    Any,
    /// This broker.
    Node(NodeId),
    /// The leader of this partition, looked up again before each attempt.
    Leader(TopicPartition),
    /// The coordinator of this consumer group.
    Coordinator(Text),
}

/// What a cluster tells its user.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// A call has ended. The claim of the call redeems it.
    Ended(Ended),
}

/// What a cluster has done, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClusterStats {
    /// The links.
    pub links: LinkStats,
    /// Calls that have not ended.
    pub calls: usize,
    /// Attempts beyond the first of each call, so far.
    pub retries: u64,
    /// Requests for metadata so far.
    pub refreshes: u64,
    /// Partitions whose leader has changed so far.
    pub leader_moves: u64,
}

/// What the owner of a cluster inside this crate is told.
#[derive(Debug)]
pub(crate) enum ForOwner {
    /// News of links: `Ready`, `NotConnected`, `Silent` and `Ended` of every link, and what became of the requests whose
    /// tokens are the owner's.
    Link(LinkNews),
    /// An answer has changed the view.
    Changed(Changes),
    /// A topic that was wanted was listed, with this code; `NONE` if it can be used. Told at each answer until the code
    /// is `NONE`; the topic is asked for again meanwhile.
    Topic { topic: Text, code: ErrorCode },
}

/// Tokens from this number on are the owner's: requests that it sends through [`Cluster::links`].
pub(crate) const OWNERS_TOKENS: u64 = 1 << 63;

/// The most calls that may be open at once.
const MOST_CALLS: usize = 10_000;

impl Cluster {
    /// Creates a client. It connects when it is first asked for something.
    #[must_use]
    pub fn new(config: ClusterConfig) -> Self {
        Self::with_owner(config, Owner::None)
    }

    /// Creates the client of a machine that sends requests of its own, and is told what happens.
    pub(crate) fn owned(config: ClusterConfig) -> Self {
        Self::with_owner(config, Owner::Some(VecDeque::new()))
    }

    /// Sends a request to the brokers that it is for. The call ends with [`ClusterEvent::Ended`], at the latest after
    /// [`ClusterConfig::with_call_timeout`] and the time for which the request lets a broker wait.
    ///
    /// Partitions whose broker says that it is not the leader, or that was lost, are asked for again, alone. Requests that
    /// change something are sent again only while no attempt can have been applied.
    ///
    /// # Errors
    /// The request would lose data or hang, too many calls are open, or the cluster was closed. The error returns the
    /// request.
    pub fn call<R: Routed>(&mut self, now: Instant, request: R) -> Result<Claim<R>, Refused<R>> {
        let aim = match request.place() {
            Place::Any => Aim::Any,
            Place::Leaders => Aim::Leaders,
            Place::Coordinator(group) => Aim::Coordinator(group.clone()),
        };
        if let Err(why) = self.check(&request) {
            return Err(Refused { request, why });
        }
        let partitions = request.partitions();
        // Otherwise a silent broker would keep a request that each of the others can answer.
        let aim = if aim == Aim::Leaders && partitions.is_empty() { Aim::Any } else { aim };
        let is_whole = if partitions.is_empty() { IsWhole::Yes } else { IsWhole::No };
        let work = Box::new(Divisible { request, answers: Vec::new(), is_whole });
        Ok(Claim::new(self.begin(now, work, aim, partitions)))
    }

    /// Sends a request as it is to one broker. It is sent again under the same rules as in [`Cluster::call`], but what the
    /// answer says is not looked at.
    ///
    /// # Errors
    /// As [`Cluster::call`].
    pub fn call_at<R>(&mut self, now: Instant, to: Route, request: R) -> Result<Claim<R>, Refused<R>>
    where
        R: Request<Response: Send + 'static> + Clone + Send + 'static,
    {
        if let Err(why) = self.check(&request) {
            return Err(Refused { request, why });
        }
        let aim = match to {
            Route::Any => Aim::Any,
            Route::Node(node) => Aim::Node(node),
            Route::Leader(of) => Aim::Leader(of),
            Route::Coordinator(group) => Aim::Coordinator(group),
        };
        let work = Box::new(Whole { request, answer: None });
        Ok(Claim::new(self.begin(now, work, aim, Vec::new())))
    }

    fn check<R: Request>(&self, request: &R) -> Result<(), RefusedWhy> {
        if self.life == Life::Closed {
            return Err(RefusedWhy::Closed);
        }
        if self.calls.len() >= MOST_CALLS {
            return Err(RefusedWhy::Busy);
        }
        if !request.expects_response() {
            return Err(RefusedWhy::NoAnswer);
        }
        // A probe may find any release. What the newest one takes is let through, and judged when the broker is known.
        let profile = match self.config.release {
            ReleaseSetting::Is(profile) => profile,
            ReleaseSetting::Probe => Profile::V0_8_2,
        };
        if !profile.knows(R::API) && Profile::V0_8_2.knows(R::API) {
            return Err(RefusedWhy::Problem(RequestProblem::NotKnown { api: R::API, profile }));
        }
        request.check(profile, self.config.client.limits()).map_err(RefusedWhy::Problem)
    }

    fn begin(&mut self, now: Instant, work: Box<dyn Work>, aim: Aim, partitions: Vec<TopicPartition>) -> CallId {
        self.next_call += 1;
        let id = CallId(self.next_call);
        let lane = match work.api().key {
            ApiKey::PRODUCE => Lane::Produce,
            ApiKey::FETCH => Lane::Fetch,
            _ => Lane::Prompt,
        };
        let limit = self.config.call_timeout.saturating_add(work.server_wait());
        // A deadline that a clock cannot hold is none that anybody waits for.
        let deadline = now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(1 << 30));
        let new = NewCall { work, aim, partitions, since: now, deadline, lane };
        self.calls.insert(id, Call::new(id, new));
        // Before it is placed: a call that ends at once takes its deadline with it.
        self.timers.set(Timer::Deadline(id), Some(deadline));
        self.dispatch(now, id);
        id
    }

    /// Gives up a call. Nothing more is told of it. A broker may act on it nevertheless.
    pub fn cancel(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else {
            // It has ended, with an event that nobody has taken yet.
            self.events.retain(|ClusterEvent::Ended(ended)| ended.id() != id);
            return;
        };
        for token in &call.parts {
            self.drop_job(*token);
        }
        self.leave(&call);
    }

    /// Looks topics up soon, whatever the age of what is known of them. Naming a topic creates it, if brokers do so.
    pub fn refresh(&mut self, now: Instant, topics: Topics) {
        match topics {
            Topics::All => self.refresh.ask_for_all(now),
            Topics::Named(names) => {
                // One bad name would fail all others of a request.
                for name in names.iter().filter(|name| check_topic_name(name).is_ok()) {
                    self.refresh.want_once(now, name);
                }
            }
        }
        self.drive_refresh(now);
    }

    /// What metadata says.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What metadata says now. It can be kept and read while the cluster goes on. The next answer copies what is kept, so keep it
    /// only for a short time.
    #[must_use]
    pub fn shared_view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Ends all calls that are open, and closes all links.
    pub fn close(&mut self, now: Instant) {
        if self.life == Life::Closed {
            return;
        }
        self.life = Life::Closed;
        // Calls end first, so that the news of their links find nobody to place again.
        let open: Vec<_> = self.calls.keys().copied().collect();
        for id in open {
            self.give_up_parts(id);
            self.end_call(id, &Cause::Closed);
        }
        self.jobs.clear();
        self.queues.clear();
        self.stuck.clear();
        self.seeking.stop();
        self.timers = crate::timers::Timers::new();
        // Nobody waits for anything that is in flight.
        self.links.abort(now);
    }

    /// What the client has done, and what it holds. Looks at the peers that back off, and at no link.
    #[must_use]
    pub fn stats(&self) -> ClusterStats {
        ClusterStats { links: self.links.stats(), calls: self.calls.len(), ..self.counts }
    }

    /// Asks for a topic by its name, which creates it on a broker that creates topics, and again until it can be used.
    /// Told with [`ForOwner::Topic`]. `name` has passed `check_topic_name`.
    pub(crate) fn want_topic(&mut self, now: Instant, name: &Text) {
        self.refresh.want(now, name);
        self.drive_refresh(now);
    }

    /// Wants to know of the changes of a topic, and does not create it. Told with [`ForOwner::Changed`].
    pub(crate) fn watch_topic(&mut self, now: Instant, name: &Text) {
        self.refresh.watch(now, name);
        self.drive_refresh(now);
    }

    /// Asks no longer for a topic.
    pub(crate) fn forget_topic(&mut self, name: &str) {
        self.refresh.forget(name);
        Arc::make_mut(&mut self.view).forget(name);
    }

    /// Says that the leader of a topic's partition was wrong or was lost: the topic is looked up again soon.
    pub(crate) fn note_stale(&mut self, now: Instant, topic: &Text) {
        self.refresh.note_stale(now, topic);
        self.drive_refresh(now);
    }

    /// The links, to send requests whose tokens are [`OWNERS_TOKENS`] or greater.
    pub(crate) fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    /// Whether the link of a lane that takes requests owes an answer for too long.
    pub(crate) fn is_link_silent(&self, peer: Peer, lane: Lane) -> bool {
        self.links.is_silent(peer, lane)
    }

    /// The release of a broker, if it is known.
    pub(crate) fn profile(&self, node: NodeId) -> Option<Profile> {
        self.releases.profile(Peer::Node(node))
    }

    /// Finds out the release of a broker, unless it is known or being found out, or could not be found out within the last
    /// minute. Costs a look-up if there is nothing to do.
    pub(crate) fn find_profile(&mut self, now: Instant, node: NodeId) {
        let peer = Peer::Node(node);
        if self.releases.is_worth_probing(now, peer) && self.releases.begin(peer) == releases::Begin::Probe {
            self.links.probe(now, peer);
        }
    }

    /// Whether [`Cluster::poll_owner`] has something to tell.
    pub(crate) fn has_owner_news(&self) -> bool {
        matches!(&self.owner, Owner::Some(queue) if !queue.is_empty())
    }

    pub(crate) fn poll_owner(&mut self) -> Option<ForOwner> {
        match &mut self.owner {
            Owner::None => None,
            Owner::Some(queue) => queue.pop_front(),
        }
    }
}
