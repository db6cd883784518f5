//! LeaderAndIsr (key 4): a controller makes a broker leader or follower of partitions.

use bytes::Bytes;

use super::partition_state::{
    PartitionResult, PartitionState, encode_results, encode_states, parse_results, parse_states,
};
use crate::{
    api::{
        Body, Broker, Encode, Request,
        metadata::{BROKER, parse_broker},
    },
    error_code::ErrorCode,
    ids::{Api, ApiKey, Epoch, NodeId},
    wire::{DecodeError, EncodeError, Encoder, Rules, array, int16, int32, parse},
};

/// A controller's order to lead or follow partitions (`LeaderAndIsrRequest`, 0.8.2). The list is flat, not grouped by
/// topic.
///
/// Do not send it to a live cluster: a broker obeys the sender with the newest epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderAndIsrRequest {
    /// The controller's node.
    pub controller: NodeId,
    /// The controller's epoch.
    pub controller_epoch: Epoch,
    /// The partitions and their states.
    pub partitions: Vec<PartitionState>,
    /// The leaders and their addresses.
    pub leaders: Vec<Broker>,
}

impl Encode for LeaderAndIsrRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.controller.0);
        to.int32(self.controller_epoch.0);
        encode_states(to, &self.partitions)?;
        to.array("leaders", &self.leaders, |to, broker| broker.encode(to))
    }
}

impl Body for LeaderAndIsrRequest {
    const NAME: &'static str = "LeaderAndIsr request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, controller) = int32("controller_id", i)?;
            let (i, controller_epoch) = int32("controller_epoch", i)?;
            let (i, partitions) = parse_states(body, i)?;
            let (i, leaders) = array("leaders", Rules::Broker, BROKER, i, |i| parse_broker(Rules::Broker, body, i))?;
            Ok((i, Self { controller, controller_epoch, partitions, leaders }))
        })
    }
}

impl Request for LeaderAndIsrRequest {
    type Response = LeaderAndIsrResponse;
    const API: Api = Api::v0(ApiKey::LEADER_AND_ISR);

    fn changes_state(&self) -> bool {
        true
    }
}

/// The result for each partition (`LeaderAndIsrResponse`, 0.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderAndIsrResponse {
    /// [`ErrorCode::STALE_CONTROLLER_EPOCH`] if the controller was replaced. The list is empty then.
    pub error: ErrorCode,
    /// One result per partition. Since 0.8.1 it can be [`ErrorCode::STALE_LEADER_EPOCH`].
    pub partitions: Vec<PartitionResult>,
}

impl Encode for LeaderAndIsrResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.error.0);
        encode_results(to, &self.partitions)
    }
}

impl Body for LeaderAndIsrResponse {
    const NAME: &'static str = "LeaderAndIsr response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, error) = int16("error_code", i)?;
            let (i, partitions) = parse_results(body, i)?;
            Ok((i, Self { error, partitions }))
        })
    }
}
