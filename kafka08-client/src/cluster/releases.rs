//! The releases of brokers, known from the settings or from probes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use kafka08_proto::{
    ids::{Api, ApiKey},
    probe::Release,
    profile::Profile,
};

use crate::{config::ReleaseSetting, links::Peer};

/// The length of an outage after which a broker may come back as another release.
const OUTAGE: Duration = Duration::from_secs(60);
/// How long a probe that has found nothing out is believed.
const UNDETERMINED: Duration = Duration::from_secs(5);
/// After what time a release that could not be found out is looked for again if nothing waits for it.
const AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Releases {
    setting: ReleaseSetting,
    /// What probes have found out, and when.
    known: BTreeMap<Peer, (Release, Instant)>,
    /// Those whose probe has not ended.
    probing: BTreeSet<Peer>,
    /// Since when a broker cannot be connected to.
    down_since: BTreeMap<Peer, Instant>,
}

/// Whether a broker knows an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Knows {
    Yes,
    /// Its release is not known, and must be found out first.
    Ask,
    /// It is being found out.
    Asking,
    /// No. Says which release it is.
    No(String),
    /// That could not be found out a moment ago, and will be tried again. Says why.
    Unclear(String),
}

impl Releases {
    pub(super) fn new(setting: ReleaseSetting) -> Self {
        Self { setting, known: BTreeMap::new(), probing: BTreeSet::new(), down_since: BTreeMap::new() }
    }

    /// Whether a broker knows an API. All releases know Produce, Fetch, ListOffsets and Metadata, and are not asked.
    pub(super) fn knows(&self, now: Instant, peer: Peer, api: Api) -> Knows {
        if Profile::V0_8_0.knows(api) || !is_of_0_8(api) {
            return Knows::Yes;
        }
        if let ReleaseSetting::Is(profile) = self.setting {
            return if profile.knows(api) { Knows::Yes } else { Knows::No(profile.to_string()) };
        }
        if self.probing.contains(&peer) {
            return Knows::Asking;
        }
        match self.known.get(&peer) {
            None => Knows::Ask,
            Some((Release::Undetermined(_), at)) if now.saturating_duration_since(*at) >= UNDETERMINED => Knows::Ask,
            // The broker may be back at the next attempt, so the request must not fail for this.
            Some((release @ Release::Undetermined(_), _)) => Knows::Unclear(release.to_string()),
            Some((release, _)) => match profile_of(release) {
                Some(profile) if profile.knows(api) => Knows::Yes,
                _ => Knows::No(release.to_string()),
            },
        }
    }

    /// The release of a broker, if it is known.
    pub(super) fn profile(&self, peer: Peer) -> Option<Profile> {
        match self.setting {
            ReleaseSetting::Is(profile) => Some(profile),
            ReleaseSetting::Probe => self.known.get(&peer).and_then(|(release, _)| profile_of(release)),
        }
    }

    /// Whether a probe may find out what is not known, for someone who can do without.
    pub(super) fn is_worth_probing(&self, now: Instant, peer: Peer) -> bool {
        match self.known.get(&peer) {
            _ if self.setting != ReleaseSetting::Probe => false,
            None => true,
            Some((Release::Undetermined(_), at)) => now.saturating_duration_since(*at) >= AGAIN,
            Some(_) => false,
        }
    }

    /// Whether a broker is being probed already. If not, it is from now on.
    pub(super) fn begin(&mut self, peer: Peer) -> Begin {
        if self.probing.insert(peer) { Begin::Probe } else { Begin::Wait }
    }

    pub(super) fn note_probed(&mut self, now: Instant, peer: Peer, release: Release) {
        self.probing.remove(&peer);
        self.known.insert(peer, (release, now));
    }

    pub(super) fn note_down(&mut self, now: Instant, peer: Peer) {
        self.down_since.entry(peer).or_insert(now);
    }

    /// A broker has left the cluster.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.known.remove(&peer);
        self.down_since.remove(&peer);
    }

    /// The brokers that cannot be connected to.
    pub(super) fn down(&self) -> impl Iterator<Item = Peer> {
        self.down_since.keys().copied()
    }

    pub(super) fn note_up(&mut self, now: Instant, peer: Peer) {
        if let Some(since) = self.down_since.remove(&peer)
            && now.saturating_duration_since(since) > OUTAGE
        {
            // It may have been upgraded meanwhile.
            self.known.remove(&peer);
        }
    }
}

/// Whether to begin a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Probe,
    Wait,
}

/// The requests of later releases are the caller's own, and no profile of 0.8 judges them.
fn is_of_0_8(api: Api) -> bool {
    (ApiKey::PRODUCE..=ApiKey::HEARTBEAT).contains(&api.key) && Profile::V0_8_2.knows(api)
}

/// Newer releases answer what 0.8.2 answers.
fn profile_of(release: &Release) -> Option<Profile> {
    match release {
        Release::Known(profile) => Some(*profile),
        Release::Newer => Some(Profile::V0_8_2),
        _ => None,
    }
}
