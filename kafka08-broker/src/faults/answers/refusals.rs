//! Partitions that are not acted on.

use kafka08_proto::{
    api::{
        AnyResponse,
        controller::{ControlledShutdownResponse, LeaderAndIsrResponse, StopReplicaResponse, UpdateMetadataResponse},
        membership::{HeartbeatResponse, JoinGroupResponse},
    },
    error_code::ErrorCode,
    ids::{ApiKey, Generation, Text},
};

use super::codes::no_coordinator;
use crate::{
    faults::Plan,
    wire::{
        Answer, CommittedOffset, CoordinatorAnswer, Fetched, Groups, Listed, MetadataAnswer, Places, Produced, Request,
        TopicView, group,
    },
};

impl Plan {
    /// Takes the refused partitions out of a request. Returns the request if anything is left of it to act on, and the
    /// answer for what was taken out. [`merge`] puts the two answers together.
    pub(crate) fn split(&self, mut request: Request) -> (Option<Request>, Option<Answer>) {
        if self.refusals.is_empty() {
            return (Some(request), None);
        }
        let (refused, left) = match &mut request {
            Request::Produce { sets, .. } => (self.take(sets, Produced::failed).map(Answer::Produce), !sets.is_empty()),
            Request::Fetch { parts, .. } => (self.take(parts, Fetched::failed).map(Answer::Fetch), !parts.is_empty()),
            Request::ListOffsets { parts, .. } => {
                (self.take(parts, Listed::failed).map(Answer::ListOffsets), !parts.is_empty())
            }
            Request::OffsetCommit { parts, .. } => {
                (self.take(parts, |code| code).map(Answer::OffsetCommit), !parts.is_empty())
            }
            Request::OffsetFetch { parts, .. } => {
                (self.take(parts, CommittedOffset::failed).map(Answer::OffsetFetch), !parts.is_empty())
            }
            Request::Metadata { .. } => return self.split_metadata(request),
            // There is no answer that could have the code.
            Request::Unreadable => return (Some(request), None),
            Request::ConsumerMetadata { .. }
            | Request::JoinGroup
            | Request::Heartbeat
            | Request::ControlledShutdown
            | Request::OfController { .. } => {
                let refused = self.refusals.first().map(|(code, _)| refused(&request, *code));
                return if refused.is_some() { (None, refused) } else { (Some(request), None) };
            }
        };
        // A request without partitions has nothing to refuse.
        let acts = left || refused.is_none();
        (acts.then_some(request), refused)
    }

    fn take<V, T>(&self, places: &mut Places<V>, fail: impl Fn(ErrorCode) -> T) -> Option<Groups<T>> {
        let mut taken = Vec::new();
        places.retain(|place, _| match self.refusal_of(place) {
            Some(code) => {
                taken.push((place.clone(), fail(code)));
                false
            }
            None => true,
        });
        (!taken.is_empty()).then(|| group(taken))
    }

    fn split_metadata(&self, request: Request) -> (Option<Request>, Option<Answer>) {
        let Request::Metadata { mut names } = request else { return (Some(request), None) };
        let asked_for_all = names.is_empty();
        let mut topics = Vec::new();
        names.retain(|name| {
            let refusal = self.refusals.iter().find(|(_, target)| target.covers_topic(name));
            topics.extend(refusal.map(|(error, _)| TopicView {
                error: *error,
                topic: name.clone(),
                partitions: Vec::new(),
            }));
            refusal.is_none()
        });
        if !asked_for_all && topics.is_empty() {
            return (Some(Request::Metadata { names }), None);
        }
        // Without names the rest would ask for all topics. Nothing is left if all were refused.
        let rest = (!names.is_empty()).then_some(Request::Metadata { names });
        (rest, Some(Answer::Metadata(MetadataAnswer { brokers: Vec::new(), topics })))
    }
}

/// The answer to a request without partitions.
fn refused(request: &Request, error: ErrorCode) -> Answer {
    Answer::Other(match request {
        Request::ConsumerMetadata { .. } => {
            return Answer::ConsumerMetadata(CoordinatorAnswer { error, coordinator: no_coordinator() });
        }
        Request::JoinGroup => AnyResponse::JoinGroup(JoinGroupResponse {
            error,
            generation: Generation::NONE,
            consumer: Text::default(),
            topics: kafka08_proto::api::ByTopic::default(),
        }),
        Request::OfController { key: ApiKey::LEADER_AND_ISR } => {
            AnyResponse::LeaderAndIsr(LeaderAndIsrResponse { error, partitions: Vec::new() })
        }
        Request::OfController { key: ApiKey::STOP_REPLICA } => {
            AnyResponse::StopReplica(StopReplicaResponse { error, partitions: Vec::new() })
        }
        // The controller's third request. A broker reads no others as such.
        Request::OfController { .. } => AnyResponse::UpdateMetadata(UpdateMetadataResponse { error }),
        Request::ControlledShutdown => {
            AnyResponse::ControlledShutdown(ControlledShutdownResponse { error, remaining: Vec::new() })
        }
        _ => AnyResponse::Heartbeat(HeartbeatResponse { error }),
    })
}

/// Adds the answer for refused partitions to the answer for the others. An answer to another API is replaced.
pub(crate) fn merge(answer: &mut Answer, refused: Answer) {
    match (answer, refused) {
        (Answer::Produce(into), Answer::Produce(groups)) => merge_groups(into, groups),
        (Answer::Fetch(into), Answer::Fetch(groups)) => merge_groups(into, groups),
        (Answer::ListOffsets(into), Answer::ListOffsets(groups)) => merge_groups(into, groups),
        (Answer::OffsetCommit(into), Answer::OffsetCommit(groups)) => merge_groups(into, groups),
        (Answer::OffsetFetch(into), Answer::OffsetFetch(groups)) => merge_groups(into, groups),
        (Answer::Metadata(into), Answer::Metadata(refused)) => into.topics.extend(refused.topics),
        (into, refused) => *into = refused,
    }
}

// A topic must not stand in the answer twice: that is a lie, and a client may refuse it.
fn merge_groups<T>(into: &mut Groups<T>, groups: Groups<T>) {
    for group in groups {
        match into.iter_mut().find(|other| other.topic == group.topic) {
            Some(same) => same.items.extend(group.items),
            None => into.push(group),
        }
    }
}
