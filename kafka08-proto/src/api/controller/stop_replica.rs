//! StopReplica (key 5): a controller stops a broker's replicas.

use bytes::Bytes;

use super::partition_state::{
    NAMED, PartitionResult, encode_partition, encode_results, parse_partition, parse_results,
};
use crate::{
    api::{Body, Encode, Request},
    error_code::ErrorCode,
    ids::{Api, ApiKey, Epoch, NodeId, TopicPartition},
    wire::{DecodeError, EncodeError, Encoder, Rules, array, flag, int16, int32, parse},
};

/// A controller's order to stop serving replicas, and optionally to delete them (`StopReplicaRequest`, 0.8.2).
///
/// Do not send it to a live cluster: a broker obeys the sender with the newest epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplicaRequest {
    /// The controller's node.
    pub controller: NodeId,
    /// The controller's epoch.
    pub controller_epoch: Epoch,
    /// Whether to delete the data too. A broker closes the connection if the byte is neither 0 nor 1.
    pub delete_partitions: bool,
    /// The replicas to stop.
    pub partitions: Vec<TopicPartition>,
}

impl Encode for StopReplicaRequest {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int32(self.controller.0);
        to.int32(self.controller_epoch.0);
        to.int8(self.delete_partitions.into());
        to.array("partitions", &self.partitions, encode_partition)
    }
}

impl Body for StopReplicaRequest {
    const NAME: &'static str = "StopReplica request";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, controller) = int32("controller_id", i)?;
            let (i, controller_epoch) = int32("controller_epoch", i)?;
            let (i, delete_partitions) = flag("delete_partitions", i)?;
            let (i, partitions) =
                array("partitions", Rules::Broker, NAMED, i, |i| parse_partition(Rules::Broker, body, i))?;
            Ok((i, Self { controller, controller_epoch, delete_partitions, partitions }))
        })
    }
}

impl Request for StopReplicaRequest {
    type Response = StopReplicaResponse;
    const API: Api = Api::v0(ApiKey::STOP_REPLICA);

    fn changes_state(&self) -> bool {
        true
    }
}

/// The result for each replica (`StopReplicaResponse`, 0.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplicaResponse {
    /// [`ErrorCode::STALE_CONTROLLER_EPOCH`] if the controller was replaced. The list is empty then.
    pub error: ErrorCode,
    /// One result per replica.
    pub partitions: Vec<PartitionResult>,
}

impl Encode for StopReplicaResponse {
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.int16(self.error.0);
        encode_results(to, &self.partitions)
    }
}

impl Body for StopReplicaResponse {
    const NAME: &'static str = "StopReplica response";

    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError> {
        parse(Self::NAME, body, |i| {
            let (i, error) = int16("error_code", i)?;
            let (i, partitions) = parse_results(body, i)?;
            Ok((i, Self { error, partitions }))
        })
    }
}
