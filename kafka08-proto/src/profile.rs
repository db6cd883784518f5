//! The Kafka release of the broker.

use std::fmt;

use crate::ids::{Api, ApiKey};

/// A release line of Kafka 0.8. Brokers do not announce their release, so the caller must set the profile or detect it
/// with a [`Probe`](crate::probe::Probe).
///
/// A later release compares as greater: `profile >= Profile::V0_8_1` is true for 0.8.1 and 0.8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// 0.8.0. This release knows the API keys 0 to 7.
    V0_8_0,
    /// 0.8.1 and 0.8.1.1. These releases add OffsetCommit and OffsetFetch (8 and 9), with offsets stored in ZooKeeper.
    V0_8_1,
    /// 0.8.2.0 to 0.8.2.2. These releases add offsets stored in Kafka, ConsumerMetadata and lz4.
    #[default]
    V0_8_2,
}

impl Profile {
    /// Whether a broker of this release knows the API and reads this version of it correctly.
    ///
    /// A broker closes the connection if the key is unknown. For most APIs, the broker reads an unknown version as
    /// version 0. Source: `RequestKeys` and the request readers of each release.
    #[must_use]
    pub fn knows(self, api: Api) -> bool {
        let last_key = match self {
            Self::V0_8_0 => ApiKey::CONTROLLED_SHUTDOWN,
            Self::V0_8_1 => ApiKey::OFFSET_FETCH,
            Self::V0_8_2 => ApiKey::HEARTBEAT,
        };
        // 0.8.1 accepts version 1 too, with wrong results. OffsetCommit: 0.8.1 reads the generation as the topic count
        // and stores nothing. OffsetFetch: 0.8.1 returns offsets of ZooKeeper. No 0.8 release has version 2.
        let last_version = match api.key {
            ApiKey::OFFSET_COMMIT | ApiKey::OFFSET_FETCH if self == Self::V0_8_2 => 1,
            _ => 0,
        };
        // The ranges also exclude negative keys and versions, because a peer can send negative numbers.
        (ApiKey::PRODUCE..=last_key).contains(&api.key) && (0..=last_version).contains(&api.version.0)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0_8_0 => "Kafka 0.8.0",
            Self::V0_8_1 => "Kafka 0.8.1",
            Self::V0_8_2 => "Kafka 0.8.2",
        })
    }
}
