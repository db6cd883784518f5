//! Requests: how they are sent, and how they are given up.

use std::time::Instant;

use kafka08_proto::{
    connection::{Cancelled, Prepared, SendError},
    ids::CorrelationId,
};

use super::{
    Lane, Links, Peer, Token,
    link::{Link, State},
};
use crate::machine::LinkId;

/// Where a request is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    link: LinkId,
    id: CorrelationId,
}

impl Links {
    /// Whether [`Links::send`] would stage a request now.
    #[cfg(test)]
    pub(crate) fn can_send(&self, peer: Peer, lane: Lane) -> bool {
        self.current_open(peer, lane).is_some_and(|open| open.connection.can_send())
    }

    /// The connected link of a lane that takes requests.
    #[cfg(test)]
    fn current_open(&self, peer: Peer, lane: Lane) -> Option<&super::link::Open> {
        match &self.links.get(self.current.get(&(lane, peer))?)?.state {
            State::Open(open) => Some(open),
            State::Connecting | State::Probing => None,
        }
    }

    /// Stages a request. At [`SendError::Busy`] and [`SendError::Closed`] the request was not taken: wait for
    /// [`LinkNews::Ready`](super::LinkNews::Ready), or open a link. Without a connected link the error is
    /// [`SendError::Busy`], and no room is told. At other errors this request cannot be sent at all.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        peer: Peer,
        lane: Lane,
        request: &Prepared,
        token: Token,
    ) -> Result<LinkId, SendError> {
        self.note_time(now);
        let Some(link) = self.current.get(&(lane, peer)).copied() else { return Err(SendError::Busy) };
        let Some(Link { state: State::Open(open), .. }) = self.links.get_mut(&link) else {
            return Err(SendError::Busy);
        };
        match open.connection.send(now, request) {
            Ok(id) => {
                open.requests.push(now, id, token, request);
                open.moved_at = now;
                let before = self.tokens.insert(token, Sent { link, id });
                debug_assert!(before.is_none(), "{token:?} names a request that has not ended");
                self.name(link);
                self.renew(link);
                Ok(link)
            }
            Err(error) => {
                match error {
                    SendError::Busy => open.is_awaited = true,
                    // The driver has noticed its end, and does not tell before the next step.
                    SendError::Closed(_) => self.start_draining(link, now),
                    _ => {}
                }
                Err(error)
            }
        }
    }

    /// Gives up a request. After [`Cancelled::Withdrawn`] no byte of it was or will be written, and nothing more is told
    /// of it. After [`Cancelled::Abandoned`] its answer is dropped, and nothing more is told of it either. After
    /// [`Cancelled::NotOutstanding`] it has ended, and its news is still to be taken.
    pub(crate) fn cancel(&mut self, token: Token) -> Cancelled {
        let Some(&Sent { link, id }) = self.tokens.get(&token) else { return Cancelled::NotOutstanding };
        let Some(now) = self.seen else { return Cancelled::NotOutstanding };
        let Some(Link { state: State::Open(open), .. }) = self.links.get_mut(&link) else {
            return Cancelled::NotOutstanding;
        };
        // The connection knows what the transport has taken, and decides.
        let how = open.connection.cancel(id);
        if how != Cancelled::NotOutstanding {
            self.tokens.remove(&token);
            open.requests.note_cancelled(id, how);
        }
        // There may be room now, or nothing is left that the link is there for.
        self.settle(link, now);
        how
    }

    /// Whether no byte of a request was taken or offered, so that it could be withdrawn.
    pub(crate) fn is_untouched(&self, token: Token) -> bool {
        let Some(Sent { link, id }) = self.tokens.get(&token) else { return false };
        match self.links.get(link).map(|link| &link.state) {
            Some(State::Open(open)) => open.connection.is_untouched(*id),
            _ => false,
        }
    }

    /// The number of written requests without answers that no later answer of this link has confirmed.
    #[cfg(test)]
    pub(crate) fn unconfirmed(&self, peer: Peer, lane: Lane) -> usize {
        self.current_open(peer, lane).map_or(0, |open| open.requests.unconfirmed())
    }
}
