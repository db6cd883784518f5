//! UpdateMetadata (key 6): a controller tells a broker the cluster's state.

use bytes::Bytes;

use super::partition_state::{PartitionState, encode_states, parse_states};
use crate::{
    api::{
        Body, Broker, Encode, Request,
        metadata::{BROKER, parse_broker},
    },
    error_code::ErrorCode,
    ids::{Api, ApiKey, Epoch, NodeId},
    wire::{DecodeError, EncodeError, Encoder, Rules, array, int16, int32, parse},
};

/// The cluster's state, from which brokers answer Metadata requests (`UpdateMetadataRequest`, 0.8.2).
///
/// Old clients, and the Java enum of 0.8.1, use key 6 for OffsetCommit. A broker reads the group's name in such a
/// request as the controller's id and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMetadataRequest {
    /// The controller's node.
    pub controller: NodeId,
    /// The controller's epoch. A stale epoch is answered with [`ErrorCode::UNKNOWN`], and not with
    /// [`ErrorCode::STALE_CONTROLLER_EPOCH`].
    pub controller_epoch: Epoch,
    /// The partitions and their states.
    pub partitions: Vec<PartitionState>,
    /// The brokers that are alive.
    pub brokers: Vec<Broker>,
}

impl Encode for UpdateMetadataRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.controller.0);
        to.int32(self.controller_epoch.0);
        encode_states(to, &self.partitions)?;
        to.array("brokers", &self.brokers, |to, broker| broker.encode(to))
    }
}

impl Body for UpdateMetadataRequest {
    const NAME: &'static str = "UpdateMetadata request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, controller) = int32("controller_id", i)?;
            let (i, controller_epoch) = int32("controller_epoch", i)?;
            let (i, partitions) = parse_states(body, i)?;
            let (i, brokers) = array("brokers", Rules::Broker, BROKER, i, |i| parse_broker(Rules::Broker, body, i))?;
            Ok((i, Self { controller, controller_epoch, partitions, brokers }))
        })
    }
}

impl Request for UpdateMetadataRequest {
    type Response = UpdateMetadataResponse;
    const API: Api = Api::v0(ApiKey::UPDATE_METADATA);

    fn changes_state(&self) -> bool {
        true
    }
}

/// A broker's answer to [`UpdateMetadataRequest`] (`UpdateMetadataResponse`, 0.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateMetadataResponse {
    /// No error, or [`ErrorCode::UNKNOWN`].
    pub error: ErrorCode,
}

impl Encode for UpdateMetadataResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.error.0);
        Ok(())
    }
}

impl Body for UpdateMetadataResponse {
    const NAME: &'static str = "UpdateMetadata response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, error) = int16("error_code", i)?;
            Ok((i, Self { error }))
        })
    }
}
