//! Makes a plan that fails smaller, as long as it fails in the same way.
//!
//! The order is from coarse to fine: groups of faults, single faults, the workload, the cluster, the network, and then every
//! setting by itself. The passes are repeated until none of them helps.

use std::time::{Duration, Instant};

use crate::{
    check::Invariant,
    history::Detail,
    plan::{Plan, Settings},
};

/// A search for a smaller plan.
#[derive(Debug)]
pub struct Shrinker {
    plan: Plan,
    invariant: Invariant,
    until: Instant,
    /// How many plans were run.
    pub tried: u32,
}

/// Settings whose smallest value changes what is tested, and not how much of it.
const KEPT: &[&str] = &["scenario", "residual"];

impl Shrinker {
    /// Starts with a plan that violates an invariant, and takes no longer than `time`.
    #[must_use]
    pub fn new(plan: Plan, invariant: Invariant, time: Duration) -> Self {
        Self { plan, invariant, until: Instant::now() + time, tried: 0 }
    }

    /// Searches, and returns the smallest plan that was found.
    #[must_use]
    pub fn run(mut self) -> (Plan, u32) {
        loop {
            let before = self.plan.clone();
            self.drop_faults();
            self.reduce_settings();
            self.reduce_faults();
            if self.plan == before || Instant::now() >= self.until {
                return (self.plan, self.tried);
            }
        }
    }

    /// Keeps a plan if it fails in the same way.
    fn keeps(&mut self, plan: Plan) -> bool {
        if plan == self.plan || Instant::now() >= self.until {
            return false;
        }
        self.tried += 1;
        let found = crate::run(&plan, Detail::Brief).violation;
        let is_same = found.is_some_and(|violation| violation.invariant == self.invariant);
        if is_same {
            self.plan = plan;
        }
        is_same
    }

    /// Drops faults in halves, quarters and so on, down to single ones.
    fn drop_faults(&mut self) {
        let mut size = self.plan.faults.len();
        while size > 0 {
            let mut at = 0;
            while at < self.plan.faults.len() {
                let mut plan = self.plan.clone();
                let end = plan.faults.len().min(at + size);
                plan.faults.drain(at..end);
                if !self.keeps(plan) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Moves each setting towards its default: at once, then by halves.
    fn reduce_settings(&mut self) {
        let default = Settings::default();
        for name in Settings::NAMES.iter().filter(|name| !KEPT.contains(name)) {
            let least = default.named(name).unwrap_or(0);
            if self.try_setting(name, least) {
                continue;
            }
            while let Some(value) = self.plan.settings.named(name).filter(|value| *value > least) {
                let half = least + (value - least) / 2;
                if !self.try_setting(name, half) && !self.try_setting(name, value - 1) {
                    break;
                }
            }
        }
    }

    fn try_setting(&mut self, name: &str, to: u64) -> bool {
        let mut plan = self.plan.clone();
        if let Some(value) = plan.settings.named_mut(name) {
            *value = to;
        }
        self.keeps(plan)
    }

    /// Makes the arguments of each fault smaller.
    fn reduce_faults(&mut self) {
        for index in 0..self.plan.faults.len() {
            for argument in 0..3 {
                while let Some(value) = self.argument(index, argument).filter(|value| *value > 0) {
                    if !self.try_argument(index, argument, 0) && !self.try_argument(index, argument, value / 2) {
                        break;
                    }
                }
            }
        }
    }

    fn argument(&self, index: usize, argument: usize) -> Option<u64> {
        let fault = self.plan.faults.get(index)?;
        [fault.a, fault.b, fault.c].get(argument).copied()
    }

    fn try_argument(&mut self, index: usize, argument: usize, to: u64) -> bool {
        let mut plan = self.plan.clone();
        let Some(fault) = plan.faults.get_mut(index) else { return false };
        match argument {
            0 => fault.a = to,
            1 => fault.b = to,
            _ => fault.c = to,
        }
        self.keeps(plan)
    }
}
