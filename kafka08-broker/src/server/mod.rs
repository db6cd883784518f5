//! A thin TCP server: one thread that owns the broker and every socket, and waits for them with `poll`.
//!
//! With one thread, nothing is shared: the state machine needs no lock, and the requests and responses of a connection
//! stay in order.

mod serve;

use std::{
    fmt, io,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    thread::{self, JoinHandle},
};

use kafka08_proto::HostPort;
use serve::Serving;

use crate::{Broker, BrokerConfig};

/// A broker that listens on TCP, on a thread of its own. Dropping the server stops the broker.
pub struct Server {
    address: SocketAddr,
    /// Closing this stream wakes the thread and stops it.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a broker. When this returns, the broker accepts connections.
    ///
    /// # Errors
    /// The server cannot listen at the address, for example because its port is taken. Or the system has no thread or
    /// socket left.
    pub fn start(config: BrokerConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = UnixStream::pair()?;
        stopped.set_nonblocking(true)?;
        let broker = Broker::new(config.clone(), HostPort::from(address));
        let mut serving = Serving::new(broker, config, listener, stopped);
        let thread = thread::Builder::new().name("kafka08-broker".to_owned()).spawn(move || serving.run())?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The address at which the broker listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address at which the broker listens, as `host:port`.
    #[must_use]
    pub fn host_port(&self) -> String {
        self.address.to_string()
    }

    /// Stops the broker, as dropping the server does. When this returns, its port is free and its connections are
    /// closed.
    pub fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut stop) = self.stop.take() {
            // The thread wakes up because of the byte or the end of the stream.
            let _ = stop.write_all(&[0]);
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is a bug, and its message was printed already. `drop` must not panic as well.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
