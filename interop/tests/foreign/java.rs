//! The clients of Kafka 0.8.2.2: its console tools, and `interop/java/Checks.java` on their library.

use std::path::Path;

use interop::Tool;

use crate::target::{CODECS, RELEASE, Target};

fn tool(class: &str) -> Tool {
    Tool::of(RELEASE, class).unwrap_or_else(|error| panic!("{error}"))
}

fn run(tool: &Tool) -> String {
    tool.run().unwrap_or_else(|error| panic!("{error}")).stdout
}

/// What a command of `Checks.java` prints.
fn check(target: &Target, command: &str, args: &[&str]) -> String {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/java/Checks.java"));
    let address = target.address();
    let (host, port) = address.split_once(':').expect("a host and a port");
    let tool = Tool::compiled(RELEASE, source).unwrap_or_else(|error| panic!("{error}"));
    run(&tool.args([command, host, port]).args(args.iter().copied()))
}

fn console_producer(target: &Target, topic: &str, args: &[&str]) -> Tool {
    let producer = tool("kafka.tools.ConsoleProducer").args(["--broker-list", &target.address(), "--topic", topic]);
    producer.args(["--request-required-acks", "1"]).args(args.iter().copied())
}

/// Appends lines to a topic of one partition, as one compressed set if they fit.
pub(crate) fn produce_lines(target: &Target, topic: &str, codec: &str, lines: &[String]) {
    let producer = console_producer(target, topic, &["--new-producer", "--compression-codec", codec]);
    run(&producer.input(&(lines.join("\n") + "\n")));
}

/// The values of all messages of partition 0, which have no keys.
pub(crate) fn consume_lines(target: &Target, topic: &str) -> Vec<String> {
    let fetched = check(target, "fetch", &[&format!("{topic}:0:0:1000000")]);
    fetched.lines().filter_map(|line| Some(line.split_once(" null ")?.1.to_owned())).collect()
}

fn simple_consumer_shell(target: &Target, args: &[&str]) -> String {
    let shell = tool("kafka.tools.SimpleConsumerShell").args(["--broker-list", &target.address(), "--topic", "t"]);
    run(&shell.args(["--no-wait-at-logend"]).args(args.iter().copied()))
}

fn get_offset_shell(target: &Target, time: &str) -> Vec<String> {
    let shell = tool("kafka.tools.GetOffsetShell").args(["--broker-list", &target.address(), "--topic", "t"]);
    let mut lines: Vec<String> = run(&shell.args(["--time", time])).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Produces lines with each codec, and reads them with another client of the same library.
fn round_trips_with_each_codec(producer: &[&str]) {
    let target = Target::with_one_partition();
    let lines: Vec<String> = (0..200).map(|n| format!("a line of text, number {n}")).collect();
    for (codec, number) in CODECS {
        target.create(codec);
        let producer = console_producer(&target, codec, &["--compression-codec", codec]).args(producer.iter().copied());
        run(&producer.input(&(lines.join("\n") + "\n")));
        assert_eq!(target.first_codec(codec, 0), number, "{codec}");
    }
    let partitions = CODECS.map(|(codec, _)| format!("{codec}:0:0:1000000"));
    let found = check(&target, "fetch", &partitions.each_ref().map(String::as_str));
    let messages: String = lines.iter().enumerate().map(|(n, line)| format!("{n} null {line}\n")).collect();
    let expected: String = CODECS.iter().map(|(codec, _)| format!("{codec} 0 code 0 end 200\n{messages}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_the_old_console_producer_sends_with_each_codec_is_fetched() {
    round_trips_with_each_codec(&[]);
}

#[test]
fn what_the_new_console_producer_sends_with_each_codec_is_fetched() {
    round_trips_with_each_codec(&["--new-producer"]);
}

#[test]
fn the_shells_find_messages_and_offsets() {
    let target = Target::with_one_partition();
    target.create("t");
    assert_eq!(get_offset_shell(&target, "-1"), ["t:0:0"]);
    run(&console_producer(&target, "t", &["--sync"]).input("a\nb\nc\nd\n"));
    assert_eq!(get_offset_shell(&target, "-1"), ["t:0:4"]);
    assert_eq!(get_offset_shell(&target, "-2"), ["t:0:0"]);
    let all = simple_consumer_shell(&target, &["--partition", "0", "--offset", "-2", "--print-offsets"]);
    let expected = "next offset = 1\na\nnext offset = 2\nb\nnext offset = 3\nc\nnext offset = 4\nd\n";
    assert_eq!(all, format!("{expected}Terminating. Reached the end of partition (t, 0) at offset 4\n"));
    let from_the_middle = simple_consumer_shell(&target, &["--partition", "0", "--offset", "2", "--max-messages", "1"]);
    assert_eq!(from_the_middle, "c\n");
}

#[test]
fn the_simple_consumer_sees_both_partitions_of_the_metadata() {
    let target = Target::with_topic();
    let partition = format!("code 0 leader {} replicas 1 isr 1", target.address());
    assert_eq!(check(&target, "metadata", &["t"]), format!("t code 0\n0 {partition}\n1 {partition}\n"));
}

#[test]
fn the_simple_consumer_fetches_from_several_partitions_at_their_offsets() {
    let target = Target::with_topic();
    check(&target, "old-producer", &["t", "a", "bb", "ccc", "dddd", "eeeee"]);
    let found = check(&target, "fetch", &["t:0:0:1000000", "t:1:1:1000000"]);
    let expected = "t 0 code 0 end 2\n0 bb of bb\n1 dddd of dddd\nt 1 code 0 end 3\n1 ccc of ccc\n2 eeeee of eeeee\n";
    assert_eq!(found, expected);
}

#[test]
fn fetches_at_a_wrong_offset_or_of_an_unknown_partition_have_their_codes() {
    let target = Target::with_topic();
    check(&target, "old-producer", &["t", "a"]);
    let found = check(&target, "fetch", &["t:1:2:1000000", "t:7:0:1000000", "unknown:0:0:1000000"]);
    let expected = "t 1 code 1 end -1\nt 7 code 3 end -1\nunknown 0 code 3 end -1\n";
    assert_eq!(found, expected);
}

#[test]
fn a_fetch_that_is_smaller_than_a_message_gives_none() {
    let target = Target::with_topic();
    check(&target, "old-producer", &["t", "a", "ccc"]);
    // Offset, size, CRC, magic, attributes, two lengths: 26 bytes. Key and value have 5 and 9 bytes.
    assert_eq!(check(&target, "fetch", &["t:1:0:30"]), "t 1 code 0 end 2\n");
    assert_eq!(check(&target, "fetch", &["t:1:0:31"]), "t 1 code 0 end 2\n0 a of a\n");
    assert_eq!(check(&target, "fetch", &["t:1:0:65"]), "t 1 code 0 end 2\n0 a of a\n");
    assert_eq!(check(&target, "fetch", &["t:1:0:66"]), "t 1 code 0 end 2\n0 a of a\n1 ccc of ccc\n");
}

#[test]
fn the_simple_consumer_finds_offsets_by_time() {
    let target = Target::with_topic();
    check(&target, "old-producer", &["t", "a", "b"]);
    let found = check(&target, "list-offsets", &["t", "1", "-1", "-2"]);
    assert_eq!(found, "-1 code 0 [2, 0]\n-2 code 0 [0]\n");
    assert_eq!(check(&target, "list-offsets", &["t", "7", "-1"]), "-1 code 3 []\n");
}

#[test]
fn the_new_producer_learns_the_offset_of_each_record() {
    let target = Target::with_topic();
    let found = check(&target, "new-producer", &["t"]);
    let mut expected = String::new();
    for (acks, offsets) in [("1", [0, 1, 2, 3]), ("all", [4, 5, 6, 7]), ("0", [-1, -1, -1, -1])] {
        expected.extend(offsets.map(|offset| format!("{acks}: t 1 {offset}\n")));
    }
    assert_eq!(found, expected);
    let values = ["1", "all", "0"].map(|acks| ["a", "b", "c", "null"].map(|key| format!("{key} with acks {acks}")));
    let messages: String = values.iter().flatten().enumerate().map(|(n, text)| format!("{n} {text}\n")).collect();
    assert_eq!(check(&target, "fetch", &["t:1:0:1000000"]), format!("t 1 code 0 end 12\n{messages}"));
}

#[test]
fn the_new_producer_is_told_that_a_record_is_too_large() {
    let target = Target::with_topic();
    assert_eq!(check(&target, "too-large", &["t"]), "RecordTooLargeException\n");
    assert_eq!(check(&target, "fetch", &["t:0:0:1000000"]), "t 0 code 0 end 0\n");
}

#[test]
fn the_old_producer_puts_each_key_where_its_partitioner_says() {
    let target = Target::with_topic();
    check(&target, "old-producer", &["t", "a", "bb", "ccc"]);
    let found = check(&target, "fetch", &["t:0:0:1000000", "t:1:0:1000000"]);
    assert_eq!(found, "t 0 code 0 end 1\n0 bb of bb\nt 1 code 0 end 2\n0 a of a\n1 ccc of ccc\n");
}

/// What `Checks.java` prints about two partitions of which one is committed, and about an unknown topic.
fn committed(note: &str, never: u16) -> String {
    let others = format!("t 1 code {never} offset -1 ''\nunknown 0 code 3 offset -1 ''\n");
    let mut text = format!("t 0 code {never} offset -1 ''\n{others}");
    for offset in [42, 43] {
        let note = note.replace("OFFSET", &offset.to_string());
        text.push_str(&format!("commit {offset} code 0\nt 0 code 0 offset {offset} '{note}'\n{others}"));
    }
    text
}

#[test]
fn offsets_committed_to_zookeeper_are_found_without_their_metadata() {
    let target = Target::with_topic();
    assert_eq!(check(&target, "commit-to-zookeeper", &["g", "t"]), committed("", 3));
}

#[test]
fn offsets_committed_to_kafka_are_found_at_the_coordinator() {
    let target = Target::with_topic();
    let coordinator = format!("coordinator code 0\ncoordinator {}\n", target.address());
    assert_eq!(check(&target, "commit-to-kafka", &["g", "t"]), coordinator + &committed("note OFFSET", 0));
}

#[test]
fn offsets_in_zookeeper_and_in_kafka_are_apart() {
    let target = Target::with_topic();
    let in_zookeeper = committed("", 3);
    assert_eq!(check(&target, "commit-to-zookeeper", &["g", "t"]), in_zookeeper);
    assert!(check(&target, "commit-to-kafka", &["g", "t"]).ends_with(&committed("note OFFSET", 0)));
}
