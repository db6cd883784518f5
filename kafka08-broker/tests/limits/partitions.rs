//! How many partitions a request may name.

use kafka08_broker::BrokerConfig;

use crate::rig::{Raw, Rig};

const LIMIT: i32 = 10;

/// A request of each API that names these partitions of the topic "t", or for Metadata so many topics.
fn requests(partitions: &[i32]) -> Vec<(&'static str, Raw)> {
    let named = |raw: Raw, add: &dyn Fn(Raw) -> Raw| {
        let count = i32::try_from(partitions.len()).expect("a few");
        raw.i32(1).text("t").i32(count).each(partitions.iter().copied(), |raw, partition| add(raw.i32(partition)))
    };
    let count = i32::try_from(partitions.len()).expect("a few");
    let metadata = Raw::new(3, 0).i32(count);
    vec![
        ("Produce", named(Raw::new(0, 0).i16(1).i32(100), &|raw| raw.blob(b""))),
        ("Fetch", named(Raw::new(1, 0).i32(-1).i32(0).i32(0), &|raw| raw.i64(0).i32(100))),
        ("ListOffsets", named(Raw::new(2, 0).i32(-1), &|raw| raw.i64(-1).i32(1))),
        ("Metadata", metadata.each(partitions.iter().copied(), |raw, n| raw.text(&format!("t{n}")))),
        ("OffsetCommit 0", named(Raw::new(8, 0).text("g"), &|raw| raw.i64(1).text(""))),
        ("OffsetCommit 1", named(Raw::new(8, 1).text("g").i32(-1).text(""), &|raw| raw.i64(1).i64(-1).text(""))),
        ("OffsetFetch 0", named(Raw::new(9, 0).text("g"), &|raw| raw)),
        ("OffsetFetch 1", named(Raw::new(9, 1).text("g"), &|raw| raw)),
    ]
}

fn rig() -> Rig {
    let config = BrokerConfig::default().with_max_partitions_per_request(usize::try_from(LIMIT).expect("small"));
    Rig::new(config.with_topic("t", 2))
}

#[test]
fn a_request_that_names_as_many_partitions_as_it_may_is_answered() {
    let partitions: Vec<i32> = (0..LIMIT).collect();
    for (name, request) in requests(&partitions) {
        let mut rig = rig();
        let client = rig.connect_raw();
        assert!(rig.ask(client, &request).is_some(), "{name}");
    }
}

#[test]
fn one_partition_too_many_closes_the_connection() {
    let partitions: Vec<i32> = (0..=LIMIT).collect();
    for (name, request) in requests(&partitions) {
        let mut rig = rig();
        let client = rig.connect_raw();
        assert!(rig.ask(client, &request).is_none(), "{name}");
        assert!(rig.is_closed(client), "{name}");
        assert_eq!(rig.stats().malformed, 1, "{name}");
    }
}

#[test]
fn partitions_that_are_named_again_do_not_count() {
    let partitions: Vec<i32> = (0..10 * LIMIT).map(|n| n % LIMIT).collect();
    for (name, request) in requests(&partitions) {
        let mut rig = rig();
        let client = rig.connect_raw();
        assert!(rig.ask(client, &request).is_some(), "{name}");
    }
}

#[test]
fn a_request_that_repeats_itself_too_often_closes_the_connection() {
    let too_many = 16 * usize::try_from(LIMIT).expect("small") + 1;
    for (name, request) in requests(&vec![0; too_many]) {
        let mut rig = rig();
        let client = rig.connect_raw();
        assert!(rig.ask(client, &request).is_none() && rig.is_closed(client), "{name}");
    }
}
