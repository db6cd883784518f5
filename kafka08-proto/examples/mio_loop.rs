//! Talks to several brokers in one hand-written mio loop with deadlines: only kafka08-proto and sockets, no adapter.
//!
//! ```sh
//! cargo run -p kafka08-proto --example mio_loop                                # peers of its own, good and bad
//! cargo run -p kafka08-proto --example mio_loop -- broker1:9092 broker2:9092
//! ```
//!
//! Each connection keeps three requests in flight, and one of the three has a short timeout. A broker that does not answer
//! costs its own requests their time, and the other connections nothing.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the core leaves clocks and sockets to others"
)]

#[path = "mio_loop/asker.rs"]
mod asker;
#[path = "mio_loop/peers.rs"]
mod peers;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, ToSocketAddrs as _},
    process::ExitCode,
    time::Instant,
    vec::IntoIter,
};

use asker::Asker;
use bytes::Buf as _;
use kafka08_proto::{Connection as _, Disconnect, HostPort, adapter::ConnectError, ids::ConnectionId};
use mio::{Events, Interest, Poll, Registry, Token, net::TcpStream};
use peers::Peers;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mio_loop: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the loop. Returns whether all brokers that should answer have done so.
fn run() -> Result<bool, Box<dyn Error>> {
    let peers = Peers::of_arguments()?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(64);
    let mut links = BTreeMap::new();
    // The deadlines of all links in their order, so that no loop has to look at all links for those that are due.
    let mut deadlines = BTreeSet::new();
    for (n, target) in peers.targets.iter().enumerate() {
        match Link::start(target, n, poll.registry()) {
            Ok(link) => {
                deadlines.insert((link.deadline, n));
                links.insert(n, link);
            }
            Err(error) => eprintln!("{error}"),
        }
    }
    let mut answered = 0;
    while let Some((deadline, _)) = deadlines.first() {
        match poll.poll(&mut events, Some(deadline.saturating_duration_since(Instant::now()))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let now = Instant::now();
        let due = deadlines.iter().take_while(|(deadline, _)| *deadline <= now).map(|&(_, n)| n);
        let turns: BTreeSet<usize> = events.iter().map(|event| event.token().0).chain(due).collect();
        for n in turns {
            // The event may be one of a link that has ended.
            let Some(mut link) = links.remove(&n) else { continue };
            deadlines.remove(&(link.deadline, n));
            match link.turn(poll.registry()) {
                Ok(()) if link.asker.connection.is_over() => answered += usize::from(link.asker.has_all_answers()),
                Ok(()) => {
                    deadlines.insert((link.deadline, n));
                    links.insert(n, link);
                }
                Err(error) => eprintln!("{error}"),
            }
        }
    }
    println!("{answered} of {} brokers have answered all requests", peers.targets.len());
    Ok(answered == peers.sound)
}

/// A socket, and the asker whose connection it carries.
struct Link {
    token: Token,
    socket: TcpStream,
    /// What is known of connecting, until the socket is connected.
    connecting: Option<Connecting>,
    asker: Asker,
    /// When to call [`Link::turn`] at the latest.
    deadline: Instant,
}

struct Connecting {
    address: SocketAddr,
    others: IntoIter<SocketAddr>,
    attempts: Vec<(SocketAddr, io::Error)>,
}

impl Link {
    fn start(target: &str, n: usize, registry: &Registry) -> Result<Self, Box<dyn Error>> {
        let target: HostPort = target.parse()?;
        // The lookup blocks. A loop that must not wait for a name server does it in a thread.
        let mut others = match (target.host(), target.port()).to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => return Err(ConnectError::Resolve { target, error }.into()),
        };
        let Some(address) = others.next() else { return Err(ConnectError::NoAddress(target).into()) };
        let token = Token(n);
        let socket = open(address, token, registry)?;
        let connecting = Some(Connecting { address, others, attempts: Vec::new() });
        let asker = Asker::new(target, ConnectionId(n as u64));
        let deadline = Instant::now() + asker.connection.config().connect_timeout();
        Ok(Self { token, socket, connecting, asker, deadline })
    }

    /// Does what can be done without waiting. The steps and their order are those of the crate's documentation.
    fn turn(&mut self, registry: &Registry) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        if !self.connect(now, registry)? {
            return Ok(());
        }
        // mio tells of readiness once, so each socket is read and written until it would block.
        while self.read(now) {
            self.asker.turn(now)?;
        }
        self.asker.connection.handle_timeout(now);
        self.asker.turn(now)?;
        self.write();
        // A write that fails makes events too.
        self.asker.turn(now)?;
        // There is always a deadline while a request waits for its response.
        self.deadline = self.asker.connection.poll_timeout().unwrap_or(now);
        Ok(())
    }

    /// Returns whether the socket is connected.
    fn connect(&mut self, now: Instant, registry: &Registry) -> Result<bool, Box<dyn Error>> {
        let Some(mut connecting) = self.connecting.take() else { return Ok(true) };
        let target = || self.asker.target.clone();
        if let Some(error) = self.socket.take_error()? {
            connecting.attempts.push((connecting.address, error));
            let Some(next) = connecting.others.next() else {
                return Err(ConnectError::Refused { target: target(), attempts: connecting.attempts }.into());
            };
            connecting.address = next;
            self.socket = open(next, self.token, registry)?;
        } else if self.socket.peer_addr().is_ok() {
            return Ok(true);
        }
        if self.deadline <= now {
            let after = self.asker.connection.config().connect_timeout();
            return Err(ConnectError::TimedOut { target: target(), after, attempts: connecting.attempts }.into());
        }
        self.connecting = Some(connecting);
        Ok(false)
    }

    /// Reads once. Returns whether to read again.
    fn read(&mut self, now: Instant) -> bool {
        if !self.asker.connection.wants_read() {
            return false;
        }
        let (space, _) = self.asker.connection.buffers();
        match self.socket.read(space) {
            Ok(0) => self.asker.connection.handle_disconnect(Disconnect::Eof),
            Ok(n) => self.asker.connection.handle_read(now, n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => self.asker.connection.handle_disconnect(Disconnect::Error(error.kind())),
        }
        true
    }

    fn write(&mut self) {
        while self.asker.connection.wants_write() {
            let (_, queue) = self.asker.connection.buffers();
            match self.socket.write(queue.chunk()) {
                Ok(0) => self.asker.connection.handle_write_failed(ErrorKind::WriteZero),
                Ok(n) => queue.advance(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => self.asker.connection.handle_write_failed(error.kind()),
            }
        }
    }
}

/// Begins to connect. The result is known when mio says that the socket is writable.
fn open(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    // The connection gathers small requests. The system would only delay the last of them.
    socket.set_nodelay(true)?;
    registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(socket)
}
