//! One connection to the broker.
//!
//! A broker that closes a connection with unread bytes causes a reset. Here a reset and an orderly end are the same, because the
//! client cannot tell which of them it will see.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

/// A connection, and the bytes that have come on it.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    /// Bytes that no step has taken yet.
    received: Vec<u8>,
    /// Whether the peer has ended its direction.
    is_ended: bool,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Reading {
    /// A frame with its length.
    Frame(Vec<u8>),
    /// The connection ended before a frame was complete. The bytes are what had come of it.
    Ended(Vec<u8>),
    /// The time is over. The bytes are what had come of a frame.
    Late(Vec<u8>),
}

/// The most bytes of a frame. A longer one is not read, and shows as one that does not come.
const LARGEST: usize = 64 << 20;

impl Link {
    /// Connects to the first address of the name that accepts.
    pub(super) fn open(address: &str, limit: Duration) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => {
                    // Pieces of a request must go out when they are sent, or their order in time means nothing.
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(limit))?;
                    return Ok(Self { stream, received: Vec::new(), is_ended: false });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends bytes. A broker may close the connection before it has taken all of them, so that is no error here: the
    /// following step sees it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.write_all(bytes) {
            Err(error) if !is_reset(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends the sending direction.
    pub(super) fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Whether nothing more will come.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended && self.received.is_empty()
    }

    /// Reads one frame.
    pub(super) fn read_frame(&mut self, until: Instant) -> io::Result<Reading> {
        loop {
            if let Some(len) = self.frame_len()
                && len <= self.received.len()
            {
                return Ok(Reading::Frame(self.received.drain(..len).collect()));
            }
            // Only after the frames that came before the end.
            if self.is_ended {
                return Ok(Reading::Ended(std::mem::take(&mut self.received)));
            }
            if !self.fill(until)? {
                return Ok(Reading::Late(self.received.clone()));
            }
        }
    }

    /// Reads until there is any byte, the end of the connection, or the time is over.
    pub(super) fn read_any(&mut self, until: Instant) -> io::Result<Reading> {
        if self.received.is_empty() && !self.is_ended && !self.fill(until)? {
            return Ok(Reading::Late(Vec::new()));
        }
        Ok(match self.received.is_empty() {
            true => Reading::Ended(Vec::new()),
            false => Reading::Frame(std::mem::take(&mut self.received)),
        })
    }

    /// The length of the next frame, once its first four bytes are there.
    fn frame_len(&self) -> Option<usize> {
        let size = self.received.first_chunk::<4>().map(|size| i32::from_be_bytes(*size))?;
        let len = usize::try_from(size).ok().filter(|&size| size <= LARGEST)?;
        Some(len + 4)
    }

    /// Reads what there is. Returns false if the time is over.
    fn fill(&mut self, until: Instant) -> io::Result<bool> {
        // The broker may send more than a frame. What is beyond it stays for the next step.
        let mut buffer = [0; 16 << 10];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // A timeout of zero would be refused by the socket.
            if left.is_zero() {
                return Ok(false);
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => self.is_ended = true,
                Ok(len) => self.received.extend_from_slice(buffer.get(..len).unwrap_or_default()),
                Err(error) if is_reset(&error) => self.is_ended = true,
                Err(error) if is_retried(&error) => continue,
                Err(error) => return Err(error),
            }
            return Ok(true);
        }
    }
}

/// Whether the peer has closed the connection. A close with unread bytes in the peer's buffer arrives as a reset.
fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted
    )
}

/// Whether the time is not over yet, or a signal came.
fn is_retried(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
