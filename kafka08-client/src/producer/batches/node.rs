//! What is queued for a broker, and what was sent to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::ids::{NodeId, Text};

use crate::{
    accumulator::{BatchId, PartIndex},
    links::Token,
    machine::LinkId,
};

/// How long a broker may owe an answer before its partitions count as stuck. It is far shorter than the time after which
/// other brokers are asked: with acks -1 a broker may wait for replicas for long, and until it answers, the records of its
/// partitions must not fill the buffer.
pub(super) const SLOW: Duration = Duration::from_millis(500);

/// How long after a question for a release the next one is asked. A probe needs a connection of its own.
pub(super) const RELEASE_PAUSE: Duration = Duration::from_secs(10);

/// A broker, as batches see it.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Batches that may go into the next request, by partition and age.
    pub(super) ready: BTreeSet<(PartIndex, BatchId)>,
    /// The last partition of the last request. The next one begins behind it, so that none starves.
    pub(super) cursor: Option<PartIndex>,
    /// Unanswered requests on the link that takes new ones.
    pub(super) in_flight: BTreeSet<Token>,
    pub(super) trouble: Option<Trouble>,
    /// It owes an answer for longer than [`SLOW`].
    pub(super) is_slow: bool,
    /// With acks 0: requests that were written and that no answer has confirmed.
    pub(super) written: BTreeMap<Token, Written>,
    /// The last topic that was sent, which exists.
    pub(super) topic: Option<Text>,
    /// Written requests are to be confirmed.
    pub(super) confirm: Confirm,
    /// When its release was asked for. `None` if it was not since the broker was lost.
    pub(super) asked_release: Option<Instant>,
}

/// A request without an answer that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) link: LinkId,
    pub(super) records: u64,
}

/// How far the confirmation of written requests is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Confirm {
    /// Nobody asks.
    #[default]
    No,
    /// A request is to be sent behind the last write.
    Wanted,
    /// It was sent.
    Sent { token: Token, link: LinkId },
}

/// Why a broker takes no batches at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It could not be connected to.
    NotConnected(Arc<str>),
    /// It owes an answer.
    Silent,
    /// Its address is not known or cannot be used.
    NoAddress,
}

/// A request.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) node: NodeId,
    pub(super) at: Instant,
    pub(super) link: LinkId,
    pub(super) batches: Vec<BatchId>,
}

impl Node {
    /// Whether nothing was sent or waits here.
    pub(super) fn is_unused(&self) -> bool {
        self.ready.is_empty() && self.in_flight.is_empty() && self.written.is_empty() && self.confirm == Confirm::No
    }

    /// The oldest ready batch of the first partition behind `part`.
    pub(super) fn behind(&self, part: Option<PartIndex>) -> Option<(PartIndex, BatchId)> {
        let from = part.map_or(Bound::Unbounded, |part| Bound::Excluded((part, BatchId(u64::MAX))));
        self.ready.range((from, Bound::Unbounded)).next().copied()
    }
}
