//! ControlledShutdown (key 7): a broker asks the controller to move leaders to other brokers.

use bytes::Bytes;

use super::partition_state::{NAMED, encode_partition, parse_partition};
use crate::{
    api::{Body, Encode, Request},
    error_code::ErrorCode,
    ids::{Api, ApiKey, NodeId, TopicPartition},
    wire::{DecodeError, EncodeError, Encoder, Rules, array, int16, int32, parse},
};

/// Tells the controller that a broker is to stop (`ControlledShutdownRequest`, 0.8.2). The header of this request is
/// the only one without a client id.
///
/// Old clients, and the Java enum of 0.8.1, use key 7 for OffsetFetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlledShutdownRequest {
    /// The broker that is to stop.
    pub broker: NodeId,
}

impl Encode for ControlledShutdownRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.broker.0);
        Ok(())
    }
}

impl Body for ControlledShutdownRequest {
    const NAME: &'static str = "ControlledShutdown request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, broker) = int32("broker_id", i)?;
            Ok((i, Self { broker }))
        })
    }
}

impl Request for ControlledShutdownRequest {
    type Response = ControlledShutdownResponse;
    const API: Api = Api::v0(ApiKey::CONTROLLED_SHUTDOWN);

    fn changes_state(&self) -> bool {
        true
    }
}

/// The partitions that the broker still leads (`ControlledShutdownResponse`, 0.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlledShutdownResponse {
    /// [`ErrorCode::UNKNOWN`] if the broker that answers is not the controller, or if the broker of the request does
    /// not exist.
    pub error: ErrorCode,
    /// The partitions that have no other leader yet.
    pub remaining: Vec<TopicPartition>,
}

impl Encode for ControlledShutdownResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.error.0);
        to.array("partitions", &self.remaining, encode_partition)
    }
}

impl Body for ControlledShutdownResponse {
    const NAME: &'static str = "ControlledShutdown response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, error) = int16("error_code", i)?;
            let (i, remaining) =
                array("partitions", Rules::Strict, NAMED, i, |i| parse_partition(Rules::Strict, body, i))?;
            Ok((i, Self { error, remaining }))
        })
    }
}
