//! The sockets of the clients, and the moving of their bytes.
//!
//! Nothing here decides when to read: a link that has a request to serve wants no more bytes, and then they stay in the
//! socket. So a client that sends faster than it is served is slowed down by TCP, as with a real broker.

use std::{
    collections::HashMap,
    io::{ErrorKind, IoSlice},
    time::Instant,
};

use bytes::Buf as _;
use kafka08_proto::{Connection as _, Disconnect, ids::ConnectionId};

use super::net::{Peer, Readiness, Stream};
use crate::Link;

/// How many chunks of an answer are written by one system call.
const SLICES: usize = 64;
/// How many bytes are read from one client before others have their turn.
const READ_BUDGET: usize = 1 << 18;

/// The socket of a client. It is told only once that bytes can be read or written, so that is noted here.
pub(super) struct Socket<S> {
    pub(super) stream: S,
    /// Whether a read has not returned WouldBlock since the last announcement.
    can_read: bool,
    /// The same for writes. A socket begins with both set, because its first announcement may come late.
    can_write: bool,
    /// The worst that is known of the client.
    peer: Peer,
}

/// The sockets by connection.
pub(super) type Sockets<S> = HashMap<ConnectionId, Socket<S>>;

impl<S: Stream> Socket<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, can_read: true, can_write: true, peer: Peer::Open }
    }

    /// Notes what the runtime has announced.
    pub(super) fn note(&mut self, readiness: Readiness) {
        self.can_read |= readiness.can_read;
        self.can_write |= readiness.can_write;
        self.peer = self.peer.max(readiness.peer);
    }

    /// What is known of the client. Ask only while nothing can be read, because the socket may be asked too.
    pub(super) fn peer(&mut self) -> Peer {
        self.peer = self.peer.max(self.stream.peer());
        self.peer
    }

    /// Writes and reads what can be moved. Returns whether anything moved, or the connection has ended.
    pub(super) fn pump(&mut self, link: &mut Link, now: Instant) -> bool {
        // Answers go first: they make room for those of the requests that are read next.
        let wrote = self.write(link);
        self.read(link, now) || wrote
    }

    fn write(&mut self, link: &mut Link) -> bool {
        let mut moved = false;
        while self.can_write && link.wants_write() {
            let (_, queue) = link.buffers();
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = queue.chunks_vectored(&mut slices);
            match self.stream.write_vectored(slices.get(..count).unwrap_or_default()) {
                Ok(0) => link.handle_write_failed(ErrorKind::WriteZero),
                Ok(n) => link.buffers().1.advance(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.can_write = false;
                    break;
                }
                Err(error) => link.handle_write_failed(error.kind()),
            }
            moved = true;
        }
        moved
    }

    fn read(&mut self, link: &mut Link, now: Instant) -> bool {
        let mut sum = 0;
        let mut moved = false;
        while self.can_read && link.wants_read() && sum < READ_BUDGET {
            let (space, _) = link.buffers();
            let room = space.len();
            match self.stream.read(space) {
                Ok(0) => {
                    self.can_read = false;
                    link.handle_disconnect(Disconnect::Eof);
                }
                Ok(n) => {
                    // A socket that fills only a part of the space is empty now. If more comes, the event queue tells.
                    self.can_read = n == room || self.peer != Peer::Open;
                    link.handle_read(now, n);
                    sum += n;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.can_read = false;
                    break;
                }
                Err(error) => {
                    self.can_read = false;
                    link.handle_disconnect(Disconnect::Error(error.kind()));
                }
            }
            moved = true;
        }
        moved
    }
}
