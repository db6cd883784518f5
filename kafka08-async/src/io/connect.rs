//! Connects TCP sockets to a host and port.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use kafka08_proto::{HostPort, adapter::ConnectError};

use super::timeout_at;
use crate::{Runtime, trace};

/// Connects to the first address of `target` that answers. `limit` is for the lookup and all attempts together.
pub(crate) async fn connect<Rt: Runtime>(
    target: &HostPort,
    limit: Duration,
) -> Result<(Rt::TcpStream, SocketAddr), ConnectError> {
    let started = Rt::now();
    let connected = look_up_and_try::<Rt>(target, started, limit).await;
    trace::connect_ended(target, started, Rt::now(), connected.as_ref().map(|(_, address)| *address));
    connected
}

async fn look_up_and_try<Rt: Runtime>(
    target: &HostPort,
    started: Instant,
    limit: Duration,
) -> Result<(Rt::TcpStream, SocketAddr), ConnectError> {
    let addresses = match timeout_at::<Rt, _>(started.checked_add(limit), Rt::look_up(target)).await {
        None => return Err(ConnectError::TimedOut { target: target.clone(), after: limit, attempts: Vec::new() }),
        Some(Err(error)) => return Err(ConnectError::Resolve { target: target.clone(), error }),
        Some(Ok(addresses)) => addresses,
    };
    attempt_each::<Rt>(target, &addresses, started, limit).await
}

/// Connects to the first of these addresses that answers, within `limit`, and returns the address.
pub(crate) async fn try_each<Rt: Runtime>(
    target: &HostPort,
    addresses: &[SocketAddr],
    limit: Duration,
) -> Result<(Rt::TcpStream, SocketAddr), ConnectError> {
    let started = Rt::now();
    let connected = attempt_each::<Rt>(target, addresses, started, limit).await;
    trace::connect_ended(target, started, Rt::now(), connected.as_ref().map(|(_, address)| *address));
    connected
}

/// Connects to the first of these addresses that answers, within `limit` of `started`.
///
/// Each attempt gets an even share of the time that is left, so that an address that drops packets does not take the
/// time of the addresses behind it.
async fn attempt_each<Rt: Runtime>(
    target: &HostPort,
    addresses: &[SocketAddr],
    started: Instant,
    limit: Duration,
) -> Result<(Rt::TcpStream, SocketAddr), ConnectError> {
    let elapsed = || Rt::now().saturating_duration_since(started);
    let mut attempts = Vec::new();
    // The share is one of the time that is left, and not of the whole time. So an address that fails at once leaves its
    // time to the others.
    for (&address, to_try) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let left = limit.saturating_sub(elapsed());
        let share = u32::try_from(to_try).map_or(Duration::ZERO, |to_try| left / to_try);
        match timeout_at::<Rt, _>(Rt::now().checked_add(share), Rt::connect(address)).await {
            Some(Ok(stream)) => return Ok((stream, address)),
            Some(Err(error)) => attempts.push((address, error)),
            None => attempts.push((address, silent(share))),
        }
    }
    let target = target.clone();
    if attempts.is_empty() {
        Err(ConnectError::NoAddress(target))
    } else if elapsed() >= limit {
        Err(ConnectError::TimedOut { target, after: limit, attempts })
    } else {
        Err(ConnectError::Refused { target, attempts })
    }
}

fn silent(share: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {share:.1?}"))
}
