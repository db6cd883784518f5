//! Where a broker listens, and why it could not be reached. Plain values: connecting is the drivers' business.

use std::{fmt, io, net::SocketAddr, str::FromStr, time::Duration};

/// A host and a port, as `host:port`, `1.2.3.4:port` or `[::1]:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// A text that is no host and port. Write it as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHostPort(String);

impl HostPort {
    /// A host, which is a name or an address (an IPv6 address without brackets), and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = BadHostPort;

    fn from_str(text: &str) -> Result<Self, BadHostPort> {
        let bad = || BadHostPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(bad)?;
        if host.contains(',') {
            return Err(bad());
        }
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(bad)?,
            // More colons without brackets: an IPv6 address whose last group may or may not be the port.
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        if host.is_empty() { Err(bad()) } else { Ok(Self::new(host, port)) }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip().to_string(), address.port())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.escape_debug();
        if self.host.contains(':') { write!(f, "[{host}]:{}", self.port) } else { write!(f, "{host}:{}", self.port) }
    }
}

impl fmt::Display for BadHostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(',') {
            return write!(
                f,
                "{:?} is a list of brokers, and a connection goes to one of them: connect to one after the other until one \
                 answers, and ask it for the leaders",
                self.0
            );
        }
        write!(f, "{:?} is no host and port: write it as host:port, for example broker1:9092 or [::1]:9092", self.0)
    }
}

impl std::error::Error for BadHostPort {}

/// Why no connection came about. Nothing was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// What was given is no host and port.
    Target(BadHostPort),
    /// The name could not be looked up.
    Resolve {
        /// What was asked for.
        target: HostPort,
        /// What the system said.
        error: io::Error,
    },
    /// The name has no address.
    NoAddress(HostPort),
    /// Every address was tried, and refused or unreachable.
    Refused {
        /// What was asked for.
        target: HostPort,
        /// Each address with what the system said of it, in the order of trying; at least one.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The time was over before an address answered.
    TimedOut {
        /// What was asked for.
        target: HostPort,
        /// The time that was given.
        after: Duration,
        /// Addresses that had failed before that.
        attempts: Vec<(SocketAddr, io::Error)>,
    },
    /// The connection was made, and the socket could not be set up.
    Setup(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => write!(f, "{error}"),
            Self::Resolve { target, error } => {
                write!(f, "cannot look up {:?}, to connect to {target}: {error}: check the name", target.host())
            }
            Self::NoAddress(target) => write!(f, "{:?} has no address: check the name", target.host()),
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
                f.write_str(": the host is down, or a firewall drops packets")
            }
            Self::Setup(error) => write!(f, "connected, but the socket could not be set up: {error}"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, attempts: &[(SocketAddr, io::Error)]) -> fmt::Result {
    for (i, (address, error)) in attempts.iter().enumerate() {
        write!(f, "{}{address}: {error}", if i == 0 { " (" } else { "; " })?;
    }
    if attempts.is_empty() { Ok(()) } else { f.write_str(")") }
}

/// The text is complete; what the system said of each address is in the fields.
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
    fn a_host_and_port_is_read_as_people_write_it_and_written_back() {
        for text in ["broker:9092", "127.0.0.1:1", "[::1]:65535", "a.b-c:6667"] {
            assert_eq!(text.parse::<HostPort>().map(|target| target.to_string()).as_deref(), Ok(text));
        }
        for text in
            ["", "broker", "broker:", "broker:0", "broker:65536", ":9092", "::1:9092", "[::1:9092", "[]:1", "a:b:1"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_of_brokers_is_told_from_a_misspelt_one() {
        for text in ["a:1,b:2", "a,b:2", "a:1,b", "a,b"] {
            let error = text.parse::<HostPort>().expect_err("one broker is asked for").to_string();
            assert!(
                error.contains("is a list of brokers") && error.contains("connect to one after the other"),
                "{error}"
            );
        }
    }

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
