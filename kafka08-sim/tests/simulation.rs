//! The simulation as a whole: seeds, plans, and whether it notices what it must.

use std::{path::Path, time::Duration};

use kafka08_sim::{
    choices::{ByteChoices, Choices as _, Stream},
    coverage::Coverage,
    history::Detail,
    plan::{Fault, FaultKind, Plan, Settings, Trigger},
    run,
    shrink::Shrinker,
};

fn of_seed(seed: u64, scenario: u64) -> Plan {
    let mut plan = Plan::of_seed(seed);
    plan.settings.scenario = scenario;
    plan
}

#[test]
fn connections_keep_all_promises_under_all_faults() {
    let mut coverage = Coverage::default();
    for seed in 0..300 {
        let ran = run(&of_seed(seed, 0), Detail::Brief);
        assert_eq!(ran.violation, None, "seed {seed}");
        coverage.add(&ran.coverage);
    }
    for kind in FaultKind::ALL {
        assert!(coverage.of(*kind) > 0, "{} never fires", kind.name());
    }
}

#[test]
fn calls_keep_all_promises_under_all_faults() {
    for seed in 0..200 {
        assert_eq!(run(&of_seed(seed, 1), Detail::Brief).violation, None, "seed {seed}");
    }
}

#[test]
fn a_plan_gives_the_same_run_twice() {
    for seed in 0..30 {
        let plan = Plan::of_seed(seed);
        let [first, second] = [Detail::Brief, Detail::Rows].map(|detail| run(&plan, detail).history.hash());
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Equal on all machines, with all compilers and optimisations. They change when the brokers, the connections or the simulation
/// behave in another way, and then new ones are taken from `--seed N --set scenario=0`.
#[test]
fn runs_are_the_same_everywhere() {
    let hashes = [(1, 0x7101_61b0_44ea_4bf9), (2, 0xa881_d365_b191_1c31), (3, 0x26ba_8ebe_36fb_dfdb)];
    for (seed, hash) in hashes {
        let found = run(&of_seed(seed, 0), Detail::Brief).history.hash();
        assert_eq!(found, hash, "seed {seed} has the hash {found:#018x}");
    }
}

#[test]
fn plans_that_once_failed_fail_no_more() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).expect("the directory is part of the project") {
        let path = entry.expect("it can be read").path();
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let plan: Plan = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(run(&plan, Detail::Brief).violation, None, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "there are plans");
}

#[test]
fn bytes_that_are_used_up_give_a_run_without_faults() {
    let plan = Plan::draw(&mut ByteChoices::new(&[]));
    assert_eq!(plan.faults, []);
    assert_eq!(plan.settings, Settings { election_delay: 0, ..Settings::default() });
    assert_eq!(run(&plan, Detail::Brief).violation, None);
}

#[test]
fn any_bytes_give_a_plan() {
    let mut stream = Stream::new(1);
    for len in 0..60_u64 {
        let bytes: Vec<u8> = (0..len).map(|_| u8::try_from(stream.below(256)).expect("small")).collect();
        let mut plan = Plan::draw(&mut ByteChoices::new(&bytes));
        plan.settings.scenario = 0;
        assert_eq!(run(&plan, Detail::Brief).violation, None, "{bytes:?}\n{plan}");
    }
}

/// A request that the broker answered, and whose answer was lost, is sent again by a client that retries what may have been
/// applied. The record is then in the log twice.
#[test]
fn a_lost_answer_causes_a_duplicate_that_was_told() {
    let settings = Settings { operations: 20, span: 1_000_000, latency: 500, ..Settings::default() };
    let reset = |nth| Fault { when: Trigger::Answer(nth), kind: FaultKind::Reset, a: 0, b: 1000, c: 0 };
    let plan = Plan { settings, faults: (2..8).map(reset).collect() };
    let ran = run(&plan, Detail::Rows);
    assert_eq!(ran.violation, None);
    let is_told = |row: &kafka08_sim::history::Row| row.what.contains("maybe_applied: 1");
    assert!(ran.history.rows().iter().any(is_told), "{:#?}", ran.history.rows());
}

/// Frozen brokers name the old leader, which refuses each attempt. Leaders are looked up again behind each of them.
#[test]
fn frozen_brokers_name_a_leader_that_has_moved() {
    let look_ups = |c| {
        let settings = Settings {
            scenario: 2,
            brokers: 2,
            replication: 2,
            operations: 50,
            span: 5_000_000,
            latency: 500,
            ..Settings::default()
        };
        let freeze = |a| Fault { when: Trigger::Time(1_000_000), kind: FaultKind::Freeze, a, b: 3_000_000, c };
        // Both are frozen before it moves, so that nobody knows better.
        let other = Fault { c: 0, ..freeze(1) };
        let ran = run(&Plan { settings, faults: vec![other, freeze(0)] }, Detail::Rows);
        assert_eq!(ran.violation, None);
        ran.history.rows().iter().filter(|row| row.what.contains("request 3 with id")).count()
    };
    let [still, moved] = [0, 1].map(look_ups);
    assert!(still + 4 < moved, "{still} and {moved} look-ups");
}

#[test]
fn a_plan_is_made_smaller_and_still_fails_in_the_same_way() {
    // A clock that goes back two hours while the client rests makes it rest for two hours, whatever else is in the plan.
    let settings = Settings { operations: 40, latency: 500, filler: 30, ..Settings::default() };
    let fault = |at, kind, b| Fault { when: Trigger::Time(at), kind, a: 0, b, c: 0 };
    let mut faults = vec![fault(0, FaultKind::Refuse, 10_000_000), fault(50_000, FaultKind::ClockBack, 7_200_000_000)];
    faults.extend((0..10).map(|n| fault(n * 5_000, FaultKind::Freeze, 1_000)));
    let plan = Plan { settings, faults };
    let found = run(&plan, Detail::Brief).violation;
    let Some(found) = found else { panic!("it was expected to fail") };
    let (small, tried) = Shrinker::new(plan.clone(), found.invariant, Duration::from_secs(60)).run();
    assert!(tried > 0 && small.faults.len() <= 2 && small.settings.operations == 1, "{small}");
    assert_eq!(run(&small, Detail::Brief).violation.map(|it| it.invariant), Some(found.invariant));
}
