//! Clients that reach their broker through TLS, by rustls.
//!
//! A 0.8 broker has no TLS. A proxy in front of it, such as stunnel, envoy or haproxy, takes TLS connections and passes the
//! bytes on. Let the brokers advertise the proxy's address (`advertised.host.name`), or connect to a proxy for each broker.
//!
//! [`blocking::connect`] and [`tokio::connect`] do what `Client::connect` does, with a handshake behind it: copy the one that
//! you need. [`Terminator`] is a proxy for tests.

pub mod blocking;
mod error;
mod stream;
mod terminator;
pub mod tokio;

use std::{error::Error, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

pub use error::TlsError;
pub use stream::RustlsStream;
pub use terminator::Terminator;

use kafka08_proto::HostPort;

/// Settings that trust the certificates of this PEM file, and no others: those of your authority, or a proxy's own.
///
/// # Errors
/// The file is not PEM, has no certificate, or has one that cannot be trusted.
pub fn trust(pem: &[u8]) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| format!("the root certificates cannot be read: {error}"))?)?;
    }
    if roots.is_empty() {
        return Err("there is no certificate to trust: the file has no block BEGIN CERTIFICATE".into());
    }
    // The provider is named, because rustls cannot choose one if some other crate enables a second one.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(Arc::new(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth()))
}

/// The name that the certificate of the other end must have: the host to connect to.
fn name(target: &HostPort) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(target.host().to_owned()).map_err(|_| TlsError::Name(target.clone()))
}
