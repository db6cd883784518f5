//! What a connection must know of a request, read from its bytes. This is for proxies, which forward requests without
//! decoding them.

use std::time::Duration;

use crate::ids::{Acks, Api, ApiKey, Millis, ReplicaId};

/// Whether a broker answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The broker answers.
    Expected,
    /// The broker sends no response, because the request is a produce with acks = 0.
    None,
}

/// What a connection must know of a request: whether and when a response comes, and whether the request can be sent
/// again without harm.
///
/// [`RequestTraits::of`] reads the traits of a request that is not decoded. They are equal to what the methods of
/// [`Request`](super::Request) return for the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTraits {
    /// Whether the broker answers.
    pub reply: Reply,
    /// Whether the request may change the broker's data, so that sending it again may apply it twice.
    pub changes_state: bool,
    /// How long the broker may wait before it answers, by the request's own fields or by the broker's defaults.
    pub server_wait: Duration,
}

/// How long a broker waits for the replicas of its offsets topic: 5 s, the default of `offsets.commit.timeout.ms`. The
/// request has no field for this time.
pub(super) const COMMIT_WAIT: Duration = Duration::from_secs(5);

impl RequestTraits {
    /// What is assumed of a request of which nothing is known.
    const UNKNOWN: Self = Self { reply: Reply::Expected, changes_state: true, server_wait: Duration::ZERO };
    const READS: Self = Self { changes_state: false, ..Self::UNKNOWN };

    /// Reads the traits of a request from its key, its version and the first bytes of its body.
    ///
    /// Nothing else is read, so the body may be malformed behind those bytes. If the key, the version or the length
    /// leaves a question open, the request counts as one that is answered at once and changes the broker's data.
    #[must_use]
    pub fn of(api: Api, body: &[u8]) -> Self {
        match (api.key, api.version.0) {
            // Version 3 begins with another field, and version 9 has another header.
            (ApiKey::PRODUCE, 0..=2) => Self::of_produce(body),
            // Version 12 has another header.
            (ApiKey::FETCH, 0..=11) => Self::of_fetch(body),
            (ApiKey::OFFSET_COMMIT, 0) => Self::UNKNOWN,
            (ApiKey::OFFSET_COMMIT, _) => Self { server_wait: COMMIT_WAIT, ..Self::UNKNOWN },
            // Metadata and ConsumerMetadata may create a topic, but not a second time when they are sent again. A
            // heartbeat only prolongs a session.
            (
                ApiKey::LIST_OFFSETS
                | ApiKey::METADATA
                | ApiKey::OFFSET_FETCH
                | ApiKey::CONSUMER_METADATA
                | ApiKey::HEARTBEAT,
                _,
            ) => Self::READS,
            _ => Self::UNKNOWN,
        }
    }

    /// `required_acks:int16 timeout_ms:int32 …`
    fn of_produce(body: &[u8]) -> Self {
        // The body is too short for a Produce. A broker closes the connection on it, which ends the request anyway.
        let Some((acks, rest)) = body.split_first_chunk::<2>() else { return Self::UNKNOWN };
        let acks = Acks(i16::from_be_bytes(*acks));
        let Some(timeout) = rest.first_chunk::<4>() else { return Self::UNKNOWN };
        Self {
            reply: if acks == Acks::NONE { Reply::None } else { Reply::Expected },
            server_wait: produce_wait(acks, Millis(i32::from_be_bytes(*timeout))),
            changes_state: true,
        }
    }

    /// `replica_id:int32 max_wait_ms:int32 …`
    fn of_fetch(body: &[u8]) -> Self {
        let Some((replica, rest)) = body.split_first_chunk::<4>() else { return Self::UNKNOWN };
        let Some(max_wait) = rest.first_chunk::<4>() else { return Self::UNKNOWN };
        Self {
            reply: Reply::Expected,
            server_wait: Millis(i32::from_be_bytes(*max_wait)).to_duration(),
            // The fetch of a follower tells the leader how far the follower has read.
            changes_state: !ReplicaId(i32::from_be_bytes(*replica)).is_client(),
        }
    }
}

/// How long a broker waits for replicas before it answers a produce.
///
/// A negative timeout counts as zero. 0.8.2 answers such a request at once. 0.8.0 and 0.8.1 wait for ever, and no
/// deadline can allow for that.
pub(super) fn produce_wait(acks: Acks, timeout: Millis) -> Duration {
    match acks {
        // With these acks a broker does not wait for replicas, whatever the timeout says.
        Acks::NONE | Acks::LEADER => Duration::ZERO,
        _ => timeout.to_duration(),
    }
}
