//! Strategies for the requests and responses of every API.

use proptest::{collection::vec, prelude::*};

use super::values::{
    by_topic, epoch, error, maybe_text, message_set, node, nodes, offset, partition, text, topic_partition,
};
use crate::{
    api::{controller::*, membership::*, *},
    ids::*,
    message::Origin,
};

fn broker() -> impl Strategy<Value = Broker> {
    (node(), text(), any::<i32>()).prop_map(|(node, host, raw_port)| Broker { node, host, raw_port })
}

/// A Produce request.
pub fn produce_request() -> impl Strategy<Value = ProduceRequest> {
    let topics = by_topic(message_set(Origin::Produced));
    (any::<i16>(), any::<i32>(), topics).prop_map(|(acks, timeout, topics)| ProduceRequest {
        acks: Acks(acks),
        timeout: Millis(timeout),
        topics,
    })
}

/// A Produce response.
pub fn produce_response() -> impl Strategy<Value = ProduceResponse> {
    let item = (error(), offset()).prop_map(|(error, offset)| ProducedPartition { error, offset });
    by_topic(item).prop_map(|topics| ProduceResponse { topics })
}

/// A Fetch request.
pub fn fetch_request() -> impl Strategy<Value = FetchRequest> {
    let item = (offset(), any::<i32>()).prop_map(|(offset, max_bytes)| FetchPartition { offset, max_bytes });
    (any::<i32>(), any::<i32>(), any::<i32>(), by_topic(item)).prop_map(|(replica, max_wait, min_bytes, topics)| {
        FetchRequest { replica: ReplicaId(replica), max_wait: Millis(max_wait), min_bytes, topics }
    })
}

/// A Fetch response.
pub fn fetch_response() -> impl Strategy<Value = FetchResponse> {
    let item = (error(), offset(), message_set(Origin::Fetched))
        .prop_map(|(error, high_watermark, messages)| FetchedPartition { error, high_watermark, messages });
    by_topic(item).prop_map(|topics| FetchResponse { topics })
}

/// A ListOffsets request.
pub fn list_offsets_request() -> impl Strategy<Value = ListOffsetsRequest> {
    let item = (any::<i64>(), any::<i32>())
        .prop_map(|(time, max_offsets)| ListOffsetsPartition { time: OffsetTime(time), max_offsets });
    (any::<i32>(), by_topic(item))
        .prop_map(|(replica, topics)| ListOffsetsRequest { replica: ReplicaId(replica), topics })
}

/// A ListOffsets response.
pub fn list_offsets_response() -> impl Strategy<Value = ListOffsetsResponse> {
    let item = (error(), vec(offset(), 0..4)).prop_map(|(error, offsets)| PartitionOffsets { error, offsets });
    by_topic(item).prop_map(|topics| ListOffsetsResponse { topics })
}

/// A Metadata request.
pub fn metadata_request() -> impl Strategy<Value = MetadataRequest> {
    // An encoded empty list means all topics, so the list of named topics must not be empty.
    let topics = prop_oneof![Just(Topics::All), vec(text(), 1..5).prop_map(Topics::Named)];
    topics.prop_map(|topics| MetadataRequest { topics })
}

/// A Metadata response.
pub fn metadata_response() -> impl Strategy<Value = MetadataResponse> {
    let leader = node().prop_map(|node| Some(node).filter(|node| *node != NodeId::NONE));
    let partition =
        (error(), partition(), leader, nodes(), nodes()).prop_map(|(error, partition, leader, replicas, isr)| {
            PartitionMetadata { error, partition, leader, replicas, isr }
        });
    let topic = (error(), text(), vec(partition, 0..4)).prop_map(|(error, name, partitions)| TopicMetadata {
        error,
        name,
        partitions,
    });
    (vec(broker(), 0..4), vec(topic, 0..4)).prop_map(|(brokers, topics)| MetadataResponse::new(brokers, topics))
}

fn states() -> impl Strategy<Value = Vec<PartitionState>> {
    let state = (topic_partition(), epoch(), node(), epoch(), nodes(), any::<i32>(), nodes()).prop_map(
        |(of, controller_epoch, leader, leader_epoch, isr, zk_version, replicas)| PartitionState {
            of,
            controller_epoch,
            leader,
            leader_epoch,
            isr,
            zk_version,
            replicas,
        },
    );
    vec(state, 0..4)
}

fn results() -> impl Strategy<Value = Vec<PartitionResult>> {
    vec((topic_partition(), error()).prop_map(|(of, error)| PartitionResult { of, error }), 0..4)
}

/// A LeaderAndIsr request.
pub fn leader_and_isr_request() -> impl Strategy<Value = LeaderAndIsrRequest> {
    (node(), epoch(), states(), vec(broker(), 0..3)).prop_map(|(controller, controller_epoch, partitions, leaders)| {
        LeaderAndIsrRequest { controller, controller_epoch, partitions, leaders }
    })
}

/// A LeaderAndIsr response.
pub fn leader_and_isr_response() -> impl Strategy<Value = LeaderAndIsrResponse> {
    (error(), results()).prop_map(|(error, partitions)| LeaderAndIsrResponse { error, partitions })
}

/// A StopReplica request.
pub fn stop_replica_request() -> impl Strategy<Value = StopReplicaRequest> {
    (node(), epoch(), any::<bool>(), vec(topic_partition(), 0..4)).prop_map(
        |(controller, controller_epoch, delete_partitions, partitions)| StopReplicaRequest {
            controller,
            controller_epoch,
            delete_partitions,
            partitions,
        },
    )
}

/// A StopReplica response.
pub fn stop_replica_response() -> impl Strategy<Value = StopReplicaResponse> {
    (error(), results()).prop_map(|(error, partitions)| StopReplicaResponse { error, partitions })
}

/// An UpdateMetadata request.
pub fn update_metadata_request() -> impl Strategy<Value = UpdateMetadataRequest> {
    (node(), epoch(), states(), vec(broker(), 0..3)).prop_map(|(controller, controller_epoch, partitions, brokers)| {
        UpdateMetadataRequest { controller, controller_epoch, partitions, brokers }
    })
}

/// An UpdateMetadata response.
pub fn update_metadata_response() -> impl Strategy<Value = UpdateMetadataResponse> {
    error().prop_map(|error| UpdateMetadataResponse { error })
}

/// A ControlledShutdown request.
pub fn controlled_shutdown_request() -> impl Strategy<Value = ControlledShutdownRequest> {
    node().prop_map(|broker| ControlledShutdownRequest { broker })
}

/// A ControlledShutdown response.
pub fn controlled_shutdown_response() -> impl Strategy<Value = ControlledShutdownResponse> {
    (error(), vec(topic_partition(), 0..4))
        .prop_map(|(error, remaining)| ControlledShutdownResponse { error, remaining })
}

/// An OffsetCommit request of version 0.
pub fn offset_commit_request_v0() -> impl Strategy<Value = OffsetCommitRequestV0> {
    let item = (offset(), maybe_text()).prop_map(|(offset, metadata)| OffsetToCommitV0 { offset, metadata });
    (text(), by_topic(item)).prop_map(|(group, topics)| OffsetCommitRequestV0 { group, topics })
}

/// An OffsetCommit request of version 1.
pub fn offset_commit_request_v1() -> impl Strategy<Value = OffsetCommitRequestV1> {
    let item = (offset(), any::<i64>(), maybe_text()).prop_map(|(offset, timestamp, metadata)| OffsetToCommitV1 {
        offset,
        timestamp: Timestamp(timestamp),
        metadata,
    });
    (text(), any::<i32>(), text(), by_topic(item)).prop_map(|(group, generation, consumer, topics)| {
        OffsetCommitRequestV1 { group, generation: Generation(generation), consumer, topics }
    })
}

/// An OffsetCommit response.
pub fn offset_commit_response() -> impl Strategy<Value = OffsetCommitResponse> {
    by_topic(error()).prop_map(|topics| OffsetCommitResponse { topics })
}

/// An OffsetFetch request of version 0.
pub fn offset_fetch_request_v0() -> impl Strategy<Value = OffsetFetchRequestV0> {
    (text(), by_topic(Just(()))).prop_map(|(group, topics)| OffsetFetchRequestV0 { group, topics })
}

/// An OffsetFetch request of version 1.
pub fn offset_fetch_request_v1() -> impl Strategy<Value = OffsetFetchRequestV1> {
    (text(), by_topic(Just(()))).prop_map(|(group, topics)| OffsetFetchRequestV1 { group, topics })
}

fn committed_offsets() -> impl Strategy<Value = ByTopic<CommittedOffset>> {
    let item = (offset(), maybe_text(), error());
    by_topic(item.prop_map(|(offset, metadata, error)| CommittedOffset { offset, metadata, error }))
}

/// An OffsetFetch response of version 0.
pub fn offset_fetch_response_v0() -> impl Strategy<Value = OffsetFetchResponseV0> {
    committed_offsets().prop_map(|topics| OffsetFetchResponseV0 { topics })
}

/// An OffsetFetch response of version 1.
pub fn offset_fetch_response_v1() -> impl Strategy<Value = OffsetFetchResponseV1> {
    committed_offsets().prop_map(|topics| OffsetFetchResponseV1 { topics })
}

/// A ConsumerMetadata request.
pub fn consumer_metadata_request() -> impl Strategy<Value = ConsumerMetadataRequest> {
    text().prop_map(|group| ConsumerMetadataRequest { group })
}

/// A ConsumerMetadata response.
pub fn consumer_metadata_response() -> impl Strategy<Value = ConsumerMetadataResponse> {
    (error(), broker()).prop_map(|(error, broker)| ConsumerMetadataResponse { error, broker })
}

/// A JoinGroup request.
pub fn join_group_request() -> impl Strategy<Value = JoinGroupRequest> {
    (text(), any::<i32>(), vec(text(), 0..4), text(), text()).prop_map(
        |(group, timeout, topics, consumer, strategy)| JoinGroupRequest {
            group,
            session_timeout: Millis(timeout),
            topics,
            consumer,
            strategy,
        },
    )
}

/// A JoinGroup response.
pub fn join_group_response() -> impl Strategy<Value = JoinGroupResponse> {
    (error(), any::<i32>(), text(), by_topic(Just(()))).prop_map(|(error, generation, consumer, topics)| {
        JoinGroupResponse { error, generation: Generation(generation), consumer, topics }
    })
}

/// A Heartbeat request.
pub fn heartbeat_request() -> impl Strategy<Value = HeartbeatRequest> {
    (text(), any::<i32>(), text()).prop_map(|(group, generation, consumer)| HeartbeatRequest {
        group,
        generation: Generation(generation),
        consumer,
    })
}

/// A Heartbeat response.
pub fn heartbeat_response() -> impl Strategy<Value = HeartbeatResponse> {
    error().prop_map(|error| HeartbeatResponse { error })
}

/// A request of any API and version.
pub fn any_request() -> impl Strategy<Value = AnyRequest> {
    prop_oneof![
        produce_request().prop_map(AnyRequest::Produce),
        fetch_request().prop_map(AnyRequest::Fetch),
        list_offsets_request().prop_map(AnyRequest::ListOffsets),
        metadata_request().prop_map(AnyRequest::Metadata),
        leader_and_isr_request().prop_map(AnyRequest::LeaderAndIsr),
        stop_replica_request().prop_map(AnyRequest::StopReplica),
        update_metadata_request().prop_map(AnyRequest::UpdateMetadata),
        controlled_shutdown_request().prop_map(AnyRequest::ControlledShutdown),
        any_group_request(),
    ]
}

/// A request of an API for consumer groups. This is a separate function because `prop_oneof` accepts ten items at most.
fn any_group_request() -> impl Strategy<Value = AnyRequest> {
    prop_oneof![
        offset_commit_request_v0().prop_map(AnyRequest::OffsetCommitV0),
        offset_commit_request_v1().prop_map(AnyRequest::OffsetCommitV1),
        offset_fetch_request_v0().prop_map(AnyRequest::OffsetFetchV0),
        offset_fetch_request_v1().prop_map(AnyRequest::OffsetFetchV1),
        consumer_metadata_request().prop_map(AnyRequest::ConsumerMetadata),
        join_group_request().prop_map(AnyRequest::JoinGroup),
        heartbeat_request().prop_map(AnyRequest::Heartbeat),
    ]
}

/// A response of any API and version.
pub fn any_response() -> impl Strategy<Value = AnyResponse> {
    prop_oneof![
        produce_response().prop_map(AnyResponse::Produce),
        fetch_response().prop_map(AnyResponse::Fetch),
        list_offsets_response().prop_map(AnyResponse::ListOffsets),
        metadata_response().prop_map(AnyResponse::Metadata),
        leader_and_isr_response().prop_map(AnyResponse::LeaderAndIsr),
        stop_replica_response().prop_map(AnyResponse::StopReplica),
        update_metadata_response().prop_map(AnyResponse::UpdateMetadata),
        controlled_shutdown_response().prop_map(AnyResponse::ControlledShutdown),
        any_group_response(),
    ]
}

/// A response of an API for consumer groups.
fn any_group_response() -> impl Strategy<Value = AnyResponse> {
    prop_oneof![
        offset_commit_response().prop_map(AnyResponse::OffsetCommitV0),
        offset_commit_response().prop_map(AnyResponse::OffsetCommitV1),
        offset_fetch_response_v0().prop_map(AnyResponse::OffsetFetchV0),
        offset_fetch_response_v1().prop_map(AnyResponse::OffsetFetchV1),
        consumer_metadata_response().prop_map(AnyResponse::ConsumerMetadata),
        join_group_response().prop_map(AnyResponse::JoinGroup),
        heartbeat_response().prop_map(AnyResponse::Heartbeat),
    ]
}
