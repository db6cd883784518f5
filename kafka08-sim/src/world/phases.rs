//! The phases of a run: faults, then none, then the end.

use std::time::Duration;

use kafka08_client::machine::Machine as _;

use super::{Event, World};
use crate::{
    check::{Invariant, Violation, check_records},
    coverage::Coverage,
    history::History,
    plan::Settings,
    workload::{Leftovers, Workload},
};

const SECOND: u64 = 1_000_000;
/// How long faults go on at most.
const SAFETY: u64 = 600 * SECOND;
/// How long everything may take once no fault is left, with the timeouts of the default configuration.
const LIVENESS: u64 = 30 * SECOND;
/// The most requests in flight on a connection of a producer, by default.
const MOST_IN_FLIGHT: u64 = 5;
/// How long closing may take.
const CLOSING: u64 = 30 * SECOND;
/// How long the user lets it take.
const USERS_CLOSING: Duration = Duration::from_secs(20);

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Faults happen.
    Safety,
    /// No fault happens any more. Everything must end until this time.
    Liveness(u64),
    /// Everything has ended. Requests that the client has given up may be answered until this time.
    Resting(u64),
    /// Everything has ended, and the client was closed. It must be over until this time.
    Closing(u64),
    /// Nothing is left to do.
    Over,
}

/// What a run has shown.
#[derive(Debug)]
pub struct Ran {
    /// What does not hold, if anything.
    pub violation: Option<Violation>,
    /// What happened.
    pub history: History,
    /// What the run has come across.
    pub coverage: Coverage,
    /// How long it took in virtual time, in microseconds.
    pub took: u64,
}

/// How long everything may take once no fault is left: a connection that seems to be sound is left at the timeout of its request,
/// and then there is a new one. A client that gives up too early may never succeed, so it may take until its last deadline.
fn liveness(settings: &Settings) -> u64 {
    let default = Settings::default();
    let is_patient = settings.request_timeout >= default.request_timeout
        && settings.connect_timeout >= default.connect_timeout
        && settings.replica_wait >= default.replica_wait;
    let one_more = settings.request_timeout + settings.connect_timeout;
    if is_patient { one_more } else { LIVENESS + settings.delivery_timeout + 2 * settings.request_timeout }
}

/// How long a request may take until its connection ends: those in front of it may wait for replicas too.
fn longest_request(settings: &Settings) -> u64 {
    let in_flight = if settings.max_in_flight > 0 { settings.max_in_flight } else { MOST_IN_FLIGHT };
    settings.request_timeout + in_flight * settings.replica_wait
}

impl<W: Workload> World<W> {
    /// Runs until everything has ended, or something does not hold.
    #[must_use]
    pub fn run(mut self) -> Ran {
        while self.violation.is_none() && self.phase != Phase::Over {
            self.settle();
            self.next_phase();
            if self.phase != Phase::Over && self.violation.is_none() && !self.advance() {
                self.fail(Invariant::L1, || "nothing will ever happen again".to_owned());
            }
        }
        if self.violation.is_none() {
            self.check();
        }
        let operations = u64::try_from(self.history.operations().count()).unwrap_or(0);
        self.coverage.count("operations", operations);
        self.coverage.count("virtual seconds", self.now / SECOND);
        Ran { violation: self.violation, history: self.history, coverage: self.coverage, took: self.now }
    }

    fn next_phase(&mut self) {
        match self.phase {
            Phase::Safety => {
                let is_submitted = self.workload.is_submitted();
                let has_had_enough = self.now >= self.plan.settings.chaos || self.workload.is_done();
                if (is_submitted && has_had_enough && !self.awaits_faults()) || self.now >= SAFETY {
                    self.heal();
                    self.workload.handle_healed();
                    let settings = &self.plan.settings;
                    // A call that the brokers that are left do not know may be known by those that have left, for all that the
                    // client can tell.
                    let waits_for_gone = self.troubles.has_gone() && settings.release > 0 && settings.scenario == 1;
                    let is_longer = self.troubles.has_misled || waits_for_gone;
                    let time = liveness(settings) + if is_longer { settings.delivery_timeout } else { 0 };
                    self.enter_until(Phase::Liveness, time);
                }
            }
            Phase::Liveness(until) => {
                let is_done = self.workload.is_done() && self.workload.is_submitted();
                if is_done && !self.troubles.awaits_leaders {
                    self.check_quiet(None);
                } else if self.now >= until {
                    let open: Vec<_> =
                        self.history.operations().filter(|(_, op)| op.endings.is_empty()).map(|(id, _)| id).collect();
                    let wakes_at = self.client_wakes_at();
                    self.history.note(|| format!("the client: {:#?}", self.workload));
                    self.fail(Invariant::L1, || {
                        let count = open.len();
                        format!(
                            "{count} operations have not ended in time after all faults had: {open:?}; the client wakes at {wakes_at:?} us"
                        )
                    });
                }
            }
            Phase::Resting(until) => self.check_quiet(Some(until)),
            Phase::Closing(until) => {
                if self.workload.machine_ref().is_over() {
                    self.phase = Phase::Over;
                } else if self.now >= until {
                    self.fail(Invariant::L1, || "30 s after it was closed, the client is not over".to_owned());
                }
            }
            Phase::Over => {}
        }
    }

    fn enter_until(&mut self, phase: fn(u64) -> Phase, time: u64) {
        let until = self.now.saturating_add(time);
        self.phase = phase(until);
        self.push(until, Event::Look);
        // Closing and healing have outputs that no event would have taken.
        self.push(self.now, Event::Look);
    }

    /// Everything has ended for the user, so nothing may be left in the client: it is closed. What the client has given up may
    /// be left until a time, which `until` remembers.
    fn check_quiet(&mut self, until: Option<u64>) {
        match (self.workload.leftovers(), until) {
            (Leftovers::None, _) => {
                let now = self.client_now();
                self.workload.close(now, USERS_CLOSING, &mut self.history);
                self.wake_client();
                self.enter_until(Phase::Closing, CLOSING);
            }
            (Leftovers::Owed(_), None) => {
                let time = longest_request(&self.plan.settings);
                self.enter_until(Phase::Resting, time);
            }
            (Leftovers::Owed(_), Some(until)) if self.now < until => {}
            (Leftovers::Owed(what) | Leftovers::Forgotten(what), _) => self.fail(Invariant::R1, || what),
        }
    }

    fn check(&mut self) {
        if let Some(at) = self.workload.machine_ref().poll_timeout() {
            let at = Self::since(self.client_base, at);
            self.fail(Invariant::R1, || format!("a client that is over has a timeout at {at} us"));
        }
        if let Some((_, conn)) = self.conns.iter().find(|(_, conn)| conn.is_held) {
            let link = conn.link;
            self.fail(Invariant::R1, || format!("{link:?} is open after the client was over"));
        }
        let malformed = self.cluster.limit_stats().malformed;
        if malformed > self.watch.probing() && !self.troubles.has_corrupted {
            self.fail(Invariant::R4, || format!("brokers could not read {malformed} requests"));
        }
        self.logs.note_shortened();
        self.logs.read(&self.cluster);
        // After a changed byte, nothing that was told of records proves anything.
        let promises = self.workload.promises();
        let found = check_records(
            &self.history,
            &self.logs,
            Some(&self.sent).filter(|_| self.plan.settings.codec == 0),
            self.cluster.losses(),
            &promises,
            self.troubles.trust(),
        );
        let found = found
            .or_else(|| self.workload.check_reads(&self.history, &self.logs, &self.cluster, self.troubles.trust()));
        if let Some((invariant, what)) = found {
            self.fail(invariant, || what);
        }
    }
}
