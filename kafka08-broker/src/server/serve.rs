//! The server's loop.

use std::{
    collections::BTreeMap,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use kafka08_blocking::Driver;
use kafka08_proto::{Connection as _, ServerConfig, ServerConnection, ServerEvent, ids::Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Action, Broker, BrokerConfig, ConnectionId, Now};

/// The thread's state.
pub(super) struct Serving {
    /// The state machine that answers.
    broker: Broker,
    config: BrokerConfig,
    /// Accepts new connections.
    listener: TcpListener,
    /// Becomes readable when the server must stop.
    stopped: UnixStream,
    /// The connected clients.
    connections: BTreeMap<ConnectionId, Peer>,
    /// The id of the next connection.
    next: u64,
}

/// A connected client.
struct Peer {
    /// Moves bytes between the socket and the connection.
    driver: Driver<TcpStream>,
    /// Decodes the bytes into requests.
    connection: ServerConnection,
}

impl Serving {
    pub(super) fn new(broker: Broker, config: BrokerConfig, listener: TcpListener, stopped: UnixStream) -> Self {
        Self { broker, config, listener, stopped, connections: BTreeMap::new(), next: 0 }
    }

    /// Serves until the server must stop.
    pub(super) fn run(&mut self) {
        while !self.wait() {
            self.accept();
            // Bytes are moved before timeouts are handled, so that a request that has arrived is served, and one that
            // is complete does not count as too slow.
            self.pump();
            let now = Instant::now();
            self.broker.handle_timeout(now);
            for peer in self.connections.values_mut() {
                peer.connection.handle_timeout(now);
            }
            // The timeouts above may have answered fetches. Their responses are written before the next wait.
            self.pump();
        }
    }

    /// Waits until a socket is ready or a deadline has passed. Returns whether the server must stop.
    fn wait(&self) -> bool {
        let mut polled = vec![PollFd::new(&self.stopped, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
        for peer in self.connections.values() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, peer.connection.wants_read());
            flags.set(PollFlags::OUT, peer.driver.wants_write(&peer.connection));
            // A connection that wants nothing waits for its response and is not polled. Otherwise a reset of it would
            // end each wait.
            if !flags.is_empty() {
                polled.push(PollFd::new(peer.driver.stream(), flags));
            }
        }
        let deadlines = self.connections.values().filter_map(|peer| peer.connection.poll_timeout());
        let deadline = deadlines.chain(self.broker.poll_timeout()).min();
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // Only an interruption makes this call fail, and the loop calls it again.
        let _ = poll(&mut polled, timeout.as_ref());
        polled.first().is_some_and(|stopped| !stopped.revents().is_empty())
    }

    /// Accepts all waiting connections.
    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            // A connection that cannot be set up, or that is one too many, is closed at once, as in 0.8.2.
            let is_set_up = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_ok();
            if is_set_up && self.connections.len() < self.config.max_connections {
                let config = ServerConfig::default()
                    .with_max_frame(self.config.max_frame)
                    .with_frame_timeout(self.config.frame_timeout);
                let id = ConnectionId(self.next);
                let peer = Peer { driver: Driver::of_socket(stream), connection: ServerConnection::new(config, id) };
                self.connections.insert(id, peer);
                self.next += 1;
            }
        }
    }

    /// Moves bytes, requests and responses until nothing moves.
    fn pump(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            let now = now();
            let mut closed = Vec::new();
            for (&id, peer) in &mut self.connections {
                moved |= peer.driver.pump(now.instant, &mut peer.connection);
                while let Some(event) = peer.connection.poll_event() {
                    moved = true;
                    match event {
                        ServerEvent::Request(request) => self.broker.handle_request(now, id, &request),
                        ServerEvent::Closed(_) => self.broker.handle_closed(id),
                    }
                }
                // The ids are collected, because the map cannot be changed during the iteration.
                if peer.connection.is_over() {
                    closed.push(id);
                }
            }
            for id in closed {
                self.broker.handle_closed(id);
                self.connections.remove(&id);
            }
            // Responses may make room for more requests of the same connection.
            moved |= self.act();
        }
    }

    /// Executes the broker's actions. Returns whether there were any.
    fn act(&mut self) -> bool {
        let mut moved = false;
        while let Some(action) = self.broker.poll_action() {
            moved = true;
            match action {
                Action::Respond { connection, call, response } => {
                    // A response that cannot be encoded would leave a gap in the order of responses, so the connection
                    // ends.
                    if let Some(peer) = self.connections.get_mut(&connection)
                        && peer.connection.respond(call, &response).is_err()
                    {
                        peer.connection.close();
                    }
                }
                Action::Finish { connection, call } => {
                    if let Some(peer) = self.connections.get_mut(&connection) {
                        peer.connection.finish(call);
                    }
                }
                Action::Close { connection } => {
                    if let Some(peer) = self.connections.get_mut(&connection) {
                        peer.connection.close();
                    }
                }
            }
        }
        moved
    }
}

/// Reads both clocks: one for deadlines, one for the times of logs.
fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
    Now { instant: Instant::now(), wall }
}
