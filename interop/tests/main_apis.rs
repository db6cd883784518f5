//! Produce, Fetch, ListOffsets and Metadata against a real broker of 0.8.2.2. Each test has a broker of its own, and each
//! check in it topics of its own.

use std::{
    net::TcpStream,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use interop::{Cluster, Release};
use kafka08_blocking::{CallError, Client, Driver};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _,
    api::{
        FetchRequest, FetchedPartition, ListOffsetsPartition, ListOffsetsRequest, MetadataRequest, ProduceRequest,
        ProducedPartition,
    },
    connection::{CloseReason, Closed, Prepared, Reply, SendError},
    error_code::ErrorCode,
    ids::{Acks, Api, ApiKey, ConnectionId, Millis, Offset, OffsetTime, PartitionId},
    message::{Entry, Message, MessageSet, Tail},
};

const LIMIT: Duration = Duration::from_secs(20);

fn start() -> Cluster {
    Cluster::start(Release::V0_8_2_2).unwrap_or_else(|error| panic!("{error}"))
}

fn connect(cluster: &Cluster) -> Client {
    Client::connect(&cluster.broker(), ClientConfig::default()).expect("the broker listens")
}

/// Asks for topics, which creates them, until they have leaders. Gives how many answers said that they had none yet.
fn create(client: &mut Client, topics: &[&str]) -> usize {
    let started = Instant::now();
    let mut leaderless = 0;
    loop {
        let metadata = client.call(&MetadataRequest::of(topics.iter().copied())).expect("an answer");
        if topics.iter().all(|topic| metadata.leader_of(topic, PartitionId(1)).is_ok()) {
            return leaderless;
        }
        let created = metadata.topics().iter().all(|topic| {
            topic.error == ErrorCode::LEADER_NOT_AVAILABLE && topic.partitions.is_empty() || topic.error.is_ok()
        });
        assert!(created, "{metadata:?}");
        assert!(started.elapsed() < LIMIT, "no leaders: {metadata:?}");
        leaderless += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn set(values: &[&[u8]]) -> MessageSet {
    let mut builder = MessageSet::builder();
    values.iter().for_each(|value| builder.push(None, Some(value)).expect("small"));
    builder.build()
}

fn produce(client: &mut Client, topic: &str, acks: Acks, set: MessageSet) -> ProducedPartition {
    let response = client.call(&ProduceRequest::new(acks, Millis(5000)).with(topic, 0, set)).expect("an answer");
    *response.topics.find(topic, 0).expect("it is told")
}

fn fetch(client: &mut Client, topic: &str, offset: i64, max_bytes: i32) -> FetchedPartition {
    let request = FetchRequest::new(Millis(1000), 1).with(topic, 0, Offset(offset), max_bytes);
    client.call(&request).expect("an answer").topics.find(topic, 0).expect("it is told").clone()
}

fn plain(set: &MessageSet) -> Vec<Message<'_>> {
    let message = |entry| match entry {
        Ok(Entry::Plain(message)) => message,
        other => panic!("a plain message was expected: {other:?}"),
    };
    set.entries().map(message).collect()
}

/// How the set ends.
fn tail(set: &MessageSet) -> Option<Tail> {
    let mut entries = set.entries();
    entries.by_ref().for_each(|entry| assert!(entry.is_ok(), "{entry:?}"));
    entries.tail()
}

#[test]
fn what_is_produced_is_appended_and_told() {
    let cluster = start();
    let client = &mut connect(&cluster);
    an_unknown_topic_is_created_and_leaderless_at_first(client);
    acks_1_and_all_give_the_first_offset_and_acks_0_nothing(client);
    the_answer_to_8_topics_of_3_partitions_comes_in_another_order(&cluster);
    null_and_empty_values_and_keys_come_back_apart(client);
}

fn an_unknown_topic_is_created_and_leaderless_at_first(client: &mut Client) {
    assert!(create(client, &["auto-created"]) > 0, "the first answer has no leader");
}

fn acks_1_and_all_give_the_first_offset_and_acks_0_nothing(client: &mut Client) {
    create(client, &["acks"]);
    let told = produce(client, "acks", Acks::LEADER, set(&[b"a", b"b"]));
    assert_eq!((told.error, told.offset), (ErrorCode::NONE, Offset(0)));
    let told = produce(client, "acks", Acks::ALL, set(&[b"c", b"d"]));
    assert_eq!((told.error, told.offset), (ErrorCode::NONE, Offset(2)));
    let silent = ProduceRequest::new(Acks::NONE, Millis(0)).with("acks", 0, set(&[b"e"]));
    client.send_and_forget(&silent).expect("it is sent");
    client.flush().expect("it is written");
    // A broker works in order, so the next one finds it appended.
    assert_eq!(produce(client, "acks", Acks::LEADER, set(&[b"f"])).offset, Offset(5));
    let fetched = fetch(client, "acks", 0, 10_000);
    let values: Vec<_> = plain(&fetched.messages).iter().map(|message| message.value).collect();
    assert_eq!(values, [b"a", b"b", b"c", b"d", b"e", b"f"].map(|value| Some(&value[..])));
    assert_eq!(fetched.high_watermark, Offset(6));
}

fn the_answer_to_8_topics_of_3_partitions_comes_in_another_order(cluster: &Cluster) {
    let client = &mut connect(cluster);
    let topics: Vec<String> = (0..8).map(|n| format!("many-{n}")).collect();
    for topic in &topics {
        cluster.create_topic(topic, 3, 1, &[]).expect("the tool makes it");
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    create(client, &names);
    let mut request = ProduceRequest::new(Acks::LEADER, Millis(5000));
    for topic in &names {
        for partition in 0..3 {
            let value = format!("{topic}/{partition}");
            request = request.with(*topic, partition, MessageSet::of_value(value.as_bytes()));
        }
    }
    let response = client.call(&request).expect("an answer");
    let asked: Vec<_> = request.topics.iter().map(|(topic, partition, _)| (topic.clone(), partition)).collect();
    let told: Vec<_> = response.topics.iter().map(|(topic, partition, _)| (topic.clone(), partition)).collect();
    assert_ne!(asked, told, "this broker keeps its answers in a hash map");
    assert_eq!(told.len(), 24);
    for (topic, partition) in asked {
        let told = response.topics.find(&topic, partition).expect("it is told");
        assert_eq!((told.error, told.offset), (ErrorCode::NONE, Offset(0)), "{topic}/{partition}");
    }
}

fn null_and_empty_values_and_keys_come_back_apart(client: &mut Client) {
    create(client, &["null"]);
    let parts = [None, Some(&b""[..]), Some(&b"x"[..])];
    let mut builder = MessageSet::builder();
    for key in parts {
        for value in parts {
            builder.push(key, value).expect("small");
        }
    }
    assert!(produce(client, "null", Acks::LEADER, builder.build()).error.is_ok());
    let fetched = fetch(client, "null", 0, 10_000);
    let read: Vec<_> = plain(&fetched.messages).iter().map(|message| (message.key, message.value)).collect();
    let expected: Vec<_> = parts.iter().flat_map(|key| parts.iter().map(|value| (*key, *value))).collect();
    assert_eq!(read, expected);
}

#[test]
fn what_was_appended_is_fetched_from_anywhere() {
    let cluster = start();
    let client = &mut connect(&cluster);
    a_fetch_starts_in_the_middle(client);
    a_fetch_ends_in_a_cut_message(client);
    a_message_larger_than_max_bytes_comes_with_the_size_that_its_tail_asked_for(client);
    a_fetch_beyond_the_end_is_out_of_range(client);
}

fn a_fetch_starts_in_the_middle(client: &mut Client) {
    create(client, &["middle"]);
    produce(client, "middle", Acks::LEADER, set(&[b"a", b"b", b"c"]));
    produce(client, "middle", Acks::LEADER, set(&[b"d"]));
    let fetched = fetch(client, "middle", 2, 10_000);
    let offsets: Vec<_> = plain(&fetched.messages).iter().map(|message| message.offset).collect();
    assert_eq!(offsets, [Offset(2), Offset(3)]);
}

fn a_fetch_ends_in_a_cut_message(client: &mut Client) {
    create(client, &["cut"]);
    produce(client, "cut", Acks::LEADER, set(&[b"a", b"b", b"c"]));
    // 27 bytes each.
    for (max_bytes, whole, expected) in [
        (81, 3, Tail::Clean),
        (80, 2, Tail::Cut { needed: Some(27) }),
        (66, 2, Tail::Cut { needed: Some(27) }),
        (65, 2, Tail::Cut { needed: None }),
        (54, 2, Tail::Clean),
    ] {
        let fetched = fetch(client, "cut", 0, max_bytes);
        assert_eq!((plain(&fetched.messages).len(), tail(&fetched.messages)), (whole, Some(expected)), "{max_bytes}");
    }
}

fn a_message_larger_than_max_bytes_comes_with_the_size_that_its_tail_asked_for(client: &mut Client) {
    create(client, &["large"]);
    let value = vec![7; 100_000];
    produce(client, "large", Acks::LEADER, set(&[&value]));
    let fetched = fetch(client, "large", 0, 1000);
    let Some(Tail::Cut { needed: Some(needed) }) = tail(&fetched.messages) else { panic!("a cut message") };
    let too_few = fetch(client, "large", 0, needed - 1);
    assert!(plain(&too_few.messages).is_empty());
    let enough = fetch(client, "large", 0, needed);
    assert_eq!(plain(&enough.messages).first().and_then(|message| message.value), Some(&value[..]));
    assert_eq!(tail(&enough.messages), Some(Tail::Clean));
}

fn a_fetch_beyond_the_end_is_out_of_range(client: &mut Client) {
    create(client, &["short"]);
    produce(client, "short", Acks::LEADER, set(&[b"a"]));
    let at_end = fetch(client, "short", 1, 1000);
    assert_eq!((at_end.error, at_end.messages.len()), (ErrorCode::NONE, 0));
    let beyond = fetch(client, "short", 2, 1000);
    assert_eq!((beyond.error, beyond.high_watermark), (ErrorCode::OFFSET_OUT_OF_RANGE, Offset::NONE));
}

#[test]
fn offsets_are_looked_up_by_time() {
    let cluster = start();
    let client = &mut connect(&cluster);
    create(client, &["times"]);
    let ask = |client: &mut Client, time: i64, max_offsets: i32| {
        let mut request = ListOffsetsRequest::new();
        request.topics.push("times", 0, ListOffsetsPartition { time: OffsetTime(time), max_offsets });
        let response = client.call(&request).expect("an answer");
        let told = response.topics.find("times", 0).expect("it is told");
        assert!(told.error.is_ok(), "{told:?}");
        told.offsets.iter().map(|offset| offset.0).collect::<Vec<_>>()
    };
    let millis = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        i64::try_from(since.as_millis()).expect("before the end of time")
    };
    assert_eq!(ask(client, -1, 1), [0], "the latest of an empty log");
    produce(client, "times", Acks::LEADER, set(&[b"a", b"b", b"c"]));
    let appended = millis();
    // Modification times of files have whole seconds on some systems.
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(ask(client, OffsetTime::EARLIEST.0, 1), [0]);
    assert_eq!(ask(client, OffsetTime::LATEST.0, 1), [3]);
    assert_eq!(ask(client, OffsetTime::LATEST.0, 5), [3, 0]);
    assert_eq!(ask(client, 1, 1), [], "before everything");
    assert_eq!(ask(client, millis() + 60_000, 1), [3], "after everything: the log's end");
    assert_eq!(ask(client, appended + 1000, 1), [0], "between: the segment's base");
}

#[test]
fn what_a_broker_refuses_ends_the_connection_and_says_why() {
    let cluster = start();
    an_acks_0_produce_to_a_missing_topic_leaves_its_id_unconfirmed(&cluster);
    the_same_under_tokio(&cluster);
    an_unknown_key_closes_the_connection(&cluster);
    unknown_partitions_are_told_one_by_one(&cluster);
}

fn to_nowhere(acks: Acks) -> ProduceRequest {
    ProduceRequest::new(acks, Millis(1000)).with("missing", 0, MessageSet::of_value(b"v"))
}

fn assert_names_acks_0(closed: &Closed, id: kafka08_proto::ids::CorrelationId) {
    assert_eq!(closed.unconfirmed.iter().collect::<Vec<_>>(), [id]);
    assert!(closed.to_string().contains("1 produce request with acks = 0 is unconfirmed"), "{closed}");
}

fn an_acks_0_produce_to_a_missing_topic_leaves_its_id_unconfirmed(cluster: &Cluster) {
    let mut client = connect(cluster);
    let id = client.send_and_forget(&to_nowhere(Acks::NONE)).expect("it is sent");
    let error = client.call(&MetadataRequest::all()).expect_err("the broker closes");
    // The call may be sent before the broker closes, or find that it has closed.
    assert!(matches!(error, CallError::Failed { .. } | CallError::NotSent(SendError::Closed(_))), "{error}");
    assert_names_acks_0(client.closed().expect("it is closed"), id);
}

fn the_same_under_tokio(cluster: &Cluster) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = kafka08_tokio::Client::connect(&cluster.broker(), ClientConfig::default()).await;
        let client = client.expect("the broker listens");
        client.call(&MetadataRequest::all()).await.expect("an answer");
        let refused = client.call(&to_nowhere(Acks::LEADER)).await.expect("an answer");
        assert_eq!(refused.topics.find("missing", 0).expect("it is told").error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let id = client.send_and_forget(&to_nowhere(Acks::NONE)).await.expect("it is sent");
        let closed = tokio::time::timeout(LIMIT, client.wait_closed()).await.expect("in time");
        assert_names_acks_0(&closed, id);
    });
}

fn an_unknown_key_closes_the_connection(cluster: &Cluster) {
    let stream = TcpStream::connect(cluster.broker()).expect("the broker listens");
    stream.set_nonblocking(true).expect("a setting");
    let mut driver = Driver::new(stream);
    let mut connection = ClientConnection::new(ClientConfig::default().with_request_timeout(LIMIT), ConnectionId(0));
    let unknown = Prepared::raw(Api::v0(ApiKey(18)), bytes::Bytes::new(), Reply::Expected);
    connection.send(Instant::now(), &unknown).expect("it is staged");
    let mut reason = None;
    while !connection.is_over() {
        if !driver.pump(Instant::now(), &mut connection) {
            driver.wait(&connection, connection.poll_timeout());
        }
        while let Some(event) = connection.poll_event() {
            if let ClientEvent::Closed(closed) = event {
                reason = Some(closed.reason);
            }
        }
        connection.handle_timeout(Instant::now());
    }
    let reason = reason.expect("it is over");
    assert!(matches!(reason, CloseReason::Disconnected { .. }), "{reason}");
    assert!(reason.to_string().contains("instead of answering API 18 v0"), "{reason}");
}

fn unknown_partitions_are_told_one_by_one(cluster: &Cluster) {
    let client = &mut connect(cluster);
    create(client, &["some"]);
    let request = ProduceRequest::new(Acks::LEADER, Millis(1000)).with("some", 0, MessageSet::of_value(b"v")).with(
        "some",
        9,
        MessageSet::of_value(b"v"),
    );
    let response = client.call(&request).expect("an answer");
    assert_eq!(response.topics.find("some", 0).expect("it is told").error, ErrorCode::NONE);
    assert_eq!(response.topics.find("some", 9).expect("it is told").error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}
