//! Error codes in the answer to a request that was acted on.

use kafka08_proto::{
    api::AnyResponse,
    error_code::ErrorCode,
    ids::{NodeId, Offset, Text},
};

use crate::{
    faults::target::Target,
    wire::{Answer, BrokerView, CommittedOffset, CoordinatorAnswer, Fetched, Groups, Listed, MetadataAnswer, Produced},
};

/// The coordinator in an answer that has none.
pub(super) fn no_coordinator() -> BrokerView {
    BrokerView { node: NodeId::NONE, host: Text::default(), port: -1 }
}

impl Produced {
    /// The answer for a partition that nothing was appended to.
    pub(super) fn failed(error: ErrorCode) -> Self {
        Self { error, offset: Offset::NONE }
    }
}

impl Fetched {
    pub(super) fn failed(error: ErrorCode) -> Self {
        Self { error, high_watermark: Offset::NONE, set: Vec::new() }
    }
}

impl Listed {
    pub(super) fn failed(error: ErrorCode) -> Self {
        Self { error, offsets: Vec::new() }
    }
}

impl CommittedOffset {
    pub(super) fn failed(error: ErrorCode) -> Self {
        Self { offset: Offset::NONE, metadata: Some(Text::default()), error }
    }
}

/// Gives the selected partitions a code, and the other fields the values that a broker sends with it.
pub(super) fn set(answer: &mut Answer, code: ErrorCode, target: &Target) {
    // With code 0 the values stay: an answer that hides an error has those of the error.
    let failed = !code.is_ok();
    match answer {
        // After these two codes the data is in the log, and brokers send its offset.
        Answer::Produce(groups) if is_after_append(code) => each(groups, target, |item| item.error = code),
        Answer::Produce(groups) if failed => each(groups, target, |item| *item = Produced::failed(code)),
        Answer::Produce(groups) => each(groups, target, |item| item.error = code),
        Answer::Fetch(groups) if failed => each(groups, target, |item| *item = Fetched::failed(code)),
        Answer::Fetch(groups) => each(groups, target, |item| item.error = code),
        Answer::ListOffsets(groups) if failed => each(groups, target, |item| *item = Listed::failed(code)),
        Answer::ListOffsets(groups) => each(groups, target, |item| item.error = code),
        Answer::OffsetCommit(groups) => each(groups, target, |item| *item = code),
        Answer::OffsetFetch(groups) if failed => each(groups, target, |item| *item = CommittedOffset::failed(code)),
        Answer::OffsetFetch(groups) => each(groups, target, |item| item.error = code),
        Answer::Metadata(answer) => set_in_metadata(answer, code, target),
        Answer::ConsumerMetadata(answer) if failed => {
            *answer = CoordinatorAnswer { error: code, coordinator: no_coordinator() };
        }
        Answer::ConsumerMetadata(answer) => answer.error = code,
        Answer::Other(response) => set_in_other(response, code),
    }
}

fn is_after_append(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND)
}

/// Changes the selected items.
pub(super) fn each<T>(groups: &mut Groups<T>, target: &Target, mut change: impl FnMut(&mut T)) {
    for group in groups.iter_mut().filter(|group| target.covers_topic(&group.topic)) {
        for (partition, item) in &mut group.items {
            if target.covers_partition(*partition) {
                change(item);
            }
        }
    }
}

/// A code for partitions is given to the partitions, and any other to the topics.
fn set_in_metadata(answer: &mut MetadataAnswer, code: ErrorCode, target: &Target) {
    // Brokers send this code for partitions only.
    let is_of_partition = target.partition.is_some() || code == ErrorCode::REPLICA_NOT_AVAILABLE;
    for topic in answer.topics.iter_mut().filter(|topic| target.covers_topic(&topic.topic)) {
        if !is_of_partition {
            topic.error = code;
            if !code.is_ok() {
                topic.partitions.clear();
            }
            continue;
        }
        for view in topic.partitions.iter_mut().filter(|view| target.covers_partition(view.partition)) {
            view.error = code;
            if code == ErrorCode::LEADER_NOT_AVAILABLE {
                view.leader = NodeId::NONE;
                view.isr.clear();
            }
        }
    }
}

fn set_in_other(response: &mut AnyResponse, code: ErrorCode) {
    match response {
        AnyResponse::JoinGroup(response) => response.error = code,
        AnyResponse::Heartbeat(response) => response.error = code,
        AnyResponse::ControlledShutdown(response) => response.error = code,
        AnyResponse::LeaderAndIsr(response) => response.error = code,
        AnyResponse::StopReplica(response) => response.error = code,
        AnyResponse::UpdateMetadata(response) => response.error = code,
        // The broker answers all other APIs with types of its own.
        _ => {}
    }
}
