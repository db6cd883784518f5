//! Both clients through TLS: with the right name, with a wrong one, and with peers that do not speak TLS.

use std::{
    io::Write as _,
    iter,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use kafka08_broker::{BrokerConfig, Server};
use kafka08_examples::tls::{self, Terminator, TlsError};
use kafka08_proto::{ClientConfig, HostPort, api::MetadataRequest};

/// The timeout of connecting, where it is to pass.
const SHORT: Duration = Duration::from_millis(300);
/// The default of that timeout is 10 s. A client that gives up only then has not noticed what is wrong.
const IN_TIME: Duration = Duration::from_secs(8);

fn config() -> ClientConfig {
    ClientConfig::default()
}

/// A broker, and a TLS proxy in front of it whose certificate is for `name`.
fn behind_tls(name: &str) -> (Server, Terminator) {
    let broker = Server::start(BrokerConfig::default()).expect("a broker");
    let proxy = Terminator::start(name, broker.address()).expect("a proxy");
    (broker, proxy)
}

fn on_tokio<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(IN_TIME, test).await.expect("it ends in time") })
}

/// What each client says of a target that it cannot reach. Both must give up in time.
fn errors(target: &HostPort, certificate: &[u8]) -> [TlsError; 2] {
    errors_of(target, certificate, &config())
}

fn errors_of(target: &HostPort, certificate: &[u8], config: &ClientConfig) -> [TlsError; 2] {
    let trusted = || tls::trust(certificate).expect("a certificate");
    let started = Instant::now();
    let blocking = tls::blocking::connect(target.clone(), trusted(), config.clone()).expect_err("it cannot connect");
    assert!(started.elapsed() < IN_TIME, "it took {:?}", started.elapsed());
    let on_tokio =
        on_tokio(tls::tokio::connect(target.clone(), trusted(), config.clone())).expect_err("it cannot connect");
    [blocking, on_tokio]
}

/// A certificate to trust, where none is ever shown.
fn any_certificate() -> Vec<u8> {
    behind_tls("localhost").1.certificate().to_vec()
}

#[test]
fn with_the_right_name_both_clients_get_answers() {
    let (_broker, proxy) = behind_tls("localhost");
    let target = HostPort::new("localhost", proxy.address().port());
    let trusted = || tls::trust(proxy.certificate()).expect("a certificate");

    let mut client = tls::blocking::connect(target.clone(), trusted(), config()).expect("a connection");
    let first = client.send(&MetadataRequest::of(["a"])).expect("it is sent");
    let second = client.send(&MetadataRequest::of(["b", "c"])).expect("it is sent");
    assert_eq!(client.wait(second).expect("an answer").topics().len(), 2);
    assert_eq!(client.wait(first).expect("an answer").topics().len(), 1);

    on_tokio(async {
        let client = tls::tokio::connect(target, trusted(), config()).await.expect("a connection");
        let first = client.send(&MetadataRequest::of(["a"])).await.expect("it is sent");
        let second = client.send(&MetadataRequest::of(["b", "c"])).await.expect("it is sent");
        assert_eq!(second.await.expect("an answer").topics().len(), 2);
        assert_eq!(first.await.expect("an answer").topics().len(), 1);
    });
}

#[test]
fn an_ip_address_can_be_the_name() {
    let (_broker, proxy) = behind_tls("127.0.0.1");
    let trusted = tls::trust(proxy.certificate()).expect("a certificate");
    let mut client = tls::blocking::connect(proxy.address().into(), trusted, config()).expect("a connection");
    client.call(&MetadataRequest::all()).expect("an answer");
}

#[test]
fn a_wrong_host_name_is_told_with_the_name_of_the_certificate() {
    let (_broker, proxy) = behind_tls("broker1.example.org");
    let target = HostPort::new("localhost", proxy.address().port());
    for error in errors(&target, proxy.certificate()) {
        let text = error.to_string();
        assert!(matches!(error, TlsError::Handshake { .. }), "{error:?}");
        for part in
            [&target.to_string(), "\"localhost\"", "not valid for name", "broker1.example.org", "connect by a name"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn a_certificate_of_another_authority_is_told() {
    let (_broker, proxy) = behind_tls("localhost");
    let target = HostPort::new("localhost", proxy.address().port());
    for error in errors(&target, &any_certificate()) {
        let text = error.to_string();
        assert!(text.contains("certificate is not accepted for the host \"localhost\""), "{text}");
    }
}

#[test]
fn a_broker_without_tls_is_told_in_time() {
    let broker = Server::start(BrokerConfig::default()).expect("a broker");
    let target = HostPort::from(broker.address());
    for error in errors(&target, &any_certificate()) {
        let text = error.to_string();
        assert!(text.contains(&format!("no TLS with {target}: ")), "{text}");
        assert!(text.contains("the peer may not speak TLS, as no 0.8 broker does"), "{text}");
    }
}

#[test]
fn a_peer_that_says_nothing_costs_no_more_than_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = HostPort::from(silent.local_addr().expect("an address"));
    let started = Instant::now();
    for error in errors_of(&target, &any_certificate(), &config().with_connect_timeout(SHORT)) {
        assert!(matches!(error, TlsError::TimedOut { after: SHORT, .. }), "{error:?}");
        assert!(error.to_string().contains("may not speak TLS"), "{error}");
    }
    assert!(started.elapsed() >= 2 * SHORT, "{:?}", started.elapsed());
}

#[test]
fn a_peer_that_sends_a_byte_now_and_then_gets_no_more_time() {
    let slow = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = HostPort::from(slow.local_addr().expect("an address"));
    let peer = thread::spawn(move || {
        for _ in 0..2 {
            let (mut socket, _) = slow.accept().expect("a client");
            // The beginning of a handshake record of TLS 1.2 with 16 KiB.
            let mut record = [0x16, 3, 3, 0x40, 0].into_iter().chain(iter::repeat(0));
            while socket.write_all(&[record.next().unwrap_or_default()]).is_ok() {
                thread::sleep(SHORT / 10);
            }
        }
    });
    for error in errors_of(&target, &any_certificate(), &config().with_connect_timeout(SHORT)) {
        assert!(matches!(error, TlsError::TimedOut { .. }), "{error:?}");
    }
    peer.join().expect("the clients have gone");
}

#[test]
fn a_refused_connection_is_not_blamed_on_tls() {
    // The port is the system's. One that was free a moment ago may be another test's by now.
    for error in errors(&HostPort::new("127.0.0.1", 1), &any_certificate()) {
        let text = error.to_string();
        assert!(matches!(error, TlsError::Connect(_)), "{error:?}");
        assert!(text.to_lowercase().contains("connection refused") && text.contains("127.0.0.1:1"), "{text}");
        assert!(!text.contains("TLS"), "{text}");
    }
}

#[test]
fn a_host_that_no_certificate_can_name_is_refused() {
    for error in errors(&HostPort::new("not a name", 9093), &any_certificate()) {
        assert!(matches!(error, TlsError::Name(_)), "{error:?}");
    }
}

#[test]
fn a_client_without_tls_is_told_that_the_port_may_want_it() {
    let (_broker, proxy) = behind_tls("localhost");
    let target = proxy.address().to_string();

    let mut client = kafka08_blocking::Client::connect(&target, config()).expect("a connection");
    let blocking = client.call(&MetadataRequest::all()).expect_err("the proxy does not understand it");
    assert!(blocking.to_string().contains("speaks TLS"), "{blocking}");

    let on_tokio = on_tokio(async {
        let client = kafka08_tokio::Client::connect(&target, config()).await.expect("a connection");
        client.call(&MetadataRequest::all()).await.expect_err("the proxy does not understand it")
    });
    assert!(on_tokio.to_string().contains("speaks TLS"), "{on_tokio}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let error = tls::trust(b"not a PEM file").expect_err("there is no certificate");
    assert!(error.to_string().contains("no certificate to trust"), "{error}");
}
