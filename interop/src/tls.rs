//! OpenSSL for the blocking client: what it takes besides reading and writing is a descriptor that can be polled. The stream
//! for rustls is in `kafka08-examples`.
//!
//! The stream is to be non-blocking, with its handshake finished, when the client gets it. Finish the handshake while the
//! socket still blocks, then call `set_nonblocking`.

use std::{
    io::{self, Read, Write},
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
