//! A probe over TCP. Which requests it sends, and what the responses mean, is the core's business.

use std::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use kafka08_proto::{
    ClientConfig, Connection as _, HostPort,
    adapter::ConnectError,
    probe::{Probe, ProbeConnection, ProbeStep, Release},
};

use crate::{
    Runtime, Wrap,
    io::{self, Driver, timeout_at},
};

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
/// # Errors
/// No connection could be made; the error says what was tried. A peer that does not answer as a broker does is not an error,
/// but [`Release::Undetermined`], whose text says what to do next.
///
/// # Cancel safety
/// Dropping this future closes the connection.
pub async fn probe<Rt>(target: &str, config: &ClientConfig) -> Result<Release, ConnectError>
where
    Rt: Wrap<<Rt as Runtime>::TcpStream>,
{
    let target: HostPort = target.parse()?;
    let limit = config.connect_timeout();
    let mut probe = Probe::new(config.clone().with_peer(target.clone()));
    let mut address: Option<SocketAddr> = None;
    let mut driver = None;
    loop {
        match probe.poll_step(Rt::now()) {
            ProbeStep::Connect => {
                let (stream, reached) = match address {
                    Some(address) => io::try_each::<Rt>(&target, &[address], limit).await?,
                    None => io::connect::<Rt>(&target, limit).await?,
                };
                address = Some(reached);
                // The transport of before is dropped here, so the peer does not hold two connections of one probe.
                driver = Some(Driver::of_socket(Rt::wrap(stream)));
                probe.handle_connected(Rt::now());
            }
            ProbeStep::Pump => {
                let driver = driver.as_mut().expect("a step to connect comes first");
                turn::<Rt, _>(driver, probe.connection().expect("there is one to pump")).await;
            }
            ProbeStep::Done(release) => return Ok(release),
        }
    }
}

/// Waits until something moves, or until the time of the request is over.
async fn turn<Rt: Runtime, S>(driver: &mut Driver<S>, connection: &mut ProbeConnection)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = connection.poll_timeout();
    // The stream is polled before the timer, so a response that is here is read before its request times out.
    if timeout_at::<Rt, _>(deadline, poll_fn(|cx| step::<Rt, _>(driver, connection, cx))).await.is_none() {
        connection.handle_timeout(Rt::now());
    }
}

/// Writes and reads once. Ready if anything came of it.
fn step<Rt: Runtime, S>(driver: &mut Driver<S>, connection: &mut ProbeConnection, cx: &mut Context<'_>) -> Poll<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Both are tried in each round: whichever is pending has to leave a waker with the socket.
    let has_written = connection.wants_write() && driver.write(cx, connection).is_ready();
    let has_read = connection.wants_read() && driver.read(cx, Rt::now(), connection).is_ready();
    if has_written || has_read { Poll::Ready(()) } else { Poll::Pending }
}
