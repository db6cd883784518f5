//! The requests that brokers and controllers send each other, and those that 0.8.2 only reads.
//!
//! The controller of a cluster is not a broker here, so every broker answers as one that is no controller, and as one
//! that has heard of a newer controller than the sender.
//!
//! Nothing here reads or changes state. Brokers of a cluster talk to each other inside of this process, so these requests
//! come from clients only.

use kafka08_proto::{
    api::{
        AnyResponse,
        controller::{ControlledShutdownResponse, LeaderAndIsrResponse, StopReplicaResponse, UpdateMetadataResponse},
        membership::{HeartbeatResponse, JoinGroupResponse},
    },
    error_code::ErrorCode,
    ids::{ApiKey, Generation, Text},
};

use crate::wire::Answer;

/// Only the controller can shut a broker down; any other broker fails with an exception that has no code.
pub(crate) fn controlled_shutdown() -> Answer {
    // `KafkaController.shutdownBroker` throws a ControllerMovedException, whose code no release maps.
    let response = ControlledShutdownResponse { error: ErrorCode::UNKNOWN, remaining: Vec::new() };
    Answer::Other(AnyResponse::ControlledShutdown(response))
}

/// The answer to a request of a controller whose epoch is stale.
pub(crate) fn stale_controller(key: ApiKey) -> Answer {
    let error = ErrorCode::STALE_CONTROLLER_EPOCH;
    Answer::Other(match key {
        ApiKey::LEADER_AND_ISR => AnyResponse::LeaderAndIsr(LeaderAndIsrResponse { error, partitions: Vec::new() }),
        ApiKey::STOP_REPLICA => AnyResponse::StopReplica(StopReplicaResponse { error, partitions: Vec::new() }),
        // The code is taken from the cause of an exception that has none.
        _ => AnyResponse::UpdateMetadata(UpdateMetadataResponse { error: ErrorCode::UNKNOWN }),
    })
}

/// 0.8.2 reads the request, and has no handler for it.
pub(crate) fn heartbeat() -> Answer {
    Answer::Other(AnyResponse::Heartbeat(HeartbeatResponse { error: ErrorCode::UNKNOWN }))
}

/// 0.8.2 reads the request, and has no handler for it.
pub(crate) fn join_group() -> Answer {
    let response = JoinGroupResponse {
        error: ErrorCode::UNKNOWN,
        generation: Generation(-1),
        consumer: Text::default(),
        topics: Default::default(),
    };
    Answer::Other(AnyResponse::JoinGroup(response))
}
