//! rustls for the blocking client: what it takes besides reading and writing is a descriptor that can be polled.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

/// rustls over a socket `S`.
///
/// `rustls::StreamOwned` would do but for one thing: while the socket takes no more, its `read` writes first and returns
/// `WouldBlock`, so that no answer is read until the peer reads again. Here, reading only reads.
#[derive(Debug)]
pub struct RustlsStream<S> {
    session: rustls::ClientConnection,
    socket: S,
}

impl<S: Read + Write> RustlsStream<S> {
    /// Shakes hands over a socket that blocks.
    ///
    /// # Errors
    /// The socket fails, or the peers do not agree.
    pub fn handshake(mut session: rustls::ClientConnection, mut socket: S) -> io::Result<Self> {
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self { session, socket })
    }

    /// The socket.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Gives the socket what was encrypted, until there is no more.
    fn push(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl RustlsStream<TcpStream> {
    /// Shakes hands until `until`, and makes the socket non-blocking, as the client needs it.
    ///
    /// # Errors
    /// The socket fails, the peers do not agree, or the time is over.
    pub fn handshake_until(
        mut session: rustls::ClientConnection,
        socket: TcpStream,
        until: Instant,
    ) -> io::Result<Self> {
        let mut timed = Timed { socket: &socket, until };
        while session.is_handshaking() {
            session.complete_io(&mut timed)?;
        }
        socket.set_nonblocking(true)?;
        Ok(Self { session, socket })
    }
}

/// A socket that blocks until a time and no longer, however often it is called: a peer that sends a byte now and then gets no
/// more time than one that sends nothing.
struct Timed<'a> {
    socket: &'a TcpStream,
    until: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        // The standard library refuses a timeout of nothing.
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(into).map_err(timed_out)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Unix reports that the time of a blocking call is over as if the call would block.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

impl<S: Read + Write> Read for RustlsStream<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            self.session.read_tls(&mut self.socket)?;
            self.session.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }
}

impl<S: Read + Write> Write for RustlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The session's buffer is bounded, and takes nothing while it is full.
        let mut taken = self.session.writer().write(bytes)?;
        match self.push() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Err(error) if taken == 0 && !bytes.is_empty() => return Err(error),
            Ok(()) if taken == 0 => taken = self.session.writer().write(bytes)?,
            _ => {}
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

impl<S: AsFd> AsFd for RustlsStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
