//! JoinGroup (key 11): unimplemented in 0.8.2.

use bytes::Bytes;

use crate::{
    api::{Body, ByTopic, Encode, Request},
    error_code::ErrorCode,
    ids::{Api, ApiKey, Generation, Millis, Text},
    wire::{DecodeError, EncodeError, Encoder, Rules, array, int16, int32, parse, text},
};

/// Joins a group (`JoinGroupRequest`, 0.8.2). A broker of 0.8.2 does not implement it, and always answers with
/// [`ErrorCode::UNKNOWN`].
///
/// Kafka 0.9 and later use another layout under the same key and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupRequest {
    /// The group.
    pub group: Text,
    /// How long the broker waits for a heartbeat.
    pub session_timeout: Millis,
    /// The topics that the member wants. A negative count is an error, because the broker's Java reader reads this
    /// request.
    pub topics: Vec<Text>,
    /// The id of the member, or an empty string for a new member.
    pub consumer: Text,
    /// The strategy by which partitions are assigned.
    pub strategy: Text,
}

impl Encode for JoinGroupRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.text("group", &self.group)?;
        to.int32(self.session_timeout.0);
        to.array("topics", &self.topics, |to, topic| to.text("topic", topic))?;
        to.text("consumer_id", &self.consumer)?;
        to.text("strategy", &self.strategy)
    }
}

impl Body for JoinGroupRequest {
    const NAME: &'static str = "JoinGroup request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, group) = text("group", Rules::JavaBroker, body, i)?;
            let (i, session_timeout) = int32("session_timeout_ms", i)?;
            let (i, topics) = array("topics", Rules::Strict, 2, i, |i| text("topic", Rules::JavaBroker, body, i))?;
            let (i, consumer) = text("consumer_id", Rules::JavaBroker, body, i)?;
            let (i, strategy) = text("strategy", Rules::JavaBroker, body, i)?;
            Ok((i, Self { group, session_timeout, topics, consumer, strategy }))
        })
    }
}

impl Request for JoinGroupRequest {
    type Response = JoinGroupResponse;
    const API: Api = Api::v0(ApiKey::JOIN_GROUP);

    /// A later release adds a member to the group.
    fn changes_state(&self) -> bool {
        true
    }
}

/// The partitions that a coordinator assigns (`JoinGroupResponse`, 0.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupResponse {
    /// 0.8.2 always sends [`ErrorCode::UNKNOWN`].
    pub error: ErrorCode,
    /// The group's generation.
    pub generation: Generation,
    /// The member's id.
    pub consumer: Text,
    /// The partitions that are assigned to the member.
    pub topics: ByTopic<()>,
}

impl Encode for JoinGroupResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.error.0);
        to.int32(self.generation.0);
        to.text("consumer_id", &self.consumer)?;
        self.topics.encode(to, |_, ()| Ok(()))
    }
}

impl Body for JoinGroupResponse {
    const NAME: &'static str = "JoinGroup response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, error) = int16("error_code", i)?;
            let (i, generation) = int32("generation_id", i)?;
            let (i, consumer) = text("consumer_id", Rules::Strict, body, i)?;
            let (i, topics) = ByTopic::parse(Rules::Strict, 0, body, i, |i| Ok((i, ())))?;
            Ok((i, Self { error, generation, consumer, topics }))
        })
    }
}
