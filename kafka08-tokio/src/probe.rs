//! A probe over TCP. Which requests it sends, and what the responses mean, is the core's business.

use std::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use kafka08_proto::{
    ClientConfig, Connection as _, HostPort,
    adapter::ConnectError,
    probe::{Probe, ProbeConnection, ProbeStep, Release},
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{connect, driver::Driver, shared::now};

/// Finds out the release of a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`.
///
/// It makes at most two connections, one after the other, and sends at most two small requests on each. It creates or changes
/// nothing on the broker. The second connection goes to the address that the first one reached, because a name with several
/// addresses may stand for brokers of different releases.
///
/// Each connection has the time of [`ClientConfig::with_connect_timeout`], as in [`Client::connect`](crate::Client::connect),
/// and each request that of [`ClientConfig::with_request_timeout`]. The profile of the settings is not used. No task is
/// spawned.
///
/// ```
/// use kafka08_tokio::{Client, probe, proto::{ClientConfig, probe::Release}};
/// # use kafka08_broker::{BrokerConfig, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = Server::start(BrokerConfig::default())?;
/// # let broker = &server.host_port();
/// let config = ClientConfig::default();
/// match probe(broker, &config).await? {
///     Release::Known(profile) => {
///         let client = Client::connect(broker, config.with_profile(profile)).await?;
///         println!("{profile} at {:?}", client.peer());
///     }
///     Release::Newer => println!("it answers the requests of 0.8.2"),
///     other => println!("{other}"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// No connection could be made; the error says what was tried. A peer that does not answer as a broker does is not an error,
/// but [`Release::Undetermined`], whose text says what to do next.
///
/// # Cancel safety
/// Dropping this future closes the connection.
pub async fn probe(target: &str, config: &ClientConfig) -> Result<Release, ConnectError> {
    let target: HostPort = target.parse()?;
    let limit = config.connect_timeout();
    let mut probe = Probe::new(config.clone().with_peer(target.clone()));
    let mut address: Option<SocketAddr> = None;
    let mut driver = None;
    loop {
        match probe.poll_step(now()) {
            ProbeStep::Connect => {
                let stream = match address {
                    Some(address) => connect::try_each(&target, &[address], Instant::now(), limit).await?,
                    None => connect::connect(&target, limit).await?,
                };
                // The address is unknown if the peer has reset the connection by now. The name is then looked up again.
                address = stream.peer_addr().ok();
                // The transport of before is dropped here, so the peer does not hold two connections of one probe.
                driver = Some(Driver::of_socket(stream));
                probe.handle_connected(now());
            }
            ProbeStep::Pump => {
                let driver = driver.as_mut().expect("a step to connect comes first");
                turn(driver, probe.connection().expect("there is one to pump")).await;
            }
            ProbeStep::Done(release) => return Ok(release),
        }
    }
}

/// Waits until something moves, or until the time of the request is over.
async fn turn(driver: &mut Driver<TcpStream>, connection: &mut ProbeConnection) {
    let deadline = connection.poll_timeout();
    let moves = poll_fn(|cx| step(driver, connection, cx));
    match deadline {
        // `timeout_at` polls the stream first, so a response that is here is read before its request times out.
        Some(deadline) => match timeout_at(deadline.into(), moves).await {
            Ok(()) => {}
            Err(_) => connection.handle_timeout(now()),
        },
        None => moves.await,
    }
}

/// Writes and reads once. Ready if anything came of it.
fn step(driver: &mut Driver<TcpStream>, connection: &mut ProbeConnection, cx: &mut Context<'_>) -> Poll<()> {
    // Both are tried in each round: whichever is pending has to leave a waker with the socket.
    let has_written = connection.wants_write() && driver.write(cx, connection).is_ready();
    let has_read = connection.wants_read() && driver.read(cx, now(), connection).is_ready();
    if has_written || has_read { Poll::Ready(()) } else { Poll::Pending }
}
