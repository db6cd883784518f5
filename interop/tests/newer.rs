//! Brokers of later releases: what they answer to the requests of 0.8.

mod leaders;
mod probing;

use std::time::Duration;

use interop::{NewerBroker, NewerRelease};
use kafka08_blocking::{CallError, Client};
use kafka08_proto::{
    ClientConfig,
    api::{
        FetchRequest, FetchedPartition, MetadataRequest, OffsetCommitRequestV0, OffsetFetchRequestV0, ProduceRequest,
    },
    error_code::ErrorCode,
    ids::{Acks, Millis, Offset},
    message::{Entry, MessageProblem, MessageSet, Tail},
    probe::{Release as Found, UndeterminedReason},
};
use leaders::await_leaders;
use probing::ask;

const LIMIT: Duration = Duration::from_secs(30);

fn start(release: NewerRelease) -> NewerBroker {
    NewerBroker::start(release).unwrap_or_else(|error| panic!("{release}: {error}"))
}

fn connect(broker: &NewerBroker) -> Client {
    Client::connect(&broker.address(), ClientConfig::default()).expect("the broker listens")
}

/// Asks for a topic, which creates it, until it has a leader.
fn create(client: &mut Client, topic: &str) {
    await_leaders(client, topic, 1, LIMIT);
}

fn fetch(client: &mut Client, topic: &str, offset: Offset) -> FetchedPartition {
    let request = FetchRequest::new(Millis(100), 1).with(topic, 0, offset, 1 << 20);
    let fetched = client.call(&request).expect("an answer").topics.find(topic, 0).expect("it is told").clone();
    assert!(fetched.error.is_ok(), "{fetched:?}");
    fetched
}

/// Reads a topic from its beginning to the high watermark. Returns its values, and what else was found.
fn read(client: &mut Client, topic: &str) -> (Vec<String>, Vec<MessageProblem>) {
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    let mut position = Offset(0);
    loop {
        let fetched = fetch(client, topic, position);
        if position >= fetched.high_watermark {
            return (values, problems);
        }
        let before = position;
        for entry in fetched.messages.entries() {
            match entry {
                Ok(Entry::Plain(message)) if message.offset >= position => {
                    values.push(String::from_utf8_lossy(message.value.unwrap_or_default()).into_owned());
                    position = Offset(message.offset.0 + 1);
                }
                Ok(_) => {}
                Err(error) => problems.push(error.problem),
            }
        }
        if position == before {
            // What is left here does not convert to the format of 0.8.
            position = Offset(position.0 + 1);
        }
    }
}

fn produce(client: &mut Client, topic: &str, value: &[u8]) -> Result<ErrorCode, CallError> {
    let request = ProduceRequest::new(Acks::LEADER, Millis(5000)).with(topic, 0, MessageSet::of_value(value));
    client.call(&request).map(|response| response.topics.find(topic, 0).expect("it is told").error)
}

#[test]
fn what_is_produced_to_a_later_release_is_fetched_from_it() {
    for release in [NewerRelease::V1_1_1, NewerRelease::V3_9_1] {
        let broker = start(release);
        let client = &mut connect(&broker);
        create(client, "t");
        for value in ["a", "b", "c"] {
            assert_eq!(produce(client, "t", value.as_bytes()).expect("an answer"), ErrorCode::NONE, "{release}");
        }
        assert_eq!(read(client, "t"), (vec!["a".into(), "b".into(), "c".into()], vec![]), "{release}");
    }
}

#[test]
fn the_probe_says_that_releases_up_to_3_9_know_the_requests_of_0_8_2() {
    for release in [NewerRelease::V1_1_1, NewerRelease::V3_9_1] {
        let broker = start(release);
        assert_eq!(ask(&broker.address()), Found::Newer, "{release}");
    }
}

#[test]
fn the_probe_says_that_4_1_is_too_new() {
    let broker = start(NewerRelease::V4_1_0);
    let found = ask(&broker.address());
    assert_eq!(found, Found::TooNew);
    assert!(found.to_string().contains("too new"), "{found}");
}

#[test]
fn the_probe_creates_no_topic_on_a_later_release() {
    for release in [NewerRelease::V1_1_1, NewerRelease::V3_9_1, NewerRelease::V4_1_0] {
        let broker = start(release);
        ask(&broker.address());
        // All three answer the first version of Metadata.
        let all = connect(&broker).call(&MetadataRequest::all()).expect("an answer");
        assert!(all.topics().is_empty(), "{release}: {all:?}");
    }
}

/// Clients must log in before they may ask for more than ApiVersions.
const AUTHENTICATION: [&str; 4] = [
    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms=PLAIN",
    "sasl.mechanism.inter.broker.protocol=PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
     username=\"a\" password=\"b\" user_a=\"b\";",
];

#[test]
fn the_probe_does_not_take_a_broker_that_asks_for_authentication_for_too_new() {
    let broker =
        NewerBroker::start_with(NewerRelease::V3_9_1, &AUTHENTICATION).unwrap_or_else(|error| panic!("{error}"));
    let Found::Undetermined(why) = ask(&broker.address()) else { panic!("it closes on ListOffsets") };
    assert_eq!(why.reason, UndeterminedReason::KnownButRefused);
    assert!(why.to_string().contains("authentication"), "{why}");
}

#[test]
fn the_probe_says_that_4_1_is_too_new_also_if_it_asks_for_authentication() {
    let broker =
        NewerBroker::start_with(NewerRelease::V4_1_0, &AUTHENTICATION).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ask(&broker.address()), Found::TooNew);
}

#[test]
fn a_produce_that_4_1_does_not_know_is_not_blamed_on_releases_before_0_8_2() {
    let broker = start(NewerRelease::V4_1_0);
    let client = &mut connect(&broker);
    client.call(&MetadataRequest::all()).expect("4.1 answers the first version of Metadata");
    let error = produce(client, "t", b"v").expect_err("4.1 does not know the first version of Produce").to_string();
    assert!(!error.contains("0.8.0 knows"), "every release of 0.8 knows Produce: {error}");
    assert!(error.contains("4.0"), "it does not say that the broker may be too new: {error}");
}

/// Writes three transactions to partition 0 of a topic: records at 0, 2 (aborted) and 4, and a marker behind each.
fn run_transactions(broker: &NewerBroker, topic: &str) {
    let tool = broker.tool(concat!(env!("CARGO_MANIFEST_DIR"), "/java/Transactions.java"));
    tool.args([broker.address().as_str(), topic]).run().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn markers_of_transactions_are_in_a_later_format_and_not_damaged() {
    for release in [NewerRelease::V1_1_1, NewerRelease::V3_9_1] {
        let broker = start(release);
        let client = &mut connect(&broker);
        create(client, "t");
        run_transactions(&broker, "t");
        let (values, problems) = read(client, "t");
        // The format of 0.8 cannot say that a transaction was aborted, so its records come too.
        assert_eq!(values, ["committed", "aborted", "last"], "{release}");
        // 1.1.1 sends a marker as it is where nothing that converts follows; 3.9.1 sends filler.
        let are_of_later_format = problems.iter().all(|problem| *problem == MessageProblem::Magic(2));
        assert!(are_of_later_format, "{release}: {problems:?}");
        assert_eq!(problems.is_empty(), release != NewerRelease::V1_1_1, "{release}: {problems:?}");
    }
}

#[test]
fn filler_in_place_of_what_does_not_convert_is_not_taken_for_a_cut_message() {
    let broker = start(NewerRelease::V3_9_1);
    let client = &mut connect(&broker);
    create(client, "t");
    run_transactions(&broker, "t");
    // The marker of the last transaction: an offset of -1, and a size behind which nothing comes.
    let fetched = fetch(client, "t", Offset(5));
    let bytes = &fetched.messages.bytes()[..];
    assert!(bytes.starts_with(&[0xff; 8]) && bytes.len() == 12, "3.9.1 sends an entry's header alone: {bytes:?}");
    let mut entries = fetched.messages.entries();
    assert_eq!(entries.by_ref().count(), 0);
    let tail = entries.tail();
    assert!(!matches!(tail, Some(Tail::Cut { .. })), "a larger fetch would bring no more: {tail:?}");
}

#[test]
fn a_broker_without_zookeeper_refuses_offsets_in_zookeeper_for_good() {
    let broker = start(NewerRelease::V3_9_1);
    let client = &mut connect(&broker);
    create(client, "t");
    let fetched = client.call(&OffsetFetchRequestV0::new("g").with("t", 0)).expect("an answer");
    let commit = OffsetCommitRequestV0::new("g").with("t", 0, Offset(1));
    let committed = client.call(&commit).expect("an answer");
    let fetched = fetched.topics.find("t", 0).expect("it is told").error;
    for code in [fetched, *committed.topics.find("t", 0).expect("it is told")] {
        // UNSUPPORTED_VERSION of later releases.
        assert_eq!(code, ErrorCode(35));
        assert!(!code.is_retriable(), "{code}");
        assert!(code.name().is_some(), "{code}");
    }
}

#[test]
fn offsets_are_kept_in_zookeeper_by_1_1() {
    let broker = start(NewerRelease::V1_1_1);
    let client = &mut connect(&broker);
    create(client, "t");
    let commit = OffsetCommitRequestV0::new("g").with("t", 0, Offset(1));
    assert_eq!(client.call(&commit).expect("an answer").partition("t", 0), Ok(()));
    let fetched = client.call(&OffsetFetchRequestV0::new("g").with("t", 0)).expect("an answer");
    assert_eq!(fetched.committed("t", 0).expect("no error").map(|found| found.offset), Some(Offset(1)));
}
