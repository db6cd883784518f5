//! Heartbeat (key 12): unimplemented in 0.8.2, but useful for telling releases apart.

use bytes::Bytes;

use crate::{
    api::{Body, Encode, Request},
    error_code::ErrorCode,
    ids::{Api, ApiKey, Generation, Text},
    wire::{DecodeError, EncodeError, Encoder, Rules, int16, int32, parse, text},
};

/// Keeps a member in its group (`HeartbeatRequest`, 0.8.2). A broker of 0.8.2 does not implement it, and always answers
/// with [`ErrorCode::UNKNOWN`].
///
/// Later releases answer with another code, and earlier ones close the connection, so the answer tells releases apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatRequest {
    /// The group.
    pub group: Text,
    /// The group's generation.
    pub generation: Generation,
    /// The id of the member.
    pub consumer: Text,
}

impl Encode for HeartbeatRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.text("group", &self.group)?;
        to.int32(self.generation.0);
        to.text("consumer_id", &self.consumer)
    }
}

impl Body for HeartbeatRequest {
    const NAME: &'static str = "Heartbeat request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, group) = text("group", Rules::JavaBroker, body, i)?;
            let (i, generation) = int32("generation_id", i)?;
            let (i, consumer) = text("consumer_id", Rules::JavaBroker, body, i)?;
            Ok((i, Self { group, generation, consumer }))
        })
    }
}

impl Request for HeartbeatRequest {
    type Response = HeartbeatResponse;
    const API: Api = Api::v0(ApiKey::HEARTBEAT);
}

/// A broker's answer to [`HeartbeatRequest`] (`HeartbeatResponse`, 0.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatResponse {
    /// 0.8.2 always sends [`ErrorCode::UNKNOWN`].
    pub error: ErrorCode,
}

impl Encode for HeartbeatResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.error.0);
        Ok(())
    }
}

impl Body for HeartbeatResponse {
    const NAME: &'static str = "Heartbeat response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, error) = int16("error_code", i)?;
            Ok((i, Self { error }))
        })
    }
}
