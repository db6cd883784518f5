//! Connects TCP sockets to a host and port.

use std::{io, net::SocketAddr, time::Duration};

use kafka08_proto::{HostPort, adapter::ConnectError};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

/// Connects to the first address of `target` that answers. `limit` is for the lookup and all attempts together.
pub(crate) async fn connect(target: &HostPort, limit: Duration) -> Result<TcpStream, ConnectError> {
    let started = Instant::now();
    let addresses = match timeout(limit, lookup_host((target.host(), target.port()))).await {
        Err(_) => return Err(ConnectError::TimedOut { target: target.clone(), after: limit, attempts: Vec::new() }),
        Ok(Err(error)) => return Err(ConnectError::Resolve { target: target.clone(), error }),
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
    };
    try_each(target, &addresses, started, limit).await
}

/// Connects to the first of these addresses that answers, within `limit` of `started`.
///
/// Each attempt gets an even share of the time that is left, so that an address that drops packets does not take the
/// time of the addresses behind it.
pub(crate) async fn try_each(
    target: &HostPort,
    addresses: &[SocketAddr],
    started: Instant,
    limit: Duration,
) -> Result<TcpStream, ConnectError> {
    let mut attempts = Vec::new();
    // The share is one of the time that is left, and not of the whole time. So an address that fails at once leaves its
    // time to the others.
    for (address, to_try) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let left = limit.saturating_sub(started.elapsed());
        let share = u32::try_from(to_try).map_or(Duration::ZERO, |to_try| left / to_try);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // The client gathers small requests itself. The system would only delay the last of them.
                stream.set_nodelay(true).map_err(ConnectError::Setup)?;
                return Ok(stream);
            }
            Ok(Err(error)) => attempts.push((*address, error)),
            Err(_) => attempts.push((*address, silent(share))),
        }
    }
    let target = target.clone();
    if attempts.is_empty() {
        Err(ConnectError::NoAddress(target))
    } else if started.elapsed() >= limit {
        Err(ConnectError::TimedOut { target, after: limit, attempts })
    } else {
        Err(ConnectError::Refused { target, attempts })
    }
}

fn silent(share: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {share:.1?}"))
}
