//! The client's end. Each file may use those above it:
//!
//! | file | what it owns |
//! |---|---|
//! | `config`, `cancelled`, `life` | plain values |
//! | `entry`, `deadlines`, `events` | one request; when requests time out; events that wait to be taken |
//! | `ledger` | the requests that have not ended |
//! | `state` | [`ClientConnection`]: all of the above, the decoder and the send queue |
//! | `ending` | how a connection ends, and its requests with it |
//! | `sending`, `giving_up`, `stream` | commands that stage, commands that take back, the [`Connection`](crate::Connection) |

mod cancelled;
mod config;
mod deadlines;
mod ending;
mod entry;
mod events;
mod giving_up;
mod ledger;
mod life;
mod sending;
mod state;
mod stream;

pub use cancelled::Cancelled;
pub use config::ClientConfig;
pub use state::{ClientConnection, ClientStats, StagedTo};

#[cfg(test)]
mod tests;
