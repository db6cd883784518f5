//! What is known of each peer: its address, and how connecting to it has gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use kafka08_proto::{HostPort, ids::NodeId};

use super::Peer;
use crate::{backoff::Backoff, config::ClusterConfig, seed::Seed};

/// Counts the failures and the moves of all peers. A link keeps the number of its peer from the time when it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Epoch(u64);

/// One peer.
#[derive(Debug)]
pub(super) struct PeerState {
    pub(super) address: Arc<HostPort>,
    /// Failures in a row. Attempts that were under way together count as one.
    failures: u32,
    /// No attempt is made before this time.
    pub(super) not_before: Option<Instant>,
    /// Why the last attempt has failed.
    pub(super) last: Option<Arc<str>>,
    pub(super) epoch: Epoch,
}

/// All peers that have addresses.
#[derive(Debug)]
pub(super) struct Peers {
    peers: BTreeMap<Peer, PeerState>,
    /// Each `not_before`, so that counting them does not look at the other peers.
    pauses: BTreeSet<(Instant, Peer)>,
    backoff: Backoff,
    seed: Seed,
    epoch: Epoch,
}

impl Peers {
    pub(super) fn new(config: &ClusterConfig) -> Self {
        let mut new = Self {
            peers: BTreeMap::new(),
            pauses: BTreeSet::new(),
            backoff: config.reconnect_backoff,
            seed: Seed::new(config.seed_or_zero()),
            epoch: Epoch::default(),
        };
        for (place, address) in config.bootstrap.iter().enumerate() {
            new.add(Peer::Bootstrap(place), address.clone());
        }
        new
    }

    /// Adds a peer, or forgets all but the new address of one.
    fn add(&mut self, peer: Peer, address: HostPort) {
        let epoch = self.next_epoch();
        let state = PeerState { address: Arc::new(address), failures: 0, not_before: None, last: None, epoch };
        self.peers.insert(peer, state);
    }

    /// Forgets an address.
    fn remove(&mut self, peer: Peer) {
        if let Some(PeerState { not_before: Some(at), .. }) = self.peers.remove(&peer) {
            self.pauses.remove(&(at, peer));
        }
    }

    /// An epoch that no peer has had.
    fn next_epoch(&mut self) -> Epoch {
        self.epoch.0 += 1;
        self.epoch
    }

    pub(super) fn get(&self, peer: Peer) -> Option<&PeerState> {
        self.peers.get(&peer)
    }

    /// Sets or removes an address, and forgets the failures at another one. Returns whether the address differs.
    pub(super) fn set(&mut self, node: NodeId, address: Option<HostPort>) -> bool {
        let peer = Peer::Node(node);
        if self.peers.get(&peer).map(|state| &*state.address) == address.as_ref() {
            return false;
        }
        self.remove(peer);
        if let Some(address) = address {
            self.add(peer, address);
        }
        true
    }

    /// A link of this peer that was started in `epoch` has failed. Sets the back-off.
    pub(super) fn note_failed(&mut self, peer: Peer, epoch: Epoch, reason: Arc<str>, now: Instant) {
        let next = self.next_epoch();
        let Self { peers, pauses, backoff, seed, .. } = self;
        // Links of several lanes are started together and fail together. That is one failure. And a link to an address of
        // before says nothing about the address of now.
        let Some(state) = peers.get_mut(&peer).filter(|state| state.epoch == epoch) else { return };
        state.failures = state.failures.saturating_add(1);
        if let Some(at) = state.not_before.take() {
            pauses.remove(&(at, peer));
        }
        state.not_before = now.checked_add(backoff.wait(state.failures, seed));
        pauses.extend(state.not_before.map(|at| (at, peer)));
        state.last = Some(reason);
        state.epoch = next;
    }

    /// A link of this peer to `address` was answered for the first time.
    pub(super) fn note_answered(&mut self, peer: Peer, address: &Arc<HostPort>) {
        if let Some(state) = self.peers.get_mut(&peer).filter(|state| state.address == *address) {
            state.failures = 0;
            if let Some(at) = state.not_before.take() {
                self.pauses.remove(&(at, peer));
            }
            state.last = None;
        }
    }

    /// Whether the next failure of a peer would count as one in a row: the longest pause has not passed since its last pause.
    pub(super) fn has_failed_lately(&self, now: Instant, peer: Peer) -> bool {
        let not_before = self.peers.get(&peer).and_then(|state| state.not_before);
        not_before.is_some_and(|at| now.saturating_duration_since(at) < self.backoff.most)
    }

    /// The number of peers that are not connected to at this time. Costs a look at each of these.
    pub(super) fn backing_off(&self, now: Option<Instant>) -> usize {
        let Some(now) = now else { return 0 };
        self.pauses.range((now, Peer::Bootstrap(0))..).filter(|(at, _)| *at > now).count()
    }
}
