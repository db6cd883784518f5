//! The check of the message sets of a produce request. It finds what a broker would lose, and what the broker would
//! store although consumers fail on it.

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
    /// The number of bytes that all sets of the request together may expand to.
    budget: Budget,
}

impl<'l> SetCheck<'l> {
    pub(super) fn new(profile: Profile, limits: &'l Limits) -> Self {
        Self { profile, limits, budget: Budget::from(limits) }
    }

    pub(super) fn check(&mut self, to: TopicPartition, messages: &MessageSet) -> Result<(), RequestProblem> {
        let found = match messages.inspect(&mut self.budget) {
            Ok(found) => found,
            // A broker answers an empty set with success, and stores nothing.
            Err(SetProblem::Empty | SetProblem::EmptyInside { .. }) => return Err(RequestProblem::EmptyMessageSet(to)),
            Err(SetProblem::Cut | SetProblem::CutInside { .. }) => return Err(RequestProblem::CutMessageSet(to)),
            Err(SetProblem::Corrupt(_)) => return Err(RequestProblem::CorruptMessageSet(to)),
        };
        // A broker compares each entry, compressed or not, with `message.max.bytes`.
        if let Some(max) = self.limits.max_message.filter(|&max| found.largest > max) {
            return Err(RequestProblem::MessageTooLarge { to, entry: found.largest, max });
        }
        // An older broker does not know the codec, and refuses the set with the code -1.
        if found.codecs.contains(Codec::Lz4) && self.profile < Profile::V0_8_2 {
            return Err(RequestProblem::CodecNotKnown { to, codec: Codec::Lz4, profile: self.profile });
        }
        match found.opened {
            Opened::All => Ok(()),
            // The set is refused, because a set inside of it may be cut, and nobody would notice the cut.
            Opened::NotAll => Err(RequestProblem::NotInspected { to, max_inflated: self.limits.max_inflated }),
        }
    }
}
