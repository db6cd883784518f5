//! R5: what the services at a wrong port, and bytes that were changed, do to connections, and that it is noticed.

use kafka08_sim::{
    coverage::Coverage,
    history::Detail,
    plan::{Fault, FaultKind, Plan, Settings, Trigger},
    run,
};

const SECOND: u64 = 1_000_000;

/// A second of work in each scenario, while a service that is no broker answers at the address of the only one.
fn beside(service: u64) -> Coverage {
    let mut coverage = Coverage::default();
    for scenario in 0..4 {
        let settings =
            Settings { scenario, operations: 20, span: SECOND, chaos: 2 * SECOND, latency: 500, ..Settings::default() };
        let wrong = Fault { when: Trigger::Time(0), kind: FaultKind::WrongService, a: 0, b: SECOND, c: service };
        let plan = Plan { settings, faults: vec![wrong] };
        let ran = run(&plan, Detail::Brief);
        assert_eq!(ran.violation, None, "{plan}");
        assert!(ran.coverage.of(FaultKind::WrongService) > 0, "{plan}");
        coverage.add(&ran.coverage);
    }
    coverage
}

/// How many connections have ended by bytes that are not frames, and by answers that were not due.
fn ends(coverage: &Coverage) -> (u64, u64) {
    (coverage.of_count("ends by bad frames"), coverage.of_count("ends by wrong answers"))
}

#[test]
fn web_tls_and_ssh_servers_send_what_is_no_frame() {
    for service in [0, 1, 2] {
        let (frames, answers) = ends(&beside(service));
        assert!(frames > 0 && answers == 0, "service {service}: {frames}, {answers}");
    }
}

#[test]
fn an_echo_is_an_answer_that_was_not_due() {
    let (frames, answers) = ends(&beside(3));
    assert!(frames == 0 && answers > 0, "{frames}, {answers}");
}

#[test]
fn a_mute_service_breaks_nothing() {
    assert_eq!(ends(&beside(4)), (0, 0));
}

#[test]
fn a_changed_length_and_a_changed_id_end_the_connection() {
    // The first bits of the first answer are those of its length, the next ones those of its id.
    let with = |bit| {
        let settings = Settings { operations: 5, span: SECOND, chaos: 2 * SECOND, ..Settings::default() };
        let corrupt = Fault { when: Trigger::Write(1), kind: FaultKind::Corrupt, a: 0, b: 1, c: bit };
        let plan = Plan { settings, faults: vec![corrupt] };
        let ran = run(&plan, Detail::Brief);
        assert_eq!(ran.violation, None, "{plan}");
        ends(&ran.coverage)
    };
    // The highest bits of the first bytes.
    assert_eq!(with(7), (1, 0));
    assert_eq!(with(4 * 8 + 7), (0, 1));
}
