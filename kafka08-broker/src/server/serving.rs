//! The turns of a driver: accepting, moving bytes, and having the cluster serve. How it waits is left to the runtime.
//!
//! A turn has a fixed order: accept, read what was announced, serve, store, write. Storing comes before writing, so that an
//! answer never tells a client of a message that a crash of the process could still lose. Each step is bounded, and a turn
//! that leaves work asks for another one at once.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use kafka08_proto::{
    Connection as _, Disconnect,
    ids::{ConnectionId, NodeId},
};
use socket2::SockRef;

use super::{
    Shared,
    net::{Net, Peer, Readiness},
    now,
    ports::KeptPort,
    sockets::{Socket, Sockets},
    stored::Stored,
};
use crate::{Cluster, ClusterEvent, Now, Turn};

/// How many connections are accepted in one turn.
const ACCEPTS: usize = 64;
/// After what time a listener is tried again: the system has no descriptors left, or its port is still taken.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// The state of a driver.
pub(crate) struct Serving<N: Net> {
    net: N,
    /// Where each broker listens. A broker that starts again has the port of before.
    addresses: BTreeMap<NodeId, SocketAddr>,
    /// The ports that are open, or will be. A broker that is down has none.
    listeners: BTreeMap<NodeId, Listening<N::Listener>>,
    /// The ports of the brokers that are down.
    kept: BTreeMap<NodeId, KeptPort>,
    sockets: Sockets<N::Stream>,
    /// The connections whose sockets can be read or written since the last turn.
    touched: Vec<ConnectionId>,
    /// When the next turn is due if nothing is announced before. A command that changes it wakes the driver.
    wakes_at: Option<Instant>,
    stored: Option<Stored>,
}

/// A port of a broker.
enum Listening<L> {
    /// Connections may be waiting.
    Waiting(L),
    /// No connection waits; the runtime announces one.
    Drained(L),
    /// Accepting failed. It is tried again at this time.
    Failed(L, Instant),
    /// The port could not be bound again. It is tried again at this time.
    Unbound(Instant),
}

impl<N: Net> Serving<N> {
    pub(crate) fn new(
        mut net: N,
        listeners: BTreeMap<NodeId, TcpListener>,
        stored: Option<Stored>,
    ) -> io::Result<Self> {
        let mut addresses = BTreeMap::new();
        let mut taken = BTreeMap::new();
        for (node, listener) in listeners {
            addresses.insert(node, listener.local_addr()?);
            taken.insert(node, Listening::Waiting(net.listen(node, listener)?));
        }
        Ok(Self {
            net,
            addresses,
            listeners: taken,
            kept: BTreeMap::new(),
            sockets: HashMap::new(),
            touched: Vec::new(),
            // The first turn is due at once: connections may have arrived since the ports were bound.
            wakes_at: Some(Instant::now()),
            stored,
        })
    }

    /// The sockets of the runtime.
    pub(crate) fn net(&self) -> &N {
        &self.net
    }

    /// When to take the next turn if nothing is announced before. A time that has passed if there is more to do at once.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.wakes_at
    }

    /// Notes that connections wait at the port of a broker.
    pub(crate) fn note_listener(&mut self, node: NodeId) {
        if let Some((node, listening)) = self.listeners.remove_entry(&node) {
            let next = match listening {
                Listening::Drained(listener) => Listening::Waiting(listener),
                other => other,
            };
            self.listeners.insert(node, next);
        }
    }

    /// Notes what was announced of the socket of a connection.
    pub(crate) fn note_socket(&mut self, id: ConnectionId, readiness: Readiness) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.note(readiness);
            self.touched.push(id);
        }
    }

    /// Does a bounded amount of work: accepts, moves what can be moved, and has the cluster serve.
    pub(crate) fn turn(&mut self, shared: &Shared) -> Turn {
        let mut cluster = shared.lock();
        // Read once, after the lock: a command may have held it for long, and all of a turn happens at one time.
        let now = now();
        // A command between two turns may have changed something and given answers, which are written below.
        self.store(shared, &mut cluster, now);
        let has_more = self.accept_all(&mut cluster, now);
        self.move_touched(&mut cluster, now);
        let mut turn = cluster.turn(now);
        // What a request has changed is stored before its answer is written.
        let stores_at = self.store(shared, &mut cluster, now);
        if self.move_ready(&mut cluster, now) || has_more {
            turn = Turn::More;
        }
        if self.follow_events(&mut cluster, now) {
            turn = Turn::More;
        }
        self.wakes_at = match turn {
            Turn::More => Some(now.instant),
            Turn::Idle => self.tries().chain(cluster.poll_timeout()).chain(stores_at).min(),
        };
        shared.count_turn();
        drop(cluster);
        shared.note_changed();
        turn
    }

    /// Stores what has changed. Returns when to store again. If that fails, every broker stops, as a real one does when its disk
    /// fails.
    fn store(&mut self, shared: &Shared, cluster: &mut Cluster, now: Now) -> Option<Instant> {
        match self.stored.as_mut()?.follow(cluster) {
            Ok(again) => again,
            Err(error) => {
                shared.fail(error.to_string());
                let nodes: Vec<NodeId> = self.addresses.keys().copied().collect();
                nodes.into_iter().for_each(|node| cluster.kill(node, now));
                None
            }
        }
    }

    /// Ends the driver in good order: stores everything.
    pub(crate) fn close(&mut self, shared: &Shared) {
        let Some(stored) = self.stored.take() else { return };
        if let Err(error) = stored.close(&mut shared.lock()) {
            shared.fail(error.to_string());
        }
    }

    /// When listeners are tried again.
    fn tries(&self) -> impl Iterator<Item = Instant> {
        self.listeners.values().filter_map(|listening| match listening {
            Listening::Failed(_, at) | Listening::Unbound(at) => Some(*at),
            Listening::Waiting(_) | Listening::Drained(_) => None,
        })
    }

    /// Accepts connections that wait. Returns whether more may be waiting.
    fn accept_all(&mut self, cluster: &mut Cluster, now: Now) -> bool {
        let mut more = false;
        let nodes: Vec<NodeId> = self.listeners.keys().copied().collect();
        for node in nodes {
            // Taken out, because accepting needs the driver as a whole.
            let Some(listening) = self.listeners.remove(&node) else { continue };
            let next = match listening {
                Listening::Waiting(listener) => self.accept(cluster, node, listener, now),
                Listening::Failed(listener, at) if at <= now.instant => self.accept(cluster, node, listener, now),
                Listening::Unbound(at) if at <= now.instant => self.bind(node, now),
                other => other,
            };
            more |= matches!(next, Listening::Waiting(_));
            self.listeners.insert(node, next);
        }
        more
    }

    fn accept(
        &mut self,
        cluster: &mut Cluster,
        node: NodeId,
        listener: N::Listener,
        now: Now,
    ) -> Listening<N::Listener> {
        for _ in 0..ACCEPTS {
            match self.net.accept(&listener) {
                Ok((accepted, peer)) => {
                    // A connection that is one too many is closed at once, as in 0.8.2.
                    if let Ok(id) = cluster.connect(now, node, Some(peer)) {
                        match self.net.open(id, accepted) {
                            Ok(stream) => {
                                self.sockets.insert(id, Socket::new(stream));
                                self.touched.push(id);
                            }
                            // The runtime cannot take the socket. Its connection would stay in the table for ever.
                            Err(_) => cluster.drop_link(id),
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Listening::Drained(listener),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The client has gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // No descriptors or no memory are left. The connection stays in the queue of the system.
                Err(_) => return Listening::Failed(listener, later(now)),
            }
        }
        Listening::Waiting(listener)
    }

    /// Moves the bytes of the connections that were announced.
    fn move_touched(&mut self, cluster: &mut Cluster, now: Now) {
        for id in std::mem::take(&mut self.touched) {
            self.move_bytes(cluster, id, now);
        }
    }

    /// Moves the bytes of the connections that the cluster names. Returns whether anything moved.
    fn move_ready(&mut self, cluster: &mut Cluster, now: Now) -> bool {
        let mut moved = false;
        while let Some(id) = cluster.poll_ready() {
            moved |= self.move_bytes(cluster, id, now);
        }
        moved
    }

    fn move_bytes(&mut self, cluster: &mut Cluster, id: ConnectionId, now: Now) -> bool {
        let Some(socket) = self.sockets.get_mut(&id) else { return false };
        let Some(link) = cluster.link(id) else {
            let resets = cluster.take_reset(id);
            if let Some(socket) = self.sockets.remove(&id).filter(|_| resets) {
                // If this fails the connection ends as usual, which is all that can be done then.
                let _ = SockRef::from(&socket.stream).set_linger(Some(Duration::ZERO));
            }
            // Dropping the socket closes it, and the runtime forgets it.
            return false;
        };
        let mut moved = socket.pump(link, now.instant);
        // While a request waits nothing is read, so that the end of the connection would go unnoticed.
        if !moved && !link.wants_read() && !link.is_over() {
            match socket.peer() {
                Peer::Open => {}
                Peer::HalfClosed => cluster.handle_hang_up(id),
                Peer::Broken if link.is_lost() => {}
                Peer::Broken => {
                    link.handle_disconnect(Disconnect::Error(io::ErrorKind::ConnectionReset));
                    moved = true;
                }
            }
        }
        // Only then: a call for each look would queue the connection again, and the driver would never rest.
        if moved {
            cluster.handle_io(now, id);
        }
        moved
    }

    /// Opens and closes ports, as brokers start and stop. Returns whether a port was opened: only a listener that has been
    /// asked in vain is announced.
    fn follow_events(&mut self, cluster: &mut Cluster, now: Now) -> bool {
        let mut has_opened = false;
        while let Some(event) = cluster.poll_event() {
            match event {
                ClusterEvent::Listen(node) if !self.listeners.contains_key(&node) => {
                    let listening = self.bind(node, now);
                    has_opened |= matches!(listening, Listening::Waiting(_));
                    self.listeners.insert(node, listening);
                }
                ClusterEvent::Listen(_) => {}
                ClusterEvent::Unlisten(node) => self.unlisten(node),
            }
        }
        has_opened
    }

    /// Closes the port of a broker and keeps it.
    fn unlisten(&mut self, node: NodeId) {
        drop(self.listeners.remove(&node));
        // If this fails the port is free, and is bound again when the broker starts.
        if let Some(kept) = self.addresses.get(&node).and_then(|address| KeptPort::new(*address).ok()) {
            self.kept.insert(node, kept);
        }
    }

    /// Opens the port of a broker again.
    fn bind(&mut self, node: NodeId, now: Now) -> Listening<N::Listener> {
        let Some(address) = self.addresses.get(&node) else { return Listening::Unbound(later(now)) };
        let listener = self.kept.remove(&node).map_or_else(|| TcpListener::bind(*address), KeptPort::listen);
        let listener = listener.and_then(|listener| {
            listener.set_nonblocking(true)?;
            self.net.listen(node, listener)
        });
        listener.map_or_else(|_| Listening::Unbound(later(now)), Listening::Waiting)
    }
}

/// When a listener is tried again.
fn later(now: Now) -> Instant {
    now.instant.checked_add(TRY_AGAIN).unwrap_or(now.instant)
}
