//! Looking up topics: whom to ask, and what an answer changes.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use kafka08_proto::{
    api::{Body as _, MetadataRequest, MetadataResponse, Topics},
    connection::{Prepared, ResponseFrame},
    error_code::ErrorCode,
    ids::{NodeId, Text},
};

use super::{
    Cluster, ForOwner,
    seeking::Step,
    state::{Job, Life, Timer},
};
use crate::{
    links::{Lane, Opening, Peer, Token},
    view::Changes,
};

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
        // The least loaded link, so that a look-up does not wait behind slow answers.
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
        // Only behind the sending: what was not sent starts no pause.
        self.refresh.note_asked(now);
        self.jobs.insert(token, Job::Metadata { topics, peer });
        self.asking = Some(token);
        self.asked = Some(peer);
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
            // Those that have not failed come first, so that a peer that accepts connections and is no broker does not take the
            // place of a broker in each pass.
            list.sort_by_key(|peer| self.seeking.has_failed(*peer));
        }
        // The bootstrap list comes last: its entries may be load balancers, or names of brokers that have left.
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
        if self.life == Life::Closed || !self.needs_any(now) {
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
        let was_connecting = self.links.is_connecting(peer, Lane::Prompt);
        match self.links.open(now, peer, Lane::Prompt) {
            // An attempt of the pass before goes on. It has had its time ahead of the others.
            Opening::Connecting if was_connecting => self.seeking.hurry(now),
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
        // Before anything that drives the refresh, which does nothing while a look-up is on its way.
        self.end_look_up(token);
        let Ok(answer) = MetadataResponse::decode(&frame.body) else {
            self.refresh.note_failed(now, topics, &mut self.seed);
            self.drive_refresh(now);
            return;
        };
        // An answer that cannot be decoded says nothing, so it does not get here.
        self.last_answer = Some(now);
        let config = &self.config;
        let filter = |node, at| config.filter(node, at);
        let changes = Arc::make_mut(&mut self.view).merge(now, config.max_age, topics, &answer, &filter);
        // Addresses first: what is placed below opens links to them.
        self.take_changes(now, &changes);
        self.settle(now, topics, &answer);
        // Before calls are placed again: a call that leaves a broker is then placed once, with all that it has.
        self.follow_leaders(now, &changes);
        self.drop_left(now);
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
            match self.view.endpoint(*node).and_then(Result::ok).cloned() {
                None => self.forget_peer(now, *node),
                address => self.links.set_address(now, *node, address),
            }
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
        let troubled: Vec<NodeId> = self.troubled().collect();
        let next = now.checked_add(self.config.max_age);
        for name in &names {
            let code = match answer.topic(name) {
                Some(topic) => topic.error,
                // A topic that the owner wants is created by asking for its name.
                None if *asked == Topics::All => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                None => ErrorCode::UNKNOWN,
            };
            // While a leader does not answer or cannot be reached, another one may be named at any time.
            let is_troubled =
                || self.view.topic(name).is_some_and(|topic| troubled.iter().any(|node| topic.is_led_by(*node)));
            if code.is_ok() && !self.view.is_unsettled(name) && !is_troubled() {
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
