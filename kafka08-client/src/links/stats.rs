//! Numbers of links by state.

use super::{Links, link::Share};

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
    /// The numbers. Looks at the peers that back off and at no link, because handles want them in every turn.
    pub(crate) fn stats(&self) -> LinkStats {
        let Share { connecting, ready, draining, staged } = self.shares;
        LinkStats {
            connecting,
            ready,
            draining,
            backing_off: self.peers.backing_off(self.seen),
            in_flight: self.tokens.len(),
            staged,
            connects: self.connects,
            connects_failed: self.connects_failed,
        }
    }
}
