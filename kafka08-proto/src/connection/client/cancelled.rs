//! What became of a request that was cancelled.

/// What became of a request that was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// No byte of the request was written, and none will be. The broker never sees the request.
    Withdrawn,
    /// A part of the request was written. The rest will be written too, and the response will be dropped. The broker may act
    /// on the request.
    Abandoned,
    /// The request has ended already, or was never sent on this connection.
    NotOutstanding,
}
