use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_proto::{
    api::{FetchRequest, ProduceRequest},
    error_code::ErrorCode,
    ids::{Acks, Millis, Offset, ReplicaId},
    message::Tail,
};

use crate::rig::{Rig, one, plain, values};

#[test]
fn a_fetch_is_cut_at_max_bytes_wherever_that_is() {
    let mut rig = Rig::with_topic();
    let set = values(&["a", "b"]);
    rig.produce(set.clone());
    for max_bytes in 0..=set.len() + 1 {
        let fetched = rig.fetch(0, i32::try_from(max_bytes).expect("small"));
        assert_eq!(fetched.messages.bytes(), &set.bytes().slice(..max_bytes.min(set.len())));
        assert_eq!((fetched.error, fetched.high_watermark), (ErrorCode::NONE, Offset(2)));
    }
    let fetched = rig.fetch(0, 20);
    let mut entries = fetched.messages.entries();
    assert!(entries.next().is_none());
    assert_eq!(entries.tail(), Some(Tail::Cut { needed: Some(27) }));
}

#[test]
fn a_fetch_starts_in_the_middle_and_runs_over_what_was_produced_apart() {
    let mut rig = Rig::with_topic();
    rig.produce(values(&["a", "b"]));
    rig.produce(values(&["c"]));
    rig.produce(values(&["d", "e"]));
    let expected = [(1, "b"), (2, "c"), (3, "d"), (4, "e")].map(|(offset, value)| (offset, value.to_owned()));
    assert_eq!(plain(&rig.fetch(1, 1000).messages), expected);
    assert_eq!(plain(&rig.fetch(1, 27 * 3).messages), expected[..3]);
}

#[test]
fn what_is_out_of_range_unknown_or_nonsense_is_told() {
    let mut rig = Rig::with_topic();
    rig.produce(values(&["a"]));
    assert_eq!(rig.fetch(1, 1000).error, ErrorCode::NONE, "the log's end is in range");
    for (offset, max_bytes, error) in [
        (2, 1000, ErrorCode::OFFSET_OUT_OF_RANGE),
        (-1, 1000, ErrorCode::OFFSET_OUT_OF_RANGE),
        (0, -1, ErrorCode::UNKNOWN),
    ] {
        let fetched = rig.fetch(offset, max_bytes);
        assert_eq!((fetched.error, fetched.high_watermark, fetched.messages.len()), (error, Offset::NONE, 0));
    }
    let response =
        rig.call(&FetchRequest::new(Millis(1000), 1).with("t", 9, Offset(0), 10).with("u", 0, Offset(0), 10));
    for (_, _, fetched) in response.topics.iter() {
        assert_eq!(fetched.error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let mut as_replica = FetchRequest::new(Millis(0), 0).with("t", 0, Offset(0), 1000);
    as_replica.replica = ReplicaId(7);
    assert_eq!(one(&rig.call(&as_replica)).error, ErrorCode::UNKNOWN);
}

#[test]
fn a_fetch_waits_until_its_time_is_over() {
    let mut rig = Rig::with_topic();
    let ticket = rig.send(0, &FetchRequest::new(Millis(100), 1).with("t", 0, Offset(0), 1000));
    rig.pass(Duration::from_millis(99));
    assert!(rig.answer(0, ticket).is_none());
    rig.pass(Duration::from_millis(1));
    let response = rig.answer(0, ticket).expect("its time is over");
    assert_eq!((one(&response).error, one(&response).messages.len()), (ErrorCode::NONE, 0));
}

#[test]
fn a_fetch_wakes_up_when_enough_was_produced() {
    let mut rig = Rig::with_topic();
    let ticket = rig.send(1, &FetchRequest::new(Millis(10_000), 28).with("t", 0, Offset(0), 1000));
    rig.produce(values(&["a"]));
    assert!(rig.answer(1, ticket).is_none(), "27 bytes are not 28");
    rig.produce(values(&["b"]));
    assert_eq!(plain(&one(&rig.answer(1, ticket).expect("enough is here")).messages).len(), 2);
}

#[test]
fn a_waiting_fetch_holds_up_what_is_behind_it() {
    let mut rig = Rig::with_topic();
    rig.send(1, &FetchRequest::new(Millis(1000), 1).with("t", 0, Offset(0), 1000));
    rig.send(1, &FetchRequest::new(Millis(1000), 1).with("t", 0, Offset(0), 1000));
    rig.pass(Duration::from_millis(1000));
    assert_eq!(rig.events(1).len(), 1, "the second was read when the first was answered, and waits");
}

#[test]
fn when_too_many_wait_the_next_is_answered_at_once() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_waiting(1));
    rig.create("t", 1);
    let request = FetchRequest::new(Millis(1000), 1).with("t", 0, Offset(0), 1000);
    let first = rig.send(1, &request);
    let second = rig.send(2, &request);
    assert!(rig.answer(1, first).is_none());
    assert!(rig.answer(2, second).is_some());
}

#[test]
fn a_segment_of_one_partition_does_not_wake_a_fetch_for_the_offset_of_another() {
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 2).with_segment_bytes(60));
    let produce = |value| ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 1, values(&[value]));
    for value in ["a", "b", "c", "d"] {
        rig.call(&produce(value));
    }
    let fetch = FetchRequest::new(Millis(10_000), 1000).with("t", 0, Offset(0), 1000).with("t", 1, Offset(4), 1000);
    let ticket = rig.send(1, &fetch);
    rig.call(&produce("e"));
    assert!(rig.answer(1, ticket).is_none(), "27 bytes are not 1000, and nothing lies on an older segment");
}

#[test]
fn a_fetch_that_was_answered_leaves_no_deadline() {
    let mut rig = Rig::with_topic();
    let before = rig.cluster.poll_timeout().expect("offsets are swept");
    let ticket = rig.send(1, &FetchRequest::new(Millis(60_000), 1).with("t", 0, Offset(0), 1000));
    assert!(rig.cluster.poll_timeout().is_some_and(|waits| waits < before));
    rig.produce(values(&["a"]));
    assert!(rig.answer(1, ticket).is_some());
    // After some rest connections give back their memory. What is left then is their end, if they stay idle.
    rig.pass(Duration::from_secs(25));
    let left =
        rig.cluster.poll_timeout().expect("connections may be idle").saturating_duration_since(rig.now().instant);
    assert!(left > Duration::from_secs(500), "{left:?}");
}
