//! The host and port that a broker listens on.

use std::{fmt, net::SocketAddr, str::FromStr};

/// A host and a port. The text form is `host:port`, `1.2.3.4:port` or `[::1]:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// The text is not a host and a port. Write it as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHostPort(String);

impl HostPort {
    /// Creates a value from a host name or IP address, and a port. Write an IPv6 address without brackets.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The host's name or IP address. An IPv6 address has no brackets.
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
        // Split at the last colon, because an IPv6 address contains colons too.
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        // For a listening socket, port 0 means "any free port". No broker can be reached at port 0.
        let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(bad)?;
        // Without this check, `a,b:9092` is accepted as a name, and the resolver's error does not mention the list.
        if host.contains(',') {
            return Err(bad());
        }
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(bad)?,
            // An IPv6 address without brackets is ambiguous: the last group may be the port or a part of the address.
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
        // Metadata responses contain hosts, so a peer can send control characters that would be written to a log.
        let host = self.host.escape_debug();
        if self.host.contains(':') { write!(f, "[{host}]:{}", self.port) } else { write!(f, "{host}:{}", self.port) }
    }
}

impl fmt::Display for BadHostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(',') {
            return write!(
                f,
                "{:?} is a list of brokers, but a connection has one broker: connect to one after the other until one \
                 answers, then ask it for the leaders",
                self.0
            );
        }
        write!(f, "{:?} is not a host and port: write it as host:port, for example broker1:9092 or [::1]:9092", self.0)
    }
}

impl std::error::Error for BadHostPort {}

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
}
