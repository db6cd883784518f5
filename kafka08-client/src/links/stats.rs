//! Numbers of links by state.

use super::{Links, link::State};

/// Numbers of links by state, and what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LinkStats {
    /// Links that are being connected.
    pub connecting: usize,
    /// Links that take requests.
    pub ready: usize,
    /// Links that take no more requests, and wait for the answers that are due.
    pub draining: usize,
    /// Peers that are not connected to before a time.
    pub backing_off: usize,
    /// Requests that were sent and have not ended.
    pub in_flight: usize,
    /// Bytes that are staged and were not taken by a socket.
    pub staged: usize,
    /// Connection attempts so far.
    pub connects: u64,
    /// Connection attempts that have failed so far.
    pub connects_failed: u64,
}

impl Links {
    /// Counts the links. It looks at each of them, so it is for users and not for every step.
    pub(crate) fn stats(&self) -> LinkStats {
        let mut stats = LinkStats {
            backing_off: self.peers.backing_off(self.seen),
            in_flight: self.tokens.len(),
            connects: self.connects,
            connects_failed: self.connects_failed,
            ..LinkStats::default()
        };
        for link in self.links.values() {
            match &link.state {
                State::Connecting => stats.connecting += 1,
                State::Open(open) if open.is_draining => stats.draining += 1,
                State::Open(_) => stats.ready += 1,
                // A probe takes no requests of others.
                State::Probing => {}
            }
            if let State::Open(open) = &link.state {
                stats.staged += open.connection.staged();
            }
        }
        stats
    }
}
