//! How far a connection has come in its life.

use std::io;

use crate::connection::ServerCloseReason;

/// The states of a server's connection. It only ever moves on to a later one.
#[derive(Debug)]
pub(super) enum Life {
    /// Requests are read and answers leave.
    Open,
    /// The client has closed its sending side: nothing is read any more, requests that are here in full still come out, and
    /// answers leave.
    HalfClosed,
    /// The transport has failed: requests that are here in full still come out, and answers are dropped.
    Failed(io::ErrorKind),
    /// Nothing more comes out but the end itself.
    Ending(ServerCloseReason),
    /// The end was told: only answers that were staged before still leave.
    Over,
}
