//! Starts real Kafka brokers on loopback, for tests: those of the 0.8 line ([`Cluster`]) and later ones ([`NewerBroker`]). A
//! [`Proxy`] in front of one resets its connections.
//!
//! The jars come from a Maven registry and are kept under `target/`, or in the folder that `KAFKA08_JARS` names. Everything
//! binds 127.0.0.1 on free ports, and is stopped when its handle is dropped, whatever way the test ends. When a test
//! fails, the logs stay, and their folder is printed.

mod cluster;
mod error;
mod faults;
mod folder;
mod jars;
pub mod ledger;
mod newer;
mod process;
mod program;
mod proxy;
mod python;
mod release;
mod seed;
#[cfg(feature = "tls")]
pub mod tls;
mod tool;
mod zookeeper;

pub use cluster::{Cluster, ClusterBuilder};
pub use error::Error;
pub use faults::Faults;
pub use newer::{NewerBroker, NewerRelease};
pub use program::{Program, ProgramOutput, RunningProgram};
pub use proxy::{ByteLimits, Proxy, ProxyStats};
pub use python::python;
pub use release::Release;
pub use seed::Seed;
pub use tool::Tool;
pub use zookeeper::PartitionState;
