//! kcat, on librdkafka.

use interop::{Program, ProgramOutput};

use crate::target::{CODECS, PARTITIONS, Target};

/// Partition, offset, key, length of the key, length of the value, value. A length of -1 is that of null.
const FORMAT: &str = "%p|%o|%k|%K|%S|%s\\n";

/// How long librdkafka gathers messages for one set. With its default of 5 ms, a busy machine sends the lines in several sets.
const GATHER: [&str; 2] = ["-X", "queue.buffering.max.ms=500"];

fn kcat(target: &Target) -> Program {
    let release = ["-X", "api.version.request=false", "-X", "broker.version.fallback=0.8.2"];
    Program::new("kcat", "kcat").args(release).args(["-b", &target.address()])
}

fn run(program: &Program) -> ProgramOutput {
    program.run().unwrap_or_else(|error| panic!("{error}"))
}

fn produce(target: &Target, partition: &str, input: &str, args: &[&str]) {
    let producer = kcat(target).args(["-P", "-t", "t", "-p", partition]).args(args.iter().copied());
    run(&producer.input(input));
}

/// Reads a partition of topic `t` from an offset, as kcat writes it, to its end. Returns one line for each message.
fn consume(target: &Target, partition: &str, offset: &str) -> Vec<String> {
    let consumer = kcat(target).args(["-C", "-q", "-t", "t", "-p", partition, "-o", offset, "-e", "-f", FORMAT]);
    run(&consumer).stdout.lines().map(str::to_owned).collect()
}

/// Appends lines to partition 0 of a topic, as one compressed set if they fit.
pub(crate) fn produce_lines(target: &Target, topic: &str, codec: &str, lines: &[String]) {
    let producer = kcat(target).args(GATHER).args(["-P", "-t", topic, "-p", "0", "-z", codec]);
    run(&producer.input(lines.join("\n")));
}

/// The values of all messages of partition 0.
pub(crate) fn consume_lines(target: &Target, topic: &str) -> Vec<String> {
    let consumer = kcat(target).args(["-C", "-q", "-t", topic, "-p", "0", "-o", "beginning", "-e"]);
    run(&consumer).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn kcat_lists_the_broker_and_the_partitions_of_a_topic() {
    let target = Target::with_topic();
    target.create("other");
    let listed = run(&kcat(&target).args(["-L"])).stdout;
    assert!(listed.contains(&format!("\n  broker 1 at {}", target.address())), "{listed}");
    assert!(listed.contains("\n 1 brokers:\n") && listed.contains("\n 2 topics:\n"), "{listed}");
    for topic in ["t", "other"] {
        let of_topic = format!(
            "  topic \"{topic}\" with 2 partitions:
    partition 0, leader 1, replicas: 1, isrs: 1
    partition 1, leader 1, replicas: 1, isrs: 1
"
        );
        assert!(listed.contains(&of_topic), "{listed}");
    }
    let one = run(&kcat(&target).args(["-L", "-t", "other"])).stdout;
    assert!(one.contains("\n 1 topics:\n") && one.contains("\"other\""), "{one}");
}

#[test]
fn what_kcat_produces_with_each_codec_it_consumes() {
    let target = Target::start();
    for (codec, number) in CODECS {
        target.create(codec);
        // Similar, so that a set becomes smaller: librdkafka sends a set that does not as it is.
        let lines: Vec<String> = (0..200).map(|n| format!("a line of text, number {n}")).collect();
        produce_lines(&target, codec, codec, &lines);
        assert_eq!(target.first_codec(codec, 0), number, "{codec}");
        let consumer = kcat(&target).args(["-C", "-q", "-t", codec, "-p", "0", "-o", "beginning", "-e"]);
        let found = run(&consumer.args(["-f", "%o %s\\n"])).stdout;
        let expected: String = lines.iter().enumerate().map(|(n, line)| format!("{n} {line}\n")).collect();
        assert_eq!(found, expected, "{codec}");
    }
}

#[test]
fn kcat_produces_to_a_topic_that_it_creates() {
    let target = Target::start();
    produce(&target, "0", "a\n", &[]);
    assert_eq!(consume(&target, "0", "beginning"), ["0|0||-1|1|a"]);
}

#[test]
fn keys_that_kcat_produces_are_consumed_with_their_values() {
    let target = Target::with_topic();
    produce(&target, "0", "a=1\nb=2\n=3\nwithout\n", &["-K", "="]);
    let expected = ["0|0|a|1|1|1", "0|1|b|1|1|2", "0|2||0|1|3", "0|3||-1|7|without"];
    assert_eq!(consume(&target, "0", "beginning"), expected);
}

#[test]
fn empty_values_are_null_with_z_and_empty_without() {
    let target = Target::with_topic();
    produce(&target, "0", "a=\nb=2\n", &["-K", "=", "-Z"]);
    produce(&target, "0", "c=\n", &["-K", "="]);
    assert_eq!(consume(&target, "0", "beginning"), ["0|0|a|1|-1|", "0|1|b|1|1|2", "0|2|c|1|0|"]);
}

#[test]
fn kcat_consumes_from_an_offset_and_from_a_distance_to_the_end() {
    let target = Target::with_topic();
    produce(&target, "0", "a\nb\nc\nd\ne\n", &[]);
    let all = ["0|0||-1|1|a", "0|1||-1|1|b", "0|2||-1|1|c", "0|3||-1|1|d", "0|4||-1|1|e"];
    assert_eq!(consume(&target, "0", "beginning"), all);
    assert_eq!(consume(&target, "0", "2"), all[2..]);
    assert_eq!(consume(&target, "0", "-2"), all[3..]);
    assert_eq!(consume(&target, "0", "5"), [""; 0]);
    assert_eq!(consume(&target, "0", "end"), [""; 0]);
}

#[test]
fn kcat_consumes_from_an_offset_inside_a_compressed_set() {
    let target = Target::with_topic();
    let lines: Vec<String> = (0..100).map(|n| format!("a line of text, number {n}")).collect();
    produce(&target, "0", &lines.join("\n"), &[&["-z", "gzip"], &GATHER[..]].concat());
    assert_eq!(target.first_codec("t", 0), 1);
    let found = consume(&target, "0", "97");
    let expected: Vec<String> = (97..100).map(|n| format!("0|{n}||-1|25|a line of text, number {n}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_consumer_at_the_end_gets_what_comes_later() {
    let target = Target::with_topic();
    produce(&target, "1", "before\n", &[]);
    let consumer = kcat(&target).args(["-C", "-u", "-t", "t", "-p", "1", "-o", "end", "-c", "1", "-f", FORMAT]);
    let mut consumer = consumer.start().unwrap_or_else(|error| panic!("{error}"));
    consumer.wait_for_error("Reached end of topic t [1] at offset 1").unwrap_or_else(|error| panic!("{error}"));
    produce(&target, "1", "after\n", &[]);
    let output = consumer.wait().unwrap_or_else(|error| panic!("{error}"));
    assert!(output.success, "{}", output.stderr);
    assert_eq!(output.stdout, "1|1||-1|5|after\n");
}

#[test]
fn kcat_keeps_partitions_apart_and_consumes_all_of_them_at_once() {
    let target = Target::with_topic();
    for partition in 0..PARTITIONS {
        let lines: String = (0..3).map(|n| format!("{partition}-{n}\n")).collect();
        produce(&target, &partition.to_string(), &lines, &[]);
    }
    let of_first = ["0|0||-1|3|0-0", "0|1||-1|3|0-1", "0|2||-1|3|0-2"];
    let of_second = ["1|0||-1|3|1-0", "1|1||-1|3|1-1", "1|2||-1|3|1-2"];
    assert_eq!(consume(&target, "0", "beginning"), of_first);
    assert_eq!(consume(&target, "1", "beginning"), of_second);
    let all = kcat(&target).args(["-C", "-q", "-t", "t", "-o", "beginning", "-e", "-f", FORMAT]);
    let mut all: Vec<String> = run(&all).stdout.lines().map(str::to_owned).collect();
    // The order within a partition is kept: a sort that is stable by the first column alone must give the same.
    all.sort_by_key(|line| line.chars().next());
    assert_eq!(all, [of_first, of_second].concat());
}

#[test]
fn kcat_finds_the_offset_of_the_beginning_and_of_the_end() {
    let target = Target::with_topic();
    produce(&target, "0", "a\nb\nc\n", &[]);
    let query = |time: &str| run(&kcat(&target).args(["-Q", "-t", &format!("t:0:{time}")])).stdout;
    assert_eq!(query("-2"), "t [0] offset 0\n");
    assert_eq!(query("-1"), "t [0] offset 3\n");
}

#[test]
fn a_message_that_is_too_large_is_refused_and_the_next_one_is_appended() {
    let target = Target::with_topic();
    let large = "x".repeat(1_500_000);
    let own_limit = ["-X", "message.max.bytes=3000000"];
    let producer = kcat(&target).args(own_limit).args(["-P", "-t", "t", "-p", "0"]);
    let output = producer.input(large).output().unwrap_or_else(|error| panic!("{error}"));
    assert!(output.stderr.contains("Broker: Message size too large"), "{}", output.stderr);
    produce(&target, "0", "small\n", &[]);
    assert_eq!(consume(&target, "0", "beginning"), ["0|0||-1|5|small"]);
}

#[test]
fn a_message_just_below_the_limit_comes_back_whole() {
    let target = Target::with_topic();
    // The limit of 1,000,012 bytes counts the offset and the size too: 12 bytes. The rest of the header has 14.
    let value = "x".repeat(1_000_012 - 12 - 14);
    produce(&target, "0", &value, &["-X", "message.max.bytes=3000000"]);
    let consumer = kcat(&target).args(["-C", "-q", "-t", "t", "-p", "0", "-o", "beginning", "-e", "-f", "%s"]);
    let consumed = run(&consumer).stdout;
    assert!(consumed == value, "{} bytes of {}", consumed.len(), value.len());
}

#[test]
fn an_unknown_topic_is_reported() {
    let target = Target::without_auto_create();
    let consumer = kcat(&target).args(["-C", "-t", "nothing", "-p", "0", "-o", "beginning", "-e"]);
    let output = consumer.output().unwrap_or_else(|error| panic!("{error}"));
    assert!(!output.success && output.stderr.contains("Broker: Unknown topic"), "{}", output.stderr);
    let listed = run(&kcat(&target).args(["-L", "-t", "nothing"])).stdout;
    assert!(listed.contains("topic \"nothing\" with 0 partitions: Broker: Unknown topic or partition"), "{listed}");
}

#[test]
fn an_unknown_partition_is_reported() {
    let target = Target::with_topic();
    let consumer = kcat(&target).args(["-C", "-t", "t", "-p", "7", "-o", "beginning", "-e"]);
    let output = consumer.output().unwrap_or_else(|error| panic!("{error}"));
    assert!(!output.success && output.stderr.contains("partition 7 does not exist"), "{}", output.stderr);
}
