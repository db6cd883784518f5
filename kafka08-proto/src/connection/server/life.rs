//! The states of a connection.

use std::io;

use crate::connection::ServerCloseReason;

/// A state of a server's connection. A connection only moves to later states.
#[derive(Debug)]
pub(super) enum Life {
    /// Requests are read, and responses are written.
    Open,
    /// The client has closed its sending side. Nothing is read any more. Requests that were received completely are still
    /// given out, and responses are written.
    HalfClosed,
    /// The transport has failed. Requests that were received completely are still given out, and responses are dropped.
    Failed(io::ErrorKind),
    /// The event that tells the end is the only one left.
    Ending(ServerCloseReason),
    /// The event was taken. Responses that were staged before are still written.
    Over,
}
