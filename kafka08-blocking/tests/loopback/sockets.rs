//! Sockets without an address.

use std::os::unix::net::UnixStream;

/// A socket that does not block, and the peer's end of it, which does.
pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (socket, peer) = UnixStream::pair().expect("a pair of sockets");
    socket.set_nonblocking(true).expect("a setting");
    (socket, peer)
}
