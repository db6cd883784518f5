//! API keys and API versions. Together they identify the type of a request.

use std::fmt;

/// The number of the API that a request calls.
///
/// The decoder accepts any `i16`. The constants are the keys that a broker of 0.8.2 knows (`RequestKeys`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKey(pub i16);

impl ApiKey {
    /// Appends messages to partitions.
    pub const PRODUCE: Self = Self(0);
    /// Reads messages from partitions.
    pub const FETCH: Self = Self(1);
    /// Looks up log offsets by time. Kafka 0.8 calls this API "Offsets". Later releases call it "ListOffsets".
    pub const LIST_OFFSETS: Self = Self(2);
    /// Lists brokers, topics, partitions and leaders.
    pub const METADATA: Self = Self(3);
    /// Makes a broker the leader or a follower of partitions. Only the controller sends this request.
    pub const LEADER_AND_ISR: Self = Self(4);
    /// Makes a broker stop serving replicas. Only the controller sends this request.
    pub const STOP_REPLICA: Self = Self(5);
    /// Sends the cluster's state to a broker. Only the controller sends this request.
    // `ApiKeys` of the Java client of 0.8.1 wrongly uses 6 for OffsetCommit and 7 for OffsetFetch. Some other clients
    // copied this. If a commit has key 6, the broker reads bytes of the group's name as the controller's epoch.
    pub const UPDATE_METADATA: Self = Self(6);
    /// Informs the controller that a broker is about to stop. Only brokers send this request.
    pub const CONTROLLED_SHUTDOWN: Self = Self(7);
    /// Stores a group's offsets. Since 0.8.1.
    pub const OFFSET_COMMIT: Self = Self(8);
    /// Reads a group's offsets. Since 0.8.1.
    pub const OFFSET_FETCH: Self = Self(9);
    /// Finds a group's coordinator. Since 0.8.2.
    pub const CONSUMER_METADATA: Self = Self(10);
    /// Joins a consumer group. 0.8.2 parses this request and always answers it with an error.
    pub const JOIN_GROUP: Self = Self(11);
    /// Keeps a member of a consumer group alive. 0.8.2 parses this request and always answers it with an error.
    pub const HEARTBEAT: Self = Self(12);

    /// The name of the API. Returns `None` if no 0.8 release knows the key.
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

/// The version of a request's layout. A 0.8 broker checks the version only in OffsetCommit and OffsetFetch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApiVersion(pub i16);

/// The API key and the version of a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Api {
    /// The key of the API.
    pub key: ApiKey,
    /// The version of the layout.
    pub version: ApiVersion,
}

impl Api {
    /// Version 0 of an API. Most APIs of 0.8 have only this version.
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
