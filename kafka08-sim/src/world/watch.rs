//! Counts that show whether a client spins, or asks more often than it may.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use kafka08_client::machine::LinkId;

use crate::{plan::Settings, workload::FLUSH_EVERY};

/// More than any request of a workload takes. A connection may have one request more than its limit staged.
pub(super) const LARGEST_REQUEST: usize = 5 << 20;
const SECOND: Duration = Duration::from_secs(1);
/// How many timeouts a client may take in a second. Each must do something, and few things are due at once.
const TIMEOUTS_A_SECOND: usize = 5_000;
/// How many timeouts may be due at one time, one right after the other.
const TIMEOUTS_AT_ONCE: u32 = 500;
/// How many connection attempts a client may make in any second of its own clock: its default limit.
const CONNECTS_A_SECOND: usize = 20;
/// The same for the small client, which pauses for 100 ms after each attempt for each of at most three brokers.
const DIRECT_CONNECTS_A_SECOND: usize = 33;
/// How many requests for metadata a client may make in a second of its own clock: one in 100 ms, twice for the ends of
/// windows, and one for each connection that is new.
const METADATA_A_SECOND: usize = 60;
pub(super) const METADATA: i16 = 3;
/// From this key on, releases differ: brokers close at keys that they do not know, which is how a probe tells them apart.
const FIRST_OF_SOME: i16 = 8;

/// The times of what happened within the last second.
#[derive(Debug, Default)]
struct Window(VecDeque<Instant>);

impl Window {
    /// Notes that it happened, and returns how often within the second that ends now. The clock may have jumped. What it has
    /// shown as later than now is in no second that ends now.
    fn note(&mut self, now: Instant) -> usize {
        self.0.retain(|at| *at <= now && *at + SECOND > now);
        self.0.push_back(now);
        self.0.len()
    }
}

/// How many requests for metadata the user causes. With acks 0 a flush asks each broker for its answer behind all writes.
fn asked_metadata(settings: &Settings) -> u64 {
    match (settings.scenario, settings.acks) {
        (1, _) => settings.operations,
        (2.., 2) => (settings.operations / u64::from(FLUSH_EVERY) + 1) * settings.brokers,
        _ => 0,
    }
}

/// Counts of what a client does.
#[derive(Debug)]
pub(super) struct Watch {
    /// In the time of the world, so that no jump of a clock excuses them.
    timeouts: VecDeque<u64>,
    /// When the last timeout was, and how many there were at that time.
    at_once: (u64, u32),
    /// In the time of the client's clock, which is what its limits are about.
    connects: Window,
    most_connects: usize,
    /// In the time of the client's clock.
    metadata: Window,
    links: BTreeSet<LinkId>,
    writes: u64,
    answers: u64,
    probing: u64,
    /// How many requests for metadata the user may make, all within a second.
    asked: usize,
    /// How many clients there are, each with limits of its own.
    clients: usize,
    /// Whether the settings allow what else would be too often.
    is_patient: bool,
    problem: Option<String>,
}

impl Watch {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            timeouts: VecDeque::new(),
            at_once: (0, 0),
            connects: Window::default(),
            most_connects: if settings.scenario == 0 { DIRECT_CONNECTS_A_SECOND } else { CONNECTS_A_SECOND },
            metadata: Window::default(),
            links: BTreeSet::new(),
            writes: 0,
            answers: 0,
            probing: 0,
            asked: usize::try_from(asked_metadata(settings)).unwrap_or(usize::MAX),
            // The last scenario has two clients.
            clients: if settings.scenario > 2 { 2 } else { 1 },
            is_patient: settings.no_backoff == 0,
            problem: None,
        }
    }

    fn bound(&mut self, what: &str, count: usize, most: usize) {
        if count > most && self.is_patient && self.problem.is_none() {
            self.problem = Some(format!("{count} {what} within a second, of at most {most}"));
        }
    }

    pub(super) fn note_timeout(&mut self, now: u64) {
        while self.timeouts.front().is_some_and(|at| at.saturating_add(1_000_000) <= now) {
            self.timeouts.pop_front();
        }
        self.timeouts.push_back(now);
        self.bound("timeouts", self.timeouts.len(), TIMEOUTS_A_SECOND);
        let (at, times) = self.at_once;
        self.at_once = if at == now { (at, times + 1) } else { (now, 1) };
        if self.at_once.1 > TIMEOUTS_AT_ONCE && self.problem.is_none() {
            self.problem = Some("a timeout is due again whenever it was handled".to_owned());
        }
    }

    /// Another client begins, which knows nothing of what the one before has done.
    pub(super) fn begin_client(&mut self) {
        self.connects = Window::default();
        self.metadata = Window::default();
        self.links.clear();
    }

    /// Notes a connection attempt at this time of the client's clock.
    pub(super) fn note_connect(&mut self, now: Instant) {
        let count = self.connects.note(now);
        self.bound("connection attempts", count, self.most_connects * self.clients);
    }

    /// Notes a request at this time of the client's clock.
    pub(super) fn note_request(&mut self, now: Instant, key: i16) {
        self.probing += u64::from(key >= FIRST_OF_SOME);
        if key == METADATA {
            let count = self.metadata.note(now);
            self.bound("requests for metadata", count, METADATA_A_SECOND * self.clients + self.asked);
        }
    }

    /// How many requests a broker may have refused to read because its release does not know them.
    pub(super) fn probing(&self) -> u64 {
        self.probing
    }

    /// Whether a link's number was used before. Notes it.
    pub(super) fn is_used(&mut self, link: LinkId) -> bool {
        !self.links.insert(link)
    }

    pub(super) fn note_write(&mut self) {
        self.writes += 1;
    }

    /// How many writes there were.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Notes an answer, and returns its number.
    pub(super) fn note_answer(&mut self) -> u64 {
        self.answers += 1;
        self.answers
    }

    /// What was too often.
    pub(super) fn problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}
