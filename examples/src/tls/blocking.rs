//! The blocking client through TLS.

use std::{
    net::{TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_proto::{ClientConfig, HostPort, adapter::ConnectError};
use rustls::ClientConnection;

use super::{RustlsStream, TlsError, name};

/// Connects, within [`ClientConfig::with_connect_timeout`] for all addresses and the handshake together.
///
/// # Errors
/// No address answers, the other end does not speak TLS, or its certificate is not one for this host.
pub fn connect(
    target: HostPort,
    tls: Arc<rustls::ClientConfig>,
    config: ClientConfig,
) -> Result<Client<RustlsStream<TcpStream>>, TlsError> {
    let after = config.connect_timeout();
    let until = Instant::now() + after;
    let refused = |error| TlsError::of_handshake(&target, error, after);
    let session = ClientConnection::new(tls, name(&target)?).map_err(|error| refused(std::io::Error::other(error)))?;
    let socket = dial(&target, until, after)?;
    let stream = RustlsStream::handshake_until(session, socket, until).map_err(refused)?;
    // Not `Client::of_socket`: a TLS stream keeps bytes that it does not report as taken.
    Ok(Client::new(stream, config.with_peer(target)))
}

/// Connects to the first address that answers.
fn dial(target: &HostPort, until: Instant, after: Duration) -> Result<TcpStream, ConnectError> {
    let target = target.clone();
    let addresses = match (target.host(), target.port()).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Err(ConnectError::Resolve { target, error }),
    };
    let mut attempts = Vec::new();
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ConnectError::TimedOut { target, after, attempts });
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => {
                // The client gathers small requests itself. The system would only delay the last of them.
                socket.set_nodelay(true).map_err(ConnectError::Setup)?;
                return Ok(socket);
            }
            Err(error) => attempts.push((address, error)),
        }
    }
    if attempts.is_empty() {
        Err(ConnectError::NoAddress(target))
    } else {
        Err(ConnectError::Refused { target, attempts })
    }
}
