//! TLS streams for the blocking client: what it takes besides reading and writing is a descriptor that can be polled.
//!
//! Both streams are to be non-blocking, with their handshake finished, when the client gets them. Finish the handshake while
//! the socket still blocks, then call `set_nonblocking`.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

/// native-tls (OpenSSL on Linux) over a socket `S`.
#[derive(Debug)]
pub struct NativeTlsStream<S>(pub native_tls::TlsStream<S>);

impl<S: Read + Write> Read for NativeTlsStream<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl<S: Read + Write> Write for NativeTlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write + AsFd> AsFd for NativeTlsStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

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
