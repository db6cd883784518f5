//! A plan: all that a run depends on, as plain numbers.
//!
//! A plan is drawn from [`Choices`](crate::choices::Choices) once, or read from a text file. Everything in it is a number, so
//! that it can be written, read and made smaller without knowing what the numbers mean.

mod draw;
mod fault;
mod text;

pub use fault::{Fault, FaultKind, Trigger};
pub use text::PlanError;

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $name:ident = $default:literal),+ $(,)?) => {
        /// The settings of a run. Times are in microseconds.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $name: u64,)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Settings {
            /// The names of all settings, in the order in which they are written.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// The setting of this name.
            #[must_use]
            pub fn named(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)+
                    _ => None,
                }
            }

            /// The setting of this name, to be changed.
            pub fn named_mut(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

settings! {
    /// Names the streams of what a run draws itself.
    residual = 0,
    /// What the client does: see [`Scenario`](crate::workload::Scenario).
    scenario = 0,
    /// The number of brokers.
    brokers = 1,
    /// The number of topics.
    topics = 1,
    /// The number of partitions of each topic.
    partitions = 1,
    /// The number of replicas of each partition.
    replication = 1,
    /// The release of the brokers: 0 for 0.8.2, 1 for 0.8.1, 2 for 0.8.0.
    release = 0,
    /// Whether a replica that is not in sync may become leader: 1 if so.
    unclean = 0,
    /// After what time the controller notices a broker that has ended.
    election_delay = 100_000,
    /// How long changes take to reach the metadata of brokers.
    metadata_delay = 0,
    /// The longest time after which a follower fetches.
    replication_lag = 0,
    /// The mean latency of each direction.
    latency = 0,
    /// How many bytes a connection moves in a millisecond. 0 stands for no limit.
    bandwidth = 0,
    /// How many bytes each direction of a connection holds.
    send_buffer = 65_536,
    /// How bytes are cut: see [`Segments`](crate::net::Segments).
    segments = 0,
    /// The number of operations: records or calls.
    operations = 1,
    /// The time within which all operations are submitted.
    span = 0,
    /// How long faults go on at least, unless everything has ended before.
    chaos = 0,
    /// The longest filler of a value, in bytes.
    filler = 0,
    /// The acks of produces: 0 for -1, 1 for 1, 2 for none.
    acks = 0,
    /// What a producer retries: 0 at least once, 1 only what was not applied, 2 nothing.
    retries = 0,
    /// How long one attempt may take.
    request_timeout = 30_000_000,
    /// How long connecting may take.
    connect_timeout = 10_000_000,
    /// How long a broker may wait for replicas.
    replica_wait = 10_000_000,
    /// How long a batch or a call may take in all.
    delivery_timeout = 120_000_000,
    /// How long a batch waits for more records.
    linger = 5_000,
    /// The most bytes of a batch. 0 stands for the client's default.
    batch_bytes = 0,
    /// The most bytes of all records that a producer holds. 0 stands for the client's default.
    buffer_bytes = 0,
    /// The most bytes that a connection stages. 0 stands for the client's default.
    max_staged = 0,
    /// The most requests in flight on a connection. 0 stands for the client's default.
    max_in_flight = 0,
    /// How far before its end the sequence of correlation ids starts. 0 stands for its beginning.
    near_wrap = 0,
    /// Whether back-off is shortened to nearly nothing: 1 if so.
    no_backoff = 0,
    /// How the producer compresses: 0 not, 1 gzip, 2 snappy.
    codec = 0,
}

/// All that a run depends on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// The settings.
    pub settings: Settings,
    /// The faults, in no particular order.
    pub faults: Vec<Fault>,
}
