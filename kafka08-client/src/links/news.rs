//! What the layer above is told, and what the driver is to do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::{
    HostPort,
    connection::{Closed, Progress, RequestError, ResponseFrame},
    fate::Fate,
    probe::Release,
};

use super::{Lane, Peer, Token};
use crate::{error::Cause, machine::LinkId};

/// Whether requests can be sent to a peer now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// There is a link that takes a request.
    Ready,
    /// A link is ready, but has no room now: too many requests or bytes are on it.
    Busy,
    /// A link is being connected.
    Connecting,
    /// The last attempt has failed, or too many were made. Another is made by itself at this time, if it is still wanted.
    BackingOff { until: Instant, last: Option<Arc<str>> },
    /// The peer has no address, or all links were closed.
    NoAddress,
}

/// What the layer above is told.
#[derive(Debug)]
pub(crate) enum LinkNews {
    /// A link can take requests: it was connected, or it has room again after [`Opening::Busy`].
    Ready { peer: Peer, lane: Lane },
    /// A link could not be connected. `reason` names the address.
    NotConnected { peer: Peer, lane: Lane, reason: Arc<str> },
    /// The answer to a request.
    Answered { token: Token, peer: Peer, frame: ResponseFrame },
    /// The last byte of a request that has no answer was taken.
    Written { token: Token },
    /// A request has ended without an answer.
    Failed { token: Token, peer: Peer, loss: Loss, fate: Fate },
    /// A request was not answered for a time, by a broker that may be paused. Told once for each link, until it has
    /// answered again.
    Silent { peer: Peer, lane: Lane },
    /// A link that was told as silent has answered a request that was given up. Other answers are told as `Answered`.
    Awake { peer: Peer, lane: Lane },
    /// A connected link has ended. All its requests were told before. `unconfirmed` are the requests without answers that
    /// were written since the last answer, in order. `was_idle`: no request was in flight and none was unconfirmed, so
    /// nobody has lost anything.
    Ended { peer: Peer, lane: Lane, closed: Arc<Closed>, unconfirmed: Vec<Token>, was_idle: bool },
    /// The release of a broker, after [`Links::probe`](super::Links::probe).
    Probed { peer: Peer, release: Release },
}

/// Why a request has ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) error: RequestError,
    pub(crate) progress: Progress,
    /// What the system has said of the failure of the connection, if it was one.
    pub(crate) said: Option<Arc<str>>,
}

impl Loss {
    /// The reason for users. `peer` is the address of the broker that had the request.
    pub(crate) fn cause(&self, peer: HostPort) -> Cause {
        let Self { error, progress, said } = self.clone();
        Cause::Request { peer, error: Box::new(error), progress, said }
    }
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Connect { link: LinkId, to: HostPort, within: Duration },
    Drop(LinkId),
    Write(LinkId),
}
