//! Connects TCP sockets to a host and port.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use kafka08_async::trace;
use kafka08_proto::{HostPort, adapter::ConnectError};

/// Looks up the addresses of a host. The system decides how long this takes.
pub(crate) fn look_up(target: &HostPort) -> io::Result<Vec<SocketAddr>> {
    Ok((target.host(), target.port()).to_socket_addrs()?.collect())
}

/// Connects to the first of these addresses that answers. `timeout` limits all attempts together: each attempt gets an
/// even share of the time that is left.
pub(crate) fn connect(
    target: &HostPort,
    addresses: &[SocketAddr],
    timeout: Duration,
) -> Result<TcpStream, ConnectError> {
    let started = Instant::now();
    let connected = attempt_each(target, addresses, timeout, started);
    let address = connected.as_ref().map(|(_, address)| *address);
    trace::connect_ended(target, started, Instant::now(), address);
    connected.map(|(stream, _)| stream)
}

fn attempt_each(
    target: &HostPort,
    addresses: &[SocketAddr],
    timeout: Duration,
    started: Instant,
) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let mut attempts = Vec::new();
    for (address, behind) in addresses.iter().zip((0..addresses.len()).rev()) {
        let left = timeout.saturating_sub(started.elapsed());
        // The remaining addresses are not tried, and the error is a timeout.
        if left.is_zero() {
            break;
        }
        let attempt = u32::try_from(behind + 1).map_or(left, |shares| left / shares);
        // `connect_timeout` does not accept a timeout of zero.
        match TcpStream::connect_timeout(address, attempt.max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(ConnectError::Setup)?;
                return Ok((stream, *address));
            }
            Err(error) => attempts.push((*address, error)),
        }
    }
    let target = target.clone();
    if addresses.is_empty() {
        return Err(ConnectError::NoAddress(target));
    }
    // An address that refuses the connection shows that the host is up, so the error is not a timeout.
    let has_answered = |(_, error): &(SocketAddr, io::Error)| error.kind() != ErrorKind::TimedOut;
    if attempts.iter().any(has_answered) && attempts.len() == addresses.len() {
        Err(ConnectError::Refused { target, attempts })
    } else {
        Err(ConnectError::TimedOut { target, after: timeout, attempts })
    }
}
