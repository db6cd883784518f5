//! TCP sockets that connect and accept without blocking.

use std::{
    future::poll_fn,
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    task::Poll,
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Type};

use super::{
    source::{Source, Way},
    stream::{Pollable, Registration},
    turn,
};

/// A non-blocking TCP socket. It is shared with what is waited for, so its descriptor is not duplicated.
///
/// It must not implement `AsFd`: what does is a [`Pollable`] of another kind.
#[derive(Debug)]
pub struct Socket(Arc<TcpStream>);

impl Socket {
    /// Makes a connected socket non-blocking.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self(Arc::new(stream)))
    }

    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        // `std` connects only sockets that block.
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        let is_connected = match socket.connect(&SockAddr::from(address)) {
            Ok(()) => true,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => false,
            Err(error) => return Err(error),
        };
        let socket = Self(Arc::new(socket.into()));
        if !is_connected {
            let registration = socket.source()?;
            // Otherwise the first look would call the socket ready, and `take_error` finds no error while it connects.
            registration.source.note_blocked(Way::Writes);
            ready(&registration, Way::Writes).await;
            // A socket is ready for writing when the attempt has ended, in either way.
            if let Some(error) = socket.0.take_error()? {
                return Err(error);
            }
        }
        socket.0.set_nodelay(true)?;
        Ok(socket)
    }
}

/// Waits until an attempt may succeed.
async fn ready(Registration { source, .. }: &Registration, way: Way) {
    poll_fn(|cx| {
        if source.may_be_ready(way) {
            return Poll::Ready(());
        }
        turn::wait_for(source, way, cx);
        Poll::Pending
    })
    .await;
}

impl Pollable for Socket {
    fn source(&self) -> io::Result<Registration> {
        Ok(Registration::of_bare(Source::new(Arc::clone(&self.0))))
    }
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(space)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A non-blocking listener.
#[derive(Debug)]
pub struct Listener {
    listener: Arc<TcpListener>,
    registration: Registration,
}

impl Listener {
    pub(super) fn new(listener: Arc<TcpListener>) -> Self {
        let registration = Registration::of_bare(Source::new(Arc::clone(&listener)));
        Self { listener, registration }
    }

    pub(super) async fn accept(&self) -> io::Result<Socket> {
        loop {
            ready(&self.registration, Way::Reads).await;
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // A socket that its peer has reset already cannot be set. Reading finds out.
                    let _ = stream.set_nodelay(true);
                    return Socket::new(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.registration.source.note_blocked(Way::Reads)
                }
                Err(error) => return Err(error),
            }
        }
    }
}
