//! One byte stream, seen from either end of it.
//!
//! [`ClientConnection`] and [`ServerConnection`] own what a connection must remember and nothing else: bytes that are not cut
//! into frames yet, frames that are not written yet, requests that are not answered yet. They know neither sockets nor clocks.
//! A driver moves their bytes by the [`Connection`] trait.

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
