//! What a broker would lose, or store to the harm of its consumers, of a set that is to be produced.

use super::RequestProblem;
use crate::{
    ids::TopicPartition,
    limits::Limits,
    message::{
        Budget, Codec, Entries, Entry, InflateProblem, Inflater, MessageProblem, MessageSet, Origin, Tail, Wrapper,
    },
    profile::Profile,
};

/// How deep compressed sets in compressed sets are looked into. Brokers flatten deeper ones too, but nobody writes them.
const DEPTH: usize = 4;

/// Checks the sets of one request.
pub(super) struct SetCheck<'l> {
    profile: Profile,
    limits: &'l Limits,
    /// For all sets of the request together.
    budget: Budget,
    /// Made when the first compressed set is met.
    inflater: Option<Inflater>,
}

/// What is wrong with a set, whichever partition it is for.
enum Fault {
    Empty,
    Cut,
    Corrupt,
    TooLarge { entry: usize, max: usize },
    Codec(Codec),
    NotInspected,
}

impl<'l> SetCheck<'l> {
    pub(super) fn new(profile: Profile, limits: &'l Limits) -> Self {
        Self { profile, limits, budget: Budget::from(limits), inflater: None }
    }

    pub(super) fn check(&mut self, to: TopicPartition, messages: &MessageSet) -> Result<(), RequestProblem> {
        self.outer(messages).map_err(|fault| match fault {
            Fault::Empty => RequestProblem::EmptyMessageSet(to),
            Fault::Cut => RequestProblem::CutMessageSet(to),
            Fault::Corrupt => RequestProblem::CorruptMessageSet(to),
            Fault::TooLarge { entry, max } => RequestProblem::MessageTooLarge { to, entry, max },
            Fault::Codec(codec) => RequestProblem::CodecNotKnown { to, codec, profile: self.profile },
            Fault::NotInspected => RequestProblem::NotInspected { to, max_inflated: self.limits.max_inflated },
        })
    }

    /// The set itself, whose sizes the broker limits and whose checksums it looks at.
    fn outer(&mut self, messages: &MessageSet) -> Result<(), Fault> {
        // Offsets are the broker's to write, and checksums were computed or checked where the set came from.
        let set = MessageSet::new(messages.bytes().clone(), Origin::Produced);
        let mut entries = set.entries().without_crc();
        let (mut from, mut count) = (0, 0);
        while let Some(entry) = entries.next() {
            let size = entries.position() - from;
            from = entries.position();
            count += 1;
            match entry {
                Ok(_) if self.limits.max_message.is_some_and(|max| size > max) => {
                    return Err(Fault::TooLarge { entry: size, max: self.limits.max_message.unwrap_or(size) });
                }
                Ok(Entry::Plain(_)) => {}
                Ok(Entry::Compressed(wrapper)) => self.wrapper(&wrapper, 1)?,
                Err(_) => return Err(Fault::Corrupt),
            }
        }
        ended(&entries, count)
    }

    /// A compressed set. A broker looks at its sizes only: a message with a wrong checksum is stored, and breaks consumers.
    fn wrapper(&mut self, wrapper: &Wrapper<'_>, depth: usize) -> Result<(), Fault> {
        if wrapper.codec == Codec::Lz4 && self.profile < Profile::V0_8_2 {
            return Err(Fault::Codec(wrapper.codec));
        }
        if depth > DEPTH {
            return Err(Fault::NotInspected);
        }
        let set = match self.inflater.get_or_insert_default().open(wrapper, &mut self.budget) {
            Ok(set) => set,
            Err(error) => {
                return match error.problem {
                    MessageProblem::Inflate { problem: InflateProblem::OverBudget { .. }, .. } => {
                        Err(Fault::NotInspected)
                    }
                    // A mirror that is built without the codec passes on what it cannot look into.
                    MessageProblem::Inflate { problem: InflateProblem::MissingFeature, .. } => Ok(()),
                    _ => Err(Fault::Corrupt),
                };
            }
        };
        let mut entries = set.entries();
        let mut count = 0;
        for entry in entries.by_ref() {
            count += 1;
            match entry {
                Ok(Entry::Plain(_)) => {}
                Ok(Entry::Compressed(inner)) => self.wrapper(&inner, depth + 1)?,
                Err(_) => return Err(Fault::Corrupt),
            }
        }
        ended(&entries, count)
    }
}

/// Whether a set that was read to its end had an entry and ends with one.
fn ended(entries: &Entries<'_>, count: usize) -> Result<(), Fault> {
    match entries.tail() {
        Some(Tail::Clean) if count > 0 => Ok(()),
        Some(Tail::Clean) => Err(Fault::Empty),
        _ => Err(Fault::Cut),
    }
}
