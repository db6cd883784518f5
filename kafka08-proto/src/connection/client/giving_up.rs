//! Commands: how requests are given up, and connections ended.

use super::{Cancelled, ClientConnection};
use crate::{connection::CloseReason, ids::CorrelationId};

impl ClientConnection {
    /// Gives up the response to a request, also if its event waits to be taken: no event will name the request. It is still
    /// written, unless its deadline passes before.
    pub fn forget(&mut self, id: CorrelationId) {
        self.note_written();
        // The request may have ended already, with an event that nobody has taken: then it is that event which is given up.
        if !self.ledger.forget(id) {
            self.events.remove(id);
        }
        self.end_if_hopeless();
    }

    /// Withdraws a request if no byte of it was taken or offered. Otherwise gives up its response. If the request has ended
    /// already, nothing changes, and its event is still to be taken.
    pub fn cancel(&mut self, id: CorrelationId) -> Cancelled {
        self.note_written();
        // By now the ledger knows what the transport has taken: a frame that was touched is not withdrawn.
        let cancelled = self.ledger.cancel(id, &mut self.queue);
        self.end_if_hopeless();
        cancelled
    }

    /// Whether [`ClientConnection::cancel`] would withdraw a request now: it was sent on this connection and has not ended,
    /// and no byte of it was taken or offered.
    #[must_use]
    pub fn is_untouched(&self, id: CorrelationId) -> bool {
        self.ledger.is_untouched(id, &self.queue)
    }

    /// Ends the connection at once. Requests that have not ended fail, and bytes that were not written are dropped. To let
    /// them be written first, wait until [`wants_write`](crate::Connection::wants_write) is false.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    /// Ends the connection as [`ClientConnection::close`] does, with another reason: the task or thread that owned the transport
    /// has ended. For drivers.
    pub fn abandon(&mut self) {
        self.end(CloseReason::Abandoned);
    }
}
