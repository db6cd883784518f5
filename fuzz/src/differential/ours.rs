//! What this project finds in a body.

use bytes::Bytes;
use kafka08_proto::{
    api::{
        AnyRequest, AnyResponse, Broker, ByTopic, CommittedOffset, Topics,
        controller::{PartitionResult, PartitionState},
    },
    ids::{Api, ApiKey, ApiVersion, NodeId, TopicPartition},
};

use super::{Layout, Side, Token, Tokens};

pub(super) fn read(layout: &Layout, body: &Bytes) -> Vec<Token> {
    let api = Api { key: ApiKey(layout.key), version: ApiVersion(layout.version) };
    let mut tokens = Tokens::default();
    match layout.side {
        Side::Request => request(&mut tokens, AnyRequest::decode(api, body).expect("well formed")),
        Side::Response => response(&mut tokens, AnyResponse::decode(api, body).expect("well formed")),
    }
    tokens.0
}

fn topics<T>(to: &mut Tokens, topics: &ByTopic<T>, mut item: impl FnMut(&mut Tokens, &T)) {
    to.each(topics.topics(), |to, group| {
        to.text(&group.topic).each(&group.partitions, |to, (partition, value)| item(to.number(partition.0), value));
    });
}

fn nodes(to: &mut Tokens, nodes: &[NodeId]) {
    to.each(nodes, |to, node| {
        to.number(node.0);
    });
}

fn brokers(to: &mut Tokens, brokers: &[Broker]) {
    to.each(brokers, |to, broker| {
        to.number(broker.node.0).text(&broker.host).number(broker.raw_port);
    });
}

fn partition<'t>(to: &'t mut Tokens, of: &TopicPartition) -> &'t mut Tokens {
    to.text(&of.topic).number(of.partition.0)
}

fn states(to: &mut Tokens, states: &[PartitionState]) {
    to.each(states, |to, state| {
        partition(to, &state.of).number(state.controller_epoch.0).number(state.leader.0).number(state.leader_epoch.0);
        nodes(to, &state.isr);
        to.number(state.zk_version);
        nodes(to, &state.replicas);
    });
}

fn results(to: &mut Tokens, results: &[PartitionResult]) {
    to.each(results, |to, result| {
        partition(to, &result.of).number(result.error.0);
    });
}

fn offset_fetch(to: &mut Tokens, group: &str, wanted: &ByTopic<()>) {
    to.text(group);
    topics(to, wanted, |_, ()| ());
}

fn committed(to: &mut Tokens, found: &ByTopic<CommittedOffset>) {
    topics(to, found, |to, p| {
        to.number(p.offset.0).maybe_text(p.metadata.as_deref()).number(p.error.0);
    });
}

#[expect(clippy::too_many_lines, reason = "an arm for each API")]
fn request(to: &mut Tokens, request: AnyRequest) {
    match request {
        AnyRequest::Produce(r) => {
            to.number(r.acks.0).number(r.timeout.0);
            topics(to, &r.topics, |to, p| {
                to.blob(p.bytes());
            });
        }
        AnyRequest::Fetch(r) => {
            to.number(r.replica.0).number(r.max_wait.0).number(r.min_bytes);
            topics(to, &r.topics, |to, p| {
                to.number(p.offset.0).number(p.max_bytes);
            });
        }
        AnyRequest::ListOffsets(r) => {
            to.number(r.replica.0);
            topics(to, &r.topics, |to, p| {
                to.number(p.time.0).number(p.max_offsets);
            });
        }
        AnyRequest::Metadata(r) => {
            let named = match r.topics {
                Topics::All => Vec::new(),
                Topics::Named(named) => named,
            };
            to.each(&named, |to, topic| {
                to.text(topic);
            });
        }
        AnyRequest::LeaderAndIsr(r) => {
            to.number(r.controller.0).number(r.controller_epoch.0);
            states(to, &r.partitions);
            brokers(to, &r.leaders);
        }
        AnyRequest::StopReplica(r) => {
            to.number(r.controller.0).number(r.controller_epoch.0).number(r.delete_partitions);
            to.each(&r.partitions, |to, of| {
                partition(to, of);
            });
        }
        AnyRequest::UpdateMetadata(r) => {
            to.number(r.controller.0).number(r.controller_epoch.0);
            states(to, &r.partitions);
            brokers(to, &r.brokers);
        }
        AnyRequest::ControlledShutdown(r) => {
            to.number(r.broker.0);
        }
        AnyRequest::OffsetCommitV0(r) => {
            to.text(&r.group);
            topics(to, &r.topics, |to, p| {
                to.number(p.offset.0).maybe_text(p.metadata.as_deref());
            });
        }
        AnyRequest::OffsetCommitV1(r) => {
            to.text(&r.group).number(r.generation.0).text(&r.consumer);
            topics(to, &r.topics, |to, p| {
                to.number(p.offset.0).number(p.timestamp.0).maybe_text(p.metadata.as_deref());
            });
        }
        AnyRequest::OffsetFetchV0(r) => offset_fetch(to, &r.group, &r.topics),
        AnyRequest::OffsetFetchV1(r) => offset_fetch(to, &r.group, &r.topics),
        AnyRequest::ConsumerMetadata(r) => {
            to.text(&r.group);
        }
        AnyRequest::Heartbeat(r) => {
            to.text(&r.group).number(r.generation.0).text(&r.consumer);
        }
        AnyRequest::JoinGroup(_) => unreachable!("it is no layout of both"),
    }
}

fn response(to: &mut Tokens, response: AnyResponse) {
    match response {
        AnyResponse::Produce(r) => {
            topics(to, &r.topics, |to, p| {
                to.number(p.error.0).number(p.offset.0);
            });
        }
        AnyResponse::Fetch(r) => topics(to, &r.topics, |to, p| {
            to.number(p.error.0).number(p.high_watermark.0).blob(p.messages.bytes());
        }),
        AnyResponse::ListOffsets(r) => topics(to, &r.topics, |to, p| {
            to.number(p.error.0).each(&p.offsets, |to, offset| {
                to.number(offset.0);
            });
        }),
        AnyResponse::Metadata(r) => {
            brokers(to, r.brokers());
            to.each(r.topics(), |to, topic| {
                to.number(topic.error.0).text(&topic.name).each(&topic.partitions, |to, p| {
                    to.number(p.error.0).number(p.partition.0).number(p.leader.map_or(-1, |node| node.0));
                    nodes(to, &p.replicas);
                    nodes(to, &p.isr);
                });
            });
        }
        AnyResponse::LeaderAndIsr(r) => results(to.number(r.error.0), &r.partitions),
        AnyResponse::StopReplica(r) => results(to.number(r.error.0), &r.partitions),
        AnyResponse::UpdateMetadata(r) => {
            to.number(r.error.0);
        }
        AnyResponse::ControlledShutdown(r) => {
            to.number(r.error.0).each(&r.remaining, |to, of| {
                partition(to, of);
            });
        }
        AnyResponse::OffsetCommitV0(r) | AnyResponse::OffsetCommitV1(r) => {
            topics(to, &r.topics, |to, p| {
                to.number(p.0);
            });
        }
        AnyResponse::OffsetFetchV0(r) => committed(to, &r.topics),
        AnyResponse::OffsetFetchV1(r) => committed(to, &r.topics),
        AnyResponse::ConsumerMetadata(r) => {
            to.number(r.error.0).number(r.broker.node.0).text(&r.broker.host).number(r.broker.raw_port);
        }
        AnyResponse::Heartbeat(r) => {
            to.number(r.error.0);
        }
        AnyResponse::JoinGroup(_) => unreachable!("it is no layout of both"),
    }
}
