//! Values of every body.

use bytes::Bytes;
use kafka08_proto::{
    api::*,
    error_code::ErrorCode,
    ids::*,
    message::{MessageSet, MessageSetBuilder, Origin},
};
use proptest::{collection::vec, option, prelude::*};

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![Just(String::new()), "[a-z]{1,8}", "\\PC{0,6}"].prop_map(Text::from)
}

fn maybe_text() -> impl Strategy<Value = Option<Text>> {
    option::of(text())
}

fn error() -> impl Strategy<Value = ErrorCode> {
    prop_oneof![-1i16..=20, any::<i16>()].prop_map(ErrorCode)
}

fn partition() -> impl Strategy<Value = PartitionId> {
    prop_oneof![0..5i32, any::<i32>()].prop_map(PartitionId)
}

fn offset() -> impl Strategy<Value = Offset> {
    any::<i64>().prop_map(Offset)
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<i32>().prop_map(NodeId)
}

fn nodes() -> impl Strategy<Value = Vec<NodeId>> {
    vec(node(), 0..4)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<i32>().prop_map(Epoch)
}

fn topic_partition() -> impl Strategy<Value = TopicPartition> {
    (text(), partition()).prop_map(|(topic, partition)| TopicPartition { topic, partition })
}

fn broker() -> impl Strategy<Value = Broker> {
    (node(), text(), any::<i32>()).prop_map(|(node, host, raw_port)| Broker { node, host, raw_port })
}

fn by_topic<T: std::fmt::Debug + Clone>(item: impl Strategy<Value = T>) -> impl Strategy<Value = ByTopic<T>> {
    let group =
        (text(), vec((partition(), item), 0..4)).prop_map(|(topic, partitions)| TopicItems { topic, partitions });
    vec(group, 0..4).prop_map(ByTopic::from)
}

fn message_set(origin: Origin) -> impl Strategy<Value = MessageSet> {
    let part = || option::of(vec(any::<u8>(), 0..6));
    let sound = vec((part(), part()), 0..3).prop_map(|parts| {
        let mut builder = MessageSetBuilder::default();
        for (key, value) in parts {
            builder.push(key.as_deref(), value.as_deref()).expect("small");
        }
        builder.build().bytes().clone()
    });
    // Long enough, now and then, to be spliced and not copied.
    let anything = prop_oneof![9 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 2040..2060)].prop_map(Bytes::from);
    prop_oneof![sound, anything].prop_map(move |bytes| MessageSet::new(bytes, origin))
}

pub(crate) fn produce_request() -> impl Strategy<Value = ProduceRequest> {
    let topics = by_topic(message_set(Origin::Produced));
    (any::<i16>(), any::<i32>(), topics).prop_map(|(acks, timeout, topics)| ProduceRequest {
        acks: Acks(acks),
        timeout: Millis(timeout),
        topics,
    })
}

pub(crate) fn produce_response() -> impl Strategy<Value = ProduceResponse> {
    let item = (error(), offset()).prop_map(|(error, offset)| ProducedPartition { error, offset });
    by_topic(item).prop_map(|topics| ProduceResponse { topics })
}

pub(crate) fn fetch_request() -> impl Strategy<Value = FetchRequest> {
    let item = (offset(), any::<i32>()).prop_map(|(offset, max_bytes)| FetchPartition { offset, max_bytes });
    (any::<i32>(), any::<i32>(), any::<i32>(), by_topic(item)).prop_map(|(replica, max_wait, min_bytes, topics)| {
        FetchRequest { replica: ReplicaId(replica), max_wait: Millis(max_wait), min_bytes, topics }
    })
}

pub(crate) fn fetch_response() -> impl Strategy<Value = FetchResponse> {
    let item = (error(), offset(), message_set(Origin::Fetched))
        .prop_map(|(error, high_watermark, messages)| FetchedPartition { error, high_watermark, messages });
    by_topic(item).prop_map(|topics| FetchResponse { topics })
}

pub(crate) fn list_offsets_request() -> impl Strategy<Value = ListOffsetsRequest> {
    let item = (any::<i64>(), any::<i32>())
        .prop_map(|(time, max_offsets)| ListOffsetsPartition { time: OffsetTime(time), max_offsets });
    (any::<i32>(), by_topic(item))
        .prop_map(|(replica, topics)| ListOffsetsRequest { replica: ReplicaId(replica), topics })
}

pub(crate) fn list_offsets_response() -> impl Strategy<Value = ListOffsetsResponse> {
    let item = (error(), vec(offset(), 0..4)).prop_map(|(error, offsets)| PartitionOffsets { error, offsets });
    by_topic(item).prop_map(|topics| ListOffsetsResponse { topics })
}

pub(crate) fn metadata_request() -> impl Strategy<Value = MetadataRequest> {
    // An empty list is all topics: there is no way to name none.
    let topics = prop_oneof![Just(Topics::All), vec(text(), 1..5).prop_map(Topics::Named)];
    topics.prop_map(|topics| MetadataRequest { topics })
}

pub(crate) fn metadata_response() -> impl Strategy<Value = MetadataResponse> {
    let partition =
        (error(), partition(), node(), nodes(), nodes()).prop_map(|(error, partition, leader, replicas, isr)| {
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

pub(crate) fn leader_and_isr_request() -> impl Strategy<Value = LeaderAndIsrRequest> {
    (node(), epoch(), states(), vec(broker(), 0..3)).prop_map(|(controller, controller_epoch, partitions, leaders)| {
        LeaderAndIsrRequest { controller, controller_epoch, partitions, leaders }
    })
}

pub(crate) fn leader_and_isr_response() -> impl Strategy<Value = LeaderAndIsrResponse> {
    (error(), results()).prop_map(|(error, partitions)| LeaderAndIsrResponse { error, partitions })
}

pub(crate) fn stop_replica_request() -> impl Strategy<Value = StopReplicaRequest> {
    (node(), epoch(), any::<bool>(), vec(topic_partition(), 0..4)).prop_map(
        |(controller, controller_epoch, delete_partitions, partitions)| StopReplicaRequest {
            controller,
            controller_epoch,
            delete_partitions,
            partitions,
        },
    )
}

pub(crate) fn stop_replica_response() -> impl Strategy<Value = StopReplicaResponse> {
    (error(), results()).prop_map(|(error, partitions)| StopReplicaResponse { error, partitions })
}

pub(crate) fn update_metadata_request() -> impl Strategy<Value = UpdateMetadataRequest> {
    (node(), epoch(), states(), vec(broker(), 0..3)).prop_map(|(controller, controller_epoch, partitions, brokers)| {
        UpdateMetadataRequest { controller, controller_epoch, partitions, brokers }
    })
}

pub(crate) fn update_metadata_response() -> impl Strategy<Value = UpdateMetadataResponse> {
    error().prop_map(|error| UpdateMetadataResponse { error })
}

pub(crate) fn controlled_shutdown_request() -> impl Strategy<Value = ControlledShutdownRequest> {
    node().prop_map(|broker| ControlledShutdownRequest { broker })
}

pub(crate) fn controlled_shutdown_response() -> impl Strategy<Value = ControlledShutdownResponse> {
    (error(), vec(topic_partition(), 0..4))
        .prop_map(|(error, remaining)| ControlledShutdownResponse { error, remaining })
}

pub(crate) fn offset_commit_request_v0() -> impl Strategy<Value = OffsetCommitRequestV0> {
    let item = (offset(), maybe_text()).prop_map(|(offset, metadata)| OffsetToCommitV0 { offset, metadata });
    (maybe_text(), by_topic(item)).prop_map(|(group, topics)| OffsetCommitRequestV0 { group, topics })
}

pub(crate) fn offset_commit_request_v1() -> impl Strategy<Value = OffsetCommitRequestV1> {
    let item = (offset(), any::<i64>(), maybe_text()).prop_map(|(offset, timestamp, metadata)| OffsetToCommitV1 {
        offset,
        timestamp: Timestamp(timestamp),
        metadata,
    });
    (maybe_text(), any::<i32>(), maybe_text(), by_topic(item)).prop_map(|(group, generation, consumer, topics)| {
        OffsetCommitRequestV1 { group, generation: Generation(generation), consumer, topics }
    })
}

pub(crate) fn offset_commit_response() -> impl Strategy<Value = OffsetCommitResponse> {
    by_topic(error()).prop_map(|topics| OffsetCommitResponse { topics })
}

fn offset_fetch_request<const VERSION: i16>() -> impl Strategy<Value = OffsetFetchRequest<VERSION>> {
    (maybe_text(), by_topic(Just(()))).prop_map(|(group, topics)| OffsetFetchRequest { group, topics })
}

pub(crate) fn offset_fetch_request_v0() -> impl Strategy<Value = OffsetFetchRequestV0> {
    offset_fetch_request()
}

pub(crate) fn offset_fetch_request_v1() -> impl Strategy<Value = OffsetFetchRequestV1> {
    offset_fetch_request()
}

pub(crate) fn offset_fetch_response() -> impl Strategy<Value = OffsetFetchResponse> {
    let item = (offset(), maybe_text(), error()).prop_map(|(offset, metadata, error)| CommittedOffset {
        offset,
        metadata,
        error,
    });
    by_topic(item).prop_map(|topics| OffsetFetchResponse { topics })
}

pub(crate) fn consumer_metadata_request() -> impl Strategy<Value = ConsumerMetadataRequest> {
    maybe_text().prop_map(|group| ConsumerMetadataRequest { group })
}

pub(crate) fn consumer_metadata_response() -> impl Strategy<Value = ConsumerMetadataResponse> {
    (error(), broker()).prop_map(|(error, broker)| ConsumerMetadataResponse { error, broker })
}

pub(crate) fn join_group_request() -> impl Strategy<Value = JoinGroupRequest> {
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

pub(crate) fn join_group_response() -> impl Strategy<Value = JoinGroupResponse> {
    (error(), any::<i32>(), text(), by_topic(Just(()))).prop_map(|(error, generation, consumer, topics)| {
        JoinGroupResponse { error, generation: Generation(generation), consumer, topics }
    })
}

pub(crate) fn heartbeat_request() -> impl Strategy<Value = HeartbeatRequest> {
    (text(), any::<i32>(), text()).prop_map(|(group, generation, consumer)| HeartbeatRequest {
        group,
        generation: Generation(generation),
        consumer,
    })
}

pub(crate) fn heartbeat_response() -> impl Strategy<Value = HeartbeatResponse> {
    error().prop_map(|error| HeartbeatResponse { error })
}
