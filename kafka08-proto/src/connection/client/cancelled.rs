//! What became of a request that was cancelled.

/// What became of a request that was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// Nothing of it was written, and nothing will be: the broker never sees it.
    Withdrawn,
    /// Some of it was written. The rest will be, and its answer is swallowed: the broker may act on it.
    Abandoned,
    /// It has ended already, or was never sent here.
    NotOutstanding,
}
