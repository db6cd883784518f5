//! The release of the broker at the other end.

use std::fmt;

use crate::ids::{Api, ApiKey};

/// A release line of Kafka 0.8. Brokers do not announce their release, so the caller sets it, or finds it by a
/// [`Probe`](crate::probe::Probe).
///
/// Later releases are greater: `profile >= Profile::V0_8_1` is true for 0.8.1 and 0.8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// 0.8.0. It knows APIs 0 to 7.
    V0_8_0,
    /// 0.8.1 and 0.8.1.1. They add OffsetCommit and OffsetFetch (8 and 9), which store offsets in ZooKeeper.
    V0_8_1,
    /// 0.8.2.0 to 0.8.2.2. They add offsets stored in Kafka, ConsumerMetadata and lz4.
    #[default]
    V0_8_2,
}

impl Profile {
    /// Whether a broker of this release knows the API and reads this version of it correctly.
    ///
    /// A broker closes the connection on an unknown key. It reads an unknown version of most APIs as version 0. Source:
    /// `RequestKeys` and the readers of each release.
    #[must_use]
    pub fn knows(self, api: Api) -> bool {
        let last_key = match self {
            Self::V0_8_0 => ApiKey::CONTROLLED_SHUTDOWN,
            Self::V0_8_1 => ApiKey::OFFSET_FETCH,
            Self::V0_8_2 => ApiKey::HEARTBEAT,
        };
        // 0.8.1 takes version 1 too, and does the wrong thing: it reads the generation of an OffsetCommit as the count
        // of topics and stores nothing, and it answers an OffsetFetch from ZooKeeper. No 0.8 release has version 2.
        let last_version = match api.key {
            ApiKey::OFFSET_COMMIT | ApiKey::OFFSET_FETCH if self == Self::V0_8_2 => 1,
            _ => 0,
        };
        // The ranges also exclude negative keys and versions, which can arrive.
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
