//! Why a client of a cluster has met no broker.

use std::{fmt, io, sync::Arc, time::Duration};

use kafka08_proto::ids::BadHostPort;

use super::{CallFailure, Unreachable};

/// Why a handle could not be connected: no broker of its list has answered.
///
/// Texts name each address that was tried, what happened there, and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The list has no broker.
    Empty,
    /// An entry of the list is not a host and a port.
    Target(BadHostPort),
    /// Each broker of the list has failed.
    Unreachable(Arc<Unreachable>),
    /// No broker has answered within the connect timeout.
    TimedOut {
        /// The connect timeout.
        after: Duration,
        /// The addresses that have failed until then.
        failed: Arc<Unreachable>,
    },
    /// The first request has failed, for another reason than connecting.
    Failed(Box<CallFailure>),
    /// The system has no thread or no descriptor left.
    Setup(io::Error),
}

impl fmt::Display for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no broker to connect to: give at least one, as host:port"),
            Self::Target(error) => write!(f, "{error}"),
            Self::Unreachable(all) => write!(f, "{all}"),
            Self::TimedOut { after, failed } => {
                write!(f, "no broker has answered within {after:?}")?;
                for (n, (_, reason)) in failed.attempts.iter().enumerate() {
                    write!(f, "{}{reason}", if n == 0 { ": " } else { "; " })?;
                }
                if failed.attempts.is_empty() {
                    f.write_str(
                        ": the hosts are down, or a firewall drops packets; check both, or raise the connect timeout",
                    )?;
                }
                Ok(())
            }
            Self::Failed(failure) => write!(f, "the first request to the cluster has failed: {failure}"),
            Self::Setup(error) => write!(f, "the client cannot be started: {error}"),
        }
    }
}

// The texts name every cause, so that none is returned as the source.
impl std::error::Error for BootstrapError {}

impl From<BadHostPort> for BootstrapError {
    fn from(error: BadHostPort) -> Self {
        Self::Target(error)
    }
}

#[cfg(test)]
mod tests {
    use kafka08_proto::HostPort;

    use super::*;

    const AFTER: Duration = Duration::from_secs(10);

    #[test]
    fn the_text_has_the_reason_of_each_address_and_says_what_to_do() {
        let attempts = [("a", "a:1 refuses: start it"), ("b", "b:1 is unknown: check the name")];
        let attempts = attempts.map(|(host, reason)| (HostPort::new(host, 1), Arc::from(reason))).into();
        let failed = Arc::new(Unreachable { attempts });
        let reasons = "a:1 refuses: start it; b:1 is unknown: check the name";
        for (error, text) in [
            (BootstrapError::Empty, "no broker to connect to: give at least one, as host:port".to_owned()),
            (BootstrapError::Unreachable(Arc::clone(&failed)), format!("no broker could be reached: {reasons}")),
            (BootstrapError::TimedOut { after: AFTER, failed }, format!("no broker has answered within 10s: {reasons}")),
            (
                BootstrapError::TimedOut { after: AFTER, failed: Arc::default() },
                "no broker has answered within 10s: the hosts are down, or a firewall drops packets; check both, or raise the \
                 connect timeout"
                    .to_owned(),
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
