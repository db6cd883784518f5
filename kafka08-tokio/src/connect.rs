//! A TCP connection to a host and port.

use std::{io, net::SocketAddr, time::Duration};

use kafka08_proto::connection::{ConnectError, HostPort};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// Connects to the first address of `target` that answers; `limit` is for looking it up and for all addresses together.
pub(crate) async fn connect(target: HostPort, limit: Duration) -> Result<TcpStream, ConnectError> {
    let mut attempts = Vec::new();
    match timeout(limit, connect_any(&target, &mut attempts)).await {
        Err(_) => Err(ConnectError::TimedOut { target, after: limit, attempts }),
        Ok(Err(Failure::Resolve(error))) => Err(ConnectError::Resolve { target, error }),
        Ok(Err(Failure::AllRefused)) if attempts.is_empty() => Err(ConnectError::NoAddress(target)),
        Ok(Err(Failure::AllRefused)) => Err(ConnectError::Refused { target, attempts }),
        Ok(Ok(stream)) => {
            stream.set_nodelay(true).map_err(ConnectError::Setup)?;
            Ok(stream)
        }
    }
}

enum Failure {
    Resolve(io::Error),
    AllRefused,
}

async fn connect_any(target: &HostPort, attempts: &mut Vec<(SocketAddr, io::Error)>) -> Result<TcpStream, Failure> {
    for address in lookup_host((target.host(), target.port())).await.map_err(Failure::Resolve)? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => attempts.push((address, error)),
        }
    }
    Err(Failure::AllRefused)
}
