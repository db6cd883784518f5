//! How a plan is drawn. Every choice of 0 gives the smallest plan without faults.

use super::{Fault, FaultKind, Plan, Settings, Trigger};
use crate::{choices::Choices, net::HostileAnswer};

const MILLIS: u64 = 1_000;
const SECONDS: u64 = 1_000_000;

impl Plan {
    /// Draws a plan.
    pub fn draw<C: Choices>(from: &mut C) -> Self {
        let mut settings = Settings { residual: from.below(u64::MAX), ..Settings::default() };
        draw_cluster(&mut settings, from);
        draw_network(&mut settings, from);
        draw_workload(&mut settings, from);
        if from.chance(1, 2) {
            buggify(&mut settings, from);
        }
        let classes = draw_classes(from);
        let mut faults = Vec::new();
        for kind in classes {
            // Behind a close nothing is tested any more, so most runs have none.
            if kind == FaultKind::Close && from.chance(3, 4) {
                continue;
            }
            for _ in 0..=from.log_up_to(6) {
                faults.push(draw_fault(kind, &settings, from));
            }
        }
        Self { settings, faults }
    }

    /// The plan of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self::draw(&mut crate::choices::Stream::of(seed, 0, 0))
    }

    /// The plan of a seed with faults of one kind, in place of those that the seed draws.
    #[must_use]
    pub fn of_seed_with_only(seed: u64, kind: FaultKind) -> Self {
        let mut plan = Self::of_seed(seed);
        let mut stream = crate::choices::Stream::of(seed, 4, 0);
        plan.faults = (0..=stream.log_up_to(6)).map(|_| draw_fault(kind, &plan.settings, &mut stream)).collect();
        plan
    }
}

fn draw_cluster<C: Choices>(settings: &mut Settings, from: &mut C) {
    settings.brokers = from.pick(&[1, 2, 3, 3]).unwrap_or(1);
    settings.topics = from.between(1, 2);
    settings.partitions = from.between(1, 3);
    // Most of what goes wrong with leaders and followers needs both.
    settings.replication = from.pick(&[1, settings.brokers.min(2), settings.brokers, settings.brokers]).unwrap_or(1);
    // 0.8.2 is what most users have, so it is drawn most often.
    settings.release = from.pick(&[0, 0, 0, 1, 2]).unwrap_or(0);
    settings.unclean = u64::from(from.chance(1, 2));
    settings.election_delay = from.between(0, 6) * SECONDS / 4;
    settings.metadata_delay = from.log_up_to(300 * MILLIS);
    settings.replication_lag = from.log_up_to(200 * MILLIS);
}

fn draw_network<C: Choices>(settings: &mut Settings, from: &mut C) {
    settings.latency = from.log_up_to(50 * MILLIS);
    if from.chance(1, 4) {
        settings.bandwidth = from.between(1, 1000);
    }
    settings.send_buffer = from.pick(&[65_536, 65_536, 4_096, 512, 17]).unwrap_or(65_536);
    // Bytes one by one cost most, so they are drawn least often.
    settings.segments = from.pick(&[0, 0, 1, 1, 2, 2, 3, 3, 4, 5]).unwrap_or(0);
}

fn draw_workload<C: Choices>(settings: &mut Settings, from: &mut C) {
    settings.scenario = from.below(crate::workload::Scenario::COUNT);
    settings.operations = from.between(1, 20) * from.between(1, 20);
    // Half of the runs are a burst or little more. In the others faults last for less than the run, and what follows from them
    // has time to happen.
    settings.span = if from.chance(1, 2) { from.between(1, 32) * SECONDS } else { from.log_up_to(64 * SECONDS) };
    settings.chaos = from.log_up_to(64 * SECONDS);
    settings.filler = from.log_up_to(512);
    settings.acks = from.pick(&[0, 0, 1, 2]).unwrap_or(0);
    settings.retries = from.pick(&[0, 0, 1, 2]).unwrap_or(0);
    if from.chance(1, 3) {
        // Several batches of a partition at a time.
        settings.batch_bytes = from.between(1, 2_000);
    }
    settings.max_in_flight = from.pick(&[0, 0, 1, 2, 4]).unwrap_or(0);
    settings.linger = from.pick(&[5 * MILLIS, 0, 50 * MILLIS]).unwrap_or(0);
    settings.codec = from.pick(&[0, 0, 0, 1, 2]).unwrap_or(0);
    settings.near_wrap = from.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 3]).unwrap_or(0);
}

/// Sets what no user would set: it brings out what else happens once in a year.
fn buggify<C: Choices>(settings: &mut Settings, from: &mut C) {
    if from.chance(1, 2) {
        settings.request_timeout = from.between(10, 2_000) * MILLIS;
    }
    if from.chance(1, 2) {
        settings.connect_timeout = from.between(10, 2_000) * MILLIS;
    }
    if from.chance(1, 2) {
        settings.replica_wait = from.between(1, 1_000) * MILLIS;
    }
    if from.chance(1, 4) {
        settings.delivery_timeout = from.between(1, 40) * SECONDS / 4;
    }
    if from.chance(1, 3) {
        settings.batch_bytes = from.between(1, 300);
    }
    if from.chance(1, 3) {
        settings.buffer_bytes = from.between(1_000, 20_000);
    }
    if from.chance(1, 3) {
        settings.max_staged = from.between(1, 1_000);
    }
    settings.no_backoff = u64::from(from.chance(1, 3));
}

/// The kinds of faults: none once in eight, one once in eight, else each with a probability of one half.
fn draw_classes<C: Choices>(from: &mut C) -> Vec<FaultKind> {
    match from.below(8) {
        0 => Vec::new(),
        1 => from.pick(FaultKind::ALL).into_iter().collect(),
        _ => {
            // A strength for the whole seed: with half of all kinds each run would drown in faults.
            let strength = from.between(1, 4);
            FaultKind::ALL.iter().copied().filter(|_| from.chance(strength, 8)).collect()
        }
    }
}

fn draw_fault<C: Choices>(kind: FaultKind, settings: &Settings, from: &mut C) -> Fault {
    // Faults that hit traffic find what faults at a time rarely do: a request that arrived and whose answer is lost.
    let when = match from.below(4) {
        0 => Trigger::Write(from.log_up_to(600)),
        1 => Trigger::Answer(from.log_up_to(600)),
        // Most connections are made at the beginning.
        2 if matches!(kind, FaultKind::Refuse | FaultKind::SlowConnect | FaultKind::WrongService | FaultKind::Swap) => {
            Trigger::Time(0)
        }
        _ => Trigger::Time(from.below(settings.span + settings.span / 4 + 20 * MILLIS)),
    };
    let lasting = from.log_up_to(40 * SECONDS);
    let (b, c) = match kind {
        FaultKind::Reset => (draw_kept(from), draw_kept(from)),
        FaultKind::Fin => (draw_kept(from), from.below(4 * SECONDS)),
        FaultKind::Stall | FaultKind::BlackHole => (lasting, from.between(1, 3)),
        FaultKind::Corrupt => (from.below(2), from.below(1 << 16)),
        // Even up to twice the default timeout: attempts that take too long are rare otherwise.
        FaultKind::SlowConnect => (lasting, from.below(20 * SECONDS)),
        // Deadlines pass only if it is slow as a modem for long enough.
        FaultKind::Slow => (lasting.max(SECONDS), from.log_up_to(50).max(1)),
        FaultKind::WrongService | FaultKind::Swap | FaultKind::HoldBack | FaultKind::Freeze => (lasting, from.below(8)),
        // Long enough for records in between, and for an election.
        FaultKind::LoseTail => (from.between(1, 40) * SECONDS / 2, 0),
        FaultKind::MoveLeader => (from.below(3), 0),
        FaultKind::Code => (from.between(1, 5), 0),
        FaultKind::ClockForward => (from.log_up_to(30 * 86_400 * SECONDS), 0),
        // Less than a client waits for anything would change nothing.
        FaultKind::ClockBack => (from.below(SECONDS), 0),
        FaultKind::Close => (from.log_up_to(SECONDS), 0),
        FaultKind::Decommission => (from.below(2), 0),
        FaultKind::Hostile => (from.below(HostileAnswer::COUNT), 0),
        _ => (lasting, 0),
    };
    Fault { when, kind, a: from.below(64), b, c }
}

/// How many thousandths of the bytes on their way arrive: all, none, or some.
fn draw_kept<C: Choices>(from: &mut C) -> u64 {
    match from.below(4) {
        0 | 1 => 1000,
        2 => 0,
        _ => from.below(1001),
    }
}
