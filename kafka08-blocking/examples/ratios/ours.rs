//! The library under test: each thing that is made is made in one place.

use std::{collections::VecDeque, net::TcpStream};

use kafka08_blocking::{Client, Driver, Pending};
use kafka08_proto::{ClientConfig, ClientConnection, api::Request, ids::ConnectionId};

use crate::measure::Result;

pub(crate) fn connect(address: &str) -> Result<Client> {
    Ok(Client::connect(address, ClientConfig::default())?)
}

/// A connection and a driver without a client around them.
pub(crate) fn connection_and_driver(address: &str) -> Result<(ClientConnection, Driver<TcpStream>)> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok((ClientConnection::new(ClientConfig::default(), ConnectionId(0)), Driver::of_socket(stream)))
}

/// Sends so many requests, with up to `in_flight` of them on their way, and gives each answer to `take`. The next request
/// leaves before an answer is looked at.
pub(crate) fn pipeline<R: Request>(
    client: &mut Client,
    requests: usize,
    in_flight: usize,
    mut send: impl FnMut(&mut Client) -> Result<Pending<R>>,
    mut take: impl FnMut(&R::Response) -> Result<()>,
) -> Result<()> {
    let mut pending = VecDeque::new();
    for _ in 0..requests.min(in_flight) {
        pending.push_back(send(client)?);
    }
    for sent in pending.len()..requests + pending.len() {
        let answer = client.wait(pending.pop_front().ok_or("nothing is in flight")?)?;
        if sent < requests {
            pending.push_back(send(client)?);
        }
        take(&answer)?;
    }
    Ok(())
}
