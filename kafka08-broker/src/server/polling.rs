//! Sockets on the event queue of the system, and the thread that waits for it.
//!
//! The queue announces a change once (edge-triggered). So the state of a socket is noted in `sockets` until a call has
//! returned WouldBlock, and a socket that is skipped in one turn is not forgotten.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_proto::ids::{ConnectionId, NodeId};
use mio::{
    Events, Interest, Poll, Registry, Token, Waker,
    event::Event,
    net::{TcpListener, TcpStream},
};

use super::{
    Shared,
    net::{Net, Peer, Readiness, Stream},
    serving::Serving,
};

/// The token of the waker in the event queue. The ports of the brokers have the tokens that follow, then the connections.
const WAKER: Token = Token(0);

/// The sockets of an event queue.
pub(super) struct PolledNet {
    registry: Registry,
    /// The brokers in the order of their tokens.
    nodes: Vec<NodeId>,
}

/// Creates an event queue, its sockets, and what wakes a thread that waits for it.
pub(super) fn queue(nodes: Vec<NodeId>) -> io::Result<(Poll, PolledNet, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    let registry = poll.registry().try_clone()?;
    Ok((poll, PolledNet { registry, nodes }, waker))
}

impl Net for PolledNet {
    type Listener = TcpListener;
    type Accepted = TcpStream;
    type Stream = TcpStream;

    fn listen(&mut self, node: NodeId, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let mut listener = TcpListener::from_std(listener);
        let token = Token(1 + self.nodes.iter().take_while(|other| **other != node).count());
        self.registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(listener)
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept()
    }

    fn open(&mut self, id: ConnectionId, mut stream: TcpStream) -> io::Result<TcpStream> {
        let number = usize::try_from(id.0).map_err(io::Error::other)?;
        // As real brokers do. Small answers would wait for an acknowledgement otherwise.
        stream.set_nodelay(true)?;
        let token = Token(number + self.nodes.len() + 1);
        self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }
}

impl Stream for TcpStream {
    fn peer(&mut self) -> Peer {
        // The event queue tells, whatever was read before.
        Peer::Open
    }
}

/// Serves until the server must stop.
pub(super) fn run(shared: &Arc<Shared>, mut poll: Poll, mut serving: Serving<PolledNet>) {
    let mut events = Events::with_capacity(1024);
    loop {
        let timeout = serving.wakes_at().map(left_until);
        // Only an interruption makes this call fail, and the loop calls it again.
        let _ = poll.poll(&mut events, timeout);
        // Looked at after each wait: the waker is how the end is told.
        if shared.stops() {
            serving.close(shared);
            return;
        }
        for event in &events {
            note(&mut serving, event);
        }
        serving.turn(shared);
    }
}

/// How long to wait for a time.
fn left_until(time: Instant) -> Duration {
    let left = time.saturating_duration_since(Instant::now());
    // The event queue counts milliseconds. A wait that is cut to zero would be a loop without a pause.
    if left.is_zero() { left } else { left.max(Duration::from_millis(1)) }
}

/// Notes what an event tells.
fn note(serving: &mut Serving<PolledNet>, event: &Event) {
    let Some(number) = event.token().0.checked_sub(1) else { return };
    let nodes = &serving.net().nodes;
    if let Some(node) = nodes.get(number).copied() {
        serving.note_listener(node);
        return;
    }
    let id = ConnectionId((number - nodes.len()) as u64);
    let readiness = Readiness {
        // After an error both directions are tried, because the error itself comes from the call.
        can_read: event.is_readable() || event.is_error(),
        can_write: event.is_writable() || event.is_error(),
        peer: match event.is_read_closed() {
            _ if event.is_error() || (event.is_read_closed() && event.is_write_closed()) => Peer::Broken,
            true => Peer::HalfClosed,
            false => Peer::Open,
        },
    };
    serving.note_socket(id, readiness);
}
