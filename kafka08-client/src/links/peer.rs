//! Names: of peers, lanes, requests, and of what a link is for.

use kafka08_proto::ids::NodeId;

/// Where a link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Peer {
    /// A broker of the bootstrap list, by its place in the list.
    Bootstrap(usize),
    /// A broker that metadata lists.
    Node(NodeId),
}

/// What a link is for. A 0.8 broker answers one request of a connection at a time, so what may wait must not stand in
/// front of what must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    /// Requests that are answered at once: metadata, offsets, commits.
    Prompt,
    /// Produce requests, which may wait for replicas.
    Produce,
    /// Fetches, which may wait for messages.
    Fetch,
}

impl Lane {
    pub(crate) const ALL: [Self; 3] = [Self::Prompt, Self::Produce, Self::Fetch];
}

/// Names a request to the layer above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(pub(crate) u64);

/// What a link is connected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// Requests of this lane.
    Lane(Lane),
    /// The questions of a probe.
    Probe,
}

/// A link that is wanted and cannot be connected yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wish {
    pub(super) peer: Peer,
    pub(super) purpose: Purpose,
}
