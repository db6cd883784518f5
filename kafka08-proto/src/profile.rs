//! Which release of Kafka is at the other end.

use std::fmt;

use crate::ids::{Api, ApiKey};

/// A release line of Kafka 0.8. The wire does not tell it: the caller says which brokers it has.
///
/// Ordered by age, so that `profile >= Profile::V0_8_1` reads as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// 0.8.0: APIs 0 to 7.
    V0_8_0,
    /// 0.8.1 and 0.8.1.1: offsets in ZooKeeper through APIs 8 and 9.
    V0_8_1,
    /// 0.8.2.0 to 0.8.2.2: offsets in Kafka, ConsumerMetadata, lz4.
    #[default]
    V0_8_2,
}

impl Profile {
    /// Whether a broker of this release reads such a request as what it is.
    ///
    /// It closes the connection on a key it does not know. Versions it mostly does not look at: 0.8.1 reads version 1 of
    /// OffsetCommit as version 0 and stores nothing, and answers version 1 of OffsetFetch from the wrong store. Source:
    /// `RequestKeys` and the readers of each release.
    #[must_use]
    pub fn knows(self, api: Api) -> bool {
        let last_key = match self {
            Self::V0_8_0 => ApiKey::CONTROLLED_SHUTDOWN,
            Self::V0_8_1 => ApiKey::OFFSET_FETCH,
            Self::V0_8_2 => ApiKey::HEARTBEAT,
        };
        let last_version = match api.key {
            ApiKey::OFFSET_COMMIT | ApiKey::OFFSET_FETCH if self == Self::V0_8_2 => 1,
            _ => 0,
        };
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
