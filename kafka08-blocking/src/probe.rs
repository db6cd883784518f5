//! A probe over TCP. Which requests it sends, and what the responses mean, is the core's business.

use std::{
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use kafka08_proto::{
    ClientConfig, Connection as _, HostPort,
    adapter::ConnectError,
    probe::{Probe, ProbeConnection, ProbeStep, Release},
};

use crate::{connect, driver::Driver};

/// Finds out the release of a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`.
///
/// It makes at most two connections, one after the other, and sends at most two small requests on each. It creates or changes
/// nothing on the broker. The second connection goes to the address that the first one reached, because a name with several
/// addresses may stand for brokers of different releases.
///
/// Each connection has the time of [`ClientConfig::with_connect_timeout`], as in [`Client::connect`](crate::Client::connect),
/// and each request that of [`ClientConfig::with_request_timeout`]. The profile of the settings is not used.
///
/// ```
/// use kafka08_blocking::{Client, probe, proto::{ClientConfig, probe::Release}};
/// # use kafka08_broker::{BrokerConfig, Server};
/// # let server = Server::start(BrokerConfig::default())?;
/// # let broker = &server.host_port();
///
/// let config = ClientConfig::default();
/// match probe(broker, &config)? {
///     Release::Known(profile) => {
///         let client = Client::connect(broker, config.with_profile(profile))?;
///         println!("{profile} at {:?}", client.peer());
///     }
///     Release::Newer => println!("it answers the requests of 0.8.2"),
///     other => println!("{other}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// No connection could be made; the error says what was tried. A peer that does not answer as a broker does is not an error,
/// but [`Release::Undetermined`], whose text says what to do next.
pub fn probe(target: &str, config: &ClientConfig) -> Result<Release, ConnectError> {
    let target: HostPort = target.parse()?;
    match connect::look_up(&target) {
        Ok(addresses) => probe_addresses(&target, addresses, config),
        Err(error) => Err(ConnectError::Resolve { target, error }),
    }
}

fn probe_addresses(
    target: &HostPort,
    mut addresses: Vec<SocketAddr>,
    config: &ClientConfig,
) -> Result<Release, ConnectError> {
    let mut probe = Probe::new(config.clone().with_peer(target.clone()));
    let mut driver = None;
    loop {
        match probe.poll_step(Instant::now()) {
            ProbeStep::Connect => {
                let stream = connect::connect(target, &addresses, config.connect_timeout())?;
                // The address is unknown if the peer has reset the connection by now. The name's addresses are then kept.
                if let Ok(address) = stream.peer_addr() {
                    addresses = vec![address];
                }
                // The transport of before is dropped here, so the peer does not hold two connections of one probe.
                driver = Some(Driver::of_socket(stream));
                probe.handle_connected(Instant::now());
            }
            ProbeStep::Pump => {
                let driver = driver.as_mut().expect("a step to connect comes first");
                turn(driver, probe.connection().expect("there is one to pump"));
            }
            ProbeStep::Done(release) => return Ok(release),
        }
    }
}

/// Reads and writes. If nothing moved, waits until something can move or the request has timed out.
fn turn(driver: &mut Driver<TcpStream>, connection: &mut ProbeConnection) {
    let now = Instant::now();
    if driver.pump(now, connection) {
        return;
    }
    // Nothing moved, so nothing is left to be read: a response that is here has been told before its request can time out.
    match connection.poll_timeout() {
        Some(deadline) if deadline <= now => connection.handle_timeout(now),
        deadline => driver.wait(connection, deadline),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Ipv4Addr, TcpListener},
        thread,
    };

    use super::*;
    use kafka08_proto::profile::Profile;

    /// Reads a question, and gives its correlation id.
    fn read_id(stream: &mut TcpStream) -> [u8; 4] {
        let mut frame = [0; 64];
        stream.read_exact(&mut frame[..4]).expect("a length");
        let len = usize::from(frame[3]);
        stream.read_exact(&mut frame[..len]).expect("a question");
        *frame[4..].first_chunk().expect("an id")
    }

    /// Answers a question with no topics.
    fn answer(stream: &mut TcpStream) {
        let id = read_id(stream);
        stream.write_all(&[&[0, 0, 0, 8], &id[..], &[0; 4]].concat()).expect("the probe reads");
    }

    #[test]
    fn the_second_connection_goes_where_the_first_one_went() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let second = listener.local_addr().expect("it is bound");
        // Nobody listens there at first, and the first connection passes it over.
        let first = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), second.port()));
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the probe connects");
            answer(&mut stream);
            read_id(&mut stream);
            let another = TcpListener::bind(first).expect("the port is free at this address");
            drop(stream);
            let (mut stream, _) = listener.accept().expect("the probe connects again");
            answer(&mut stream);
            answer(&mut stream);
            // It is asked once more, and closes again.
            read_id(&mut stream);
            drop((stream, another));
        });
        let target = HostPort::new("cluster", second.port());
        let release = probe_addresses(&target, vec![first, second], &ClientConfig::default());
        assert_eq!(release.expect("one answers"), Release::Known(Profile::V0_8_1));
        peer.join().expect("it was asked as it expects");
    }
}
