//! How links are connected: wishes, attempts, and what becomes of them.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use kafka08_proto::{
    ClientConnection, HostPort,
    adapter::ConnectError,
    ids::{ConnectionId, NodeId},
};

use super::{
    Action, Lane, LinkNews, Links, Opening, Peer,
    link::{Link, Open, Share, State},
    peer::{Purpose, Wish},
    schedule::Due,
};
use crate::machine::LinkId;

/// Links that are wanted and cannot be connected yet.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    waiting: BTreeMap<Wish, Waiting>,
    /// Those that wait for the rate only, in the order in which they came.
    line: BTreeMap<u64, Wish>,
    tickets: u64,
    /// When the first of the line can be connected.
    due: Option<Instant>,
}

/// What a wish waits for.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    /// The end of the back-off of its peer.
    Until(Instant),
    /// Its turn. The number is its place in the line.
    InLine(u64),
}

impl Links {
    /// Says that a link is wanted, and connects one unless there is one. Call it again while it is wanted: a wish is
    /// forgotten when its link has been connected, or has failed.
    pub(crate) fn open(&mut self, now: Instant, peer: Peer, lane: Lane) -> Opening {
        self.note_time(now);
        if let Some(id) = self.current.get(&(lane, peer)).copied()
            && let Some(link) = self.links.get_mut(&id)
        {
            match &mut link.state {
                State::Open(open) if open.connection.can_send() => return Opening::Ready,
                State::Open(open) if open.connection.is_open() => {
                    open.is_awaited = true;
                    return Opening::Busy;
                }
                // Its stream has ended, and the driver has not told it yet.
                State::Open(_) => self.start_draining(id, now),
                State::Connecting | State::Probing => return Opening::Connecting,
            }
        }
        self.want(now, Wish { peer, purpose: Purpose::Lane(lane) })
    }

    /// Connects a link, or remembers that it is wanted.
    pub(super) fn want(&mut self, now: Instant, wish: Wish) -> Opening {
        let Some(peer) = self.peers.get(wish.peer).filter(|_| !self.is_closed) else { return Opening::NoAddress };
        let last = peer.last.clone();
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::ConnectsAtOnce.is_planted() {
            self.connect(now, wish);
            return Opening::Connecting;
        }
        if let Some(until) = peer.not_before.filter(|at| *at > now) {
            // It may stand in the line, whose turn would come too early.
            self.forget_wish(wish);
            self.wait(wish, until);
            return Opening::BackingOff { until, last };
        }
        // Those that have waited for longer come first.
        self.serve_line(now);
        // Serving the line may have connected this very wish.
        if self.has_link(wish) {
            return Opening::Connecting;
        }
        if self.rate.allows(now) {
            self.forget_wish(wish);
            self.connect(now, wish);
            return Opening::Connecting;
        }
        let ticket = match self.wishes.waiting.get(&wish) {
            Some(Waiting::InLine(ticket)) => *ticket,
            Some(Waiting::Until(_)) | None => self.join_line(wish),
        };
        // Those that were forgotten have left gaps between the numbers. So this is the latest time, and it may be earlier.
        let ahead = self.wishes.line.first_key_value().map_or(0, |(first, _)| ticket.saturating_sub(*first));
        let until = self.rate.free_at(usize::try_from(ahead).unwrap_or(usize::MAX)).unwrap_or(now);
        Opening::BackingOff { until, last }
    }

    /// Whether the link of a wish is connected, or is being connected.
    fn has_link(&self, wish: Wish) -> bool {
        match wish.purpose {
            Purpose::Lane(lane) => self.current.contains_key(&(lane, wish.peer)),
            Purpose::Probe => self.probes.get(&wish.peer).is_some_and(|probing| probing.link.is_some()),
        }
    }

    /// Lets a wish wait for the end of the back-off of its peer.
    fn wait(&mut self, wish: Wish, until: Instant) {
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::NeverTriesAgain.is_planted() {
            return;
        }
        self.wishes.waiting.insert(wish, Waiting::Until(until));
        self.schedule.renew(Due::Wish(wish), None, Some(until));
    }

    /// Puts a wish at the end of the line. Returns its place.
    fn join_line(&mut self, wish: Wish) -> u64 {
        self.forget_wish(wish);
        let ticket = self.wishes.tickets;
        self.wishes.tickets += 1;
        self.wishes.line.insert(ticket, wish);
        self.wishes.waiting.insert(wish, Waiting::InLine(ticket));
        self.renew_line();
        ticket
    }

    /// Connects those of the line that the rate allows.
    pub(super) fn serve_line(&mut self, now: Instant) {
        while self.rate.allows(now)
            && let Some((_, wish)) = self.wishes.line.pop_first()
        {
            self.wishes.waiting.remove(&wish);
            // Its peer may have failed on another lane meanwhile.
            match self.peers.get(wish.peer).map(|peer| peer.not_before.filter(|at| *at > now)) {
                Some(None) => self.connect(now, wish),
                Some(Some(until)) => self.wait(wish, until),
                None => {}
            }
        }
        self.renew_line();
    }

    /// Renews the time of the line. To be called whenever its front or the rate has changed.
    fn renew_line(&mut self) {
        let due = if self.wishes.line.is_empty() { None } else { self.rate.free_at(0) };
        self.schedule.renew(Due::Rate, self.wishes.due, due);
        self.wishes.due = due;
    }

    /// Handles that the time of a wish or of the line has come. It is not in the schedule any more.
    pub(super) fn handle_wish_due(&mut self, due: Due, now: Instant) {
        match due {
            Due::Rate => {
                self.wishes.due = None;
                self.serve_line(now);
            }
            Due::Wish(wish) => {
                self.wishes.waiting.remove(&wish);
                self.want(now, wish);
            }
            Due::Link(_) => {}
        }
    }

    /// Whether a link to a peer is wanted and cannot be connected yet.
    pub(super) fn has_wish(&self, peer: Peer) -> bool {
        let first = Wish { peer, purpose: Purpose::Lane(Lane::Prompt) };
        self.wishes.waiting.range(first..).next().is_some_and(|(wish, _)| wish.peer == peer)
    }

    /// Forgets a wish. Returns whether there was one.
    pub(super) fn forget_wish(&mut self, wish: Wish) -> bool {
        match self.wishes.waiting.remove(&wish) {
            Some(Waiting::Until(at)) => self.schedule.renew(Due::Wish(wish), Some(at), None),
            Some(Waiting::InLine(ticket)) => {
                self.wishes.line.remove(&ticket);
                self.renew_line();
            }
            None => return false,
        }
        true
    }

    /// A peer has answered, so its wishes need not wait for the end of its back-off any more.
    pub(super) fn hurry(&mut self, peer: Peer, now: Instant) {
        let lanes = Lane::ALL.map(Purpose::Lane);
        for wish in lanes.into_iter().chain([Purpose::Probe]).map(|purpose| Wish { peer, purpose }) {
            if matches!(self.wishes.waiting.get(&wish), Some(Waiting::Until(_))) {
                self.want(now, wish);
            }
        }
    }

    /// Forgets all wishes.
    pub(super) fn forget_wishes(&mut self) {
        while let Some((&wish, _)) = self.wishes.waiting.first_key_value() {
            self.forget_wish(wish);
        }
    }

    /// Has the driver connect a link.
    fn connect(&mut self, now: Instant, wish: Wish) {
        let Wish { peer, purpose } = wish;
        let Some(state) = self.peers.get(peer) else { return };
        let (address, epoch) = (Arc::clone(&state.address), state.epoch);
        self.last_link.0 += 1;
        let id = self.last_link;
        match purpose {
            Purpose::Lane(lane) => drop(self.current.insert((lane, peer), id)),
            Purpose::Probe => {
                if let Some(probing) = self.probes.get_mut(&peer) {
                    probing.link = Some(id);
                }
            }
        }
        // Noted when it is made, not when it ends: hanging attempts count, too.
        self.rate.note(now);
        self.connects += 1;
        let within = self.client.connect_timeout();
        self.actions.push_back(Action::Connect { link: id, to: (*address).clone(), within });
        let (state, share) = (State::Connecting, Share::default());
        let link = Link { peer, purpose, address, epoch, state, due: None, is_named: false, share };
        self.links.insert(id, link);
        self.renew(id);
    }

    /// Tells that a link is connected. Ignored if it was dropped meanwhile.
    pub(crate) fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.note_time(now);
        let id = link;
        // A link that was dropped meanwhile is ignored. Its number is never used again, so nothing else is meant.
        let Some(link) = self.links.get_mut(&id).filter(|link| matches!(link.state, State::Connecting)) else { return };
        let peer = link.peer;
        match link.purpose {
            Purpose::Lane(lane) => {
                let config = self.client.clone().with_peer((*link.address).clone());
                let connection = ClientConnection::new(config, ConnectionId(id.0));
                link.state = State::Open(Box::new(Open::new(connection, now)));
                self.news.push_back(LinkNews::Ready { peer, lane });
                self.renew(id);
            }
            Purpose::Probe => {
                link.state = State::Probing;
                self.renew(id);
                if let Some(probing) = self.probes.get_mut(&peer) {
                    probing.probe.handle_connected(now);
                }
                self.step_probe(peer, now);
            }
        }
    }

    /// Tells that a link could not be connected. Ignored if it was dropped meanwhile.
    pub(crate) fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        self.note_time(now);
        if !self.links.get(&link).is_some_and(|link| matches!(link.state, State::Connecting)) {
            return;
        }
        // Removed first: what follows may open the next one for the same lane.
        let Some(Link { peer, purpose, address, epoch, .. }) = self.remove_link(link) else { return };
        self.connects_failed += 1;
        let mut reason = error.to_string();
        let name = address.to_string();
        // Two of the errors do not say where.
        if !reason.contains(&name) {
            reason = format!("{name}: {reason}");
        }
        let reason: Arc<str> = reason.into();
        self.peers.note_failed(peer, epoch, Arc::clone(&reason), now);
        match purpose {
            Purpose::Lane(lane) => self.news.push_back(LinkNews::NotConnected { peer, lane, reason }),
            Purpose::Probe => self.fail_probe(peer, error, now),
        }
    }

    /// Sets or removes the address of a broker. Links to another address than before drain, and those that are wanted are
    /// connected to the new one.
    pub(crate) fn set_address(&mut self, now: Instant, node: NodeId, address: Option<HostPort>) {
        self.note_time(now);
        if !self.peers.set(node, address) {
            return;
        }
        let peer = Peer::Node(node);
        for lane in Lane::ALL {
            let wish = Wish { peer, purpose: Purpose::Lane(lane) };
            let mut is_waited_for = self.forget_wish(wish);
            let current = self.current.get(&(lane, peer)).copied();
            match current.and_then(|id| self.links.get(&id).map(|link| (id, &link.state))) {
                Some((id, State::Connecting)) => {
                    // What is told as connecting is waited for, and its end must be told.
                    self.drop_link(id);
                    is_waited_for = true;
                }
                Some((id, _)) => self.start_draining(id, now),
                None if is_waited_for => {}
                None => continue,
            }
            if self.want(now, wish) == Opening::NoAddress && is_waited_for {
                let reason = format!("broker {node} has no address any more").into();
                self.news.push_back(LinkNews::NotConnected { peer, lane, reason });
            }
        }
        // Last, because a probe ends at once if there is no address.
        self.move_probe(peer, now);
    }
}
