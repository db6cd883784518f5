//! API keys and versions: which request it is.

use std::fmt;

/// Which of the broker's services a request asks for.
///
/// Open: any `i16` that arrives is held as it is. The constants are the keys a 0.8 broker knows (`RequestKeys`, 0.8.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKey(pub i16);

impl ApiKey {
    /// Append messages to partitions.
    pub const PRODUCE: Self = Self(0);
    /// Read messages from partitions.
    pub const FETCH: Self = Self(1);
    /// Look up log offsets by time. Kafka 0.8 calls it "Offsets", later releases "ListOffsets".
    pub const LIST_OFFSETS: Self = Self(2);
    /// Brokers, topics, partitions and leaders.
    pub const METADATA: Self = Self(3);
    /// Controller to broker: become leader or follower.
    pub const LEADER_AND_ISR: Self = Self(4);
    /// Controller to broker: stop serving replicas.
    pub const STOP_REPLICA: Self = Self(5);
    /// Controller to broker: the cluster's state. It is not OffsetCommit, whatever old clients say.
    pub const UPDATE_METADATA: Self = Self(6);
    /// Broker to controller: about to stop. It is not OffsetFetch, whatever old clients say.
    pub const CONTROLLED_SHUTDOWN: Self = Self(7);
    /// Store a group's offsets. Since 0.8.1.
    pub const OFFSET_COMMIT: Self = Self(8);
    /// Read a group's offsets. Since 0.8.1.
    pub const OFFSET_FETCH: Self = Self(9);
    /// Find a group's coordinator. Since 0.8.2.
    pub const CONSUMER_METADATA: Self = Self(10);
    /// Parsed by 0.8.2, and always answered with an error.
    pub const JOIN_GROUP: Self = Self(11);
    /// Parsed by 0.8.2, and always answered with an error.
    pub const HEARTBEAT: Self = Self(12);

    /// The name of a key that some 0.8 release knows, `None` for any other.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::PRODUCE => "Produce",
            Self::FETCH => "Fetch",
            Self::LIST_OFFSETS => "ListOffsets",
            Self::METADATA => "Metadata",
            Self::LEADER_AND_ISR => "LeaderAndIsr",
            Self::STOP_REPLICA => "StopReplica",
            Self::UPDATE_METADATA => "UpdateMetadata",
            Self::CONTROLLED_SHUTDOWN => "ControlledShutdown",
            Self::OFFSET_COMMIT => "OffsetCommit",
            Self::OFFSET_FETCH => "OffsetFetch",
            Self::CONSUMER_METADATA => "ConsumerMetadata",
            Self::JOIN_GROUP => "JoinGroup",
            Self::HEARTBEAT => "Heartbeat",
            _ => return None,
        })
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "API {}", self.0),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The version of a request's layout. A 0.8 broker checks it for OffsetCommit only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApiVersion(pub i16);

/// A request's kind: its key and its version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Api {
    /// Which service.
    pub key: ApiKey,
    /// Which layout.
    pub version: ApiVersion,
}

impl Api {
    /// The first version, which is the only one most APIs of 0.8 have.
    #[must_use]
    pub const fn v0(key: ApiKey) -> Self {
        Self { key, version: ApiVersion(0) }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.key, self.version.0)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
