//! Where the units of calls go.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use kafka08_proto::{
    api::LeaderProblem,
    connection::Cancelled,
    error_code::{ErrorCode, Retry},
    fate::Fate,
    ids::{Api, NodeId, Text, TopicPartition},
};

use super::{
    CallId, Cluster,
    answering::unknown_address,
    call::{Aim, Unit, UnitState},
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
#[derive(Clone, Debug)]
pub(super) enum Placed {
    /// It is sent to this broker, or waits for its link.
    At(Peer),
    /// It waits. Something else will place it again.
    Later(Cause),
    /// It cannot be sent.
    Never(Cause),
}

/// Why a broker cannot be asked.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It does not know the request.
    Never(Cause),
    /// None is connected, or its release is being found out. News of links place the call again.
    NotYet,
    /// Its release could not be found out. No news will come, so the call is placed again after a pause.
    Unclear(Cause),
}

impl Cluster {
    /// Places the open units of a call.
    pub(super) fn dispatch(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        // Whatever has it placed now, the pause is over.
        self.timers.set(Timer::Retry(id), None);
        // Otherwise brokers would be sought for a call that has one.
        self.waits_for_any.remove(&id);
        // What it waits for is found out anew. Topics are forgotten only afterwards, so that the back-off of one that is
        // waited for again goes on.
        let waited_for = std::mem::take(&mut call.waits_for);
        for topic in &waited_for {
            self.refresh.leave_gently(topic, id);
        }
        let Some(call) = self.calls.get(&id) else { return };
        // All units are placed before anything is sent, so that each broker gets one request.
        let mut groups: BTreeMap<Peer, Vec<usize>> = BTreeMap::new();
        let open = call.open_units();
        // Only leaders differ by partition. All other units have one place, which is looked for once.
        let is_one_place = call.aim != Aim::Leaders && !open.is_empty();
        let place = is_one_place.then(|| self.place(now, id, None));
        for n in open {
            let placed = match &place {
                Some(placed) => placed.clone(),
                None => {
                    let of = self.calls.get(&id).and_then(|call| call.units.get(n)?.of.clone());
                    self.place(now, id, of.as_ref())
                }
            };
            let Some(unit) = self.unit(id, n) else { continue };
            match placed {
                Placed::At(peer) => {
                    unit.state = UnitState::OnItsWay;
                    unit.waits = None;
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
        // Behind the sending, which tells whether a part waits for its link.
        self.watch(now, id);
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
            let Some(Job::Part(part)) = self.take_job(token) else { continue };
            let address = self.links.address(part.peer).cloned();
            let cancelled = match part.state {
                PartState::Queued => Cancelled::Withdrawn,
                PartState::Sent => self.links.cancel(token),
            };
            let Some(call) = self.calls.get_mut(&id) else { return };
            for n in &part.units {
                // What was never written was no attempt: what an earlier one has met or was answered tells more.
                if cancelled == Cancelled::Withdrawn {
                    call.reopen(*n);
                    continue;
                }
                let unanswered = match &address {
                    Some(peer) => Cause::Unanswered { peer: peer.clone() },
                    None => Cause::DeadlinePassed,
                };
                let fate = if call.changes_state { Fate::MaybeApplied } else { Fate::NotApplied };
                call.lose(*n, unanswered, fate);
            }
        }
        // Asked before the call is gone: it tells why nobody was asked, if no attempt tells more.
        let otherwise = self.why_nobody();
        self.explain_missing_topics(id, &otherwise);
        self.end_call(id, &otherwise);
    }

    /// Finds out whether brokers have said that the topics of a call are missing, or have said nothing before its deadline.
    fn explain_missing_topics(&mut self, id: CallId, nobody: &Cause) {
        let asked = self.asked.and_then(|peer| self.links.address(peer)).cloned();
        let Some(call) = self.calls.get_mut(&id) else { return };
        // Only an answer for all topics says that one is missing. One that names a topic is kept with its code.
        if self.view.covered_all().is_some_and(|at| at >= call.since) {
            return;
        }
        // That no broker can be reached says more.
        let why = (*nobody == Cause::DeadlinePassed).then_some(Cause::NoMetadata { asked });
        for unit in &mut call.units {
            if matches!(unit.waits, Some(Cause::NoLeader(LeaderProblem::TopicMissing) | Cause::NoMetadata { .. })) {
                unit.waits.clone_from(&why);
            }
        }
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
    pub(super) fn find_any(&mut self, now: Instant, api: Api) -> Result<Peer, Unfit> {
        let mut ready: Vec<_> =
            self.links.ready(Lane::Prompt).filter(|(peer, _)| !self.silent.contains(peer)).collect();
        // Stable, so that equally loaded brokers are taken in one order, and one link serves rare calls.
        ready.sort_by_key(|(_, load)| *load);
        let mut refused = None;
        let mut unclear = None;
        let mut is_asking = ready.is_empty();
        for (peer, _) in ready {
            match self.knows(now, peer, api) {
                Ok(()) => return Ok(peer),
                Err(Unfit::Never(cause)) => refused = Some(cause),
                Err(Unfit::Unclear(cause)) => unclear = Some(cause),
                Err(Unfit::NotYet) => is_asking = true,
            }
        }
        if let Some(cause) = unclear {
            return Err(Unfit::Unclear(cause));
        }
        // A broker that is not connected yet may be of another release.
        let untried = self.view.brokers().count() > self.links.ready(Lane::Prompt).count();
        Err(refused.filter(|_| !is_asking && !untried).map_or(Unfit::NotYet, Unfit::Never))
    }

    /// Whether a broker knows an API.
    fn knows(&mut self, now: Instant, peer: Peer, api: Api) -> Result<(), Unfit> {
        match self.releases.knows(now, peer, api) {
            Knows::Yes => Ok(()),
            Knows::Asking => Err(Unfit::NotYet),
            Knows::Ask => {
                if self.releases.begin(peer) == Begin::Probe {
                    self.links.probe(now, peer);
                }
                Err(Unfit::NotYet)
            }
            Knows::No(found) => Err(Unfit::Never(self.release_cause(peer, found))),
            Knows::Unclear(found) => Err(Unfit::Unclear(self.release_cause(peer, found))),
        }
    }

    fn release_cause(&self, peer: Peer, found: String) -> Cause {
        Cause::Release { peer: self.links.address(peer).cloned().unwrap_or_else(unknown_address), found }
    }

    fn place_anywhere(&mut self, now: Instant, id: CallId, api: Api) -> Placed {
        match self.find_any(now, api) {
            Ok(peer) => Placed::At(peer),
            Err(unfit) => self.place_nowhere(now, id, unfit),
        }
    }

    /// What becomes of a unit that no broker can take now.
    pub(super) fn place_nowhere(&mut self, now: Instant, id: CallId, unfit: Unfit) -> Placed {
        match unfit {
            Unfit::Never(cause) => Placed::Never(cause),
            Unfit::NotYet => {
                self.waits_for_any.insert(id);
                self.seek(now);
                Placed::Later(self.why_nobody())
            }
            Unfit::Unclear(cause) => {
                // A broker that is not connected yet may do.
                self.waits_for_any.insert(id);
                self.seek(now);
                self.retry_later(now, id);
                Placed::Later(cause)
            }
        }
    }

    /// Why no broker can be asked now.
    pub(super) fn why_nobody(&mut self) -> Cause {
        // The cheaper question first: this is asked for each partition that waits.
        if self.seeking.has_trouble() && self.most_idle().is_none() {
            Cause::Unreachable(self.seeking.listed())
        } else {
            Cause::DeadlinePassed
        }
    }

    /// Places a unit at a broker, which leads a partition of `topic` if one is given.
    pub(super) fn place_at_node(
        &mut self,
        now: Instant,
        id: CallId,
        node: NodeId,
        topic: Option<&Text>,
        api: Api,
    ) -> Placed {
        let peer = Peer::Node(node);
        // What metadata says comes first. Links may know a coordinator that metadata has not listed yet.
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
            Err(Unfit::Never(cause)) => Placed::Never(cause),
            Err(Unfit::NotYet) => {
                self.waits_for_any.insert(id);
                Placed::Later(Cause::DeadlinePassed)
            }
            Err(Unfit::Unclear(cause)) => {
                self.retry_later(now, id);
                Placed::Later(cause)
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
                // Nobody has said that the topic does not exist before somebody was asked.
                let is_told = problem != LeaderProblem::TopicMissing || self.is_answered_since(id);
                Placed::Later(match nobody {
                    Cause::DeadlinePassed if is_told => Cause::NoLeader(problem),
                    Cause::DeadlinePassed => Cause::NoMetadata { asked: None },
                    nobody => nobody,
                })
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
        // Answers from before the call say nothing of a topic that was created for it.
        let waited = now.saturating_duration_since(call.since);
        is_of_kind && waited >= MISSING_FOR && self.is_answered_since(id)
    }

    /// Whether metadata has come since a call was made.
    fn is_answered_since(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|call| self.has_answered_since(call.since))
    }

    /// Looks a topic up, and places the call again after each answer.
    pub(super) fn wait_for_topic(&mut self, now: Instant, id: CallId, topic: &Text) {
        self.wait_for_topic_until(now, now, id, topic);
    }

    /// The same, but the topic is not looked up before `at`, unless somebody else has it looked up.
    pub(super) fn wait_for_topic_until(&mut self, now: Instant, at: Instant, id: CallId, topic: &Text) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.waits_for.insert(topic.clone());
            self.refresh.wait(at, topic, id);
            self.drive_refresh(now);
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
        // Both the pause and the look-up: another leader ends the pause, and the same one is not asked again at once.
        let topics = self.calls.get(&id).map(|call| call.topics_of(&call.open_units())).unwrap_or_default();
        for topic in topics {
            self.wait_for_topic(now, id, &topic);
        }
        self.retry_later(now, id);
    }
}
