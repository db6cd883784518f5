//! Answers: from what an API says to the bytes of a connection, and what a rule makes of them.
//!
//! A plain answer goes from the API to the connection at once. If a rule changes its bytes or its time, the answer becomes a
//! script of steps, which runs until a step waits and goes on when the timer of the connection fires. The call stays open
//! meanwhile, so the connection takes up no other request, and answers stay in the order of their requests.

use kafka08_proto::{
    api::Encode as _,
    ids::{ConnectionId, CorrelationId},
    wire::Encoder,
};

use super::{Cluster, ClusterDue};
use crate::{
    apis::{Caller, Outcome},
    faults::{self, Step},
    state::{Life, Now},
    wire::{Answer, frame},
};

/// The size up to which the history keeps the bytes of an answer.
const KEPT_ANSWER: usize = 16 << 10;

impl Cluster {
    /// Answers a request that has waited. The answer of a broker that is paused is kept until it goes on.
    pub(crate) fn answer_later(&mut self, caller: Caller, answer: Answer, now: Now) {
        if self.state.nodes.get(&caller.node).is_some_and(|node| node.life == Life::Paused) {
            self.postponed.push((caller, answer));
            return;
        }
        if let Some(open) = self.links.get_mut(&caller.connection).and_then(|link| link.open.as_mut()) {
            // The wait is over. If it stayed noted, the end of the connection would look for it.
            open.wait = None;
        }
        self.give(caller, Outcome::Answer(answer), now);
    }

    /// Gives the answers that a broker owed while it was paused.
    pub(super) fn give_postponed(&mut self, now: Now) {
        for (caller, answer) in std::mem::take(&mut self.postponed) {
            self.answer_later(caller, answer, now);
        }
    }

    /// Ends a request in the way that its outcome says.
    pub(super) fn give(&mut self, caller: Caller, outcome: Outcome, now: Now) {
        let id = caller.connection;
        let open = self.links.get(&id).and_then(|link| link.open.as_ref());
        let keeps_open = open.is_some_and(|open| open.plan.keeps_open());
        // A produce with acks 0 of which a partition was refused has failed.
        let was_refused = open.is_some_and(|open| open.refused.is_some());
        match outcome {
            Outcome::Waits => return,
            // The call stays open: the event of the closed connection ends it, and notes it in the history.
            Outcome::Close if !keeps_open => self.close(id),
            Outcome::Nothing if was_refused && !keeps_open => self.close(id),
            Outcome::Nothing | Outcome::Close => self.give_nothing(caller, now),
            Outcome::Answer(answer) => self.write(caller, None, answer, now),
            Outcome::AnswerAs(correlation_id, answer) => self.write(caller, Some(correlation_id), answer, now),
        }
        self.note_moved(id, now);
    }

    /// Answers a request of which a rule has refused everything.
    pub(super) fn give_refused(&mut self, caller: Caller, now: Now) {
        let open = self.links.get_mut(&caller.connection).and_then(|link| link.open.as_mut());
        let has_answer = open.as_ref().is_some_and(|open| open.has_answer);
        let outcome = match open.and_then(|open| open.refused.take()) {
            Some(answer) if has_answer => Outcome::Answer(answer),
            _ => Outcome::Close,
        };
        self.give(caller, outcome, now);
    }

    /// Notes that a connection has more to write, and may have another request.
    fn note_moved(&mut self, id: ConnectionId, now: Now) {
        self.note_unsent(id, now);
        self.make_ready(id);
        self.enqueue(id);
        self.set_timer(id);
    }

    /// Does the steps that a rule has put in the place of an answer.
    pub(super) fn play(&mut self, id: ConnectionId, steps: Vec<Step>, now: Now) {
        if let Some(link) = self.links.get_mut(&id) {
            // The script of the call before is empty: a connection serves one call at a time.
            link.script = steps.into();
        }
        self.run_script(id, now);
    }

    /// Ends a request that has no answer, because its acks are 0.
    fn give_nothing(&mut self, caller: Caller, now: Now) {
        let Some(link) = self.links.get_mut(&caller.connection) else { return };
        let Some(open) = link.open.take_if(|open| open.caller == caller) else { return };
        self.history.ended_without_answer(open.number);
        let steps = faults::deliver_nothing(&open.plan, open.header.correlation_id);
        if steps.is_empty() {
            link.connection.finish(caller.call);
        } else {
            link.open = Some(open);
            self.play(caller.connection, steps, now);
        }
    }

    fn write(&mut self, caller: Caller, correlation_id: Option<CorrelationId>, mut answer: Answer, now: Now) {
        let id = caller.connection;
        let Some(link) = self.links.get_mut(&id) else { return };
        // An answer for a call that is not open any more is dropped: its connection has ended in between.
        let Some(mut open) = link.open.take_if(|open| open.caller == caller) else { return };
        if let Some(refused) = open.refused.take() {
            faults::merge(&mut answer, refused);
        }
        // After the refused partitions are back in the answer, so that a rule can lie about them as well.
        faults::apply(&open.plan, &mut answer);
        let mut encoder = Encoder::new();
        // An answer that cannot be encoded would leave a gap in the order of answers.
        if answer.encode(&mut encoder).is_err() {
            self.history.closed(open.number);
            self.close(id);
            return;
        }
        let len = encoder.len();
        // An answer that is held back must follow this one, and only a script writes it.
        let is_plain = correlation_id.is_none() && open.plan.is_empty() && link.held.is_none();
        let as_asked = open.header.correlation_id;
        let correlation_id = correlation_id.unwrap_or(as_asked);
        if is_plain && len > KEPT_ANSWER {
            // A large answer is slices of the log, and is not copied.
            self.history.answered(open.number, now.instant, correlation_id, len, None);
            let _ = link.connection.respond(caller.call, &answer);
            return;
        }
        let body = encoder.into_bytes();
        let kept = (len <= KEPT_ANSWER).then(|| body.clone());
        self.history.answered(open.number, now.instant, correlation_id, len, kept);
        if is_plain {
            let _ = link.connection.respond_raw(caller.call, body);
            return;
        }
        let steps = faults::deliver(&open.plan, correlation_id, frame(correlation_id, &body));
        link.open = Some(open);
        self.play(id, steps, now);
    }

    /// Does the steps of an answer up to the next wait.
    pub(super) fn run_script(&mut self, id: ConnectionId, now: Now) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(call) = link.open.as_ref().map(|open| open.caller.call) else { return };
        while let Some(step) = link.script.pop_front() {
            match step {
                Step::Write(bytes) => drop(link.connection.write_raw(call, &bytes)),
                Step::Wait(time) => {
                    if let Some(at) = now.instant.checked_add(time) {
                        self.timers.add(at, ClusterDue::Script(id));
                    }
                    self.note_unsent(id, now);
                    self.make_ready(id);
                    return;
                }
                // If an answer is held back already, this one is the next, and goes in front of it.
                Step::HoldForNext(bytes) => match link.held.take() {
                    Some(held) => {
                        let _ = link.connection.write_raw(call, &bytes);
                        let _ = link.connection.write_raw(call, &held);
                    }
                    None => link.held = Some(bytes),
                },
                Step::StopReading => link.is_deaf = true,
                Step::Close => {
                    self.note_unsent(id, now);
                    self.close(id);
                    return;
                }
                Step::Reset => {
                    // Before the link is dropped: the driver asks for the reset when it finds that the link is gone.
                    self.resets.insert(id);
                    self.drop_link(id);
                    return;
                }
                // The call stays open, so nothing more is read, and nothing comes.
                Step::Hang => {
                    self.note_unsent(id, now);
                    self.make_ready(id);
                    return;
                }
            }
        }
        // An answer that was held back follows the one that it should have preceded.
        if link.open.as_ref().is_some_and(|open| !open.plan.holds_back())
            && let Some(held) = link.held.take()
        {
            let _ = link.connection.write_raw(call, &held);
        }
        // Before `finish`, which lets the connection take up its next request.
        link.open = None;
        link.connection.finish(call);
        self.note_moved(id, now);
    }
}
