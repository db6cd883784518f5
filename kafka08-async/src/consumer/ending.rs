//! Closing.

use std::future::poll_fn;

use super::{Consumer, shared::Shared};

impl<Rt> Consumer<Rt> {
    /// Ends everything at once, for all handles, and waits until all connections are closed. Commits that have not ended fail,
    /// though their offsets may have been stored: wait for them first.
    ///
    /// # Cancel safety
    /// The consumer closes even if this future is dropped after it was polled.
    pub async fn close(&self) {
        let shared = &**self.shared();
        let watcher = shared.command(|desk, news| {
            desk.abandon();
            news.call();
            desk.watch()
        });
        let watching = Watching { shared, watcher };
        poll_fn(|cx| shared.command(|desk, news| desk.poll_end(watching.watcher, cx, news))).await;
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
