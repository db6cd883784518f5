//! The addresses of the brokers.
//!
//! The address at which a broker listens and the one that it tells clients may differ: behind a port mapping, or if it
//! listens at every interface.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use kafka08_proto::{HostPort, ids::NodeId};
use socket2::{Domain, Socket, Type};

use crate::BrokerConfig;

/// How many connections may wait to be accepted, as with the listeners of the standard library.
const BACKLOG: i32 = 128;

/// The ports of the brokers, and how they are reached.
pub(crate) struct Bound {
    pub(crate) listeners: BTreeMap<NodeId, TcpListener>,
    pub(crate) addresses: Addresses,
    /// The addresses that Metadata answers name.
    pub(crate) advertised: BTreeMap<NodeId, HostPort>,
}

impl Bound {
    /// Binds a listener for each broker.
    ///
    /// # Errors
    /// An address cannot be used; the error names it.
    pub(crate) fn of(config: &BrokerConfig) -> io::Result<Self> {
        let listeners = bind_all(config)?;
        let mut addresses = BTreeMap::new();
        for (node, listener) in &listeners {
            addresses.insert(*node, listener.local_addr()?);
        }
        let advertised = advertised(config, &addresses);
        Ok(Self { listeners, addresses: Addresses(addresses), advertised })
    }
}

/// The addresses at which the brokers listen.
#[derive(Clone, Debug)]
pub(crate) struct Addresses(BTreeMap<NodeId, SocketAddr>);

impl Addresses {
    /// The address of the first broker.
    pub(crate) fn first(&self) -> SocketAddr {
        self.0.first_key_value().map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)), |(_, address)| *address)
    }

    /// The address of a broker.
    pub(crate) fn of(&self, node: NodeId) -> Option<SocketAddr> {
        self.0.get(&node).copied()
    }

    /// All addresses, as `host:port,host:port`.
    pub(crate) fn bootstrap(&self) -> String {
        self.0.values().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The port of a broker that is down. Nobody can connect to it, and nobody else gets it: not another server of the same
/// process that asks for a free port, either.
pub(crate) struct KeptPort(Socket);

impl KeptPort {
    /// Binds a port whose listener was closed.
    pub(crate) fn new(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // The connections of the listener may still be there.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        // From now on another socket that may share its address does not share this one.
        socket.set_reuse_address(false)?;
        Ok(Self(socket))
    }

    /// Listens at the port.
    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        self.0.set_reuse_address(true)?;
        self.0.listen(BACKLOG)?;
        Ok(self.0.into())
    }
}

/// Binds a listener for each broker.
fn bind_all(config: &BrokerConfig) -> io::Result<BTreeMap<NodeId, TcpListener>> {
    let mut listeners = BTreeMap::new();
    for (n, node) in (0..).zip(config.nodes()) {
        let mut address = config.listen;
        if address.port() != 0 {
            let port = address.port().checked_add(n).ok_or_else(|| {
                let text = format!(
                    "broker {node} would have a port above 65535: start from a lower one than {}",
                    config.listen
                );
                io::Error::new(io::ErrorKind::InvalidInput, text)
            })?;
            address.set_port(port);
        }
        let named = |error: io::Error| {
            let text =
                format!("broker {node} cannot listen at {address}: {error}; use another port, or 0 for a free one");
            io::Error::new(error.kind(), text)
        };
        let listener = TcpListener::bind(address).map_err(named)?;
        // The thread that accepts has other sockets to serve.
        listener.set_nonblocking(true)?;
        listeners.insert(node, listener);
    }
    Ok(listeners)
}

/// The addresses that Metadata answers name.
fn advertised(config: &BrokerConfig, addresses: &BTreeMap<NodeId, SocketAddr>) -> BTreeMap<NodeId, HostPort> {
    let of = |(n, (node, address)): (u16, (&NodeId, &SocketAddr))| {
        let host_port = match &config.advertised {
            Some(first) => HostPort::new(first.host(), first.port().saturating_add(n)),
            None => HostPort::from(reachable(*address)),
        };
        (*node, host_port)
    };
    (0..).zip(addresses).map(of).collect()
}

/// The address at which a client of this machine reaches a listener. Nobody can connect to the address that stands for all.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_for_all_interfaces_is_told_as_loopback() {
        let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        assert_eq!(reachable(address("0.0.0.0:9092")), address("127.0.0.1:9092"));
        assert_eq!(reachable(address("[::]:9092")), address("[::1]:9092"));
        assert_eq!(reachable(address("10.0.0.1:9092")), address("10.0.0.1:9092"));
    }
}
