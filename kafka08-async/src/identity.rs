//! The ids of connections.

use std::sync::atomic::{AtomicU64, Ordering};

use kafka08_proto::ids::ConnectionId;

/// Returns an id for a connection, which no other connection of this crate has.
#[must_use]
pub fn next_id() -> ConnectionId {
    // Correlation ids begin at the same number in each connection, so a claim also holds the id of its connection.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed))
}
