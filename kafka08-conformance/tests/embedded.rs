//! Every check against the embedded broker, as each release, with the settings with which real brokers were judged.

use std::time::Duration;

use kafka08_broker::{BrokerConfig, Server};
use kafka08_conformance::{Report, Target, Verdict, run};
use kafka08_proto::profile::Profile;

/// The size of a log segment here. Small enough for the checks of several segments, and of a set larger than one.
const SEGMENT: i32 = 4 << 20;
const RELEASES: [Profile; 3] = [Profile::V0_8_0, Profile::V0_8_1, Profile::V0_8_2];

fn config(profile: Profile) -> BrokerConfig {
    BrokerConfig::default()
        .with_profile(profile)
        .with_partitions(2)
        .with_offsets_partitions(4)
        .with_segment_bytes(4 << 20)
        // As Kafka. The default here is lower.
        .with_max_frame(104_857_600)
}

/// Runs every check that holds for a release. None may fail.
fn judge(profile: Profile, config: BrokerConfig, target: impl Fn(Target) -> Target) -> Report {
    let server = Server::start(config).expect("a free port");
    let fresh = Target::new(server.host_port(), profile).with_partitions(2).with_segment_bytes(SEGMENT);
    let report = run(&target(fresh.with_fresh_cluster()), |_| true);
    println!("{report}");
    assert!(report.is_success(), "{profile}: see the table above");
    report
}

#[test]
fn it_keeps_every_rule_of_each_release() {
    for (profile, least) in RELEASES.into_iter().zip([410, 450, 545]) {
        let passed = judge(profile, config(profile), |target| target).counts().passed;
        assert!(passed >= least, "{profile}: only {passed} passed");
    }
}

#[test]
fn without_auto_creation_it_keeps_the_rules_about_that() {
    for profile in RELEASES {
        let report = judge(profile, config(profile).without_auto_create(), Target::without_auto_create);
        let about = |id: &str| id.ends_with("-without-auto-create") || id == "metadata.asking-makes-no-topic";
        let passed = report.results().iter().filter(|result| about(&result.id) && result.verdict == Verdict::Passed);
        assert_eq!(passed.count(), 4, "{profile}");
    }
}

#[test]
fn with_too_few_replicas_it_keeps_the_rules_about_that() {
    let config = config(Profile::V0_8_2).with_min_insync(2).with_topic("strict", 1);
    let server = Server::start(config).expect("a free port");
    let target = Target::new(server.host_port(), Profile::V0_8_2).with_partitions(2).with_strict_topic("strict");
    let report = run(&target, |check| check.id().starts_with("produce.too-few-replicas"));
    assert!(report.is_success() && report.counts().passed == 5, "{report}");
}

#[test]
fn a_release_is_not_taken_for_another() {
    for as_profile in RELEASES {
        for profile in RELEASES.into_iter().filter(|profile| *profile != as_profile) {
            let server = Server::start(config(profile)).expect("a free port");
            let target = Target::new(server.host_port(), as_profile).with_partitions(2).with_segment_bytes(SEGMENT);
            let target = target.with_time_limit(Duration::from_millis(500)).with_workers(32);
            let failed = run(&target, |_| true).counts().failed;
            assert!(failed > 0, "{profile} passes for {as_profile}");
        }
    }
}
