//! What a broker would lose, or store to the harm of its consumers, of a set that is to be produced.

use super::RequestProblem;
use crate::{
    ids::TopicPartition,
    limits::Limits,
    message::{Budget, Codec, MessageSet, Opened, SetProblem},
    profile::Profile,
};

/// Checks the sets of one request.
pub(super) struct SetCheck<'l> {
    profile: Profile,
    limits: &'l Limits,
    /// For all sets of the request together.
    budget: Budget,
}

impl<'l> SetCheck<'l> {
    pub(super) fn new(profile: Profile, limits: &'l Limits) -> Self {
        Self { profile, limits, budget: Budget::from(limits) }
    }

    pub(super) fn check(&mut self, to: TopicPartition, messages: &MessageSet) -> Result<(), RequestProblem> {
        let found = match messages.inspect(&mut self.budget) {
            Ok(found) => found,
            // A broker answers these two with success, and stores nothing.
            Err(SetProblem::Empty | SetProblem::EmptyInside { .. }) => return Err(RequestProblem::EmptyMessageSet(to)),
            Err(SetProblem::Cut | SetProblem::CutInside { .. }) => return Err(RequestProblem::CutMessageSet(to)),
            Err(SetProblem::Corrupt(_)) => return Err(RequestProblem::CorruptMessageSet(to)),
        };
        // A broker compares each entry, compressed or not, with `message.max.bytes`.
        if let Some(max) = self.limits.max_message.filter(|&max| found.largest > max) {
            return Err(RequestProblem::MessageTooLarge { to, entry: found.largest, max });
        }
        // An older broker stores the set as it comes, and none of its consumers can read it.
        if found.codecs.contains(Codec::Lz4) && self.profile < Profile::V0_8_2 {
            return Err(RequestProblem::CodecNotKnown { to, codec: Codec::Lz4, profile: self.profile });
        }
        match found.opened {
            Opened::All => Ok(()),
            // Not let pass: what is inside may be cut, and the cut would be noticed by nobody.
            Opened::NotAll => Err(RequestProblem::NotInspected { to, max_inflated: self.limits.max_inflated }),
        }
    }
}
