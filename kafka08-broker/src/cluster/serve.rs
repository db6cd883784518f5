//! One turn: requests that have arrived, and what is due.
//!
//! Connections take turns in a queue, one request each, so a client that sends many requests at once delays the others by one
//! request only. A connection is put into the queue when bytes have arrived, and again after each request, because its buffer
//! may hold another one.

use kafka08_proto::{Connection as _, ServerEvent, connection::RequestFrame, ids::ConnectionId};

use super::{Cluster, ClusterDue, Turn, link::Open};
use crate::{
    apis::{self, Caller, Outcome},
    faults::{self, Incoming},
    purgatory::WaitId,
    state::{Life, Now},
    wire::Request,
};

/// How many requests are served in one turn. A request takes some ten microseconds, so that a turn is short beside the time
/// that a client can notice.
const REQUESTS_PER_TURN: usize = 64;
/// How many bytes of answers one turn leaves unsent before it ends. The driver writes them before there are more, so that only
/// clients that do not read use up [`BrokerConfig::with_max_unsent`](crate::BrokerConfig::with_max_unsent).
const ANSWERS_PER_TURN: usize = 1 << 20;

impl Cluster {
    /// Serves requests that have arrived, one of each connection after the other, and does what is due. The work of one call is
    /// bounded, whatever the clients send.
    pub fn turn(&mut self, now: Now) -> Turn {
        self.unsent_of_turn = self.unsent.saturating_add(ANSWERS_PER_TURN);
        // What is due comes first: a client that never pauses must not keep others waiting.
        self.do_due(now);
        for _ in 0..REQUESTS_PER_TURN {
            if self.has_answered_enough() {
                return Turn::More;
            }
            let Some(id) = self.queue.pop_front() else { break };
            self.serve_next(id, now);
            self.answer_woken(now);
        }
        if self.queue.is_empty() && self.woken.is_empty() { Turn::Idle } else { Turn::More }
    }

    /// Whether the driver should write before there are more answers.
    pub(crate) fn has_answered_enough(&self) -> bool {
        self.unsent > self.unsent_of_turn
    }

    fn do_due(&mut self, now: Now) {
        self.state.handle_timeout(now);
        self.settle(now);
        self.answer_woken(now);
        while !self.has_answered_enough()
            && let Some(due) = self.timers.pop_due(now.instant)
        {
            match due {
                ClusterDue::Wait(id) => self.end_wait(id, now),
                ClusterDue::Link(id) => self.check_deadline(id, now),
                ClusterDue::Script(id) => self.run_script(id, now),
                ClusterDue::Sweep => {
                    self.sweep(now);
                    self.schedule_sweep(now);
                }
            }
        }
        // The sweep appends to logs that a fetch may wait for.
        self.answer_woken(now);
    }

    /// Serves the next request of a connection, if there is one and its broker runs.
    fn serve_next(&mut self, id: ConnectionId, now: Now) {
        let Some(link) = self.links.get_mut(&id) else { return };
        // First of all: whatever happens below may have to queue the connection again.
        link.is_queued = false;
        // A paused broker leaves the request in the buffer. `resume` queues all of its connections.
        let runs = self.state.nodes.get(&link.node).is_some_and(|node| node.life == Life::Running);
        if !runs || link.is_deaf {
            // A broker that was stopped still writes the answers that it had given.
            self.remove_if_over(id);
            return;
        }
        match link.connection.poll_event() {
            Some(ServerEvent::Request(request)) => {
                link.requests += 1;
                link.last_request = now.instant;
                self.serve(id, request, now);
                self.settle(now);
                // The next request of the same client comes behind those of the others.
                self.enqueue(id);
            }
            Some(ServerEvent::Closed(reason)) => {
                self.note_closed(id, &reason);
                self.remove_if_over(id);
            }
            None => {
                self.remove_if_over(id);
                // The connection may read again now.
                self.make_ready(id);
            }
        }
        self.set_timer(id);
    }

    fn serve(&mut self, id: ConnectionId, request: RequestFrame, now: Now) {
        let Some(link) = self.links.get(&id) else { return };
        let node = link.node;
        let nth = link.requests;
        let profile = self.state.config.profile_of(node);
        let caller = Caller { connection: id, call: request.call, node, profile };
        let RequestFrame { header, body, .. } = request;
        // Before the body is decoded, so that the history also has requests that cannot be read.
        let number = self.history.note(now.instant, node, id, &header, &body);
        let limit = self.state.config.max_partitions_per_request;
        let request = Request::read(&header, &body, profile, limit).unwrap_or(Request::Unreadable);
        let incoming = Incoming { node, connection: id, number: nth, header: &header, request: &request, body: &body };
        // Rules are asked before the request is acted on: a rule may prevent that.
        let plan = self.faults.decide(&incoming);
        self.history.faulted(number, &plan.rules);
        let has_answer = !matches!(request, Request::Produce { acks: 0, .. });
        let (request, refused) = if plan.acts() { plan.split(request) } else { (None, None) };
        let skipped = (!plan.acts()).then(|| faults::deliver_skipped(&plan));
        if let Some(link) = self.links.get_mut(&id) {
            // Set before the request is dispatched: a request that waits notes its wait here.
            link.open = Some(Open { caller, header, plan, refused, has_answer, number, wait: None });
        }
        match (request, skipped) {
            (_, Some(steps)) => self.play(id, steps, now),
            (Some(request), None) => {
                let outcome = self.dispatch(caller, request, now);
                self.give(caller, outcome, now);
            }
            (None, None) => self.give_refused(caller, now),
        }
    }

    /// Notes what a request waits for. Its answer comes later.
    pub(crate) fn note_wait(&mut self, caller: Caller, wait: WaitId) {
        if let Some(open) = self.links.get_mut(&caller.connection).and_then(|link| link.open.as_mut()) {
            open.wait = Some(wait);
        }
    }

    /// Does what a request asks for.
    fn dispatch(&mut self, caller: Caller, request: Request, now: Now) -> Outcome {
        match request {
            Request::Produce { acks, timeout, sets } => self.produce(caller, acks, timeout, &sets, now),
            Request::Fetch { replica, max_wait, min_bytes, parts } => {
                self.fetch(caller, replica, max_wait, min_bytes, &parts, now)
            }
            Request::ListOffsets { replica, parts } => Outcome::Answer(self.list_offsets(caller, replica, &parts, now)),
            Request::Metadata { names } => Outcome::Answer(self.metadata(caller, &names, now)),
            Request::OffsetCommit { kept_by, group, parts } => self.offset_commit(caller, kept_by, &group, &parts, now),
            Request::OffsetFetch { kept_by, group, parts } => {
                Outcome::Answer(self.offset_fetch(caller, kept_by, &group, &parts, now))
            }
            Request::ConsumerMetadata { group } => self.consumer_metadata(caller, &group, now),
            Request::JoinGroup => Outcome::Answer(apis::join_group()),
            Request::Heartbeat => Outcome::Answer(apis::heartbeat()),
            Request::ControlledShutdown => Outcome::Answer(apis::controlled_shutdown()),
            Request::OfController { key } => Outcome::Answer(apis::stale_controller(key)),
            Request::Unreadable => {
                self.limits.malformed += 1;
                Outcome::Close
            }
        }
    }
}
