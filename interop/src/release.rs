//! The releases there are, and what differs between them.

use std::fmt;

/// A release of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 0.8.0.
    V0_8_0,
    /// 0.8.1.1.
    V0_8_1_1,
    /// 0.8.2.2.
    V0_8_2_2,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::V0_8_0, Self::V0_8_1_1, Self::V0_8_2_2];

    /// Its number.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V0_8_0 => "0.8.0",
            Self::V0_8_1_1 => "0.8.1.1",
            Self::V0_8_2_2 => "0.8.2.2",
        }
    }

    pub(crate) fn pom(self) -> &'static str {
        match self {
            Self::V0_8_0 => include_str!("../poms/0.8.0.xml"),
            Self::V0_8_1_1 => include_str!("../poms/0.8.1.1.xml"),
            Self::V0_8_2_2 => include_str!("../poms/0.8.2.2.xml"),
        }
    }

    /// What a broker logs when it is up.
    pub(crate) fn started(self) -> &'static str {
        match self {
            Self::V0_8_0 => "Started (kafka.server.KafkaServer)",
            Self::V0_8_1_1 | Self::V0_8_2_2 => "started (kafka.server.KafkaServer)",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka {}", self.version())
    }
}
