//! Connections: making them, noting what their clients do, and ending them.
//!
//! This file keeps what is counted over all connections in step: the bytes that clients have not read, the queue of those to
//! serve, and one timer for each. Every connection ends in `drop_link`, at once or after its last bytes were written.

use std::net::SocketAddr;

use kafka08_proto::{
    Connection as _, ServerConfig, ServerConnection, ServerEvent,
    connection::ServerCloseReason,
    ids::{ConnectionId, NodeId},
};

use super::{Cluster, ClusterDue, Link, Refused};
use crate::state::{Life, Now};

impl Cluster {
    /// Notes that a client has connected to a broker.
    ///
    /// # Errors
    /// The broker does not run, or has too many connections. Close the socket.
    pub fn connect(&mut self, now: Now, node: NodeId, peer: Option<SocketAddr>) -> Result<ConnectionId, Refused> {
        if self.state.nodes.get(&node).is_none_or(|node| node.life == Life::Down) {
            return Err(Refused::NotRunning(node));
        }
        let limit = self.state.config.max_connections;
        let is_full = self.links_of.get(&node).copied().unwrap_or(0) >= limit;
        // A client that has closed its side and waits for an answer has gone in most cases. It must not keep out one that is
        // there.
        if is_full && !self.end_one_hung_up(node) {
            self.limits.connections += 1;
            return Err(Refused::TooManyConnections { node, limit });
        }
        let id = ConnectionId(self.next_connection);
        // Ids are not used again, so that a late event of a socket cannot reach another connection.
        self.next_connection += 1;
        let config = ServerConfig::default()
            .with_max_frame(self.state.config.max_frame)
            .with_frame_timeout(self.state.config.frame_timeout);
        *self.links_of.entry(node).or_default() += 1;
        self.links.insert(id, Link::new(ServerConnection::new(config, id), node, peer, now.instant));
        self.set_timer(id);
        Ok(id)
    }

    /// A connection, to move its bytes. `None` if it has ended: close its socket.
    pub fn link(&mut self, id: ConnectionId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// The open connections, in the order in which they were made.
    pub fn links(&self) -> impl Iterator<Item = (ConnectionId, &Link)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    /// Notes that bytes of a connection were moved, or that it has ended.
    pub fn handle_io(&mut self, now: Now, id: ConnectionId) {
        self.enqueue(id);
        self.note_unsent(id, now);
        // Nobody can receive the answer of a request that waits on a broken connection. A connection that is not read any more is
        // not served either, so that nothing else would remove it before it has been idle for too long.
        let waits = |link: &Link| link.open.as_ref().is_some_and(|open| open.wait.is_some());
        if self.links.get(&id).is_some_and(|link| link.is_broken && (link.is_deaf || waits(link))) {
            self.drop_link(id);
        }
        self.set_timer(id);
    }

    /// Notes that the client has closed its side while nothing is read from it, because a request waits. The request goes on to
    /// wait, as in a real broker: the client may still read. But most such clients have gone, so their connections are the first
    /// to end when there are too many.
    pub fn handle_hang_up(&mut self, id: ConnectionId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.has_eof = true;
        }
    }

    /// Ends a connection of a broker whose client has closed its side and waits for an answer. Returns whether there was one.
    fn end_one_hung_up(&mut self, node: NodeId) -> bool {
        let is_hung_up = |link: &Link| link.node == node && link.has_eof && link.open.is_some();
        let found = self.links.iter().find(|(_, link)| is_hung_up(link)).map(|(id, _)| *id);
        found.inspect(|id| self.drop_link(*id)).is_some()
    }

    /// Puts a connection into the queue of those that may have a request.
    pub(super) fn enqueue(&mut self, id: ConnectionId) {
        if let Some(link) = self.links.get_mut(&id)
            && !std::mem::replace(&mut link.is_queued, true)
        {
            self.queue.push_back(id);
        }
    }

    /// Returns the next connection that the driver must look at: it has bytes to write, reads again, or has ended. `None` if
    /// there is no other.
    pub fn poll_ready(&mut self) -> Option<ConnectionId> {
        let id = self.ready.pop_front()?;
        if let Some(link) = self.links.get_mut(&id) {
            link.is_ready = false;
        }
        Some(id)
    }

    /// Has the driver look at a connection.
    pub(super) fn make_ready(&mut self, id: ConnectionId) {
        if let Some(link) = self.links.get_mut(&id)
            && !std::mem::replace(&mut link.is_ready, true)
        {
            self.ready.push_back(id);
        }
    }

    /// Notes how many bytes of answers a client has not taken, and closes the worst connection if all together are too many.
    pub(super) fn note_unsent(&mut self, id: ConnectionId, now: Now) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (before, after) = link.note_unsent(now.instant);
        self.unsent = (self.unsent + after).saturating_sub(before);
        while self.unsent > self.state.config.max_unsent {
            // The search looks at every connection. It runs only above the limit, and each round frees the largest of them.
            let Some((worst, link)) = self.links.iter().max_by_key(|(_, link)| link.unsent) else { return };
            if link.unsent == 0 {
                return;
            }
            let worst = *worst;
            self.limits.unsent += 1;
            self.drop_link(worst);
        }
    }

    /// Sets the timer of a connection for its next deadline. A timer that fires too early is set again.
    pub(super) fn set_timer(&mut self, id: ConnectionId) {
        let (write, idle) = (self.state.config.write_timeout, self.state.config.idle_timeout);
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(deadline) = link.deadline(write, idle) else { return };
        // A deadline moves with every byte. Setting the timer anew each time would cost more than letting it fire early now
        // and then.
        if link.timer.is_some_and(|(at, _)| at <= deadline) {
            return;
        }
        if let Some((_, key)) = link.timer.take() {
            self.timers.cancel(key);
        }
        link.timer = Some((deadline, self.timers.add(deadline, ClusterDue::Link(id))));
    }

    /// Ends a connection whose client was idle or slow for too long.
    pub(super) fn check_deadline(&mut self, id: ConnectionId, now: Now) {
        let (write, idle) = (self.state.config.write_timeout, self.state.config.idle_timeout);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.timer = None;
        if link.deadline(write, idle).is_some_and(|deadline| deadline <= now.instant) {
            // A request that arrives too slowly ends the connection from within.
            if link.connection.poll_timeout().is_some_and(|deadline| deadline <= now.instant) {
                link.connection.handle_timeout(now.instant);
                self.enqueue(id);
            } else if link.unsent > 0 {
                self.limits.slow += 1;
                self.drop_link(id);
            } else {
                // Nothing is left to be written. A connection that stayed in the table would be idle again at once, for ever.
                self.limits.idle += 1;
                self.drop_link(id);
            }
        }
        self.set_timer(id);
    }

    /// Closes a connection, after the answers that were given before have been written.
    pub(super) fn close(&mut self, id: ConnectionId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.connection.close();
            self.enqueue(id);
            self.make_ready(id);
        }
    }

    /// Notes that a connection reads no more requests.
    pub(super) fn note_closed(&mut self, id: ConnectionId, reason: &ServerCloseReason) {
        match reason {
            ServerCloseReason::Frame(_) | ServerCloseReason::Header(_) => self.limits.malformed += 1,
            ServerCloseReason::SlowRequest { .. } => self.limits.slow += 1,
            _ => {}
        }
        self.forget_call(id);
        self.make_ready(id);
    }

    /// Forgets what a connection waits for.
    fn forget_call(&mut self, id: ConnectionId) {
        let open = self.links.get_mut(&id).and_then(|link| link.open.take());
        if let Some(open) = open {
            self.history.closed(open.number);
            if let Some(wait) = open.wait {
                self.stop_waiting(wait);
            }
        }
    }

    /// Removes a connection if everything was written to it.
    pub(super) fn remove_if_over(&mut self, id: ConnectionId) {
        if self.links.get(&id).is_some_and(|link| link.connection.is_over()) {
            self.drop_link(id);
        }
    }

    /// Ends a connection at once. What was not written is lost.
    pub(crate) fn drop_link(&mut self, id: ConnectionId) {
        self.forget_call(id);
        if let Some(link) = self.links.remove(&id) {
            if let Some(count) = self.links_of.get_mut(&link.node) {
                *count = count.saturating_sub(1);
            }
            // `link.unsent` is what this connection last added to the sum, whatever its queue holds now.
            self.unsent = self.unsent.saturating_sub(link.unsent);
            if let Some((_, key)) = link.timer {
                self.timers.cancel(key);
            }
            // The driver finds no link, and closes the socket.
            if !link.is_ready {
                self.ready.push_back(id);
            }
        }
    }

    /// Closes all connections of a broker. Those with answers that are not written stay until they are.
    pub(super) fn close_links_of(&mut self, node: NodeId) {
        let ids: Vec<ConnectionId> =
            self.links.iter().filter(|(_, link)| link.node == node).map(|(id, _)| *id).collect();
        for id in ids {
            self.close(id);
            // The broker serves no more, so the end is taken here.
            while let Some(event) = self.links.get_mut(&id).and_then(|link| link.connection.poll_event()) {
                if let ServerEvent::Closed(reason) = event {
                    self.note_closed(id, &reason);
                }
            }
            self.remove_if_over(id);
        }
    }

    /// Ends all connections of a broker.
    pub(super) fn drop_links_of(&mut self, node: NodeId) {
        let ids: Vec<ConnectionId> =
            self.links.iter().filter(|(_, link)| link.node == node).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.drop_link(id));
    }
}
