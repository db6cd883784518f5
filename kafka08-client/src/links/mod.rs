//! The connections of a machine: one for each broker and lane, opened on demand.
//!
//! This layer knows requests as encoded frames with a token each. It does not know what they ask, or what metadata is.
//!
//! A *link* is one attempt to connect and the connection that comes of it. There is at most one *current* link for each peer
//! and lane, which takes requests. Links that take no more requests *drain*: they end with their last request in flight.
//!
//! ```text
//!   open ---> wish -----------> connecting -----------> current ------------------> draining ---------> ended
//!             back-off of the        |                     |   stalled, moved,        nothing is in flight
//!             peer, or the rate      v                     v   drain, close
//!             of attempts       not connected            ended: cut, idle, abort
//! ```
//!
//! Each file may use those above it:
//!
//! | file | what it owns |
//! |---|---|
//! | `peer`, `news`, `rate`, `schedule` | plain values; how many attempts a second; what is due when |
//! | `peers`, `requests` | addresses and back-off; the requests of one link |
//! | `link` | one link |
//! | `stats` | numbers for users |
//! | `ending` | how links drain and end |
//! | `progress` | what has happened on a connection |
//! | `opening`, `probing` | how links are connected, and by whom |
//! | `sending`, `timing` | requests; time |

mod ending;
mod link;
mod news;
mod opening;
mod peer;
mod peers;
mod probing;
mod progress;
mod rate;
mod requests;
mod schedule;
mod sending;
mod stats;
mod timing;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use kafka08_proto::{ClientConfig, ClientConnection, HostPort};
pub(crate) use news::{Action, LinkNews, Loss, Opening};
pub(crate) use peer::{Lane, Peer, Token};
pub use stats::LinkStats;

use self::{
    link::{Link, Patience, Share, State},
    opening::Wishes,
    peers::Peers,
    probing::Probing,
    rate::Rate,
    schedule::Schedule,
    sending::Sent,
};
use crate::{config::ClusterConfig, machine::LinkId};

/// The connections of a machine.
///
/// Call [`Links::poll_news`] and [`Links::poll_action`] until both return `None` after every other method.
#[derive(Debug)]
pub(crate) struct Links {
    client: ClientConfig,
    patience: Patience,
    peers: Peers,
    rate: Rate,
    wishes: Wishes,
    /// All links that have not ended.
    links: BTreeMap<LinkId, Link>,
    /// The link of each lane that is being connected or takes requests.
    current: BTreeMap<(Lane, Peer), LinkId>,
    probes: BTreeMap<Peer, Probing>,
    /// Where each request is that has not ended.
    tokens: BTreeMap<Token, Sent>,
    schedule: Schedule,
    news: VecDeque<LinkNews>,
    actions: VecDeque<Action>,
    /// No link is opened any more.
    is_closed: bool,
    last_link: LinkId,
    connects: u64,
    connects_failed: u64,
    /// The shares of all links together.
    shares: Share,
    /// The latest time that was told. Commands without a time of their own use it.
    seen: Option<Instant>,
    /// How many links were looked at.
    #[cfg(test)]
    looks: u64,
}

impl Links {
    /// Creates links to no broker yet. The bootstrap list of the settings has addresses, and other brokers get theirs by
    /// [`Links::set_address`].
    pub(crate) fn new(config: &ClusterConfig) -> Self {
        Self {
            client: config.client.clone(),
            patience: Patience::of(config),
            peers: Peers::new(config),
            rate: Rate::new(config.connects_per_second),
            wishes: Wishes::default(),
            links: BTreeMap::new(),
            current: BTreeMap::new(),
            probes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            schedule: Schedule::default(),
            news: VecDeque::new(),
            actions: VecDeque::new(),
            is_closed: false,
            last_link: LinkId(0),
            connects: 0,
            connects_failed: 0,
            shares: Share::default(),
            seen: None,
            #[cfg(test)]
            looks: 0,
        }
    }

    /// The address of a peer.
    pub(crate) fn address(&self, peer: Peer) -> Option<&HostPort> {
        self.peers.get(peer).map(|state| &*state.address)
    }

    /// Whether a link of this lane is being connected.
    pub(crate) fn is_connecting(&self, peer: Peer, lane: Lane) -> bool {
        let link = self.current.get(&(lane, peer)).and_then(|link| self.links.get(link));
        link.is_some_and(|link| matches!(link.state, State::Connecting))
    }

    /// Whether the link of this lane that takes requests was told to be silent, and was not answered since.
    pub(crate) fn is_silent(&self, peer: Peer, lane: Lane) -> bool {
        let link = self.current.get(&(lane, peer)).and_then(|link| self.links.get(link));
        link.is_some_and(|link| matches!(&link.state, State::Open(open) if open.is_silent))
    }

    /// Whether the last attempt to connect to a peer has failed, and it has not answered since.
    pub(crate) fn has_failed(&self, peer: Peer) -> bool {
        self.peers.get(peer).is_some_and(|state| state.last.is_some())
    }

    /// Whether a peer has a link or a probe, or one is wanted, or what is known of its failures still counts. Looks at all links.
    pub(crate) fn is_used(&self, now: Instant, peer: Peer) -> bool {
        self.links.values().any(|link| link.peer == peer)
            || self.probes.contains_key(&peer)
            || self.has_wish(peer)
            || self.peers.has_failed_lately(now, peer)
    }

    /// Why the last link of a peer has failed, if it has not answered since.
    pub(crate) fn failure(&self, peer: Peer) -> Option<Arc<str>> {
        self.peers.get(peer)?.last.clone()
    }

    /// The ready links of a lane with the number of requests on each, in the order of the peers. A link that is full is ready
    /// too.
    pub(crate) fn ready(&self, lane: Lane) -> impl Iterator<Item = (Peer, usize)> {
        // A range of the map: the links of other lanes are not looked at.
        let of_lane = self.current.range((lane, Peer::Bootstrap(0))..).take_while(move |((of, _), _)| *of == lane);
        of_lane.filter_map(|((_, peer), link)| match &self.links.get(link)?.state {
            State::Open(open) if open.connection.is_open() => Some((*peer, open.connection.in_flight())),
            _ => None,
        })
    }

    /// Whether there is no link any more, and no action to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty() && self.actions.is_empty()
    }

    /// The next news for the layer above.
    pub(crate) fn poll_news(&mut self) -> Option<LinkNews> {
        self.news.pop_front()
    }

    /// The next thing for the driver to do.
    pub(crate) fn poll_action(&mut self, now: Instant) -> Option<Action> {
        self.note_time(now);
        loop {
            let action = self.actions.pop_front()?;
            if let Action::Write(link) = action {
                // One that has ended meanwhile is not to be written.
                let Some(link) = self.links.get_mut(&link) else { continue };
                // From now on, staging has to name it again: the driver writes what is staged when it takes this.
                link.is_named = false;
            }
            return Some(action);
        }
    }

    /// The connection of a link that is connected and has not ended, to move its bytes.
    pub(crate) fn connection(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        let link = self.links.get_mut(&link)?;
        match &mut link.state {
            State::Connecting => None,
            State::Open(open) => Some(&mut open.connection),
            State::Probing => self.probes.get_mut(&link.peer)?.probe.client_connection(),
        }
    }

    fn note_time(&mut self, now: Instant) {
        self.seen = self.seen.max(Some(now));
    }
}

#[cfg(test)]
mod tests;
