//! Flushing and closing.

use std::{future::poll_fn, time::Duration};

use super::{
    Producer, Undelivered,
    shared::{Flush, Shared},
};
use crate::{Runtime, sharing::deadline};

impl<Rt: Runtime> Producer<Rt> {
    /// Sends all open batches now, and waits until every record that was appended before has ended. Records that wait for
    /// room or for a topic are not appended yet.
    ///
    /// It ends within [`ProducerConfig::with_delivery_timeout`] and the time of one request. With acks 0, it also asks the
    /// brokers whether they have received everything.
    ///
    /// # Errors
    /// Records have failed since the last flush, or are unconfirmed. The error counts them.
    ///
    /// # Cancel safety
    /// Dropping this future changes nothing. The next flush counts the failures.
    ///
    /// [`ProducerConfig::with_delivery_timeout`]: kafka08_client::config::ProducerConfig::with_delivery_timeout
    pub async fn flush(&self) -> Result<(), Undelivered> {
        let shared = &**self.shared();
        // The guard exists before the first wait, so that a future that is dropped leaves no entry behind.
        let flushing = Flushing { shared, flush: shared.command(|desk, news| desk.begin_flush(news)) };
        poll_fn(|cx| shared.command(|desk, news| desk.poll_flush(flushing.flush, cx, news))).await
    }

    /// Takes no more records, sends what was appended, and waits until everything has ended and all connections are
    /// closed, for all handles. What has not ended when `within` is over ends as
    /// [`ProduceCause::Aborted`](kafka08_client::producer::ProduceCause::Aborted). A second call can only shorten the time.
    ///
    /// # Errors
    /// Records have failed since the last flush, or are unconfirmed. The error counts them.
    ///
    /// # Cancel safety
    /// The producer closes even if this future is dropped after it was polled. The next call counts the failures.
    pub async fn close(&self, within: Duration) -> Result<(), Undelivered> {
        let shared = &**self.shared();
        let now = Rt::now();
        let watcher = shared.command(|desk, news| {
            // If the task ends before this caller is polled, `poll_end` finds that it is gone.
            desk.close(deadline(now, within), news);
            desk.watch()
        });
        let watching = Watching { shared, watcher };
        poll_fn(|cx| shared.command(|desk, news| desk.poll_end(watching.watcher, cx, news))).await
    }
}

/// A flush. Dropping it forgets it.
struct Flushing<'a> {
    shared: &'a Shared,
    flush: Flush,
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.shared.command(|desk, news| desk.forget_flush(self.flush, news));
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
