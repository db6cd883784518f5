//! What `tracing` is told, with the feature of that name. Without it, all of this does nothing.
//!
//! Subscribers are code of others, and may use the client. So what happens while the state is locked is noted, and told
//! after the lock is released. Payloads are never told: only ids, names of APIs, sizes and durations.
//!
//! | span | events, with their fields |
//! |---|---|
//! | `connect`: target | connected: address, elapsed; connecting failed: elapsed, error |
//! | `connection`: peer, connection | request: id, api, bytes; response: id, api, bytes, elapsed; request failed: id, api, elapsed, error; connection ended: reason; and others |
//! | `cluster`: bootstrap | requests were sent again: retries; leaders of partitions were learned: `leader_moves`; metadata was asked for: refreshes; brokers could not be connected to: failed |
//! | `producer`: bootstrap | batches sent: requests, batches, `in_flight`; batches sent again: retries; batch delivered: batch, to, records, offset, `maybe_applied`, elapsed; batch failed: batch, to, records, bytes, attempts, elapsed, error; and others |
//! | `consumer`: bootstrap | messages were fetched: fetches, bytes, `in_flight`; reading starts, starts elsewhere, ends, or stalls, entries are left out or damaged, partitions fail: partition and why; offsets were not committed |
//!
//! A machine logs nothing. So what clusters, producers and consumers do is read from their counts, once in a turn of the task, and such
//! an event stands for everything that has happened in the turn.

#[cfg(feature = "tracing")]
mod on;
#[cfg(feature = "tracing")]
mod on_cluster;
#[cfg(feature = "tracing")]
pub use on::{Notes, Teller, Trace, connect_ended};
#[cfg(feature = "tracing")]
pub(crate) use on::{accept_failed, served};
#[cfg(feature = "tracing")]
pub(crate) use on_cluster::{ClusterNotes, ClusterTeller, ClusterTrace};

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(not(feature = "tracing"))]
pub(crate) use off::{ClusterNotes, ClusterTeller, ClusterTrace, accept_failed, served};
#[cfg(not(feature = "tracing"))]
pub use off::{Notes, Teller, Trace, connect_ended};

#[cfg(not(feature = "tracing"))]
#[path = "off_consumer.rs"]
pub(crate) mod of_consumer;
#[cfg(feature = "tracing")]
#[path = "on_consumer.rs"]
pub(crate) mod of_consumer;

#[cfg(not(feature = "tracing"))]
#[path = "off_producer.rs"]
pub(crate) mod of_producer;
#[cfg(feature = "tracing")]
#[path = "on_producer.rs"]
pub(crate) mod of_producer;

use kafka08_proto::{
    connection::ServerCloseReason,
    ids::{Api, CorrelationId},
};

/// What happened on the connection of a client of a server.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "nothing is told"))]
pub(crate) enum Served<'a> {
    Request { id: CorrelationId, api: Api, bytes: usize },
    Response { id: CorrelationId, api: Api },
    Refused,
    Ended(&'a ServerCloseReason),
}
