//! Where the units of calls go.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::{
    api::{ConsumerMetadataRequest, LeaderProblem, Request as _},
    connection::Cancelled,
    error_code::{ErrorCode, Retry},
    fate::Fate,
    ids::{Api, NodeId, Text, TopicPartition},
};

use super::{
    CallId, Cluster,
    call::{Aim, Unit, UnitState},
    coordinators::Coordinator,
    releases::{Begin, Knows},
    state::{Job, Part, PartState, Timer},
};
use crate::{
    error::Cause,
    links::{Lane, Peer},
};

/// How long a topic may be missing before calls that read it fail. A topic that was just created is missing on some
/// brokers for some milliseconds.
const MISSING_FOR: Duration = Duration::from_secs(5);

/// Where a unit goes.
#[derive(Debug)]
enum Placed {
    At(Peer),
    /// It waits. Something else will place it again.
    Later(Cause),
    /// It cannot be sent.
    Never(Cause),
}

impl Cluster {
    /// Places the open units of a call.
    pub(super) fn dispatch(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.timers.set(Timer::Retry(id), None);
        let waited_for = std::mem::take(&mut call.waits_for);
        for topic in &waited_for {
            self.refresh.leave_gently(topic, id);
        }
        let Some(call) = self.calls.get(&id) else { return };
        let mut groups: BTreeMap<Peer, Vec<usize>> = BTreeMap::new();
        for n in call.open_units() {
            let of = self.calls.get(&id).and_then(|call| call.units.get(n)?.of.clone());
            let placed = self.place(now, id, of.as_ref());
            let Some(unit) = self.unit(id, n) else { continue };
            match placed {
                Placed::At(peer) => {
                    unit.state = UnitState::OnItsWay;
                    groups.entry(peer).or_default().push(n);
                }
                Placed::Later(cause) => unit.waits = Some(cause).filter(|cause| *cause != Cause::DeadlinePassed),
                Placed::Never(cause) => {
                    unit.cause = Some(cause);
                    self.end_unit(id, n);
                }
            }
        }
        self.refresh.tidy_all(&waited_for);
        let lane = self.calls.get(&id).map_or(Lane::Prompt, |call| call.lane);
        for (peer, units) in groups {
            let token = self.new_token();
            self.jobs.insert(token, Job::Part(Part { call: id, units, peer, state: PartState::Queued }));
            if let Some(call) = self.calls.get_mut(&id) {
                call.parts.insert(token);
            }
            self.queues.entry((peer, lane)).or_default().push_back(token);
            self.pump(now, peer, lane);
        }
        self.end_if_over(id);
    }

    pub(super) fn unit(&mut self, id: CallId, n: usize) -> Option<&mut Unit> {
        self.calls.get_mut(&id)?.units.get_mut(n)
    }

    pub(super) fn end_unit(&mut self, id: CallId, n: usize) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.end_unit(n);
        }
    }

    /// Ends a call whose time is over. What was sent of it may still be applied.
    pub(super) fn deadline_passed(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let parts: Vec<_> = call.parts.iter().copied().collect();
        for token in parts {
            let Some(Job::Part(part)) = self.jobs.remove(&token) else { continue };
            let address = self.links.address(part.peer).cloned();
            let cancelled = match part.state {
                PartState::Queued => Cancelled::Withdrawn,
                PartState::Sent => self.links.cancel(token),
            };
            let Some(call) = self.calls.get_mut(&id) else { return };
            let fate = match cancelled {
                Cancelled::Abandoned if call.changes_state => Fate::MaybeApplied,
                _ => Fate::NotApplied,
            };
            for n in &part.units {
                let unanswered = match &address {
                    Some(peer) if part.state == PartState::Sent => Cause::Unanswered { peer: peer.clone() },
                    _ => Cause::DeadlinePassed,
                };
                // An earlier reason tells more than that a retry came too late.
                let known = call.units.get(*n).and_then(|unit| unit.cause.clone());
                let cause = if cancelled == Cancelled::Abandoned { unanswered } else { known.unwrap_or(unanswered) };
                call.lose(*n, cause, fate);
            }
        }
        let otherwise = self.why_nobody();
        self.end_call(id, &otherwise);
    }

    pub(super) fn end_if_over(&mut self, id: CallId) {
        if self.calls.get(&id).is_some_and(|call| call.left == 0) {
            self.end_call(id, &Cause::DeadlinePassed);
        }
    }

    fn place(&mut self, now: Instant, id: CallId, of: Option<&TopicPartition>) -> Placed {
        let Some(call) = self.calls.get(&id) else { return Placed::Later(Cause::Closed) };
        let api = call.work.api();
        match (call.aim.clone(), of) {
            (Aim::Any, _) => self.place_anywhere(now, id, api),
            (Aim::Node(node), _) => self.place_at_node(now, id, node, None, api),
            (Aim::Leaders, Some(of)) => self.place_at_leader(now, id, of, api),
            (Aim::Leader(of), _) => self.place_at_leader(now, id, &of, api),
            // A request for leaders that names no partition is answered by any broker.
            (Aim::Leaders, None) => self.place_anywhere(now, id, api),
            (Aim::Coordinator(group), _) => self.place_at_coordinator(now, id, &group, api),
        }
    }

    /// The least loaded broker that is connected, does not owe an answer for too long, and knows the API.
    pub(super) fn find_any(&mut self, now: Instant, api: Api) -> Result<Peer, Option<Cause>> {
        let mut ready: Vec<_> =
            self.links.ready(Lane::Prompt).filter(|(peer, _)| !self.silent.contains(peer)).collect();
        ready.sort_by_key(|(_, load)| *load);
        let mut refused = None;
        let mut is_asking = ready.is_empty();
        for (peer, _) in ready {
            match self.knows(now, peer, api) {
                Ok(()) => return Ok(peer),
                Err(Some(cause)) => refused = Some(cause),
                Err(None) => is_asking = true,
            }
        }
        // A broker that is not connected yet may be of another release.
        let untried = self.view.brokers().count() > self.links.ready(Lane::Prompt).count();
        Err(refused.filter(|_| !is_asking && !untried))
    }

    /// Whether a broker knows an API. `Err(None)`: it is being found out.
    fn knows(&mut self, now: Instant, peer: Peer, api: Api) -> Result<(), Option<Cause>> {
        match self.releases.knows(now, peer, api) {
            Knows::Yes => Ok(()),
            Knows::Asking => Err(None),
            Knows::Ask => {
                if self.releases.begin(peer) == Begin::Probe {
                    self.links.probe(now, peer);
                }
                Err(None)
            }
            Knows::No(found) => match self.links.address(peer) {
                Some(address) => Err(Some(Cause::Release { peer: address.clone(), found })),
                None => Err(None),
            },
        }
    }

    fn place_anywhere(&mut self, now: Instant, id: CallId, api: Api) -> Placed {
        match self.find_any(now, api) {
            Ok(peer) => Placed::At(peer),
            Err(Some(cause)) => Placed::Never(cause),
            Err(None) => {
                self.waits_for_any.insert(id);
                self.seek(now);
                Placed::Later(self.why_nobody())
            }
        }
    }

    /// Why no broker can be asked now.
    pub(super) fn why_nobody(&self) -> Cause {
        if self.most_idle().is_none() && self.seeking.has_trouble() {
            Cause::Unreachable(Arc::new(self.seeking.unreachable()))
        } else {
            Cause::DeadlinePassed
        }
    }

    /// Places a unit at a broker, which leads a partition of `topic` if one is given.
    fn place_at_node(&mut self, now: Instant, id: CallId, node: NodeId, topic: Option<&Text>, api: Api) -> Placed {
        let peer = Peer::Node(node);
        let problem = match self.view.endpoint(node) {
            Some(Err(problem)) => Some(Cause::Endpoint { node, problem: problem.clone() }),
            None if self.links.address(peer).is_none() => Some(Cause::NoLeader(LeaderProblem::BrokerMissing(node))),
            _ => None,
        };
        if let Some(problem) = problem {
            match topic {
                Some(topic) => self.wait_for_topic(now, id, topic),
                // An answer for all topics lists the brokers.
                None => {
                    self.refresh.ask_for_all(now);
                    self.drive_refresh(now);
                }
            }
            self.retry_later(now, id);
            return Placed::Later(problem);
        }
        match self.knows(now, peer, api) {
            Ok(()) => Placed::At(peer),
            Err(Some(cause)) => Placed::Never(cause),
            Err(None) => {
                self.waits_for_any.insert(id);
                Placed::Later(Cause::DeadlinePassed)
            }
        }
    }

    fn place_at_leader(&mut self, now: Instant, id: CallId, of: &TopicPartition, api: Api) -> Placed {
        match self.view.leader(&of.topic, of.partition) {
            Ok(node) => self.place_at_node(now, id, node, Some(&of.topic), api),
            Err(problem) => {
                if self.is_missing(now, id, problem) {
                    return Placed::Never(Cause::NoLeader(problem));
                }
                self.wait_for_topic(now, id, &of.topic);
                let nobody = self.why_nobody();
                Placed::Later(if nobody == Cause::DeadlinePassed { Cause::NoLeader(problem) } else { nobody })
            }
        }
    }

    /// Whether brokers have said for long enough that a partition does not exist.
    fn is_missing(&self, now: Instant, id: CallId, problem: LeaderProblem) -> bool {
        let is_of_kind = match problem {
            LeaderProblem::TopicMissing | LeaderProblem::NoSuchPartition => true,
            LeaderProblem::TopicRefused(code) => {
                code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION || code.retry() == Retry::No
            }
            _ => false,
        };
        let Some(call) = self.calls.get(&id) else { return false };
        let waited = now.saturating_duration_since(call.since);
        is_of_kind && waited >= MISSING_FOR && self.last_answer.is_some_and(|at| at >= call.since)
    }

    /// Looks a topic up, and places the call again after each answer.
    pub(super) fn wait_for_topic(&mut self, now: Instant, id: CallId, topic: &Text) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.waits_for.insert(topic.clone());
            self.refresh.wait(now, topic, id);
            self.drive_refresh(now);
        }
    }

    fn place_at_coordinator(&mut self, now: Instant, id: CallId, group: &Text, api: Api) -> Placed {
        match self.coordinators.find(now, group, id) {
            Coordinator::Is(node) => self.place_at_node(now, id, node, None, api),
            Coordinator::Wait => Placed::Later(Cause::DeadlinePassed),
            Coordinator::LookUp => match self.find_any(now, ConsumerMetadataRequest::API) {
                Ok(peer) => {
                    self.coordinators.note_asking(group);
                    let token = self.new_token();
                    self.jobs.insert(token, Job::Coordinator { group: group.clone(), peer });
                    self.queues.entry((peer, Lane::Prompt)).or_default().push_back(token);
                    self.pump(now, peer, Lane::Prompt);
                    Placed::Later(Cause::DeadlinePassed)
                }
                Err(Some(cause)) => Placed::Never(cause),
                Err(None) => {
                    self.waits_for_any.insert(id);
                    self.seek(now);
                    Placed::Later(self.why_nobody())
                }
            },
        }
    }

    /// A broker was lost: what a call has there is looked up, and placed again after a pause.
    pub(super) fn place_again(&mut self, now: Instant, id: CallId, lost: Peer) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.left == 0 {
            self.end_if_over(id);
            return;
        }
        if let (Aim::Coordinator(group), Peer::Node(node)) = (&call.aim, lost) {
            let group = group.clone();
            self.coordinators.note_stale(&group, node);
        }
        let topics = self.calls.get(&id).map(|call| call.topics_of(&call.open_units())).unwrap_or_default();
        for topic in topics {
            self.wait_for_topic(now, id, &topic);
        }
        self.retry_later(now, id);
    }

    /// A look-up of a coordinator has come to nothing. It is made again after a pause.
    pub(super) fn coordinator_lost(&mut self, now: Instant, group: &Text) {
        let failures = self.coordinators.note_not_found(group);
        let ceiling = self.config.retry_backoff.ceiling(failures);
        let until = now.checked_add(ceiling / 2 + self.seed.up_to(ceiling / 2));
        self.coordinators.pause(group, until);
        self.timers.set(Timer::Coordinator(group.clone()), until);
    }
}
