//! kafka-python. `interop/python/checks.py` has a function for each test here, and says what is expected.

use crate::target::{CODECS, Target};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/checks.py");
/// The releases of 0.8 that kafka-python can take a broker for.
const RELEASES: [&str; 3] = ["0.8.0", "0.8.1", "0.8.2"];

/// Runs a check with a topic of its own, as a client of each of these releases.
fn check(name: &str, releases: &[&str]) {
    let target = Target::start();
    for release in releases {
        let topic = format!("{name}-{release}");
        target.create(&topic);
        run(&target, release, &topic, name);
    }
}

fn run(target: &Target, release: &str, topic: &str, check: &str) {
    run_with(target, release, topic, check, &[], "");
}

fn run_with(target: &Target, release: &str, topic: &str, check: &str, more: &[&str], input: &str) -> String {
    let python = interop::python().unwrap_or_else(|error| panic!("{error}"));
    let args = [SCRIPT, &target.address(), release, topic, check];
    let python = python.args(args).args(more.iter().copied()).input(input);
    python.run().unwrap_or_else(|error| panic!("{check} as a client of {release}: {error}")).stdout
}

/// Appends lines to partition 0 of a topic, as one compressed set if they fit.
pub(crate) fn produce_lines(target: &Target, topic: &str, codec: &str, lines: &[String]) {
    run_with(target, "0.8.2", topic, "produce_lines", &[codec], &lines.join("\n"));
}

/// The values of all messages of partition 0.
pub(crate) fn consume_lines(target: &Target, topic: &str) -> Vec<String> {
    run_with(target, "0.8.2", topic, "consume_lines", &[], "").lines().map(str::to_owned).collect()
}

#[test]
fn kafka_python_gets_the_acknowledgement_that_it_asks_for() {
    check("acknowledgements", &RELEASES);
}

#[test]
fn what_kafka_python_compresses_it_reads_back() {
    let target = Target::start();
    for (codec, number) in &CODECS[1..] {
        for release in RELEASES {
            if *codec == "lz4" && release != "0.8.2" {
                // The client refuses it.
                continue;
            }
            let topic = format!("{codec}-{release}");
            target.create(&topic);
            run(&target, release, &topic, codec);
            assert_eq!(target.first_codec(&topic, 0), *number, "{codec}, {release}");
        }
    }
}

#[test]
fn kafka_python_finds_each_key_in_the_partition_to_which_it_was_sent() {
    check("keys", &RELEASES);
}

#[test]
fn null_and_empty_keys_and_values_stay_apart() {
    // As a client of 0.8.0, it refuses null values.
    check("nulls", &RELEASES[1..]);
}

#[test]
fn kafka_python_seeks_to_offsets_and_to_both_ends() {
    check("seeking", &RELEASES);
}

#[test]
fn fetches_that_end_inside_a_message_lose_none() {
    check("small_fetches", &RELEASES);
}

#[test]
fn kafka_python_finds_the_offsets_of_both_ends() {
    check("ends", &RELEASES);
}

#[test]
fn an_offset_that_is_out_of_range_is_an_error_or_resets_the_consumer() {
    check("out_of_range", &RELEASES);
}

#[test]
fn kafka_python_is_told_that_a_message_is_too_large() {
    check("too_large", &RELEASES);
}

#[test]
fn kafka_python_lists_topics_and_their_partitions() {
    check("topics", &RELEASES);
}

#[test]
fn kafka_python_produces_to_a_topic_that_it_creates() {
    let target = Target::start();
    for release in RELEASES {
        run(&target, release, &format!("creation-{release}"), "creation");
    }
}

/// As a client of 0.8.1 it commits to ZooKeeper, as one of 0.8.2 to Kafka.
#[test]
fn what_a_consumer_commits_the_next_one_of_its_group_finds() {
    check("commits", &RELEASES[1..]);
}
