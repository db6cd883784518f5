//! Connects to two brokers in one mio loop, without a runtime or an adapter, only with kafka08-proto and two sockets.
//!
//! ```sh
//! cargo run -p kafka08-examples --example mio_loop                                  # two embedded brokers
//! cargo run -p kafka08-examples --example mio_loop -- broker1:9092 broker2:9092
//! ```
//!
//! The example asks each broker for the metadata of a topic, and prints the responses in the order of their arrival.

use std::{
    env,
    error::Error,
    io::{self, ErrorKind, Read as _, Write as _},
    net::ToSocketAddrs as _,
    process::ExitCode,
    time::Instant,
};

use bytes::Buf as _;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect, api::MetadataRequest, connection::Ticket,
    ids::ConnectionId,
};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mio_loop: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A socket and the connection over it.
struct Broker {
    name: String,
    socket: TcpStream,
    connection: ClientConnection,
    metadata: Ticket<MetadataRequest>,
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut names: Vec<String> = env::args().skip(1).collect();
    let mut servers = Vec::new();
    while names.len() < 2 {
        let server = Server::start(BrokerConfig::default())?;
        names.push(server.host_port());
        servers.push(server);
    }

    let mut poll = Poll::new()?;
    let mut brokers = Vec::new();
    for (n, name) in names.into_iter().enumerate() {
        let address = name.to_socket_addrs()?.next().ok_or_else(|| format!("{name} has no address"))?;
        let mut socket = TcpStream::connect(address)?;
        poll.registry().register(&mut socket, Token(n), Interest::READABLE | Interest::WRITABLE)?;
        let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(n as u64));
        let metadata = connection.request(Instant::now(), &MetadataRequest::of(["access-log"]))?;
        brokers.push(Broker { name, socket, connection, metadata });
    }

    let mut events = Events::with_capacity(16);
    while !brokers.iter().all(|broker| broker.connection.is_over()) {
        let deadline = brokers.iter().filter_map(|broker| broker.connection.poll_timeout()).min();
        poll.poll(&mut events, deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())))?;
        // Readiness is edge-triggered, so each socket is read and written until it would block.
        for broker in &mut brokers {
            broker.turn()?;
        }
    }
    Ok(())
}

impl Broker {
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        self.read(now);
        self.take_events()?;
        self.connection.handle_timeout(now);
        self.write();
        self.take_events()
    }

    fn read(&mut self, now: Instant) {
        while self.connection.wants_read() {
            let (space, _) = self.connection.buffers();
            match self.socket.read(space) {
                Ok(0) => self.connection.handle_disconnect(Disconnect::Eof),
                Ok(n) => self.connection.handle_read(now, n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_not_ready(&error) => return,
                Err(error) => self.connection.handle_disconnect(Disconnect::Error(error.kind())),
            }
        }
    }

    fn write(&mut self) {
        while self.connection.wants_write() {
            let (_, queue) = self.connection.buffers();
            match self.socket.write(queue.chunk()) {
                Ok(0) => self.connection.handle_write_failed(ErrorKind::WriteZero),
                Ok(n) => queue.advance(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_not_ready(&error) => return,
                Err(error) => self.connection.handle_write_failed(error.kind()),
            }
        }
    }

    fn take_events(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ClientEvent::Response(frame) => {
                    let metadata = self.metadata.redeem(frame)?;
                    println!(
                        "{} knows {} brokers and {} topics",
                        self.name,
                        metadata.brokers().len(),
                        metadata.topics().len()
                    );
                    self.connection.close();
                }
                ClientEvent::Failed { error, fate, .. } => eprintln!("{}: {error} ({fate})", self.name),
                ClientEvent::Written { .. } => {}
                ClientEvent::Closed(closed) => println!("{}: {closed}", self.name),
            }
        }
        Ok(())
    }
}

/// Returns true also for a socket that is still connecting.
fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
