//! Commands: how requests are given up, and connections ended.

use super::{Cancelled, ClientConnection};
use crate::{connection::CloseReason, ids::CorrelationId};

impl ClientConnection {
    /// Gives up the answer to a request: it is still written, its answer is swallowed, and no event will name it.
    pub fn forget(&mut self, id: CorrelationId) {
        self.note_written();
        // The request may have ended already, with an event that nobody has taken: then it is that event which is given up.
        if !self.ledger.forget(id) {
            self.events.remove(id);
        }
        self.end_if_hopeless();
    }

    /// Takes a request back if nothing of it was written, and forgets it otherwise.
    pub fn cancel(&mut self, id: CorrelationId) -> Cancelled {
        self.note_written();
        // By now the ledger knows what the transport has taken: a frame that was touched is not withdrawn.
        let cancelled = self.ledger.cancel(id, &mut self.queue);
        self.end_if_hopeless();
        cancelled
    }

    /// Ends the connection here and now. Requests that have not ended fail, and what was not written is dropped: for a
    /// gentle end, wait first until [`wants_write`](crate::Connection::wants_write) is false.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    /// Ends the connection because nobody is left to move its bytes: the task or thread that owned the transport is gone.
    /// Otherwise as [`ClientConnection::close`].
    pub fn abandon(&mut self) {
        self.end(CloseReason::Abandoned);
    }
}
