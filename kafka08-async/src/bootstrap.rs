//! What every handle of a cluster begins with: its list of brokers, and its seed.

use std::hash::{BuildHasher as _, RandomState};

use kafka08_client::{config::ClusterConfig, error::BootstrapError};
use kafka08_proto::HostPort;

/// Reads a list of brokers. An entry is `host:port`, or several of these with commas between them, as Kafka's own clients take
/// them.
///
/// # Errors
/// An entry is not a host and a port, or there is none.
pub(crate) fn brokers(list: impl IntoIterator<Item: AsRef<str>>) -> Result<Vec<HostPort>, BootstrapError> {
    let mut brokers = Vec::new();
    for entry in list {
        for broker in entry.as_ref().split(',') {
            brokers.push(broker.trim().parse()?);
        }
    }
    if brokers.is_empty() { Err(BootstrapError::Empty) } else { Ok(brokers) }
}

/// The settings of a handle: with this list of brokers, and with a seed of its own if none is set.
///
/// # Errors
/// As [`brokers`].
pub(crate) fn config(
    list: impl IntoIterator<Item: AsRef<str>>,
    config: ClusterConfig,
) -> Result<ClusterConfig, BootstrapError> {
    let config = config.with_bootstrap(brokers(list)?);
    Ok(if config.seed().is_none() { config.with_seed(seed()) } else { config })
}

/// A seed that differs between handles and between processes, so that clients that lose the same broker come back at different
/// times.
pub(crate) fn seed() -> u64 {
    // The keys of a `RandomState` are random in each process, and another pair is used each time.
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &[&str]) -> Result<Vec<String>, String> {
        let read = brokers(list).map_err(|error| error.to_string())?;
        Ok(read.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_list_has_one_or_several_brokers_in_each_entry() {
        let three = ["a:1", "b:2", "[::1]:3"].map(str::to_owned).to_vec();
        assert_eq!(read(&["a:1", "b:2", "[::1]:3"]), Ok(three.clone()));
        assert_eq!(read(&["a:1, b:2", "[::1]:3"]), Ok(three));
    }

    #[test]
    fn an_entry_that_is_no_broker_is_named() {
        assert_eq!(read(&[]), Err("no broker to connect to: give at least one, as host:port".to_owned()));
        let text = read(&["a:1", "b"]).expect_err("no port");
        assert!(text.contains("\"b\"") && text.contains("host:port"), "{text}");
    }

    #[test]
    fn a_seed_is_chosen_unless_one_is_set() {
        let seed = |of| config(["a:1"], of).expect("a broker").seed();
        assert_eq!(seed(ClusterConfig::default().with_seed(0)), Some(0));
        assert_ne!(seed(ClusterConfig::default()), seed(ClusterConfig::default()));
    }
}
