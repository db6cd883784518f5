//! What became of a request that was cancelled.

/// What became of a request that was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// No byte of the request was written, and none will be. The broker never sees the request.
    Withdrawn,
    /// The request cannot be withdrawn: some or all of it was taken or offered, or there are 1,024 ranges of unconfirmed
    /// requests. What is not written yet will be, and the response will be dropped. The broker may act on the request.
    Abandoned,
    /// The request has ended already, or was never sent on this connection.
    NotOutstanding,
}
