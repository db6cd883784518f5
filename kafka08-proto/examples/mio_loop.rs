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

#[path = "mio_loop/peers.rs"]
mod peers;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, ToSocketAddrs as _},
    process::ExitCode,
    time::{Duration, Instant},
    vec::IntoIter,
};

use bytes::Buf as _;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect, HostPort,
    adapter::{CallError, ConnectError},
    api::MetadataRequest,
    connection::{Prepared, Ticket},
    ids::{ConnectionId, CorrelationId},
};
use mio::{Events, Interest, Poll, Registry, Token, net::TcpStream};
use peers::Peers;

/// Requests for each broker, of which three wait for their responses at a time.
const REQUESTS: usize = 12;
const IN_FLIGHT: usize = 3;
/// Limits for connecting and for requests. Programs that are no examples keep the defaults of 10 s and 30 s.
const TIMEOUT: Duration = Duration::from_secs(1);
const SHORT_TIMEOUT: Duration = Duration::from_millis(200);

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
                Ok(()) if link.connection.is_over() => answered += usize::from(link.answers == REQUESTS),
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

/// A socket and the connection over it.
struct Link {
    target: HostPort,
    token: Token,
    socket: TcpStream,
    /// What is known of connecting, until the socket is connected.
    connecting: Option<Connecting>,
    connection: ClientConnection,
    tickets: BTreeMap<CorrelationId, Ticket<MetadataRequest>>,
    sent: usize,
    answers: usize,
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
        let config = ClientConfig::default().with_peer(target.clone()).with_request_timeout(TIMEOUT);
        let connection = ClientConnection::new(config, ConnectionId(n as u64));
        let (tickets, deadline) = (BTreeMap::new(), Instant::now() + TIMEOUT);
        Ok(Self { target, token, socket, connecting, connection, tickets, sent: 0, answers: 0, deadline })
    }

    /// Does what can be done without waiting. The steps and their order are those of the crate's documentation.
    fn turn(&mut self, registry: &Registry) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        if !self.connect(now, registry)? {
            return Ok(());
        }
        // mio tells of readiness once, so each socket is read and written until it would block.
        while self.read(now) {
            self.take_events(now)?;
        }
        self.connection.handle_timeout(now);
        self.take_events(now)?;
        self.send(now)?;
        self.write();
        self.take_events(now)?;
        // There is always a deadline while a request waits for its response.
        self.deadline = self.connection.poll_timeout().unwrap_or(now);
        Ok(())
    }

    /// Returns whether the socket is connected.
    fn connect(&mut self, now: Instant, registry: &Registry) -> Result<bool, Box<dyn Error>> {
        let Some(mut connecting) = self.connecting.take() else { return Ok(true) };
        let target = || self.target.clone();
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
            let attempts = connecting.attempts;
            return Err(ConnectError::TimedOut { target: target(), after: TIMEOUT, attempts }.into());
        }
        self.connecting = Some(connecting);
        Ok(false)
    }

    /// Keeps requests in flight until all are sent.
    fn send(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        while self.sent < REQUESTS && self.connection.in_flight() < IN_FLIGHT && self.connection.can_send() {
            let request = Prepared::checked(&MetadataRequest::all(), self.connection.config())?;
            // One of three has a short timeout, which counts from here on, whatever is in front of the request.
            let timeout = if self.sent % IN_FLIGHT == 1 { SHORT_TIMEOUT } else { TIMEOUT };
            let id = self.connection.send(now, &request.with_timeout(timeout))?;
            self.tickets.extend(self.connection.ticket(id).map(|ticket| (id, ticket)));
            self.sent += 1;
        }
        Ok(())
    }

    /// Reads once. Returns whether to read again.
    fn read(&mut self, now: Instant) -> bool {
        if !self.connection.wants_read() {
            return false;
        }
        let (space, _) = self.connection.buffers();
        match self.socket.read(space) {
            Ok(0) => self.connection.handle_disconnect(Disconnect::Eof),
            Ok(n) => self.connection.handle_read(now, n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => self.connection.handle_disconnect(Disconnect::Error(error.kind())),
        }
        true
    }

    fn write(&mut self) {
        while self.connection.wants_write() {
            let (_, queue) = self.connection.buffers();
            match self.socket.write(queue.chunk()) {
                Ok(0) => self.connection.handle_write_failed(ErrorKind::WriteZero),
                Ok(n) => queue.advance(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => self.connection.handle_write_failed(error.kind()),
            }
        }
    }

    fn take_events(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ClientEvent::Response(frame) => {
                    let Some(ticket) = self.tickets.remove(&frame.id) else { continue };
                    let metadata = ticket.redeem(frame)?;
                    self.answers += 1;
                    let brokers = metadata.brokers().len();
                    println!("{}: response {} of {REQUESTS} names {brokers} brokers", self.target, self.answers);
                    self.send(now)?;
                    if self.answers == REQUESTS {
                        self.connection.close();
                    }
                }
                ClientEvent::Closed(closed) if self.answers < REQUESTS => eprintln!("{closed}"),
                ClientEvent::Closed(_) | ClientEvent::Written { .. } => {}
                failed => {
                    // The text says what happened, whether the broker may have acted on the request, and what to do next.
                    let peer = self.connection.config().peer().cloned();
                    CallError::from_event(failed, peer.as_ref(), None).iter().for_each(|error| eprintln!("{error}"));
                }
            }
        }
        Ok(())
    }
}

/// Begins to connect. The result is known when mio says that the socket is writable.
fn open(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(socket)
}
