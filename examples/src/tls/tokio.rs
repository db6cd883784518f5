//! The tokio client through TLS.

use std::{io, sync::Arc};

use kafka08_proto::{ClientConfig, HostPort, adapter::ConnectError};
use kafka08_tokio::Client;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{TlsError, name};

/// Connects, within [`ClientConfig::with_connect_timeout`] for the lookup, all addresses and the handshake together, and spawns
/// the connection's task.
///
/// # Errors
/// No address answers, the other end does not speak TLS, or its certificate is not one for this host.
pub async fn connect(
    target: HostPort,
    tls: Arc<rustls::ClientConfig>,
    config: ClientConfig,
) -> Result<Client, TlsError> {
    let name = name(&target)?;
    let after = config.connect_timeout();
    let until = Instant::now() + after;
    let mut attempts = Vec::new();
    let socket = match timeout_at(until, dial(&target, &mut attempts)).await {
        Ok(socket) => socket?,
        Err(_) => return Err(ConnectError::TimedOut { target, after, attempts }.into()),
    };
    let handshake = timeout_at(until, TlsConnector::from(tls).connect(name, socket)).await;
    let handshake = handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = handshake.map_err(|error| TlsError::of_handshake(&target, error, after))?;
    // Not `Client::of_socket`: a TLS stream keeps bytes that it does not report as taken.
    Ok(Client::new(stream, config.with_peer(target)))
}

/// Connects to the first address that answers. The errors of the others go into `attempts`.
async fn dial(
    target: &HostPort,
    attempts: &mut Vec<(std::net::SocketAddr, io::Error)>,
) -> Result<TcpStream, ConnectError> {
    let target = target.clone();
    let found = lookup_host((target.host(), target.port())).await.map(Iterator::collect::<Vec<_>>);
    let addresses = match found {
        Ok(addresses) => addresses,
        Err(error) => return Err(ConnectError::Resolve { target, error }),
    };
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                // The client gathers small requests itself. The system would only delay the last of them.
                socket.set_nodelay(true).map_err(ConnectError::Setup)?;
                return Ok(socket);
            }
            Err(error) => attempts.push((address, error)),
        }
    }
    let attempts = std::mem::take(attempts);
    if attempts.is_empty() {
        Err(ConnectError::NoAddress(target))
    } else {
        Err(ConnectError::Refused { target, attempts })
    }
}
