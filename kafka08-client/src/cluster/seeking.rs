//! Which broker to connect to when any broker will do, and none is connected.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::HostPort;

use crate::{backoff::Backoff, error::Unreachable, links::Peer, seed::Seed};

/// The longest time between two attempts to connect that run side by side.
const LONGEST_STAGGER: Duration = Duration::from_secs(1);

/// Tries brokers one after the other. The next one is tried when one has failed, and also when one has not answered for
/// a while, so that silent brokers in front of a live one do not take its time.
#[derive(Debug)]
pub(super) struct Seeking {
    /// Those that this pass has not tried yet.
    order: VecDeque<Peer>,
    /// Those that are being tried.
    trying: BTreeSet<Peer>,
    /// When the next one is tried. `None` if nothing is sought.
    next_at: Option<Instant>,
    /// How long one that is being tried delays the next.
    stagger: Duration,
    /// Passes in a row in which nobody could be connected to.
    failed_passes: u32,
    /// The last failure of each broker, in the order of first failing.
    trouble: Vec<(Peer, HostPort, Arc<str>)>,
    /// Where each broker stands in `trouble`.
    places: BTreeMap<Peer, usize>,
    /// The same for callers. `None` until somebody asks for it after a change.
    listed: Option<Arc<Unreachable>>,
    /// Told to callers after a whole pass has failed.
    down: Option<Arc<Unreachable>>,
    /// Whether any broker has answered so far.
    is_met: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Try to connect to this broker.
    Try(Peer),
    /// A pass begins: call [`Seeking::begin`] with the candidates.
    Begin,
    /// Nothing for now.
    Wait,
}

impl Seeking {
    pub(super) fn new() -> Self {
        Self {
            order: VecDeque::new(),
            trying: BTreeSet::new(),
            next_at: None,
            stagger: LONGEST_STAGGER,
            failed_passes: 0,
            trouble: Vec::new(),
            places: BTreeMap::new(),
            listed: None,
            down: None,
            is_met: false,
        }
    }

    /// Starts to seek, if that has not begun.
    pub(super) fn start(&mut self, now: Instant) {
        if self.next_at.is_none() {
            self.next_at = Some(now);
        }
    }

    /// Somebody is connected, and nothing needs another broker.
    pub(super) fn stop(&mut self) {
        self.next_at = None;
        self.order.clear();
        self.trying.clear();
    }

    /// When the next step is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    pub(super) fn step(&mut self, now: Instant) -> Step {
        if self.next_at.is_none_or(|at| at > now) {
            return Step::Wait;
        }
        if let Some(peer) = self.order.pop_front() {
            self.trying.insert(peer);
            self.next_at = now.checked_add(self.stagger);
            return Step::Try(peer);
        }
        if self.trying.is_empty() {
            return Step::Begin;
        }
        // All of this pass are being tried. The last failure begins another.
        self.next_at = now.checked_add(LONGEST_STAGGER);
        Step::Wait
    }

    /// Begins a pass over these brokers. An empty list is asked for again later.
    pub(super) fn begin(&mut self, now: Instant, candidates: Vec<Peer>, connect_timeout: Duration) {
        let shares = u32::try_from(candidates.len()).unwrap_or(u32::MAX).saturating_add(1);
        // All candidates are tried within the time that the last one needs to connect.
        self.stagger = (connect_timeout / shares).min(LONGEST_STAGGER);
        self.next_at = if candidates.is_empty() { now.checked_add(LONGEST_STAGGER) } else { Some(now) };
        self.order = candidates.into();
    }

    /// A broker could not be connected to, or has not answered.
    pub(super) fn note_failed(
        &mut self,
        now: Instant,
        peer: Peer,
        address: Option<&HostPort>,
        reason: &Arc<str>,
        backoff: Backoff,
        seed: &mut Seed,
    ) {
        if let Some(address) = address {
            self.listed = None;
            let place = *self.places.entry(peer).or_insert(self.trouble.len());
            match self.trouble.get_mut(place) {
                Some(entry) => *entry = (peer, address.clone(), Arc::clone(reason)),
                None => self.trouble.push((peer, address.clone(), Arc::clone(reason))),
            }
        }
        // It may have failed on another lane, or after the search was over.
        if !self.trying.remove(&peer) || self.next_at.is_none() {
            return;
        }
        if !self.order.is_empty() {
            // A failure says at once that this one is not to be waited for.
            self.next_at = Some(now);
        } else if self.trying.is_empty() {
            // The last of the pass. Those of the next one have their own back-off, and this pause bounds the passes.
            self.failed_passes = self.failed_passes.saturating_add(1);
            self.next_at = now.checked_add(backoff.wait(self.failed_passes, seed));
            self.down = Some(self.listed());
        }
    }

    /// The broker that was taken last needs no time for itself: an attempt that began earlier goes on.
    pub(super) fn hurry(&mut self, now: Instant) {
        if !self.order.is_empty() {
            self.next_at = Some(now);
        }
    }

    /// A broker need not be tried: it is connected already, or has no address.
    pub(super) fn skip(&mut self, now: Instant, peer: Peer) {
        self.trying.remove(&peer);
        self.next_at = if self.order.is_empty() { now.checked_add(LONGEST_STAGGER) } else { Some(now) };
    }

    /// A broker is connected.
    pub(super) fn note_ready(&mut self, peer: Peer) {
        self.trying.remove(&peer);
        self.failed_passes = 0;
        self.down = None;
    }

    /// A broker has answered, so what was wrong with it is over.
    pub(super) fn note_answered(&mut self, peer: Peer) {
        self.is_met = true;
        if self.places.contains_key(&peer) {
            self.listed = None;
            self.trouble.retain(|(of, ..)| *of != peer);
            self.places = self.trouble.iter().map(|(of, ..)| *of).zip(0..).collect();
        }
    }

    /// What happened at each address that has failed and has not answered since.
    pub(super) fn unreachable(&self) -> Unreachable {
        let attempts = self.trouble.iter().map(|(_, address, reason)| (address.clone(), Arc::clone(reason)));
        Unreachable { attempts: attempts.collect() }
    }

    /// The same, made once for all that ask between two changes: each partition of a call may have it as its cause.
    pub(super) fn listed(&mut self) -> Arc<Unreachable> {
        let listed = self.listed.take().unwrap_or_else(|| Arc::new(self.unreachable()));
        Arc::clone(self.listed.insert(listed))
    }

    /// Whether any broker has answered so far.
    pub(super) fn is_met(&self) -> bool {
        self.is_met
    }

    /// Whether a broker has failed and has not answered since.
    pub(super) fn has_failed(&self, peer: Peer) -> bool {
        self.places.contains_key(&peer)
    }

    /// Set after every broker of a pass has failed, until one is connected.
    pub(super) fn down(&self) -> Option<&Arc<Unreachable>> {
        self.down.as_ref()
    }

    /// Whether something has failed at any address.
    pub(super) fn has_trouble(&self) -> bool {
        !self.trouble.is_empty()
    }
}
