//! How flushes and the connection end.

use kafka08_proto::{
    adapter::{CloseReport, FlushError},
    connection::Closed,
};

use super::{
    Client,
    pending::{End, Flush},
    shared::Phase,
};
use crate::Runtime;

impl<Rt: Runtime> Client<Rt> {
    /// Waits until the transport has taken all bytes that were staged before. This does not mean that the broker has
    /// acted on them.
    ///
    /// It waits for at most [`ClientConfig::with_request_timeout`]. It does not wait for later requests, for requests
    /// that wait for room, or for responses.
    ///
    /// # Errors
    /// Requests that nobody waits for have failed since the last flush; the error lists all of them. Or the connection
    /// has ended, even if all bytes had been taken before. Or the time was over.
    ///
    /// # Cancel safety
    /// Dropping this future changes nothing. The next flush lists the failures.
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub async fn flush(&self) -> Result<(), FlushError> {
        let shared = &**self.shared();
        let number = shared.command(|state| {
            state.call_task();
            let deadline = Rt::now().checked_add(shared.config.request_timeout());
            // Later requests are not waited for. Otherwise a flush of a busy connection would never end.
            let point = state.connection.staged_to();
            // After the end of the connection, there is nothing that a flush could wait for.
            state.closed.is_none().then(|| state.flushes.push(point, deadline))
        });
        match number {
            Some(number) => Flush { shared, number: Some(number) }.await,
            None => shared.command(|state| FlushError::check(state.take_failures(), state.closed.clone())),
        }
    }

    /// Writes staged requests for at most [`ClientConfig::with_request_timeout`], and closes the connection for all
    /// handles.
    ///
    /// Requests in flight and calls that wait for room fail. The report says why the connection has ended, which may
    /// have been before this call. It lists the requests with acks = 0 that the broker may not have applied, and the
    /// requests that nobody waits for and that have failed since the last flush.
    ///
    /// # Cancel safety
    /// The connection closes even if this future is dropped after it was polled. The next call returns the failures.
    ///
    /// [`ClientConfig::with_request_timeout`]: kafka08_proto::ClientConfig::with_request_timeout
    pub async fn close(&self) -> CloseReport {
        self.shared().command(|state| {
            state.phase = Phase::Closing;
            let limit = state.connection.config().request_timeout();
            // The first call sets the deadline. A second call must not delay it.
            state.close_by = state.close_by.or_else(|| Rt::now().checked_add(limit));
            state.call_task();
        });
        let closed = self.wait_closed().await;
        CloseReport::new(closed, self.shared().command(|state| state.take_failures()))
    }

    /// Waits until the connection has ended.
    ///
    /// # Cancel safety
    /// Dropping this future changes nothing.
    pub async fn wait_closed(&self) -> Closed {
        let number = self.shared().command(|state| state.watchers.push());
        End { shared: self.shared(), number }.await
    }
}
