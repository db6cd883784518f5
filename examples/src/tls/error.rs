//! Why there is no connection through TLS, with a text that says what to do.

use std::{fmt, io, io::ErrorKind, time::Duration};

use kafka08_proto::{HostPort, adapter::ConnectError};
use rustls::CertificateError;

/// Why there is no connection through TLS. No request was sent.
#[derive(Debug)]
pub enum TlsError {
    /// There is no connection at all.
    Connect(ConnectError),
    /// No certificate can be valid for the host.
    Name(HostPort),
    /// The handshake has failed.
    Handshake {
        /// The address that was asked for.
        target: HostPort,
        /// The error of the socket, or that of rustls within.
        error: io::Error,
    },
    /// The handshake was not finished in time.
    TimedOut {
        /// The address that was asked for.
        target: HostPort,
        /// The timeout of connecting, handshake included.
        after: Duration,
    },
}

impl TlsError {
    /// The error of a handshake that has failed with `error` within `after`.
    pub(super) fn of_handshake(target: &HostPort, error: io::Error, after: Duration) -> Self {
        let target = target.clone();
        if error.kind() == ErrorKind::TimedOut {
            Self::TimedOut { target, after }
        } else {
            Self::Handshake { target, error }
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "{error}"),
            Self::Name(target) => {
                write!(
                    f,
                    "no certificate can be valid for the host {:?}: connect by a DNS name or an IP address",
                    target.host()
                )
            }
            Self::Handshake { target, error } => {
                write!(f, "no TLS with {target}: ")?;
                match error.get_ref().and_then(|error| error.downcast_ref()) {
                    Some(error) => advise(f, target, error),
                    None if is_end(error.kind()) => write!(f, "the peer closed the connection in the handshake{PLAIN}"),
                    None => write!(f, "{error}"),
                }
            }
            Self::TimedOut { target, after } => {
                write!(f, "no TLS with {target}: the handshake was not finished within {after:?}{PLAIN}")
            }
        }
    }
}

/// What is to be suspected of a peer that does not answer a handshake.
const PLAIN: &str = ": the peer may not speak TLS, as no 0.8 broker does; connect to the port of the proxy in front of it, or \
                     without TLS";

fn advise(f: &mut fmt::Formatter<'_>, target: &HostPort, error: &rustls::Error) -> fmt::Result {
    match error {
        rustls::Error::InvalidMessage(_) => write!(f, "its answer is not TLS ({error}){PLAIN}"),
        rustls::Error::InvalidCertificate(problem) => {
            write!(f, "its certificate is not accepted for the host {:?}: {problem}", target.host())?;
            f.write_str(match problem {
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    ": connect by a name of the certificate, or give the proxy a certificate with this name"
                }
                CertificateError::UnknownIssuer => ": trust the authority that has issued it, if it is the right one",
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => ": renew it, and check the clocks of both hosts",
                _ => ": have the proxy's certificate checked",
            })
        }
        _ => write!(f, "{error}"),
    }
}

fn is_end(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

// The text says what the cause says, so that none is returned as the source.
impl std::error::Error for TlsError {}

impl From<ConnectError> for TlsError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}
