//! How requests and connections end, and why something was refused: plain values with a text. Nothing here acts.

mod close_reason;
mod match_error;
mod prepare_error;
mod progress;
mod redeem_error;
mod request_error;
mod respond_error;
mod send_error;
mod server_close_reason;
mod unconfirmed;

pub use close_reason::{CloseReason, Closed, Heard};
pub use match_error::MatchError;
pub use prepare_error::PrepareError;
pub(crate) use progress::PROBE_IT;
pub use progress::Progress;
pub use redeem_error::RedeemError;
pub use request_error::RequestError;
pub use respond_error::RespondError;
pub use send_error::SendError;
pub use server_close_reason::ServerCloseReason;
pub use unconfirmed::Unconfirmed;
