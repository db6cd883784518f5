//! A thin TCP server: one thread that owns the broker and every socket, and waits for them with `poll`.
//!
//! One thread, because then nothing is shared: the state machine needs no lock, and one connection's requests and answers
//! keep their order by themselves.

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

/// A broker that listens on TCP, on a thread of its own. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    /// Closing it wakes the thread and tells it to stop.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a broker. When this returns, it takes connections.
    ///
    /// # Errors
    /// The address cannot be listened on, for example because its port is taken; or the system has no thread or socket left.
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

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn host_port(&self) -> String {
        self.address.to_string()
    }

    /// Stops it, as dropping it does. When this returns, its port is free and its connections are closed.
    pub fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut stop) = self.stop.take() {
            // The thread wakes up for the byte or for the end of the stream.
            let _ = stop.write_all(&[0]);
        }
        if let Some(thread) = self.thread.take() {
            // A panic there is a bug that its own message has told; dropping must not add another.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
