//! What has happened on the connection of a link.

use std::{io, time::Instant};

use kafka08_proto::{
    Connection as _,
    connection::{ClientEvent, CloseReason, Closed, Disconnect, Progress, RequestError},
};

use super::{
    Action, LinkNews, Links,
    link::{Link, Share, State},
    news::Loss,
    peer::{Purpose, Wish},
    requests::Place,
    schedule::Due,
};
use crate::machine::LinkId;

impl Links {
    /// Tells that bytes were moved on a link, or that its stream has ended.
    pub(crate) fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.note_time(now);
        match self.links.get(&link).map(|link| (&link.state, link.peer)) {
            Some((State::Open(_), _)) => self.settle(link, now),
            Some((State::Probing, peer)) => self.step_probe(peer, now),
            Some((State::Connecting, _)) | None => {}
        }
    }

    /// Keeps what the system has said of a failed read or write. The first failure counts, because the others follow from it.
    pub(crate) fn handle_io_error(&mut self, link: LinkId, error: &io::Error) {
        if let Some(Link { state: State::Open(open), .. }) = self.links.get_mut(&link) {
            open.said.get_or_insert_with(|| error.to_string().into());
        }
    }

    /// Takes the events of a link, and does what follows from them. To be called whenever something has changed on it.
    pub(super) fn settle(&mut self, id: LinkId, now: Instant) {
        let was_answered = self.is_answered(id);
        let mut closed = self.take_events(id, now);
        let Some(Link { peer, purpose: Purpose::Lane(lane), state: State::Open(open), .. }) = self.links.get_mut(&id)
        else {
            return;
        };
        let (peer, lane) = (*peer, *lane);
        let is_first_answer = !was_answered && open.answered_at.is_some();
        let mut wish = None;
        // While the request in front has timed out nothing can be sent, and after a failed write nothing ever can.
        if !open.is_draining && (open.connection.is_stalled() || !open.connection.is_open()) {
            open.is_draining = true;
            self.current.remove(&(lane, peer));
            // Whoever waits for room would wait for ever.
            wish = open.is_awaited.then_some(Wish { peer, purpose: Purpose::Lane(lane) });
        }
        if closed.is_none() && open.is_draining && open.connection.in_flight() == 0 {
            open.connection.close();
            closed = self.take_events(id, now);
        }
        // The end comes last, behind the news of its requests.
        match closed {
            Some(closed) => self.end(id, closed, now),
            None => self.tell_room(id),
        }
        if let Some(wish) = wish {
            self.want(now, wish);
        }
        if is_first_answer {
            self.hurry(peer, now);
        }
        self.renew(id);
    }

    fn is_answered(&self, id: LinkId) -> bool {
        matches!(self.links.get(&id), Some(Link { state: State::Open(open), .. }) if open.answered_at.is_some())
    }

    /// Takes all events of a link, and tells the layer above. Returns the last one, if the connection has ended.
    fn take_events(&mut self, id: LinkId, now: Instant) -> Option<Closed> {
        #[cfg(test)]
        {
            self.looks += 1;
        }
        let Self { links, tokens, news, peers, .. } = self;
        let Link { peer, purpose, address, state: State::Open(open), .. } = links.get_mut(&id)? else { return None };
        let peer = *peer;
        // Until there is none: the connection reads nothing more while an event waits to be taken.
        loop {
            let event = open.connection.poll_event();
            // Also when there is no event: answers to requests that were given up are dropped without one.
            let was_answered = open.answered_at.is_some();
            let was_silent = open.is_silent;
            let answered = open.note_answers(now);
            // Without this, nothing would tell that the peer is back: its answer has no event.
            if let Purpose::Lane(lane) = *purpose
                && was_silent
                && !open.is_silent
                && answered.is_none()
            {
                news.push_back(LinkNews::Awake { peer, lane });
            }
            // Not at the connecting: a peer that accepts and closes is to be backed off from, too.
            if !was_answered && open.answered_at.is_some() {
                peers.note_answered(peer, address);
            }
            let event = event?;
            open.moved_at = now;
            let (token, told) = match event {
                ClientEvent::Response(frame) => {
                    // Nobody waits for a request that was given up, and the connection drops its answer. So there is one.
                    let Some(token) = answered else { continue };
                    (token, LinkNews::Answered { token, peer, frame })
                }
                ClientEvent::Written { id, .. } => {
                    let Some(token) = open.requests.note_written(id) else { continue };
                    (token, LinkNews::Written { token })
                }
                ClientEvent::Failed { id, error, progress, fate, .. } => {
                    let place = place_of(&error, progress);
                    open.has_lost |= matches!(error, RequestError::Closed(_));
                    let Some(token) = open.requests.note_failed(id, place) else { continue };
                    // A request that has timed out did not fail for what happened to the stream before or after.
                    let said = open.said.clone().filter(|_| is_of_stream(&error));
                    (token, LinkNews::Failed { token, peer, loss: Loss { error, progress, said }, fate })
                }
                ClientEvent::Closed(closed) => return Some(closed),
            };
            tokens.remove(&token);
            news.push_back(told);
        }
    }

    /// Tells that there is room on a link, if somebody waits for it.
    fn tell_room(&mut self, id: LinkId) {
        if let Some(Link { peer, purpose: Purpose::Lane(lane), state: State::Open(open), .. }) = self.links.get_mut(&id)
            && open.is_awaited
            && !open.is_draining
            && open.connection.can_send()
        {
            open.is_awaited = false;
            self.news.push_back(LinkNews::Ready { peer: *peer, lane: *lane });
        }
    }

    /// Renews the deadline of a link, and what it adds to the numbers. To be called whenever something has changed on it.
    pub(super) fn renew(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let due = match &link.state {
            State::Connecting => None,
            State::Open(open) => open.due(self.patience),
            State::Probing => {
                let probing = self.probes.get_mut(&link.peer);
                probing.and_then(|probing| probing.probe.client_connection()?.poll_timeout())
            }
        };
        self.schedule.renew(Due::Link(id), link.due, due);
        link.due = due;
        let share = Share::of(&link.state);
        self.shares.replace(link.share, share);
        link.share = share;
    }

    /// Has the driver write a link. Once for all that is staged until it takes the action.
    pub(super) fn name(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id)
            && !link.is_named
        {
            link.is_named = true;
            self.actions.push_back(Action::Write(id));
        }
    }
}

/// Whether a request has failed because reading or writing has failed.
fn is_of_stream(error: &RequestError) -> bool {
    matches!(error, RequestError::Closed(CloseReason::Disconnected { how: Disconnect::Error(_), .. }))
}

/// Whether the answer to a request that has failed may still come.
fn place_of(error: &RequestError, progress: Progress) -> Place {
    match (error, progress) {
        // What was not sent is withdrawn at its deadline.
        (RequestError::TimedOut { .. }, Progress::NotSent) => Place::Free,
        (RequestError::TimedOut { .. }, _) => Place::Kept,
        (_, _) => Place::Free,
    }
}
