//! How far a connection has come in its life.

use std::io;

use crate::connection::{Closed, Disconnect};

/// The states of a client's connection. It only ever moves on to a later one.
#[derive(Debug)]
pub(super) enum Life {
    /// Requests are sent and answers read.
    Open,
    /// Writing has failed: nothing is sent any more, and answers are still read for as long as any are owed.
    WriteFailed(io::ErrorKind),
    /// The transport has ended: nothing is read any more, and frames that are here still come out.
    Disconnected(Disconnect),
    /// The connection is over: only events are left.
    Closed(Box<Closed>),
}

impl Life {
    /// Whether requests are sent.
    pub(super) fn can_send(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether bytes of the peer are taken.
    pub(super) fn can_read(&self) -> bool {
        matches!(self, Self::Open | Self::WriteFailed(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The transport has ended. Returns the state that follows.
    pub(super) fn disconnected(self, how: Disconnect) -> Self {
        match self {
            Self::Open => Self::Disconnected(how),
            // That failure is why the transport has ended.
            Self::WriteFailed(kind) => Self::Disconnected(Disconnect::Error(kind)),
            Self::Disconnected(_) | Self::Closed(_) => self,
        }
    }
}
