//! Both ends of a connection in memory, in virtual time.

use std::time::{Duration, Instant};

use bytes::Buf as _;

use super::{
    ClientConfig, ClientConnection, ClientEvent, Connection, Disconnect, ServerConfig, ServerConnection, ServerEvent,
};
use crate::ids::ConnectionId;

/// A client and a server that are connected in memory, for tests, simulations and fuzzing.
///
/// The methods of this type move bytes, as many as the caller says, and let time pass. Commands go to the two ends, which are
/// public fields.
///
/// ```
/// # use std::time::{Duration, Instant};
/// # use kafka08_proto::{api::*, connection::*};
/// # fn origin() -> Instant { Instant::now() }
/// let mut pair = Pair::new(origin(), ClientConfig::default(), ServerConfig::default());
/// let ticket = pair.client.request(pair.now, &MetadataRequest::all())?;
/// pair.exchange();
/// let Some(ServerEvent::Request(request)) = pair.server_event() else { panic!("a request is due") };
/// pair.server.respond(request.call, &MetadataResponse::default())?;
/// pair.exchange();
/// let Some(ClientEvent::Response(frame)) = pair.client_event() else { panic!("a response is due") };
/// assert_eq!(ticket.redeem(frame)?, MetadataResponse::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pair {
    /// The client's end.
    pub client: ClientConnection,
    /// The server's end.
    pub server: ServerConnection,
    /// The current time.
    pub now: Instant,
}

impl Pair {
    /// Creates a connected pair at the time `now`. Both ends have the id 0.
    #[must_use]
    pub fn new(now: Instant, client: ClientConfig, server: ServerConfig) -> Self {
        let id = ConnectionId(0);
        Self { client: ClientConnection::new(client, id), server: ServerConnection::new(server, id), now }
    }

    /// Moves at most `max` bytes from the client to the server, even if the server does not want to read. Returns the number of
    /// bytes.
    pub fn to_server(&mut self, max: usize) -> usize {
        carry(&mut self.client, &mut self.server, self.now, max)
    }

    /// Moves at most `max` bytes from the server to the client, even if the client does not want to read. Returns the number of
    /// bytes.
    pub fn to_client(&mut self, max: usize) -> usize {
        carry(&mut self.server, &mut self.client, self.now, max)
    }

    /// Moves bytes in both directions until no end has bytes that the other one wants to read.
    pub fn exchange(&mut self) {
        const STEP: usize = 64 << 10;
        loop {
            let up = if self.server.wants_read() { self.to_server(STEP) } else { 0 };
            let down = if self.client.wants_read() { self.to_client(STEP) } else { 0 };
            if up + down == 0 {
                return;
            }
        }
    }

    /// The client's next event.
    pub fn client_event(&mut self) -> Option<ClientEvent> {
        self.client.poll_event()
    }

    /// The server's next event.
    pub fn server_event(&mut self) -> Option<ServerEvent> {
        self.server.poll_event()
    }

    /// Lets time pass. The deadlines of both ends are called at their own times, in order.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let deadlines = [self.client.poll_timeout(), self.server.poll_timeout()];
            match deadlines.into_iter().flatten().min().filter(|&deadline| deadline <= end) {
                None => break,
                Some(deadline) => {
                    // A deadline may lie before now if somebody set the clock, which is public.
                    self.now = self.now.max(deadline);
                    self.client.handle_timeout(self.now);
                    self.server.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
    }

    /// Ends the transport for both ends. Bytes that were not moved are lost.
    pub fn cut(&mut self, how: Disconnect) {
        self.client.handle_disconnect(how);
        self.server.handle_disconnect(how);
    }
}

fn carry(from: &mut impl Connection, to: &mut impl Connection, now: Instant, max: usize) -> usize {
    let (_, queue) = from.buffers();
    let mut moved = 0;
    while moved < max && queue.has_remaining() {
        let chunk = queue.chunk();
        // As a socket does: it takes part of a chunk, and the rest stays in front.
        let piece = chunk.get(..max - moved).unwrap_or(chunk);
        let n = piece.len();
        to.handle_bytes(now, piece);
        queue.advance(n);
        moved += n;
    }
    moved
}
