//! Why no connection was made. The adapters connect; this crate has the error, so that all of them have the same.

use std::{fmt, io, net::SocketAddr, time::Duration};

use crate::ids::{BadHostPort, HostPort};

/// Why no connection was made. Nothing was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The target is not a host and a port.
    Target(BadHostPort),
    /// The name could not be looked up.
    Resolve {
        /// The address that was asked for.
        target: HostPort,
        /// The error of the system.
        error: io::Error,
    },
    /// The name has no address.
    NoAddress(HostPort),
    /// Every address was tried. Each has refused the connection or is unreachable.
    Refused {
        /// The address that was asked for.
        target: HostPort,
        /// Each address with the error of the system, in the order of trying. There is at least one.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The timeout was over before an address has answered.
    TimedOut {
        /// The address that was asked for.
        target: HostPort,
        /// The timeout.
        after: Duration,
        /// The addresses that had failed before, with the error of the system.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The connection was made, but the options of the socket could not be set.
    Setup(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => write!(f, "{error}"),
            // The name alone, and not the port, is what was looked up.
            Self::Resolve { target, error } => {
                write!(f, "cannot look up {:?}, to connect to {target}: {error}: check the name", target.host())
            }
            Self::NoAddress(target) => {
                write!(f, "cannot connect to {target}: the name {:?} has no address: check the name", target.host())
            }
            Self::Refused { target, attempts } => {
                write!(f, "cannot connect to {target}")?;
                list(f, attempts)?;
                f.write_str(
                    ": check that a broker listens there (0.8 listens on 9092 by default, early releases on 6667)",
                )
            }
            Self::TimedOut { target, after, attempts } => {
                write!(f, "no connection to {target} within {after:?}")?;
                list(f, attempts)?;
                f.write_str(": the host is down, or a firewall drops packets; check both, or raise the connect timeout")
            }
            // The peer is there, so that its address is not what is wrong.
            Self::Setup(error) => write!(f, "connected, but the socket could not be set up: {error}"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, attempts: &[(SocketAddr, io::Error)]) -> fmt::Result {
    // Each with its own reason: a name that resolves to IPv6 and IPv4 often fails in two ways.
    for (i, (address, error)) in attempts.iter().enumerate() {
        write!(f, "{}{address}: {error}", if i == 0 { " (" } else { "; " })?;
    }
    if attempts.is_empty() { Ok(()) } else { f.write_str(")") }
}

// The text names the error of each address, so that none is returned as the source.
impl std::error::Error for ConnectError {}

impl From<BadHostPort> for ConnectError {
    fn from(error: BadHostPort) -> Self {
        Self::Target(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_names_every_address_and_what_to_do() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let attempts = ["[::1]:9", "127.0.0.1:9"].map(|a| (a.parse().expect("an address"), refused())).into();
        let error = ConnectError::Refused { target: HostPort::new("localhost", 9), attempts };
        assert_eq!(
            error.to_string(),
            "cannot connect to localhost:9 ([::1]:9: connection refused; 127.0.0.1:9: connection refused): check that a broker \
             listens there (0.8 listens on 9092 by default, early releases on 6667)"
        );
    }
}
