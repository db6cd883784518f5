//! What the probe says about a broker.

use kafka08_blocking::probe;
use kafka08_proto::{ClientConfig, probe::Release};

pub(crate) fn ask(broker: &str) -> Release {
    probe(broker, &ClientConfig::default()).unwrap_or_else(|error| panic!("{error}"))
}
