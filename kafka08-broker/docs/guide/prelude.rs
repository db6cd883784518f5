use std::{error::Error, io, time::Duration};

use kafka08_blocking::{
    CallError, Client,
    proto::{
        ClientConfig, Connection as _, Disconnect,
        api::{
            ConsumerMetadataRequest, FetchRequest, FetchedPartition, LeaderProblem, ListOffsetsRequest,
            MetadataRequest, MetadataResponse, PartitionProblem, ProduceRequest,
        },
        connection::{CloseReason, Heard, MatchError, Progress, RequestError},
        error_code::{ErrorCode, NextStep, Retry},
        fate::Fate,
        frame::{FrameError, LooksLike},
        ids::{Acks, ApiKey, Millis, NodeId, Offset},
        message::{Entry, MessageProblem, MessageSet},
    },
};
use kafka08_broker::{BrokerConfig, Cluster, Lie, Now, Outcome, Rule, Server, Turn};

/// The limit of every wait. It is generous, because a machine that runs tests is often busy.
const LIMIT: Duration = Duration::from_secs(20);

/// Starts one broker whose topic "t" has one partition, which has a leader.
fn broker() -> io::Result<Server> {
    Server::start(BrokerConfig::default().with_topic("t", 1))
}

/// Connects the client under test.
fn client(server: &Server) -> Result<Client, Box<dyn Error>> {
    let config = ClientConfig::default().with_request_timeout(LIMIT);
    Ok(Client::connect(&server.host_port(), config)?)
}

/// A client that gives up soon, for faults that only a timeout reveals.
fn impatient(server: &Server) -> Result<Client, Box<dyn Error>> {
    let config = ClientConfig::default().with_request_timeout(Duration::from_millis(60));
    Ok(Client::connect(&server.host_port(), config)?)
}

/// A produce of one message to partition 0 of "t", which the leader confirms.
fn produce(value: &str) -> ProduceRequest {
    ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 0, MessageSet::of_value(value.as_bytes()))
}

/// A fetch from partition 0 of "t" that does not wait for messages.
fn fetch(offset: i64) -> FetchRequest {
    FetchRequest::new(Millis(0), 0).with("t", 0, Offset(offset), 1 << 20)
}

/// How many messages partition 0 of "t" has.
fn stored(server: &Server) -> i64 {
    server.with(|cluster, _| cluster.snapshot().topics[0].partitions[0].end.0)
}

/// Why a call has failed, how far its request had come, and whether the broker may have acted on it.
fn failure(error: CallError) -> (RequestError, Progress, Fate) {
    match error {
        CallError::Failed { error, progress, fate, .. } => (error, progress, fate),
        other => panic!("another error was expected: {other}"),
    }
}

/// What became of the last request that the broker has seen.
fn last_outcome(server: &Server) -> Option<Outcome> {
    server.with(|cluster, _| cluster.history().last().map(|seen| seen.outcome))
}
