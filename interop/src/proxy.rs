//! A TCP proxy that ends its connections at places which a seed chooses.
//!
//! It knows nothing of what it carries, so a connection ends anywhere: before the first byte, inside a length, inside a
//! body, between two frames.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::sockopt::set_socket_linger,
};

use crate::{Error, Seed};

/// The most bytes that the proxy keeps for one direction of a connection.
const BUFFER: u64 = 8 << 10;
/// How long a connection without traffic sleeps before it looks whether the proxy was stopped.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A proxy on 127.0.0.1 and a free port, in front of one broker. It stops, and ends what it carries, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// The most bytes that a connection through a proxy carries. Answers are far smaller than requests, so that one number for
/// both would be wrong for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteLimits {
    /// Towards the broker.
    pub to_broker: u64,
    /// Towards the client.
    pub to_client: u64,
}

/// What a proxy has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyStats {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that the proxy reset, in both directions.
    pub resets: u64,
    /// Connections that the proxy closed, in both directions.
    pub closes: u64,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    connections: AtomicU64,
    resets: AtomicU64,
    closes: AtomicU64,
}

impl Proxy {
    /// Starts a proxy in front of `target`, such as `127.0.0.1:9092`.
    ///
    /// Each connection carries between 1 and `most.to_broker` bytes towards the broker, or between 1 and `most.to_client`
    /// towards the client, and is then reset or closed. The seed chooses how many bytes, which direction, how the connection
    /// ends, how long the proxy waits before that, and in how large pieces it passes bytes on.
    ///
    /// # Errors
    /// `target` is not an address, or no port can be had.
    pub fn start(target: &str, seed: Seed, most: ByteLimits) -> Result<Self, Error> {
        let target: SocketAddr = target
            .parse()
            .map_err(|error| Error::io(format!("reading the address {target}"))(io::Error::other(error)))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("listening as a proxy"))?;
        let address = listener.local_addr().map_err(Error::io("listening as a proxy"))?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let listener = thread::spawn(move || accept(&listener, target, &seed, most, &of_thread));
        Ok(Self { address, shared, listener: Some(listener) })
    }

    /// Where it listens, as `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> ProxyStats {
        ProxyStats {
            connections: self.shared.connections.load(Ordering::Relaxed),
            resets: self.shared.resets.load(Ordering::Relaxed),
            closes: self.shared.closes.load(Ordering::Relaxed),
        }
    }

    /// Ends every connection and waits until its threads are gone.
    pub fn stop(mut self) -> ProxyStats {
        self.halt();
        self.stats()
    }

    fn halt(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // `accept` has no timeout, so a connection wakes it.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            // A panic was printed when it happened.
            let _ = listener.join();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.halt();
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, seed: &Seed, most: ByteLimits, shared: &Arc<Shared>) {
    let mut carriers: Vec<JoinHandle<()>> = Vec::new();
    while let Ok((client, _)) = listener.accept() {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        let plan = Plan::new(seed.part(number), most);
        let shared = Arc::clone(shared);
        carriers.retain(|carrier| !carrier.is_finished());
        carriers.push(thread::spawn(move || {
            // A connection that cannot be set up ends at once, as one in front of a dead broker does.
            let _ = carry(client, target, plan, &shared);
        }));
    }
    for carrier in carriers {
        let _ = carrier.join();
    }
}

/// How one connection ends.
#[derive(Debug)]
struct Plan {
    /// Bytes that pass towards the broker, and towards the client, before the end.
    limits: [u64; 2],
    ending: Ending,
    /// The pause between the last byte and the end: the other direction is not carried in it.
    pause: Duration,
    /// The most bytes that pass at once.
    piece: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Reset,
    Close,
}

impl Plan {
    fn new(mut seed: Seed, most: ByteLimits) -> Self {
        let is_of_requests = seed.below(2) == 0;
        let most = if is_of_requests { most.to_broker } else { most.to_client };
        // Short connections end inside of the first frames, long ones with many requests under way.
        let limit = if seed.below(2) == 0 { seed.up_to(most) } else { 1 + seed.below(most) };
        let limits = if is_of_requests { [limit, u64::MAX] } else { [u64::MAX, limit] };
        let ending = if seed.below(3) == 0 { Ending::Close } else { Ending::Reset };
        // Half of the connections end without a pause.
        let pause = Duration::from_millis(seed.below(2) * seed.below(6));
        Self { limits, ending, pause, piece: seed.up_to(BUFFER) }
    }
}

/// One direction of a connection: bytes that were read and are not written yet.
struct Flow {
    bytes: Vec<u8>,
    left: u64,
}

/// What became of a flow.
#[derive(PartialEq, Eq)]
enum Moved {
    Nothing,
    Bytes,
    /// It has carried as much as it may.
    AtLimit,
    /// One of the two sockets has ended.
    Ended,
}

impl Flow {
    fn wants_read(&self) -> bool {
        self.bytes.is_empty()
    }

    fn step(&mut self, mut from: &TcpStream, mut to: &TcpStream, piece: u64) -> Moved {
        if self.left == 0 {
            return Moved::AtLimit;
        }
        if self.bytes.is_empty() {
            let room = usize::try_from(self.left.min(piece)).unwrap_or(usize::MAX);
            let mut space = vec![0; room.min(8 << 10)];
            match from.read(&mut space) {
                Ok(0) => return Moved::Ended,
                Ok(n) => {
                    space.truncate(n);
                    self.bytes = space;
                }
                Err(error) if is_transient(&error) => return Moved::Nothing,
                Err(_) => return Moved::Ended,
            }
        }
        match to.write(&self.bytes) {
            Ok(n) => {
                self.bytes.drain(..n);
                self.left = self.left.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
                Moved::Bytes
            }
            Err(error) if is_transient(&error) => Moved::Nothing,
            Err(_) => Moved::Ended,
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Carries one connection to its end.
fn carry(client: TcpStream, target: SocketAddr, plan: Plan, shared: &Shared) -> io::Result<()> {
    let broker = TcpStream::connect(target)?;
    for socket in [&client, &broker] {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
    }
    let [to_broker, to_client] = plan.limits.map(|left| Flow { bytes: Vec::new(), left });
    let (mut to_broker, mut to_client) = (to_broker, to_client);
    while !shared.stop.load(Ordering::Relaxed) {
        let moved = [to_broker.step(&client, &broker, plan.piece), to_client.step(&broker, &client, plan.piece)];
        if moved.contains(&Moved::AtLimit) {
            thread::sleep(plan.pause);
            return end(client, broker, plan.ending, shared);
        }
        if moved.contains(&Moved::Ended) {
            return Ok(());
        }
        if !moved.contains(&Moved::Bytes) {
            wait(&client, &broker, &to_broker, &to_client)?;
        }
    }
    Ok(())
}

/// Waits until one of the flows can go on.
fn wait(client: &TcpStream, broker: &TcpStream, to_broker: &Flow, to_client: &Flow) -> io::Result<()> {
    let flags = |incoming: &Flow, outgoing: &Flow| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, incoming.wants_read());
        flags.set(PollFlags::OUT, !outgoing.wants_read());
        flags
    };
    let of_client = PollFd::new(client, flags(to_broker, to_client));
    let of_broker = PollFd::new(broker, flags(to_client, to_broker));
    match poll(&mut [of_client, of_broker], Some(&TURN)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn end(client: TcpStream, broker: TcpStream, ending: Ending, shared: &Shared) -> io::Result<()> {
    let count = match ending {
        Ending::Reset => &shared.resets,
        Ending::Close => &shared.closes,
    };
    count.fetch_add(1, Ordering::Relaxed);
    if ending == Ending::Reset {
        // With a linger of zero, closing drops what was not sent and sends a reset instead of the end of the stream.
        set_socket_linger(&client, Some(Duration::ZERO))?;
        set_socket_linger(&broker, Some(Duration::ZERO))?;
    }
    drop(client);
    drop(broker);
    Ok(())
}
