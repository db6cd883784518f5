//! What a driver needs of the runtime that owns the sockets.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
};

use kafka08_proto::ids::{ConnectionId, NodeId};

/// The sockets of a runtime. None of the calls blocks.
pub(crate) trait Net {
    /// A port of a broker.
    type Listener;
    /// A connection that was accepted, and has no id yet.
    type Accepted;
    /// The socket of a client.
    type Stream: Stream;

    /// Takes a port of a broker, whose connections the runtime announces from now on.
    fn listen(&mut self, node: NodeId, listener: TcpListener) -> io::Result<Self::Listener>;

    /// Accepts a connection. After [`io::ErrorKind::WouldBlock`], the runtime announces the next one.
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<(Self::Accepted, SocketAddr)>;

    /// Takes an accepted connection, which the runtime announces from now on when bytes can be moved.
    fn open(&mut self, id: ConnectionId, accepted: Self::Accepted) -> io::Result<Self::Stream>;
}

/// The socket of a client. After [`io::ErrorKind::WouldBlock`], or after a read that has not filled its buffer, the runtime
/// announces when to try again.
pub(crate) trait Stream: Read + Write + AsFd {
    /// What the socket itself knows of its client. Asked while nothing is read.
    fn peer(&mut self) -> Peer;
}

/// What is known of the client of a socket from which nothing is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Open,
    /// The client has closed its side.
    HalfClosed,
    /// Nothing can be read or written any more.
    Broken,
}

/// What a runtime has announced of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    /// A read may give bytes, the end of the stream, or an error.
    pub(crate) can_read: bool,
    /// A write may take bytes.
    pub(crate) can_write: bool,
    /// What the announcement says of the client.
    pub(crate) peer: Peer,
}
