//! How links drain and end.

use std::{sync::Arc, time::Instant};

use kafka08_proto::connection::{CloseReason, Closed};

use super::{
    Action, Lane, LinkNews, Links, Peer,
    link::{Link, Share, State},
    peer::Purpose,
    schedule::Due,
};
use crate::machine::LinkId;

impl Links {
    /// Lets the link of a lane take no more requests. It ends with its last request in flight. New requests open another.
    pub(crate) fn drain(&mut self, now: Instant, peer: Peer, lane: Lane) {
        self.note_time(now);
        if let Some(link) = self.current.get(&(lane, peer)).copied() {
            self.start_draining(link, now);
        }
    }

    /// Ends all links at once, and opens no more. Requests on them fail.
    pub(crate) fn abort(&mut self, now: Instant) {
        self.note_time(now);
        self.open_no_more(now);
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            if let Some(Link { state: State::Open(open), .. }) = self.links.get_mut(&id) {
                open.connection.close();
                self.settle(id, now);
            }
        }
    }

    /// Forgets all wishes, and ends all probes and attempts.
    fn open_no_more(&mut self, now: Instant) {
        self.is_closed = true;
        self.forget_wishes();
        // Before the attempts: those of probes are theirs to end.
        for peer in self.probes.keys().copied().collect::<Vec<_>>() {
            self.end_probe(peer, now);
        }
        let is_connecting = |(id, link): (&LinkId, &Link)| matches!(link.state, State::Connecting).then_some(*id);
        for link in self.links.iter().filter_map(is_connecting).collect::<Vec<_>>() {
            self.drop_link(link);
        }
    }

    /// Lets a link take no more requests, if it is connected for a lane.
    pub(super) fn start_draining(&mut self, id: LinkId, now: Instant) {
        if let Some(Link { state: State::Open(open), peer, purpose: Purpose::Lane(lane), .. }) = self.links.get_mut(&id)
            && !open.is_draining
        {
            open.is_draining = true;
            self.current.remove(&(*lane, *peer));
            // Nothing may be in flight, and then it ends here.
            self.settle(id, now);
        }
    }

    /// Ends a link whose connection has ended.
    pub(super) fn end(&mut self, id: LinkId, closed: Closed, now: Instant) {
        let Some(Link { peer, purpose: Purpose::Lane(lane), epoch, state: State::Open(mut open), .. }) =
            self.drop_link(id)
        else {
            return;
        };
        let was_idle = open.is_idle();
        let is_ours = matches!(closed.reason, CloseReason::Local | CloseReason::Abandoned);
        // Brokers and firewalls close idle connections, and that is no failure. But a peer that closes without having answered
        // once would be connected to again and again.
        let was_of_use = was_idle && open.answered_at.is_some();
        if !is_ours && !was_of_use {
            let reason = match &open.said {
                Some(said) => format!("{closed}; the system says: {said}").into(),
                None => closed.to_string().into(),
            };
            self.peers.note_failed(peer, epoch, reason, now);
        }
        let unconfirmed = open.requests.take_unconfirmed();
        self.news.push_back(LinkNews::Ended { peer, lane, closed: Arc::new(closed), unconfirmed, was_idle });
    }

    /// Removes a link, and has the driver close its socket or give up connecting it.
    pub(super) fn drop_link(&mut self, id: LinkId) -> Option<Link> {
        let link = self.remove_link(id)?;
        self.actions.push_back(Action::Drop(id));
        Some(link)
    }

    /// Removes a link from all tables.
    pub(super) fn remove_link(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        self.schedule.renew(Due::Link(id), link.due, None);
        self.shares.replace(link.share, Share::default());
        match link.purpose {
            Purpose::Lane(lane) => {
                // A draining link has made room for another one.
                if self.current.get(&(lane, link.peer)) == Some(&id) {
                    self.current.remove(&(lane, link.peer));
                }
            }
            Purpose::Probe => {
                if let Some(probing) = self.probes.get_mut(&link.peer) {
                    probing.link.take_if(|of_probe| *of_probe == id);
                }
            }
        }
        Some(link)
    }
}
