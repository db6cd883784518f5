//! One connection, as a state machine for each of its ends.
//!
//! [`ClientConnection`] and [`ServerConnection`] keep what a connection must remember: bytes that are not cut into frames yet,
//! frames that are not written yet, requests that are not answered yet. They know neither sockets nor clocks. A *driver*
//! moves their bytes through the [`Connection`] trait.
//!
//! # Terms
//!
//! | term | meaning |
//! |---|---|
//! | driver | the code that moves bytes between a socket and a connection |
//! | staged | encoded and waiting in the [`SendQueue`](crate::frame::SendQueue) to be written |
//! | taken | written: the transport has reported that it took the bytes |
//! | offered | given to a stream that may keep bytes without reporting them as taken, such as a TLS layer |
//! | touched | said of a request of which at least one byte was taken or offered, and the last byte was not taken |
//! | torn frame | a frame of which a part was written, and the rest never will be |
//! | in flight | staged or written, and not ended |
//! | ticket | the typed claim to a response, which decodes it |
//! | call | a request on a server's connection, until its response is written |
//! | withdrawn | taken back before the transport saw a byte of it; the broker never sees the request |
//! | tombstone | what stays of a request that has timed out or was given up after it was written: its response is still due, and is dropped when it arrives |
//! | live | said of a request that has not ended and that no tombstone stands for |
//! | [`Fate`] | whether the broker may have acted on a request that failed |

mod client;
mod endpoint;
mod errors;
mod event;
mod pair;
mod prepared;
mod rest;
mod server;
mod ticket;

pub use client::{Cancelled, ClientConfig, ClientConnection, ClientStats, StagedTo};
pub use endpoint::{Connection, Disconnect};
pub(crate) use errors::PROBE_IT;
pub use errors::{
    CloseReason, Closed, Heard, MatchError, PrepareError, Progress, RedeemError, RequestError, RespondError, SendError,
    ServerCloseReason, Unconfirmed,
};
pub use event::{CallId, ClientEvent, RequestFrame, ResponseFrame, ServerEvent};
pub use pair::Pair;
pub use prepared::Prepared;
pub use server::{ServerConfig, ServerConnection};
pub use ticket::Ticket;

pub use crate::{api::Reply, fate::Fate};
