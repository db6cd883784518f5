//! The queues in front of links, and how requests leave them.

use std::{collections::BTreeSet, time::Instant};

use kafka08_proto::{
    api::ConsumerMetadataRequest,
    connection::{PrepareError, Prepared, SendError},
    fate::Fate,
};

use super::{
    Cluster,
    state::{Job, Part, PartState},
};
use crate::{
    error::Cause,
    links::{Lane, Opening, Peer, Token},
};

impl Cluster {
    /// Sends what waits for a link, as far as the link takes it.
    pub(super) fn pump(&mut self, now: Instant, peer: Peer, lane: Lane) {
        loop {
            let Some(queue) = self.queues.get_mut(&(peer, lane)) else { return };
            // A request that was given up has left its place behind.
            while queue.front().is_some_and(|token| !self.jobs.contains_key(token)) {
                queue.pop_front();
            }
            let Some(token) = queue.front().copied() else {
                self.queues.remove(&(peer, lane));
                return;
            };
            // Each time: the request before this one may have taken the last room, or ended the link.
            match self.links.open(now, peer, lane) {
                Opening::Ready => {
                    queue.pop_front();
                    if self.send(now, peer, lane, token) == Sent::Busy {
                        // To the front, so that requests of one link keep their order. Its room is told as news.
                        self.queues.entry((peer, lane)).or_default().push_front(token);
                        return;
                    }
                }
                Opening::NoAddress => {
                    let cause = self.why_gone(peer);
                    self.return_queue(now, peer, lane, &cause);
                    return;
                }
                // Each of these ends with news of the link, which pump again.
                Opening::Busy | Opening::Connecting | Opening::BackingOff { .. } => return,
            }
        }
    }

    fn send(&mut self, now: Instant, peer: Peer, lane: Lane, token: Token) -> Sent {
        let prepared = match self.jobs.get(&token) {
            None => return Sent::Gone,
            Some(Job::Part(part)) => self.prepare(now, part),
            Some(Job::Metadata { .. }) => return Sent::Gone,
            Some(Job::Coordinator { group, .. }) => {
                let request = ConsumerMetadataRequest::new(group.clone());
                Prepared::new(&request).map_err(|error| SendError::Prepare(PrepareError::Encode(error)))
            }
        };
        let sent = prepared.and_then(|prepared| self.links.send(now, peer, lane, &prepared, token));
        match sent {
            Ok(_) => {
                self.note_sent(token);
                Sent::Yes
            }
            Err(SendError::Busy | SendError::Closed(_)) => Sent::Busy,
            Err(error) => {
                self.refuse(now, token, error);
                Sent::Gone
            }
        }
    }

    fn prepare(&self, now: Instant, part: &Part) -> Result<Prepared, SendError> {
        let call = self.calls.get(&part.call).ok_or(SendError::Busy)?;
        let keep: BTreeSet<_> = part.units.iter().filter_map(|n| call.units.get(*n)?.of.clone()).collect();
        // A request that goes to one broker as a whole is not copied.
        let is_all = keep.len() == call.units.len() || keep.is_empty();
        let prepared = call.work.encode(if is_all { None } else { Some(&keep) });
        let prepared = prepared.map_err(|error| SendError::Prepare(PrepareError::Encode(error)))?;
        // The connection adds the time for which the request lets the broker wait.
        let left = call.deadline.saturating_duration_since(now).saturating_sub(call.server_wait);
        Ok(prepared.with_timeout(left.min(self.config.client.request_timeout())))
    }

    fn note_sent(&mut self, token: Token) {
        let Some(Job::Part(part)) = self.jobs.get_mut(&token) else { return };
        part.state = PartState::Sent;
        let Some(call) = self.calls.get_mut(&part.call) else { return };
        let mut is_again = false;
        for n in &part.units {
            if let Some(unit) = call.units.get_mut(*n) {
                is_again |= unit.attempts > 0;
                unit.attempts += 1;
            }
        }
        self.counts.retries += u64::from(is_again);
    }

    /// A request that the connection does not take, whatever its state.
    fn refuse(&mut self, now: Instant, token: Token, error: SendError) {
        match self.take_job(token) {
            Some(Job::Part(part)) => {
                let is_late = matches!(error, SendError::TimedOut { .. });
                if let Some(call) = self.calls.get_mut(&part.call) {
                    call.parts.remove(&token);
                    for n in &part.units {
                        if is_late {
                            // It ends at its deadline. What an earlier attempt has met or was answered tells more.
                            call.reopen(*n);
                        } else {
                            // The same request would be refused again.
                            call.lose(*n, Cause::NotSent(error.clone()), Fate::NotApplied);
                            call.end_unit(*n);
                        }
                    }
                }
                self.end_if_over(part.call);
            }
            Some(Job::Coordinator { group, .. }) => self.coordinator_lost(now, &group),
            Some(Job::Metadata { .. }) | None => {}
        }
    }

    /// Places everything anew that waits for a link, because there will be none for a while.
    pub(super) fn return_queue(&mut self, now: Instant, peer: Peer, lane: Lane, cause: &Cause) {
        for token in self.queues.remove(&(peer, lane)).unwrap_or_default() {
            match self.take_job(token) {
                Some(Job::Part(part)) => {
                    if let Some(call) = self.calls.get_mut(&part.call) {
                        call.parts.remove(&token);
                        for n in &part.units {
                            call.lose(*n, cause.clone(), Fate::NotApplied);
                        }
                    }
                    self.place_again(now, part.call, peer);
                }
                Some(Job::Coordinator { group, .. }) => self.coordinator_lost(now, &group),
                Some(Job::Metadata { .. }) | None => {}
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    /// The link takes it later.
    Busy,
    /// It was refused, or nobody wants it any more.
    Gone,
}
