//! What `kafka-protocol` 0.15.1 finds in a body.

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        BrokerId, ControlledShutdownRequest, ControlledShutdownResponse, FetchRequest, FetchResponse,
        FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, LeaderAndIsrRequest,
        LeaderAndIsrResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
        OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, ProduceRequest,
        ProduceResponse, StopReplicaRequest, StopReplicaResponse, UpdateMetadataRequest, UpdateMetadataResponse,
    },
    protocol::Decodable,
};

use super::{Layout, Side, Token, Tokens};

pub(super) fn read(layout: &Layout, body: &Bytes) -> Vec<Token> {
    let mut tokens = Tokens::default();
    match layout.side {
        Side::Request => request(&mut tokens, layout, body),
        Side::Response => response(&mut tokens, layout, body),
    }
    tokens.0
}

fn decode<T: Decodable>(layout: &Layout, body: &Bytes) -> T {
    let mut rest = body.clone();
    let value = T::decode(&mut rest, layout.version).unwrap_or_else(|error| panic!("{layout:?} {body:02x?}: {error}"));
    assert!(rest.is_empty());
    value
}

fn nodes(to: &mut Tokens, nodes: &[BrokerId]) {
    to.each(nodes, |to, node| {
        to.number(node.0);
    });
}

#[expect(clippy::too_many_lines, reason = "an arm for each API")]
fn request(to: &mut Tokens, layout: &Layout, body: &Bytes) {
    match layout.key {
        0 => {
            let r: ProduceRequest = decode(layout, body);
            to.number(r.acks).number(r.timeout_ms).each(&r.topic_data, |to, topic| {
                to.text(&topic.name).each(&topic.partition_data, |to, p| {
                    to.number(p.index).blob(p.records.as_deref().expect("never null here"));
                });
            });
        }
        1 => {
            let r: FetchRequest = decode(layout, body);
            to.number(r.replica_id.0).number(r.max_wait_ms).number(r.min_bytes).each(&r.topics, |to, topic| {
                to.text(&topic.topic).each(&topic.partitions, |to, p| {
                    to.number(p.partition).number(p.fetch_offset).number(p.partition_max_bytes);
                });
            });
        }
        2 => {
            let r: ListOffsetsRequest = decode(layout, body);
            to.number(r.replica_id.0).each(&r.topics, |to, topic| {
                to.text(&topic.name).each(&topic.partitions, |to, p| {
                    to.number(p.partition_index).number(p.timestamp).number(p.max_num_offsets);
                });
            });
        }
        3 => {
            let r: MetadataRequest = decode(layout, body);
            to.each(&r.topics.unwrap_or_default(), |to, topic| {
                to.maybe_text(topic.name.as_ref().map(|name| name.as_str()));
            });
        }
        4 => {
            let r: LeaderAndIsrRequest = decode(layout, body);
            to.number(r.controller_id.0).number(r.controller_epoch).each(&r.ungrouped_partition_states, |to, p| {
                to.text(&p.topic_name).number(p.partition_index).number(p.controller_epoch).number(p.leader.0);
                to.number(p.leader_epoch);
                nodes(to, &p.isr);
                to.number(p.partition_epoch);
                nodes(to, &p.replicas);
            });
            to.each(&r.live_leaders, |to, broker| {
                to.number(broker.broker_id.0).text(&broker.host_name).number(broker.port);
            });
        }
        5 => {
            let r: StopReplicaRequest = decode(layout, body);
            to.number(r.controller_id.0).number(r.controller_epoch).number(r.delete_partitions);
            to.each(&r.ungrouped_partitions, |to, p| {
                to.text(&p.topic_name).number(p.partition_index);
            });
        }
        6 => {
            let r: UpdateMetadataRequest = decode(layout, body);
            to.number(r.controller_id.0).number(r.controller_epoch).each(&r.ungrouped_partition_states, |to, p| {
                to.text(&p.topic_name).number(p.partition_index).number(p.controller_epoch).number(p.leader.0);
                to.number(p.leader_epoch);
                nodes(to, &p.isr);
                to.number(p.zk_version);
                nodes(to, &p.replicas);
            });
            to.each(&r.live_brokers, |to, broker| {
                to.number(broker.id.0).text(&broker.v0_host).number(broker.v0_port);
            });
        }
        7 => {
            let r: ControlledShutdownRequest = decode(layout, body);
            to.number(r.broker_id.0);
        }
        8 => {
            let r: OffsetCommitRequest = decode(layout, body);
            to.text(&r.group_id);
            if layout.version == 1 {
                to.number(r.generation_id_or_member_epoch).text(&r.member_id);
            }
            to.each(&r.topics, |to, topic| {
                to.text(&topic.name).each(&topic.partitions, |to, p| {
                    to.number(p.partition_index).number(p.committed_offset);
                    if layout.version == 1 {
                        to.number(p.commit_timestamp);
                    }
                    to.maybe_text(p.committed_metadata.as_deref());
                });
            });
        }
        9 => {
            let r: OffsetFetchRequest = decode(layout, body);
            to.text(&r.group_id).each(&r.topics.unwrap_or_default(), |to, topic| {
                to.text(&topic.name).each(&topic.partition_indexes, |to, partition| {
                    to.number(*partition);
                });
            });
        }
        10 => {
            let r: FindCoordinatorRequest = decode(layout, body);
            to.text(&r.key);
        }
        12 => {
            let r: HeartbeatRequest = decode(layout, body);
            to.text(&r.group_id).number(r.generation_id).text(&r.member_id);
        }
        other => unreachable!("{other} is no layout of both"),
    }
}

#[expect(clippy::too_many_lines, reason = "an arm for each API")]
fn response(to: &mut Tokens, layout: &Layout, body: &Bytes) {
    match layout.key {
        0 => {
            let r: ProduceResponse = decode(layout, body);
            to.each(&r.responses, |to, topic| {
                to.text(&topic.name).each(&topic.partition_responses, |to, p| {
                    to.number(p.index).number(p.error_code).number(p.base_offset);
                });
            });
        }
        1 => {
            let r: FetchResponse = decode(layout, body);
            to.each(&r.responses, |to, topic| {
                to.text(&topic.topic).each(&topic.partitions, |to, p| {
                    to.number(p.partition_index).number(p.error_code).number(p.high_watermark);
                    to.blob(p.records.as_deref().unwrap_or_default());
                });
            });
        }
        2 => {
            let r: ListOffsetsResponse = decode(layout, body);
            to.each(&r.topics, |to, topic| {
                to.text(&topic.name).each(&topic.partitions, |to, p| {
                    to.number(p.partition_index).number(p.error_code).each(&p.old_style_offsets, |to, offset| {
                        to.number(*offset);
                    });
                });
            });
        }
        3 => {
            let r: MetadataResponse = decode(layout, body);
            to.each(&r.brokers, |to, broker| {
                to.number(broker.node_id.0).text(&broker.host).number(broker.port);
            });
            to.each(&r.topics, |to, topic| {
                to.number(topic.error_code).maybe_text(topic.name.as_ref().map(|name| name.as_str()));
                to.each(&topic.partitions, |to, p| {
                    to.number(p.error_code).number(p.partition_index).number(p.leader_id.0);
                    nodes(to, &p.replica_nodes);
                    nodes(to, &p.isr_nodes);
                });
            });
        }
        4 => {
            let r: LeaderAndIsrResponse = decode(layout, body);
            to.number(r.error_code).each(&r.partition_errors, |to, p| {
                to.text(&p.topic_name).number(p.partition_index).number(p.error_code);
            });
        }
        5 => {
            let r: StopReplicaResponse = decode(layout, body);
            to.number(r.error_code).each(&r.partition_errors, |to, p| {
                to.text(&p.topic_name).number(p.partition_index).number(p.error_code);
            });
        }
        6 => {
            let r: UpdateMetadataResponse = decode(layout, body);
            to.number(r.error_code);
        }
        7 => {
            let r: ControlledShutdownResponse = decode(layout, body);
            to.number(r.error_code).each(&r.remaining_partitions, |to, p| {
                to.text(&p.topic_name).number(p.partition_index);
            });
        }
        8 => {
            let r: OffsetCommitResponse = decode(layout, body);
            to.each(&r.topics, |to, topic| {
                to.text(&topic.name).each(&topic.partitions, |to, p| {
                    to.number(p.partition_index).number(p.error_code);
                });
            });
        }
        9 => {
            let r: OffsetFetchResponse = decode(layout, body);
            to.each(&r.topics, |to, topic| {
                to.text(&topic.name).each(&topic.partitions, |to, p| {
                    to.number(p.partition_index).number(p.committed_offset).maybe_text(p.metadata.as_deref());
                    to.number(p.error_code);
                });
            });
        }
        10 => {
            let r: FindCoordinatorResponse = decode(layout, body);
            to.number(r.error_code).number(r.node_id.0).text(&r.host).number(r.port);
        }
        12 => {
            let r: HeartbeatResponse = decode(layout, body);
            to.number(r.error_code);
        }
        other => unreachable!("{other} is no layout of both"),
    }
}
