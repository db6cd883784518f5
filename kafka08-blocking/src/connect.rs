//! A TCP connection to a host and port.

use std::{
    net::{TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use kafka08_proto::connection::{ConnectError, HostPort};

/// Connects to the first address of `target` that answers; `timeout` is for all of them together.
///
/// Looking the name up is the system's business, and its time is the system's too.
pub(crate) fn connect(target: HostPort, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let started = Instant::now();
    let addresses = match (target.host(), target.port()).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Err(ConnectError::Resolve { target, error }),
    };
    let mut attempts = Vec::new();
    for address in addresses {
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(ConnectError::TimedOut { target, after: timeout, attempts });
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(ConnectError::Setup)?;
                return Ok(stream);
            }
            Err(error) => attempts.push((address, error)),
        }
    }
    if attempts.is_empty() {
        Err(ConnectError::NoAddress(target))
    } else if started.elapsed() >= timeout {
        Err(ConnectError::TimedOut { target, after: timeout, attempts })
    } else {
        Err(ConnectError::Refused { target, attempts })
    }
}
