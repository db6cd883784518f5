//! How many offsets may be committed.

use std::time::Duration;

use kafka08_broker::{BrokerConfig, ConnectionId};
use kafka08_proto::{
    api::{ConsumerMetadataRequest, OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetFetchRequestV0},
    error_code::ErrorCode,
    ids::Offset,
};

use crate::rig::Rig;

fn with_limit(limit: usize) -> (Rig, ConnectionId) {
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 4).with_max_offsets(limit));
    let client = rig.connect();
    // The first question creates the topic of offsets.
    rig.call(client, &ConsumerMetadataRequest { group: "g".into() });
    rig.pass(Duration::from_secs(1));
    (rig, client)
}

fn commit_v0(rig: &mut Rig, client: ConnectionId, group: &'static str, partitions: &[i32]) -> Vec<ErrorCode> {
    let request = OffsetCommitRequestV0::new(group);
    let request = partitions.iter().fold(request, |request, partition| request.with("t", *partition, Offset(5)));
    let response = rig.call(client, &request);
    partitions.iter().map(|partition| *response.topics.find("t", *partition).expect("it is answered")).collect()
}

fn commit_v1(rig: &mut Rig, client: ConnectionId, group: &'static str, partitions: &[i32]) -> Vec<ErrorCode> {
    let request = OffsetCommitRequestV1::new(group);
    let request = partitions.iter().fold(request, |request, partition| request.with("t", *partition, Offset(5), ""));
    let response = rig.call(client, &request);
    partitions.iter().map(|partition| *response.topics.find("t", *partition).expect("it is answered")).collect()
}

#[test]
fn one_offset_too_many_in_zookeeper_is_answered_with_unknown() {
    let (mut rig, client) = with_limit(2);
    assert_eq!(commit_v0(&mut rig, client, "g", &[0, 1]), [ErrorCode::NONE; 2]);
    assert_eq!(commit_v0(&mut rig, client, "g", &[2]), [ErrorCode::UNKNOWN]);
    let fetched = rig.call(client, &OffsetFetchRequestV0::new("g").with("t", 0));
    assert!(fetched.topics.find("t", 0).expect("it is answered").error.is_ok());
}

#[test]
fn one_offset_too_many_in_kafka_is_answered_with_unknown() {
    let (mut rig, client) = with_limit(2);
    assert_eq!(commit_v1(&mut rig, client, "g", &[0, 1]), [ErrorCode::NONE; 2]);
    assert_eq!(commit_v1(&mut rig, client, "g", &[2]), [ErrorCode::UNKNOWN]);
    assert_eq!(commit_v1(&mut rig, client, "h", &[0]), [ErrorCode::UNKNOWN]);
    // Both stores have one limit.
    assert_eq!(commit_v0(&mut rig, client, "g", &[0]), [ErrorCode::UNKNOWN]);
}

#[test]
fn an_offset_that_is_committed_again_is_not_one_more() {
    let (mut rig, client) = with_limit(4);
    for _ in 0..2 {
        assert_eq!(commit_v1(&mut rig, client, "g", &[0, 1]), [ErrorCode::NONE; 2]);
        assert_eq!(commit_v0(&mut rig, client, "g", &[0, 1]), [ErrorCode::NONE; 2]);
    }
    assert_eq!(commit_v1(&mut rig, client, "g", &[0, 1, 2]), [ErrorCode::UNKNOWN; 3]);
    let in_zookeeper = commit_v0(&mut rig, client, "g", &[0, 1, 2]);
    assert_eq!(in_zookeeper, [ErrorCode::NONE, ErrorCode::NONE, ErrorCode::UNKNOWN]);
}

#[test]
fn long_names_of_groups_and_metadata_do_not_fill_the_memory() {
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 4).with_max_offsets(1000).with_history_bytes(0));
    let client = rig.connect();
    let mut errors = 0;
    let counted = allocation_counter::measure(|| {
        for n in 0..1000 {
            let group = format!("{n:030000}");
            let response = rig.call(client, &OffsetCommitRequestV0::new(group).with("t", 0, Offset(1)));
            errors += usize::from(!response.topics.find("t", 0).expect("it is answered").is_ok());
        }
    });
    println!(
        "1,000 offsets of groups with names of 30,000 bytes keep {} bytes, {errors} refused",
        counted.bytes_current
    );
    assert!(counted.bytes_current < 4 << 20, "{}", counted.bytes_current);
}
