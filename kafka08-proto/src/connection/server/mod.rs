//! The server's end. Each file may use those above it:
//!
//! | file | what it owns |
//! |---|---|
//! | `config`, `life`, `call` | plain values |
//! | `state` | [`ServerConnection`]: the calls that are open, the decoder and the send queue |
//! | `answering`, `stream` | commands that answer, the [`Connection`](crate::Connection) |

mod answering;
mod call;
mod config;
mod life;
mod state;
mod stream;

pub use config::ServerConfig;
pub use state::ServerConnection;
