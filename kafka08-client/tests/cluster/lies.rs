//! Brokers that lie in their answers.

use kafka08_broker::{BrokerConfig, Lie, Rule};
use kafka08_client::config::ClusterConfig;
use kafka08_proto::{
    api::{ListOffsetsRequest, MetadataRequest, OffsetFetchRequestV1},
    ids::ApiKey,
};

use super::{
    SECOND, call, leader,
    rig::{Behaviour, address},
    start, three, with,
};

/// Every lie in every answer, for a minute. The client neither spins nor fills its tables, and goes on when the lie ends.
#[test]
fn no_lie_harms_for_longer_than_it_lasts() {
    for lie in Lie::ALL {
        let mut rig = three();
        call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).unwrap_or_else(|error| panic!("{lie}: {error}"));
        let apis = [ApiKey::METADATA, ApiKey::LIST_OFFSETS, ApiKey::OFFSET_FETCH, ApiKey::CONSUMER_METADATA];
        for api in apis {
            rig.brokers(|brokers, _| brokers.add_rule(Rule::on(api).lie(lie.clone())));
        }
        let steps = rig.steps;
        for _ in 0..6 {
            start(&mut rig, ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition))));
            start(&mut rig, OffsetFetchRequestV1::new("group").with("t", 0));
            start(&mut rig, MetadataRequest::of(["t"]));
            rig.command(|cluster, now| cluster.refresh(now, MetadataRequest::all().topics));
            rig.pass(10 * SECOND);
        }
        assert!(rig.steps - steps < 20_000, "{lie}: {} steps in a minute", rig.steps - steps);
        rig.brokers(|brokers, _| brokers.clear_rules());
        let from = rig.elapsed();
        let request = ListOffsetsRequest::latest((0..6).map(|partition| ("t", partition)));
        let answer = call(&mut rig, request).unwrap_or_else(|error| panic!("{lie}: {error}"));
        assert!(answer.failed.is_empty(), "{lie}: {:?}", answer.failed);
        assert!(rig.elapsed() - from <= 30 * SECOND, "{lie}: {:?}", rig.elapsed() - from);
        rig.pass(200 * SECOND);
        assert_eq!(rig.machine.stats().calls, 0, "{lie}");
        assert_eq!(rig.machine.stats().links.in_flight, 0, "{lie}");
    }
}

#[test]
fn an_address_that_cannot_be_used_is_told_with_its_broker() {
    let mut rig = three();
    let bad = leader(&rig, 0);
    rig.brokers(|brokers, _| brokers.add_rule(Rule::on(ApiKey::METADATA).lie(Lie::Port { port: 65_536 })));
    let claim = start(&mut rig, ListOffsetsRequest::latest([("t", 0)]));
    let failed = super::finish(&mut rig, claim).expect("it ends").failed;
    let text = failed.iter().map(|(_, failure)| failure.to_string()).collect::<String>();
    assert!(text.contains("65536") && text.contains(&bad.to_string()), "{text}");
}

#[test]
fn a_call_that_waits_for_a_link_learns_that_the_address_cannot_be_used_any_more() {
    let config = ClusterConfig::default().with_call_timeout(8 * SECOND);
    let mut rig = with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), config);
    call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("brokers are up");
    let bad = leader(&rig, 0);
    rig.set(&address(bad.0), Behaviour::DropsPackets);
    rig.cut(bad);
    rig.brokers(|brokers, _| brokers.add_rule(Rule::on(ApiKey::METADATA).lie(Lie::Port { port: 65_536 })));
    let failed = call(&mut rig, ListOffsetsRequest::latest([("t", 0)])).expect("it ends").failed;
    let text = failed.iter().map(|(_, failure)| failure.to_string()).collect::<String>();
    assert!(text.contains("65536") && text.contains(&bad.to_string()), "{text}");
}
