//! OpenSSL and rustls, blocking and tokio, over a gated socket.

use std::{os::unix::net::UnixStream, sync::Arc, time::Duration};

use interop::tls::NativeTlsStream;
use kafka08_examples::tls::RustlsStream;
use kafka08_proto::ClientConfig;
use native_tls::{Certificate, TlsConnector};
use rustls::{RootCertStore, pki_types::ServerName};

use crate::{
    link::{Blocking, Tokio},
    peer::{Answers, NAME, Peer, certificate},
    valve::{Gate, Valve},
};

/// A client and its peer.
pub(crate) struct Joined<L> {
    pub(crate) link: L,
    pub(crate) valve: Valve,
    pub(crate) peer: Peer,
}

fn config(timeout: Duration) -> ClientConfig {
    ClientConfig::default().with_request_timeout(timeout)
}

/// A gated socket whose other end is a peer's.
fn pipe(answers: Answers) -> (Gate<UnixStream>, Peer) {
    let (socket, of_peer) = UnixStream::pair().expect("a pair of sockets");
    (Gate { socket, valve: Valve::default() }, Peer::start(of_peer, answers))
}

fn asynchronous(gate: Gate<UnixStream>) -> Gate<tokio::net::UnixStream> {
    gate.socket.set_nonblocking(true).expect("a setting");
    Gate { socket: tokio::net::UnixStream::from_std(gate.socket).expect("a runtime"), valve: gate.valve }
}

fn openssl() -> TlsConnector {
    let certificate = Certificate::from_der(&certificate()).expect("a certificate");
    TlsConnector::builder().add_root_certificate(certificate).build().expect("a connector")
}

fn rustls() -> (Arc<rustls::ClientConfig>, ServerName<'static>) {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).expect("a certificate");
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(config), ServerName::try_from(NAME).expect("a name"))
}

pub(crate) async fn openssl_blocking(
    answers: Answers,
    timeout: Duration,
) -> Joined<Blocking<NativeTlsStream<Gate<UnixStream>>>> {
    let (gate, peer) = pipe(answers);
    let valve = gate.valve.clone();
    let stream = openssl().connect(NAME, gate).expect("the peers agree");
    stream.get_ref().socket.set_nonblocking(true).expect("a setting");
    Joined { link: Blocking(kafka08_blocking::Client::new(NativeTlsStream(stream), config(timeout))), valve, peer }
}

pub(crate) async fn rustls_blocking(
    answers: Answers,
    timeout: Duration,
) -> Joined<Blocking<RustlsStream<Gate<UnixStream>>>> {
    let (gate, peer) = pipe(answers);
    let valve = gate.valve.clone();
    let (settings, name) = rustls();
    let session = rustls::ClientConnection::new(settings, name).expect("a session");
    let stream = RustlsStream::handshake(session, gate).expect("the peers agree");
    stream.socket().socket.set_nonblocking(true).expect("a setting");
    Joined { link: Blocking(kafka08_blocking::Client::new(stream, config(timeout))), valve, peer }
}

pub(crate) async fn openssl_tokio(answers: Answers, timeout: Duration) -> Joined<Tokio> {
    let (gate, peer) = pipe(answers);
    let valve = gate.valve.clone();
    let connector = tokio_native_tls::TlsConnector::from(openssl());
    let stream = connector.connect(NAME, asynchronous(gate)).await.expect("the peers agree");
    Joined { link: Tokio(kafka08_tokio::Client::new(stream, config(timeout))), valve, peer }
}

pub(crate) async fn rustls_tokio(answers: Answers, timeout: Duration) -> Joined<Tokio> {
    let (gate, peer) = pipe(answers);
    let valve = gate.valve.clone();
    let (settings, name) = rustls();
    let connector = tokio_rustls::TlsConnector::from(settings);
    let stream = connector.connect(name, asynchronous(gate)).await.expect("the peers agree");
    Joined { link: Tokio(kafka08_tokio::Client::new(stream, config(timeout))), valve, peer }
}
