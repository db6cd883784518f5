//! The sockets of a machine on mio: the four rules for drivers.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, ToSocketAddrs as _},
    time::Instant,
};

use bytes::Buf as _;
use kafka08_client::machine::{LinkId, Machine};
use kafka08_proto::{ClientConnection, Connection as _, Disconnect, HostPort, adapter::ConnectError};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

pub(super) struct Sockets {
    poll: Poll,
    events: Events,
    links: BTreeMap<LinkId, Socket>,
    /// Links that can be moved without waiting. mio tells of readiness once.
    ready: BTreeSet<LinkId>,
}

struct Socket {
    stream: io::Result<TcpStream>,
    to: HostPort,
    /// The address that is tried. `None` if the lookup has failed.
    address: Option<SocketAddr>,
    started: Instant,
    /// When connecting fails. `None` once it is connected.
    connecting_until: Option<Instant>,
}

/// The most links that are moved in one turn.
const LINKS_PER_TURN: usize = 64;

impl Sockets {
    pub(super) fn new() -> io::Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(64));
        Ok(Self { poll, events, links: BTreeMap::new(), ready: BTreeSet::new() })
    }

    /// Begins to connect. The lookup blocks: a loop that must not wait for a name server looks names up in a thread. It
    /// also tries the addresses of a name one after the other.
    pub(super) fn connect(&mut self, link: LinkId, to: &HostPort, until: Instant) {
        let mut address = None;
        let stream = (|| {
            let found = (to.host(), to.port()).to_socket_addrs()?.next();
            let found = found.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the name has no address"))?;
            address = Some(found);
            let mut stream = TcpStream::connect(found)?;
            let token = Token(usize::try_from(link.0).unwrap_or(usize::MAX));
            self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        })();
        if stream.is_err() {
            self.ready.insert(link);
        }
        let (to, started) = (to.clone(), Instant::now());
        self.links.insert(link, Socket { stream, to, address, started, connecting_until: Some(until) });
    }

    pub(super) fn drop_link(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.ready.remove(&link);
    }

    pub(super) fn note_ready(&mut self, link: LinkId) {
        self.ready.insert(link);
    }

    /// Moves what is ready, handles deadlines, and waits.
    pub(super) fn turn<M: Machine>(&mut self, machine: &mut M, until: Option<Instant>) -> io::Result<()> {
        // Rule 4: wait, unless something is ready.
        let connects = self.links.values().filter_map(|socket| socket.connecting_until);
        let until = connects.chain(until).min();
        let wait = match until {
            _ if !self.ready.is_empty() => Some(std::time::Duration::ZERO),
            until => until.map(|until| until.saturating_duration_since(Instant::now())),
        };
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.ready.extend(self.events.iter().map(|event| LinkId(event.token().0 as u64)));
        let now = Instant::now();
        self.ready
            .extend(self.links.iter().filter(|(_, s)| s.connecting_until.is_some_and(|at| at <= now)).map(|(l, _)| *l));
        // Rule 3: deadlines take effect only after everything that is here was read.
        if self.ready.is_empty() && machine.poll_timeout().is_some_and(|at| at <= now) {
            machine.handle_timeout(now);
        }
        // Rule 2: move each link that is ready, and tell the machine.
        for _ in 0..LINKS_PER_TURN {
            let Some(link) = self.ready.pop_first() else { break };
            self.pump(machine, link, now);
        }
        Ok(())
    }

    fn pump<M: Machine>(&mut self, machine: &mut M, link: LinkId, now: Instant) {
        let Some(socket) = self.links.get_mut(&link) else { return };
        if let Some(until) = socket.connecting_until {
            match socket.is_connected() {
                Ok(true) => {
                    socket.connecting_until = None;
                    machine.handle_connected(link, now);
                    // A request may have been staged by this.
                    self.ready.insert(link);
                }
                Ok(false) if now < until => {}
                outcome => {
                    let error = socket.failure(outcome.err(), now);
                    self.links.remove(&link);
                    machine.handle_connect_failed(link, &error, now);
                }
            }
        } else if let (Ok(stream), Some(connection)) = (&mut socket.stream, machine.link(link)) {
            if read(stream, connection, now) {
                self.ready.insert(link);
            }
            write(stream, connection);
            machine.handle_progress(link, now);
        }
    }
}

impl Socket {
    /// Why it was not connected. Without an error, time is up.
    fn failure(&self, error: Option<io::Error>, now: Instant) -> ConnectError {
        let target = self.to.clone();
        match (self.address, error) {
            (Some(address), Some(error)) => ConnectError::Refused { target, attempts: vec![(address, error)] },
            (None, Some(error)) => ConnectError::Resolve { target, error },
            (_, None) => ConnectError::TimedOut { target, after: now - self.started, attempts: Vec::new() },
        }
    }

    /// Whether the socket is connected by now.
    fn is_connected(&mut self) -> io::Result<bool> {
        let stream = match &self.stream {
            Ok(stream) => stream,
            Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        let is_connected = stream.peer_addr().is_ok();
        if is_connected {
            stream.set_nodelay(true)?;
        }
        Ok(is_connected)
    }
}

/// Reads until the socket would block, or until a whole frame waits to be taken. Returns whether there may be more to read.
fn read(stream: &mut TcpStream, connection: &mut ClientConnection, now: Instant) -> bool {
    while connection.wants_read() {
        let (space, _) = connection.buffers();
        match stream.read(space) {
            Ok(0) => connection.handle_disconnect(Disconnect::Eof),
            Ok(n) => connection.handle_read(now, n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => connection.handle_disconnect(Disconnect::Error(error.kind())),
        }
    }
    !connection.is_over()
}

fn write(stream: &mut TcpStream, connection: &mut ClientConnection) {
    while connection.wants_write() {
        let (_, queue) = connection.buffers();
        match stream.write(queue.chunk()) {
            Ok(0) => connection.handle_write_failed(ErrorKind::WriteZero),
            Ok(n) => queue.advance(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => connection.handle_write_failed(error.kind()),
        }
    }
}
