//! Calls of all kinds on a cluster.

use std::{collections::BTreeMap, fmt, time::Duration, time::Instant};

use kafka08_client::{
    backoff::Backoff,
    cluster::{CallId, Claim, Cluster, ClusterEvent, Ended, Redeem, Routed},
    config::ClusterConfig,
};
use kafka08_proto::{
    api::{
        ConsumerMetadataRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequestV0,
        OffsetCommitRequestV1, OffsetFetchRequestV0, OffsetFetchRequestV1, ProduceRequest,
    },
    fate::Fate,
    ids::{Acks, Millis, Offset},
    message::MessageSetBuilder,
};

use super::{
    Counts, Leftovers, Order, Promises, Stepped, Workload,
    schedule::{acks, records, times},
};
use crate::{
    choices::{Choices as _, Stream},
    history::{Ending, History, OperationId, Place},
    logs::topic_name,
    plan::Plan,
    record::{ChosenBy, Records},
    world::{address, nodes},
};

/// Reads the end of a call.
type Reader = Box<dyn FnOnce(Ended) -> Result<Ending, String>>;

/// A call that has not ended.
struct Open {
    operation: OperationId,
    read: Reader,
    changes: bool,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Open({})", self.operation)
    }
}

/// Calls of all kinds on a cluster.
#[derive(Debug)]
pub struct Calls {
    cluster: Cluster,
    config: ClusterConfig,
    records: Records,
    acks: i16,
    replica_wait: Millis,
    knows_offsets: bool,
    times: Vec<u64>,
    next: OperationId,
    open: BTreeMap<CallId, Open>,
    stream: Stream,
}

/// The cluster settings of a plan.
pub(super) fn cluster_config(plan: &Plan) -> ClusterConfig {
    let settings = &plan.settings;
    let mut config = ClusterConfig::default()
        .with_bootstrap(nodes(plan).map(address))
        .with_seed(settings.residual)
        .with_request_timeout(Duration::from_micros(settings.request_timeout))
        .with_connect_timeout(Duration::from_micros(settings.connect_timeout))
        .with_call_timeout(Duration::from_micros(settings.delivery_timeout));
    if settings.no_backoff > 0 {
        let none = Backoff { first: Duration::from_micros(100), most: Duration::from_millis(1) };
        config = config.with_retry_backoff(none).with_reconnect_backoff(none).with_connects_per_second(1000);
    }
    config
}

impl Calls {
    /// Creates the workload of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let millis = plan.settings.replica_wait / 1000;
        Self {
            cluster: Cluster::new(cluster_config(plan)),
            config: cluster_config(plan),
            records: records(plan, ChosenBy::Workload),
            acks: acks(plan),
            replica_wait: Millis(i32::try_from(millis).unwrap_or(i32::MAX)),
            // Earlier releases tell another offset if they waited for replicas.
            knows_offsets: plan.settings.release == 0 || acks(plan) == 1,
            times: times(plan),
            next: 0,
            open: BTreeMap::new(),
            stream: Stream::of(plan.settings.residual, 3, 0),
        }
    }

    fn call<R: Routed + 'static>(
        &mut self,
        now: Instant,
        request: R,
        history: &mut History,
        read: impl FnOnce(Claim<R>, Ended) -> Result<Ending, String> + 'static,
        changes: bool,
    ) {
        let operation = self.next;
        self.next += 1;
        history.submitted(operation);
        match self.cluster.call(now, request) {
            Ok(claim) => {
                history.taken(operation);
                let id = claim.id();
                let read: Reader = Box::new(move |ended| read(claim, ended));
                self.open.insert(id, Open { operation, read, changes });
            }
            Err(refused) => {
                history.note(|| format!("call {operation} was refused: {:?}", refused.why));
                history.ended(operation, Ending::Refused);
            }
        }
    }

    fn ask<R: Routed + 'static>(&mut self, now: Instant, request: R, history: &mut History) {
        self.call(now, request, history, over, false);
    }

    fn produce(&mut self, now: Instant, history: &mut History) {
        let record = self.records.record(self.next);
        let (place, acks) = (record.place, self.acks);
        let mut builder = MessageSetBuilder::default();
        builder.push(record.key.as_deref(), record.value.as_deref()).expect("a record of a plan is small");
        let request = ProduceRequest::new(Acks(acks), self.replica_wait).with(
            topic_name(place.0),
            i32::from(place.1),
            builder.build(),
        );
        let knows_offsets = self.knows_offsets;
        self.call(now, request, history, move |claim, ended| produced(claim, ended, place, acks, knows_offsets), true);
    }

    fn submit(&mut self, now: Instant, history: &mut History) {
        let places: Vec<Place> = (0..self.records.topics)
            .flat_map(|topic| (0..self.records.partitions).map(move |partition| (topic, partition)))
            .filter(|_| self.stream.chance(1, 2))
            .collect();
        let named = || places.iter().map(|(topic, partition)| (topic_name(*topic), i32::from(*partition)));
        let group = if self.stream.chance(1, 2) { "readers" } else { "writers" };
        match self.stream.below(12) {
            0 => self.ask(now, ListOffsetsRequest::latest(named()), history),
            1 => self.ask(now, ListOffsetsRequest::earliest(named()), history),
            2 => self.ask(now, MetadataRequest::of(named().map(|(topic, _)| topic)), history),
            3 => {
                let fetch = FetchRequest::new(Millis(100), 1);
                let fetch = named().fold(fetch, |fetch, (topic, n)| fetch.with(topic, n, Offset(0), 4_096));
                self.ask(now, fetch, history);
            }
            4 => {
                let commit = OffsetCommitRequestV1::new(group);
                let commit = named().fold(commit, |commit, (topic, n)| commit.with(topic, n, Offset(1), "sim"));
                self.ask(now, commit, history);
            }
            5 => {
                let commit = OffsetCommitRequestV0::new(group);
                let commit = named().fold(commit, |commit, (topic, n)| commit.with(topic, n, Offset(1)));
                self.ask(now, commit, history);
            }
            6 => {
                let fetch = OffsetFetchRequestV1::new(group);
                self.ask(now, named().fold(fetch, |fetch, (topic, n)| fetch.with(topic, n)), history);
            }
            7 => {
                let fetch = OffsetFetchRequestV0::new(group);
                self.ask(now, named().fold(fetch, |fetch, (topic, n)| fetch.with(topic, n)), history);
            }
            8 => self.ask(now, ConsumerMetadataRequest::new(group), history),
            _ => self.produce(now, history),
        }
    }

    /// Gives up one of the calls.
    fn cancel_one(&mut self, history: &mut History) {
        if let Some(id) = self.lose_one(history) {
            self.cluster.cancel(id);
        }
    }

    /// Ends one of the calls, of which nobody knows what has become.
    fn lose_one(&mut self, history: &mut History) -> Option<CallId> {
        let (id, open) = self.open.pop_first()?;
        let given_up = Ending::Failed { fate: Fate::MaybeApplied, maybe_applied: 1 };
        history.ended(open.operation, if open.changes { given_up } else { Ending::Over });
        Some(id)
    }
}

/// The end of a call that changes no log.
fn over<R: Routed>(claim: Claim<R>, ended: Ended) -> Result<Ending, String> {
    match claim.redeem(ended) {
        Ok(_) | Err(Redeem::Failed(_)) => Ok(Ending::Over),
        Err(Redeem::NotMine(ended)) => Err(format!("{ended:?} is not the end of its own call")),
    }
}

/// The end of a call that produces one record.
fn produced(
    claim: Claim<ProduceRequest>,
    ended: Ended,
    place: Place,
    acks: i16,
    knows_offsets: bool,
) -> Result<Ending, String> {
    let failed = |fate| Ending::Failed { fate, maybe_applied: u32::from(fate == Fate::MaybeApplied) };
    let answer = match claim.redeem(ended) {
        Ok(answer) => answer,
        Err(Redeem::Failed(failure)) => return Ok(failed(failure.fate)),
        Err(Redeem::NotMine(ended)) => return Err(format!("{ended:?} is not the end of its own call")),
    };
    if let Some((_, failure)) = answer.failed.first() {
        return Ok(failed(failure.fate));
    }
    if acks == 0 {
        return Ok(Ending::Written);
    }
    let Some(found) = answer.response.topics.find(topic_name(place.0), i32::from(place.1)) else {
        return Err("neither the answer nor the failures have the partition".to_owned());
    };
    Ok(match found.error.produce_fate(Acks(acks)) {
        None => {
            let offset = Some(found.offset.0).filter(|offset| knows_offsets && *offset >= 0);
            Ending::Delivered { place, offset, maybe_applied: 0 }
        }
        Some(fate) => failed(fate),
    })
}

impl Workload for Calls {
    type Machine = Cluster;

    fn machine(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    fn machine_ref(&self) -> &Cluster {
        &self.cluster
    }

    fn step(&mut self, at: u64, now: Instant, history: &mut History) -> Stepped {
        let mut stepped = Stepped::Idle;
        while self.times.last().is_some_and(|due| *due <= at) {
            self.times.pop();
            self.submit(now, history);
            if self.stream.chance(1, 16) {
                self.cancel_one(history);
            }
            stepped = Stepped::Acted;
        }
        stepped
    }

    fn next_step(&self) -> Option<u64> {
        self.times.last().copied()
    }

    fn handle_event(&mut self, _now: Instant, event: ClusterEvent, history: &mut History) {
        let ClusterEvent::Ended(ended) = event else { return };
        let Some(open) = self.open.remove(&ended.id()) else {
            return history.broken(crate::check::Invariant::S3, || format!("{ended:?} ended and was not open"));
        };
        match (open.read)(ended) {
            Ok(ending) => history.ended(open.operation, ending),
            Err(problem) => history.broken(crate::check::Invariant::S3, || problem),
        }
    }

    fn is_submitted(&self) -> bool {
        self.times.is_empty()
    }

    fn is_done(&self) -> bool {
        self.times.is_empty() && self.open.is_empty()
    }

    fn close(&mut self, now: Instant, _within: Duration, _history: &mut History) {
        self.cluster.close(now);
    }

    fn recreate(&mut self, _now: Instant, history: &mut History) {
        self.cluster = Cluster::new(self.config.clone());
        while !self.open.is_empty() {
            self.lose_one(history);
        }
    }

    fn promises(&self) -> Promises {
        Promises { records: self.records, order: Order::Free, acks: self.acks, counts: Counts::Careful }
    }

    fn leftovers(&self) -> Leftovers {
        let stats = self.cluster.stats();
        if stats.calls == 0 {
            return Leftovers::None;
        }
        Leftovers::Forgotten(format!("everything has ended, and the cluster has {stats:?}"))
    }
}
