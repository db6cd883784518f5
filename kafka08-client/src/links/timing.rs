//! Time: what is due, and what follows from it.

use std::time::Instant;

use kafka08_proto::Connection as _;

use super::{
    LinkNews, Links,
    link::{Link, State},
    peer::Purpose,
    schedule::Due,
};
use crate::machine::LinkId;

impl Links {
    /// The earliest time at which something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.first()
    }

    /// Tells the time. Only what is due is looked at.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.note_time(now);
        while let Some(due) = self.schedule.pop_due(now) {
            match due {
                Due::Link(link) => self.handle_link_due(link, now),
                Due::Rate | Due::Wish(_) => self.handle_wish_due(due, now),
            }
        }
    }

    /// Handles that a deadline of a link has come. It is not in the schedule any more.
    fn handle_link_due(&mut self, id: LinkId, now: Instant) {
        let patience = self.patience;
        let Some(link) = self.links.get_mut(&id) else { return };
        // The schedule has it no more.
        link.due = None;
        match &mut link.state {
            State::Connecting => {}
            State::Probing => {
                let peer = link.peer;
                if let Some(connection) =
                    self.probes.get_mut(&peer).and_then(|probing| probing.probe.client_connection())
                {
                    connection.handle_timeout(now);
                }
                self.step_probe(peer, now);
            }
            State::Open(open) => {
                open.connection.handle_timeout(now);
                self.settle(id, now);
                // Behind the events: a request that has timed out says more than its silence.
                self.note_silence(id, now);
                if let Some(Link { state: State::Open(open), .. }) = self.links.get_mut(&id)
                    && open.idle_at(patience).is_some_and(|at| at <= now)
                {
                    // Behind the rest: an answer or a request may have come in the same step.
                    open.connection.close();
                    self.settle(id, now);
                }
            }
        }
    }

    /// Tells the silence of a link, if its time has come.
    fn note_silence(&mut self, id: LinkId, now: Instant) {
        if let Some(Link { peer, purpose: Purpose::Lane(lane), state: State::Open(open), .. }) = self.links.get_mut(&id)
            && open.silent_at(self.patience).is_some_and(|at| at <= now)
        {
            open.is_silent = true;
            self.news.push_back(LinkNews::Silent { peer: *peer, lane: *lane });
            self.renew(id);
        }
    }
}
