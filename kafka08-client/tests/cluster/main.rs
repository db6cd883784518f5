//! The cluster machine against the brokers of `kafka08-broker`, in virtual time.

#![expect(clippy::result_large_err, reason = "a call that is refused returns its request")]

#[path = "../rig/mod.rs"]
mod rig;

mod bootstrap;
mod calls;
mod ends;
mod failures;
mod lies;
mod scale;
mod silence;
mod topics;

use std::time::Duration;

use kafka08_broker::BrokerConfig;
use kafka08_client::{
    cluster::{Answer, Claim, Cluster, ClusterEvent, Ended, Redeem, Routed},
    config::ClusterConfig,
    error::CallFailure,
};
use kafka08_proto::{api::Request, ids::NodeId};
use rig::{Rig, address};

const SECOND: Duration = Duration::from_secs(1);

/// Three brokers, whose topic "t" has six partitions with a replica on each, and a client that knows all of them.
fn three() -> Rig<Cluster> {
    with(BrokerConfig::default().with_brokers(3).with_topic("t", 6), ClusterConfig::default())
}

fn with(brokers: BrokerConfig, config: ClusterConfig) -> Rig<Cluster> {
    let bootstrap: Vec<_> = (1..=brokers.brokers()).map(|n| address(n.into())).collect();
    Rig::new(brokers, Cluster::new(config.with_bootstrap(bootstrap)))
}

/// Calls, and waits for the end.
fn call<R: Routed + std::fmt::Debug>(rig: &mut Rig<Cluster>, request: R) -> Result<Answer<R>, CallFailure> {
    let claim = start(rig, request);
    finish(rig, claim)
}

fn start<R: Routed + std::fmt::Debug>(rig: &mut Rig<Cluster>, request: R) -> Claim<R> {
    rig.command(|cluster, now| cluster.call(now, request)).expect("it is taken")
}

fn finish<R>(rig: &mut Rig<Cluster>, claim: Claim<R>) -> Result<Answer<R>, CallFailure>
where
    R: Request<Response: Send + 'static> + 'static,
{
    let id = claim.id();
    let is_mine = move |event: &ClusterEvent| matches!(event, ClusterEvent::Ended(ended) if ended.id() == id);
    rig.wait_until(200 * SECOND, |rig| rig.events.iter().any(is_mine));
    let place = rig.events.iter().position(is_mine).expect("it has ended");
    match claim.redeem(ended(rig.events.remove(place))) {
        Ok(answer) => Ok(answer),
        Err(Redeem::Failed(failure)) => Err(failure),
        Err(Redeem::NotMine(ended)) => panic!("{ended:?} is of another call"),
    }
}

fn ended(event: ClusterEvent) -> Ended {
    match event {
        ClusterEvent::Ended(ended) => ended,
        other => panic!("{other:?}"),
    }
}

/// The broker that leads a partition of "t".
fn leader(rig: &Rig<Cluster>, partition: i32) -> NodeId {
    rig.brokers.leader("t", partition).expect("it is led")
}
