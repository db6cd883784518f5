//! How many topics there may be.

use std::time::{Duration, Instant};

use kafka08_broker::BrokerConfig;
use kafka08_proto::{api::MetadataRequest, error_code::ErrorCode};

use crate::rig::Rig;

#[test]
fn one_topic_too_many_is_answered_with_unknown_and_the_others_stay() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_topics(3).with_topic("a", 1));
    let client = rig.connect();
    for name in ["b", "c"] {
        let response = rig.call(client, &MetadataRequest::of([name]));
        assert_eq!(response.topic(name).expect("it is answered").error, ErrorCode::LEADER_NOT_AVAILABLE);
    }
    let response = rig.call(client, &MetadataRequest::of(["d"]));
    assert_eq!(response.topic("d").expect("it is answered").error, ErrorCode::UNKNOWN);
    rig.pass(Duration::from_secs(1));
    let response = rig.call(client, &MetadataRequest::of(["a", "b", "c"]));
    assert!(response.topics().iter().all(|topic| topic.error.is_ok()));
    // A topic that is deleted makes room.
    let now = rig.now();
    assert!(rig.cluster.delete_topic("a", now));
    let response = rig.call(client, &MetadataRequest::of(["d"]));
    assert_eq!(response.topic("d").expect("it is answered").error, ErrorCode::LEADER_NOT_AVAILABLE);
}

#[test]
fn a_flood_of_topics_ends_at_the_limit_and_takes_no_time_that_grows_with_its_square() {
    let started = Instant::now();
    let mut rig = Rig::new(BrokerConfig::default().with_brokers(3));
    let client = rig.connect();
    let mut counted = Vec::new();
    for round in 0..4 {
        let names = (0..3000).map(|n| format!("topic-{round}-{n}"));
        let from = Instant::now();
        let counted_here = allocation_counter::measure(|| {
            rig.call(client, &MetadataRequest::of(names));
            rig.pass(Duration::from_secs(1));
        });
        counted.push((counted_here.bytes_current, from.elapsed()));
    }
    println!("bytes kept and time for each 3,000 topics: {counted:?}");
    let all = rig.call(client, &MetadataRequest::all());
    assert_eq!(all.topics().len(), 10_000);
    // Six logs each, and what each broker knows of them. The last round creates only a third of its topics.
    let kept: i64 = counted.iter().map(|(bytes, _)| *bytes).sum();
    assert!(kept < 10_000 * 8_000, "{kept}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
