//! The states of a connection.

use std::io;

use crate::connection::{Closed, Disconnect};

/// A state of a client's connection. A connection only moves to later states.
#[derive(Debug)]
pub(super) enum Life {
    /// Requests are written, and responses are read.
    Open,
    /// Writing has failed. Responses are still read for as long as any are due.
    WriteFailed(io::ErrorKind),
    /// The transport has ended. Frames that were received are still given out.
    Disconnected(Disconnect),
    /// The connection has ended. Only events are left to be taken.
    Closed(Box<Closed>),
}

impl Life {
    /// Whether requests can be staged and written.
    pub(super) fn can_send(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether bytes from the peer are received.
    pub(super) fn can_read(&self) -> bool {
        matches!(self, Self::Open | Self::WriteFailed(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The state after the transport has ended.
    pub(super) fn disconnected(self, how: Disconnect) -> Self {
        match self {
            Self::Open => Self::Disconnected(how),
            // That failure is why the transport has ended.
            Self::WriteFailed(kind) => Self::Disconnected(Disconnect::Error(kind)),
            Self::Disconnected(_) | Self::Closed(_) => self,
        }
    }
}
