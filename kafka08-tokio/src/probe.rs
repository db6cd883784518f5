//! The probe on tokio.

use kafka08_async::{
    ConnectError,
    proto::{ClientConfig, probe::Release},
};

use crate::Tokio;

/// Finds out the release of a broker, given as `host:port`, `1.2.3.4:port` or `[::1]:port`.
///
/// It makes at most two connections, one after the other, and sends at most two small requests on each. It creates or changes
/// nothing on the broker. The second connection goes to the address that the first one reached, because a name with several
/// addresses may stand for brokers of different releases.
///
/// Each connection has the time of [`ClientConfig::with_connect_timeout`], as in [`Client::connect`](kafka08_async::Client::connect),
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
    kafka08_async::probe::<Tokio>(target, config).await
}
