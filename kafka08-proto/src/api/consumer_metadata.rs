//! ConsumerMetadata (key 10): finds the broker that coordinates a group.

use bytes::Bytes;

use super::{Body, Broker, Encode, Request, RequestProblem, metadata::parse_broker, problem::check_group};
use crate::{
    error_code::ErrorCode,
    ids::{Api, ApiKey, NodeId, Text},
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, Rules, int16, parse, text},
};

/// Asks any broker for a group's coordinator (`ConsumerMetadataRequest`, since 0.8.2).
///
/// The first such request in a cluster creates the topic `__consumer_offsets`, and is answered with
/// [`ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE`]. Ask again after a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMetadataRequest {
    /// The group. [`Request::check`] refuses an empty name. Null is decoded as an empty name; a broker answers it with
    /// correlation id 0.
    pub group: Text,
}

impl ConsumerMetadataRequest {
    /// Creates a request for the coordinator of `group`.
    #[must_use]
    pub fn new(group: impl Into<Text>) -> Self {
        Self { group: group.into() }
    }
}

impl Encode for ConsumerMetadataRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.text("group", &self.group)
    }
}

impl Body for ConsumerMetadataRequest {
    const NAME: &'static str = "ConsumerMetadata request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, group) = text("group", Rules::Broker, body, i)?;
            Ok((i, Self { group }))
        })
    }
}

impl Request for ConsumerMetadataRequest {
    type Response = ConsumerMetadataResponse;
    const API: Api = Api::v0(ApiKey::CONSUMER_METADATA);

    fn check(&self, _: Profile, _: &Limits) -> Result<(), RequestProblem> {
        check_group(&self.group)
    }
}

/// A group's coordinator (`ConsumerMetadataResponse`, 0.8.2).
///
/// After an internal error, the broker answers with correlation id 0. No other response of 0.8 does so. A
/// [`ClientConnection`](crate::connection) accepts it as the response to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMetadataResponse {
    /// No error, or why there is no coordinator.
    pub error: ErrorCode,
    /// The broker to which OffsetCommit and OffsetFetch of version 1 are sent. With an error, it is node -1 with an
    /// empty host and port -1.
    pub broker: Broker,
}

impl ConsumerMetadataResponse {
    /// Creates a response that says that there is no coordinator (yet).
    #[must_use]
    pub fn not_available() -> Self {
        Self {
            error: ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE,
            // 0.8.2 writes these values if it has no coordinator to name.
            broker: Broker { node: NodeId::NONE, host: Text::default(), raw_port: -1 },
        }
    }

    /// The coordinator, if there is no error.
    ///
    /// # Errors
    /// Returns the broker's code, which is usually [`ErrorCode::CONSUMER_COORDINATOR_NOT_AVAILABLE`]. Ask again later
    /// after that code.
    pub fn coordinator(&self) -> Result<&Broker, ErrorCode> {
        self.error.ok().map(|()| &self.broker)
    }
}

impl Encode for ConsumerMetadataResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.error.0);
        self.broker.encode(to)
    }
}

impl Body for ConsumerMetadataResponse {
    const NAME: &'static str = "ConsumerMetadata response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, error) = int16("error_code", i)?;
            // The broker is encoded even with an error, and has no meaning then.
            let (i, broker) = parse_broker(Rules::Strict, body, i)?;
            Ok((i, Self { error, broker }))
        })
    }
}
