//! What each request does, and its answer: a file for each API (`KafkaApis`).
//!
//! A handler reads the request that [`wire`](crate::wire) has decoded, changes [`State`](crate::state::State), and returns an
//! [`Outcome`]. It knows releases, topics, logs and offsets. It knows no bytes, no rules and no sockets: the connection turns
//! the outcome into a frame, and rules change the answer afterwards.

mod consumer_metadata;
mod controller;
mod fetch;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod produce;
mod waiting;

pub(crate) use controller::{controlled_shutdown, heartbeat, join_group, stale_controller};
use kafka08_proto::{
    connection::CallId,
    ids::{ConnectionId, CorrelationId, NodeId},
    profile::Profile,
};

use crate::{
    seed::Seed,
    wire::{Answer, Groups, Name, Place, group},
};

/// The call that an answer is for, and the broker that gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The connection to which the answer is written. It may have ended when the answer is made.
    pub(crate) connection: ConnectionId,
    /// The request on its connection. An answer whose call is not the open one is dropped.
    pub(crate) call: CallId,
    /// The broker that was asked. All state of one broker, such as its metadata and its offsets cache, is found by it.
    pub(crate) node: NodeId,
    /// The release of that broker.
    pub(crate) profile: Profile,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The answer is complete, and is written at once.
    Answer(Answer),
    /// An answer with another correlation id than the request's.
    AnswerAs(CorrelationId, Answer),
    /// The request has no answer, because its acks are 0.
    Nothing,
    /// The broker closes the connection.
    Close,
    /// The request waits, and will be answered later.
    Waits,
}

/// Groups items by topic, in an order drawn from the seed. A broker writes the order of its hash maps, so a client that
/// relies on an order is wrong.
pub(crate) fn grouped<T>(items: impl IntoIterator<Item = (Place, T)>, seed: &mut Seed) -> Groups<T> {
    // The items come from a map, so those of one topic are neighbours.
    let mut groups = group(items);
    // Partitions are shuffled before topics. The order of the draws is a part of what a seed promises, so it must not change.
    for group in &mut groups {
        seed.shuffle(&mut group.items);
    }
    seed.shuffle(&mut groups);
    groups
}

/// A name that does not keep the memory of its request.
pub(crate) fn detached(name: &Name) -> Name {
    name.as_ref().map(kafka08_proto::ids::Text::detached)
}
