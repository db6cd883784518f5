use kafka08_broker::{BrokerConfig, Refused, Rule};
use kafka08_proto::{
    api::{FetchRequest, MetadataRequest, ProduceRequest},
    error_code::ErrorCode,
    ids::{Acks, ApiKey, Millis, NodeId, Offset},
};

use crate::rig::{Rig, values};

#[test]
fn the_limit_of_an_answer_is_for_all_its_partitions_together() {
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 3).with_max_answer(1000));
    let large = "x".repeat(600);
    for partition in 0..3 {
        rig.call(&ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", partition, values(&[&large])));
    }
    let request = (0..3)
        .fold(FetchRequest::new(Millis(0), 0), |request, partition| request.with("t", partition, Offset(0), 10_000));
    let response = rig.call(&request);
    let sum: usize = response.topics.iter().map(|(_, _, fetched)| fetched.messages.len()).sum();
    assert_eq!(sum, 626, "one message, and none that is cut");
}

#[test]
fn a_connection_that_is_refused_is_counted() {
    let mut rig = Rig::new(BrokerConfig::default().with_max_connections(1));
    rig.connect(1, NodeId(1));
    let refused = rig.try_connect(2, NodeId(1)).expect_err("there is one already");
    assert_eq!(refused, Refused::TooManyConnections { node: NodeId(1), limit: 1 });
    assert_eq!(rig.cluster.limit_stats().connections, 1);
}

#[test]
fn a_produce_with_acks_0_of_which_a_rule_refuses_a_part_closes_the_connection() {
    let mut rig = Rig::with_topic();
    let rule = Rule::on(ApiKey::PRODUCE).partition(1).refuse_with(ErrorCode::NOT_LEADER_FOR_PARTITION);
    rig.with(|cluster, _| cluster.add_rule(rule));
    let request = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, values(&["a"])).with("t", 1, values(&["b"]));
    rig.send(1, &request);
    rig.closed(1);
    assert_eq!(rig.fetch(0, 1000).high_watermark, Offset(1), "the other partition has its message");
    rig.call(&MetadataRequest::all());
}
