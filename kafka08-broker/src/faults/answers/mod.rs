//! What a plan makes of the values of an answer.

mod codes;
mod metadata;
mod offsets;
mod partitions;
mod refusals;
mod sets;

pub(crate) use refusals::merge;

use super::{Plan, plan::Edit};
use crate::wire::Answer;

/// Changes the codes of an answer and tells lies in it, in the order of the plan.
pub(crate) fn apply(plan: &Plan, answer: &mut Answer) {
    for (edit, target) in &plan.edits {
        match edit {
            Edit::Code(code) => codes::set(answer, *code, target),
            // Each function knows some of the lies, and leaves the others alone.
            Edit::Lie(lie) => match answer {
                Answer::Produce(groups) => {
                    partitions::lie(groups, lie, target);
                    offsets::lie_in_produce(groups, lie, target);
                }
                Answer::Fetch(groups) => {
                    partitions::lie(groups, lie, target);
                    sets::lie(groups, lie, target, &plan.asked);
                }
                Answer::ListOffsets(groups) => {
                    partitions::lie(groups, lie, target);
                    offsets::lie_in_list(groups, lie, target);
                }
                Answer::OffsetCommit(groups) => partitions::lie(groups, lie, target),
                Answer::OffsetFetch(groups) => {
                    partitions::lie(groups, lie, target);
                    offsets::lie_in_committed(groups, lie, target);
                }
                Answer::Metadata(answer) => {
                    metadata::lie_about_topics(answer, lie, target);
                    metadata::lie_about_brokers(answer, lie);
                }
                Answer::ConsumerMetadata(answer) => metadata::lie_about_coordinator(answer, lie),
                Answer::Other(_) => {}
            },
        }
    }
}
