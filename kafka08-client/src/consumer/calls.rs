//! The calls of a consumer: how they begin, and what each of their partitions has come to.

use std::{collections::BTreeMap, time::Instant};

use kafka08_proto::{
    connection::{PrepareError, SendError},
    ids::{NodeId, TopicPartition},
};

use crate::{
    cluster::{Answer, CallId, Claim, Cluster, Redeem, Refused, RefusedWhy, Route, Routed},
    error::Cause,
};

/// Begins a call. `keep` puts its claim where it waits for the end.
pub(super) fn begin<R: Routed, C>(
    cluster: &mut Cluster,
    now: Instant,
    request: R,
    keep: impl FnOnce(Claim<R>) -> C,
) -> Result<(CallId, C), Cause> {
    match cluster.call(now, request) {
        Ok(claim) => Ok((claim.id(), keep(claim))),
        Err(refused) => Err(refusal(&refused)),
    }
}

/// Begins a call to one broker. What its answer says is not looked at.
pub(super) fn begin_at<R: Routed, C>(
    cluster: &mut Cluster,
    now: Instant,
    node: NodeId,
    request: R,
    keep: impl FnOnce(Claim<R>) -> C,
) -> Result<(CallId, C), Cause> {
    match cluster.call_at(now, Route::Node(node), request) {
        Ok(claim) => Ok((claim.id(), keep(claim))),
        Err(refused) => Err(refusal(&refused)),
    }
}

/// What each partition that was asked for has come to. One that is missing was not answered.
pub(super) fn outcomes<R: Routed, T>(
    asked: impl IntoIterator<Item = TopicPartition>,
    answer: Result<Answer<R>, Redeem>,
    find: impl Fn(&TopicPartition, &R::Response) -> Option<T>,
) -> Vec<(TopicPartition, Result<T, Cause>)> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            let cause = match why {
                Redeem::Failed(failure) => failure.cause,
                Redeem::NotMine(_) => Cause::Incomplete,
            };
            return asked.into_iter().map(|of| (of, Err(cause.clone()))).collect();
        }
    };
    // Brokers answer for their own partitions, so some may have failed while others were answered.
    let mut failed: BTreeMap<_, _> = answer.failed.into_iter().collect();
    let outcome = |of: TopicPartition| {
        let outcome = match failed.remove(&of) {
            Some(failure) => Err(failure.cause),
            None => find(&of, &answer.response).ok_or(Cause::Incomplete),
        };
        (of, outcome)
    };
    asked.into_iter().map(outcome).collect()
}

/// Why a call was not taken.
fn refusal<R>(refused: &Refused<R>) -> Cause {
    match &refused.why {
        RefusedWhy::Closed => Cause::Closed,
        RefusedWhy::Problem(problem) => Cause::NotSent(SendError::Prepare(PrepareError::Problem(problem.clone()))),
        RefusedWhy::NoAnswer | RefusedWhy::Busy => Cause::DeadlinePassed,
    }
}
