//! Looking up topics: whom to ask, and what an answer changes.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::{
    api::{Body as _, ConsumerMetadataRequest, MetadataRequest, MetadataResponse, Request as _, Topics},
    connection::{Prepared, ResponseFrame},
    error_code::ErrorCode,
    ids::Text,
};

use super::{
    Cluster, ForOwner,
    call::Aim,
    seeking::Step,
    state::{Job, Life, PartState, Timer},
};
use crate::{
    links::{Lane, Opening, Peer, Token},
    view::Changes,
};

/// The time between two look-ups while a broker is silent.
const WHILE_SILENT: Duration = Duration::from_millis(500);

impl Cluster {
    /// Asks for what is due, if a broker can be asked, and sets the timer for what is due later.
    pub(super) fn drive_refresh(&mut self, now: Instant) {
        if self.life == Life::Closed || self.asking.is_some() {
            return;
        }
        let Some(at) = self.refresh.next_at() else {
            self.timers.set(Timer::Refresh, None);
            return;
        };
        if at > now {
            self.timers.set(Timer::Refresh, Some(at));
            return;
        }
        self.timers.set(Timer::Refresh, None);
        let Some(peer) = self.most_idle() else {
            // The first broker that is connected is asked.
            self.seek(now);
            return;
        };
        let view = &self.view;
        let exists = |name: &Text| view.topic(name).is_some_and(|topic| topic.partitions().len() > 0);
        let Some(topics) = self.refresh.request(now, exists) else { return };
        self.ask(now, peer, topics);
    }

    /// The least loaded broker that is connected and does not owe an answer for too long.
    pub(super) fn most_idle(&self) -> Option<Peer> {
        let ready = self.links.ready(Lane::Prompt).filter(|(peer, _)| !self.silent.contains(peer));
        ready.min_by_key(|(_, load)| *load).map(|(peer, _)| peer)
    }

    fn ask(&mut self, now: Instant, peer: Peer, topics: Topics) {
        let request = MetadataRequest { topics: topics.clone() };
        let token = self.new_token();
        let prepared = Prepared::new(&request).expect("the names were checked, and are short");
        if self.links.send(now, peer, Lane::Prompt, &prepared, token).is_err() {
            // The link has no room, or has just ended. Its next news drive the refresh again.
            let later = now.checked_add(self.config.refresh_pause);
            self.timers.set(Timer::Refresh, later);
            return;
        }
        self.counts.refreshes += 1;
        self.refresh.note_asked(now);
        self.jobs.insert(token, Job::Metadata { topics, peer });
        self.asking = Some(token);
    }

    /// A broker owes an answer for longer than it should. Others are asked whether they know other leaders.
    pub(super) fn note_silent(&mut self, now: Instant, peer: Peer) {
        if self.silent.insert(peer) {
            let address = self.links.address(peer).cloned();
            let named = address.as_ref().map(ToString::to_string).unwrap_or_default();
            let reason: Arc<str> = Arc::from(format!("{named} accepts connections, but does not answer"));
            self.seeking.note_failed(
                now,
                peer,
                address.as_ref(),
                &reason,
                self.config.reconnect_backoff,
                &mut self.seed,
            );
            self.wait_for_topics_at(now, peer);
            self.refresh.note_all_stale(now);
            // Another broker is asked instead. The late answer still counts.
            if let Some(Job::Metadata { peer: asked, .. }) = self.asking.and_then(|token| self.jobs.get(&token))
                && *asked == peer
            {
                self.asking = None;
            }
            self.note_stuck(peer);
            self.move_stuck(now);
        }
    }

    /// Notes the requests of a silent broker that any other one can answer.
    fn note_stuck(&mut self, peer: Peer) {
        for (token, job) in &self.jobs {
            let is_stuck = match job {
                Job::Coordinator { peer: asked, .. } => *asked == peer,
                Job::Part(part) if part.peer == peer && part.state == PartState::Sent => {
                    let call = self.calls.get(&part.call);
                    call.is_some_and(|call| call.aim == Aim::Any && !call.changes_state)
                }
                _ => false,
            };
            if is_stuck {
                self.stuck.insert(*token);
            }
        }
    }

    /// Sends requests that silent brokers have to another broker, if one is connected.
    pub(super) fn move_stuck(&mut self, now: Instant) {
        for token in std::mem::take(&mut self.stuck) {
            let api = match self.jobs.get(&token) {
                Some(Job::Part(part)) => self.calls.get(&part.call).map(|call| call.work.api()),
                Some(Job::Coordinator { .. }) => Some(ConsumerMetadataRequest::API),
                _ => None,
            };
            let Some(api) = api else { continue };
            if self.find_any(now, api).is_err() {
                self.stuck.insert(token);
                continue;
            }
            self.links.cancel(token);
            match self.jobs.remove(&token) {
                Some(Job::Part(part)) => self.take_back(now, token, &part),
                Some(Job::Coordinator { group, .. }) => {
                    self.coordinators.note_not_found(&group);
                    for id in self.coordinators.resume(&group) {
                        self.dispatch(now, id);
                    }
                }
                _ => {}
            }
        }
        if !self.stuck.is_empty() {
            self.seek(now);
        }
    }

    /// A broker has answered, so what it has is not stuck.
    pub(super) fn note_unstuck(&mut self, peer: Peer) {
        let jobs = &self.jobs;
        self.stuck.retain(|token| match jobs.get(token) {
            Some(Job::Part(part)) => part.peer != peer,
            Some(Job::Coordinator { peer: asked, .. }) => *asked != peer,
            _ => false,
        });
    }

    /// Looks up the topics of all requests that a broker has.
    fn wait_for_topics_at(&mut self, now: Instant, peer: Peer) {
        let mut waits = BTreeSet::new();
        for job in self.jobs.values() {
            let Job::Part(part) = job else { continue };
            let Some(call) = self.calls.get(&part.call).filter(|_| part.peer == peer) else { continue };
            waits.extend(call.topics_of(&part.units).into_iter().map(|topic| (part.call, topic)));
        }
        for (id, topic) in waits {
            self.wait_for_topic(now, id, &topic);
        }
    }

    /// All brokers that can be tried: those that metadata lists, and then the bootstrap list, each in a random order.
    fn candidates(&mut self) -> Vec<Peer> {
        let usable = self.view.brokers().filter(|node| matches!(self.view.endpoint(*node), Some(Ok(_))));
        let mut known: Vec<_> = usable.map(Peer::Node).collect();
        let mut first: Vec<_> = (0..self.config.bootstrap.len()).map(Peer::Bootstrap).collect();
        for list in [&mut known, &mut first] {
            for last in (1..list.len()).rev() {
                let other = self.seed.index(last + 1);
                list.swap(last, other);
            }
        }
        known.append(&mut first);
        known
    }

    /// Connects to some broker, because any will do.
    pub(super) fn seek(&mut self, now: Instant) {
        if self.life == Life::Open {
            self.seeking.start(now);
            self.drive_seek(now);
        }
    }

    pub(super) fn drive_seek(&mut self, now: Instant) {
        if !self.needs_any(now) {
            self.seeking.stop();
        }
        loop {
            match self.seeking.step(now) {
                Step::Wait => break,
                Step::Begin => {
                    let candidates = self.candidates();
                    self.seeking.begin(now, candidates, self.config.client.connect_timeout());
                }
                Step::Try(peer) => self.try_one(now, peer),
            }
        }
        self.timers.set(Timer::Seek, self.seeking.next_at());
    }

    fn try_one(&mut self, now: Instant, peer: Peer) {
        match self.links.open(now, peer, Lane::Prompt) {
            Opening::Connecting => {}
            // A silent broker is connected, and is of no use.
            Opening::Ready | Opening::Busy => self.seeking.skip(now, peer),
            Opening::BackingOff { last, .. } => {
                let reason = last.unwrap_or_else(|| Arc::from("too many connection attempts were made in this second"));
                let address = self.links.address(peer).cloned();
                let backoff = self.config.reconnect_backoff;
                self.seeking.note_failed(now, peer, address.as_ref(), &reason, backoff, &mut self.seed);
            }
            Opening::NoAddress => self.seeking.skip(now, peer),
        }
    }

    /// Whether something waits for a broker to be connected, whichever it is.
    fn needs_any(&self, now: Instant) -> bool {
        let is_due = self.refresh.next_at().is_some_and(|at| at <= now);
        let is_due = is_due && self.asking.is_none() && self.most_idle().is_none();
        is_due || !self.waits_for_any.is_empty() || !self.stuck.is_empty()
    }

    /// Takes the answer to a look-up.
    pub(super) fn metadata_answered(&mut self, now: Instant, token: Token, topics: &Topics, frame: &ResponseFrame) {
        self.end_look_up(token);
        let Ok(answer) = MetadataResponse::decode(&frame.body) else {
            self.refresh.note_failed(now, topics, &mut self.seed);
            self.drive_refresh(now);
            return;
        };
        self.last_answer = Some(now);
        let config = &self.config;
        let filter = |node, at| config.filter(node, at);
        let changes = self.view.merge(now, config.max_age, topics, &answer, &filter);
        self.take_changes(now, &changes);
        self.settle(now, topics, &answer);
        if !self.silent.is_empty() {
            self.leave_silent(now);
            // Until the silent broker answers or is replaced, others are asked again and again.
            self.refresh.note_all_stale(now.checked_add(WHILE_SILENT).unwrap_or(now));
        }
        self.call_again(now, topics, &changes);
        self.tell_owner(ForOwner::Changed(changes));
        self.drive_refresh(now);
    }

    fn end_look_up(&mut self, token: Token) {
        if self.asking == Some(token) {
            self.asking = None;
        }
    }

    pub(super) fn metadata_failed(&mut self, now: Instant, token: Token, topics: &Topics) {
        self.end_look_up(token);
        self.refresh.note_failed(now, topics, &mut self.seed);
        self.drive_refresh(now);
    }

    fn take_changes(&mut self, now: Instant, changes: &Changes) {
        self.counts.leader_moves += u64::try_from(changes.leaders.len()).unwrap_or(u64::MAX);
        for node in &changes.endpoints {
            let address = self.view.endpoint(*node).and_then(Result::ok).cloned();
            self.links.set_address(now, *node, address);
        }
        if self.view.brokers().next().is_some() {
            // The brokers are known by their own addresses now.
            for place in 0..self.config.bootstrap.len() {
                self.links.drain(now, Peer::Bootstrap(place), Lane::Prompt);
            }
        }
    }

    /// Decides when each topic of an answer is asked for again.
    fn settle(&mut self, now: Instant, asked: &Topics, answer: &MetadataResponse) {
        let names: Vec<Text> = match asked {
            Topics::All => {
                self.refresh.note_all_answered();
                self.refresh.names().cloned().collect()
            }
            Topics::Named(names) => names.clone(),
        };
        // One name that a broker does not accept fails all others of its request with the same code (T6).
        let is_spoilt = names.len() > 1
            && names.iter().all(|name| {
                answer.topic(name).is_some_and(|topic| {
                    matches!(topic.error, ErrorCode::UNKNOWN | ErrorCode::INVALID_TOPIC) && topic.partitions.is_empty()
                })
            });
        if is_spoilt {
            self.refresh.note_spoilt(&names);
        }
        let unsettled: BTreeSet<Text> = self.view.unsettled().cloned().collect();
        let next = now.checked_add(self.config.max_age);
        for name in &names {
            let code = match answer.topic(name) {
                Some(topic) => topic.error,
                // A topic that the owner wants is created by asking for its name.
                None if *asked == Topics::All => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                None => ErrorCode::UNKNOWN,
            };
            let is_usable = code.is_ok() && !unsettled.contains(name);
            if is_usable {
                self.refresh.note_settled(name, next);
            } else {
                self.refresh.note_unsettled(now, name, &mut self.seed);
            }
            let is_told = *asked != Topics::All || code.is_ok();
            if is_told && self.refresh.wanted(name) {
                self.tell_owner(ForOwner::Topic { topic: name.clone(), code });
            }
        }
    }

    /// Places the calls that wait for these topics.
    fn call_again(&mut self, now: Instant, asked: &Topics, changes: &Changes) {
        let names: Vec<Text> = match asked {
            Topics::All => self.refresh.names().cloned().collect(),
            Topics::Named(names) => names.clone(),
        };
        let moved: BTreeSet<&Text> = changes.leaders.iter().map(|of| &of.topic).chain(&changes.topics).collect();
        let mut calls = BTreeSet::new();
        for name in &names {
            // A call that pauses after a failure goes on pausing, unless its leaders are other ones now.
            let waiting = self.refresh.waiting(name);
            calls.extend(waiting.filter(|id| moved.contains(name) || !self.timers.has(&Timer::Retry(*id))));
        }
        for id in calls {
            self.dispatch(now, id);
        }
    }
}
