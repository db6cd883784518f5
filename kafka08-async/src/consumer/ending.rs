//! Closing.

use std::{future::poll_fn, time::Duration};

use super::{CommitError, Consumer, shared::Shared};
use crate::{Runtime, sharing::deadline};

impl<Rt: Runtime> Consumer<Rt> {
    /// Reads no more, for all handles, waits for the commits that were asked for, and ends when all connections are closed. With
    /// [`ConsumerConfig::with_interval_commit`](kafka08_client::config::ConsumerConfig::with_interval_commit), what has passed is
    /// committed a last time. Commits that have not ended when `within` is over fail, though their offsets may have been stored. A
    /// second call can only shorten the time.
    ///
    /// # Errors
    /// The last commit has not stored some offsets, or perhaps not. Commits that callers wait for tell their own failures.
    ///
    /// # Cancel safety
    /// The consumer closes even if this future is dropped after it was polled.
    pub async fn close(&self, within: Duration) -> Result<(), CommitError> {
        let shared = &**self.shared();
        let now = Rt::now();
        let watcher = shared.command(|desk, news| {
            desk.close(Some(deadline(now, within)));
            news.call();
            desk.watch()
        });
        let watching = Watching { shared, watcher };
        poll_fn(|cx| shared.command(|desk, news| desk.poll_end(watching.watcher, cx, news))).await
    }
}

/// A wait for the end.
struct Watching<'a> {
    shared: &'a Shared,
    watcher: u64,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.shared.command(|desk, news| desk.unwatch(self.watcher, news));
    }
}
