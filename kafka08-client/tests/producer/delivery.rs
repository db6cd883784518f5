//! Records that arrive.

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    accumulator::AppendError,
    config::{ClusterConfig, ProducerConfig, ReleaseSetting},
    producer::{ProduceCause, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::{
    error_code::ErrorCode,
    fate::Fate,
    ids::{Acks, TopicPartition},
    message::{Codec, MessageSet},
    profile::Profile,
};

use crate::{
    SECOND,
    both::{End, append, ends, flush, log, rig, rig_at, try_append},
    rig::address,
};

fn value(n: u32) -> Vec<u8> {
    n.to_string().into_bytes()
}

fn three() -> BrokerConfig {
    BrokerConfig::default().with_brokers(3).with_topic("t", 6)
}

#[test]
fn records_arrive_in_order_at_the_offsets_that_are_told() {
    let mut rig = rig(three(), ProducerConfig::default().with_batch_size(300));
    let mut expected = Vec::new();
    for n in 0..200u32 {
        let partition = i32::try_from(n % 6).expect("small");
        expected.push((append(&mut rig, partition, &value(n)), partition, n));
        if n % 50 == 0 {
            rig.pass(Duration::from_millis(3));
        }
    }
    assert_eq!(flush(&mut rig, SECOND), (0, 0));
    let ends = ends(&mut rig);
    assert_eq!(ends.len(), 200);
    let logs: Vec<_> = (0..6).map(|partition| log(&mut rig, partition)).collect();
    for (place, partition, n) in expected {
        let End::Delivered { base: Some(offset), maybe_applied: 0 } = ends[&place] else {
            panic!("{:?}", ends[&place])
        };
        let log = &logs[usize::try_from(partition).expect("small")];
        assert_eq!(log[usize::try_from(offset).expect("small")], value(n));
    }
    assert!(logs.iter().flatten().count() == 200);
    assert_eq!(rig.machine.accumulator.buffered(), 0);
}

#[test]
fn a_topic_is_created_by_appending_to_it() {
    let mut rig = rig(BrokerConfig::default().with_partitions(2), ProducerConfig::default());
    assert_eq!(try_append(&mut rig, 0, b"v"), Err(AppendError::UnknownTopic { wake: true }));
    let place = append(&mut rig, 1, b"v");
    rig.pass(SECOND);
    assert!(matches!(ends(&mut rig)[&place], End::Delivered { base: Some(0), .. }));
}

#[test]
fn a_topic_that_does_not_exist_is_told_and_then_forgotten() {
    let mut rig = rig(BrokerConfig::default().without_auto_create(), ProducerConfig::default());
    try_append(&mut rig, 0, b"v").expect_err("it is not known");
    rig.pass(10 * SECOND);
    let problem = |event: &ProducerEvent<()>| match event {
        ProducerEvent::Topic { problem, .. } => *problem,
        other => panic!("{other:?}"),
    };
    let problems: Vec<_> = rig.events.iter().map(problem).collect();
    // The append counts for the first answer, and nobody has appended again before the second.
    assert_eq!(problems, [Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION); 2]);
    let asked = rig.machine.producer.stats().cluster.refreshes;
    rig.pass(60 * SECOND);
    assert_eq!(rig.machine.producer.stats().cluster.refreshes, asked);
}

#[test]
fn compressed_batches_arrive_with_all_their_records() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let mut rig = rig(three(), ProducerConfig::default().with_compression(Some(codec)));
        let places: Vec<_> = (0..50).map(|_| append(&mut rig, 0, &[7; 100])).collect();
        assert_eq!(flush(&mut rig, SECOND), (0, 0));
        let ends = ends(&mut rig);
        for (n, place) in (0..).zip(&places) {
            assert!(matches!(ends[place], End::Delivered { base: Some(base), .. } if base == n), "{:?}", ends[place]);
        }
        assert_eq!(log(&mut rig, 0), vec![vec![7; 100]; 50]);
        assert!(rig.brokers.snapshot().log_memory < 5000);
    }
}

#[test]
fn the_offsets_of_older_releases_are_corrected_as_soon_as_the_release_is_known() {
    let brokers = || three().with_profile(Profile::V0_8_1);
    let mut rig = rig(brokers(), ProducerConfig::default());
    let mut bases = Vec::new();
    for _ in 0..3 {
        let places = [append(&mut rig, 0, b"a"), append(&mut rig, 0, b"b")];
        flush(&mut rig, SECOND);
        let ends = ends(&mut rig);
        for place in places {
            let End::Delivered { base, .. } = ends[&place] else { panic!("{:?}", ends[&place]) };
            bases.push(base);
        }
    }
    let known = bases.iter().position(Option::is_some).expect("the probe is over");
    assert!(known <= 2, "{bases:?}");
    let expected: Vec<_> = (0..).map(Some).skip(known).take(6 - known).collect();
    assert_eq!(bases[known..], expected);

    let cluster =
        ClusterConfig::default().with_bootstrap([address(1)]).with_release(ReleaseSetting::Is(Profile::V0_8_1));
    let mut rig = rig_at(brokers(), ProducerConfig::default(), cluster);
    let places = [append(&mut rig, 0, b"a"), append(&mut rig, 0, b"b")];
    flush(&mut rig, SECOND);
    let ends = ends(&mut rig);
    let bases = places.map(|place| match ends[&place] {
        End::Delivered { base, .. } => base,
        _ => panic!("{:?}", ends[&place]),
    });
    assert_eq!(bases, [Some(0), Some(1)]);
}

#[test]
fn a_set_arrives_behind_the_records_before_it_as_one_batch() {
    let mut rig = rig(three(), ProducerConfig::default().with_acks(Acks::LEADER));
    append(&mut rig, 0, b"a");
    let mut builder = MessageSet::builder();
    for value in [b"b", b"c"] {
        builder.push(None, Some(value)).expect("small");
    }
    let set = builder.build();
    let now = rig.now;
    let to = TopicPartition::new("t", 0);
    let batch = rig.machine.accumulator.append_set(|| now, &to, set).expect("there is room").batch;
    append(&mut rig, 0, b"d");
    assert_eq!(flush(&mut rig, SECOND), (0, 0));
    assert_eq!(log(&mut rig, 0), [b"a", b"b", b"c", b"d"]);
    let ends = ends(&mut rig);
    assert!(matches!(ends[&(batch, 1)], End::Delivered { base: Some(2), .. }), "{ends:?}");
}

#[test]
fn a_record_that_the_broker_finds_too_large_fails_alone() {
    let mut rig = rig(three().with_max_message(1000), ProducerConfig::default());
    let places: Vec<_> = (0..20u32)
        .map(|n| if n == 13 { append(&mut rig, 0, &[0; 2000]) } else { append(&mut rig, 0, &value(n)) })
        .collect();
    assert_eq!(flush(&mut rig, SECOND), (1, 0));
    let ends = ends(&mut rig);
    let End::Failed(error) = &ends[&places[13]] else { panic!("{:?}", ends[&places[13]]) };
    assert_eq!(error.fate, Fate::NotApplied);
    let too_large = matches!(error.cause, ProduceCause::Refused { code: ErrorCode::MESSAGE_SIZE_TOO_LARGE, .. });
    assert!(too_large, "{error}");
    let others: Vec<_> = (0..20).filter(|n| *n != 13).map(value).collect();
    assert_eq!(log(&mut rig, 0), others);
    assert_eq!(flush(&mut rig, SECOND), (0, 0), "a failure is counted by one flush");
}

#[test]
fn room_is_told_to_who_was_refused() {
    let mut rig = rig(three(), ProducerConfig::default().with_buffer(1000).with_linger(60 * SECOND));
    append(&mut rig, 0, &[0; 600]);
    let refused = try_append(&mut rig, 1, &[0; 600]);
    assert_eq!(refused, Err(AppendError::Full { stuck: false, wake: true }));
    rig.pass(SECOND);
    assert_eq!(rig.events.iter().filter(|event| matches!(event, ProducerEvent::Room)).count(), 1);
    try_append(&mut rig, 1, &[0; 600]).expect("there is room");
}

#[test]
fn a_machine_that_sleeps_is_woken_by_a_shorter_linger() {
    let mut rig = rig(three(), ProducerConfig::default());
    append(&mut rig, 0, b"v");
    rig.pass(SECOND);
    ends(&mut rig);
    let now = rig.now;
    let appended = rig.machine.accumulator.append(|| now, RecordRef::new("t", b"v").with_key(b"k"));
    assert!(appended.expect("there is room").wake);
    rig.settle();
    rig.pass(Duration::from_millis(6));
    assert_eq!(ends(&mut rig).len(), 1);
}

#[test]
fn offsets_of_small_batches_are_corrected_too() {
    let brokers = BrokerConfig::default().with_topic("t", 1).with_profile(Profile::V0_8_1);
    let mut rig = rig(brokers, ProducerConfig::default().with_batch_size(67));
    for n in 0..4 {
        let place = append(&mut rig, 0, b"a");
        flush(&mut rig, SECOND);
        let ends = ends(&mut rig);
        let End::Delivered { base, .. } = ends[&place] else { panic!("{:?}", ends[&place]) };
        assert!(base.is_none_or(|base| base == n), "{base:?} instead of {n}");
    }
}
