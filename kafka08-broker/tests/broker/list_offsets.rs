use std::time::Duration;

use kafka08_proto::{
    api::{ListOffsetsPartition, ListOffsetsRequest},
    error_code::ErrorCode,
    ids::OffsetTime,
};

use crate::rig::{Rig, START, values};

fn ask(rig: &mut Rig, time: i64, max_offsets: i32) -> (ErrorCode, Vec<i64>) {
    let mut request = ListOffsetsRequest::new();
    request.topics.push("t", 0, ListOffsetsPartition { time: OffsetTime(time), max_offsets });
    let response = rig.call(&request);
    let told = response.topics.find("t", 0).expect("it is told");
    (told.error, told.offsets.iter().map(|offset| offset.0).collect())
}

#[test]
fn offsets_are_found_by_time_as_in_a_log_of_one_segment() {
    let mut rig = Rig::with_topic();
    assert_eq!(ask(&mut rig, -1, 1), (ErrorCode::NONE, vec![0]));
    rig.pass(Duration::from_millis(50));
    rig.produce(values(&["a", "b", "c"]));
    rig.pass(Duration::from_millis(50));
    for (time, max_offsets, offsets) in [
        (-1, 1, vec![3]),
        (-1, 5, vec![3, 0]),
        (-2, 5, vec![0]),
        (-1, 0, vec![]),
        (1, 1, vec![]),
        (START + 49, 5, vec![]),
        (START + 50, 5, vec![0]),
        (START + 99, 5, vec![0]),
        (START + 60_000, 5, vec![3, 0]),
    ] {
        assert_eq!(ask(&mut rig, time, max_offsets), (ErrorCode::NONE, offsets), "{time} {max_offsets}");
    }
    assert_eq!(ask(&mut rig, -1, -1), (ErrorCode::UNKNOWN, vec![]));
}

#[test]
fn an_unknown_partition_has_no_offsets() {
    let mut rig = Rig::with_topic();
    let response = rig.call(&ListOffsetsRequest::new().with("t", 5, OffsetTime::LATEST));
    let told = response.topics.find("t", 5).expect("it is told");
    assert_eq!((told.error, told.offsets.len()), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0));
}
