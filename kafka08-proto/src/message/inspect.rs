//! The check of a set before it is produced.

use std::fmt;

use super::{
    Budget, Codec, Entry, InflateProblem, Inflater, MessageError, MessageProblem, MessageSet, Origin, Tail, Wrapper,
};

/// The result of inspecting a valid set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The size of the largest entry, in bytes. A broker compares it with `message.max.bytes`.
    pub largest: usize,
    /// The codecs of the compressed entries.
    pub codecs: Codecs,
    /// Whether the compressed entries were opened.
    pub opened: Opened,
}

/// Whether the compressed entries of a set were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// All compressed entries were opened, or were compressed here, or there are none.
    All,
    /// Some were not opened, because the budget did not suffice, this build lacks the codec, or they are nested more
    /// than four levels deep. The sets inside may be cut or empty.
    NotAll,
}

/// The codecs that a set uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codecs(u8);

impl Codecs {
    /// Whether an entry is compressed with this codec.
    #[must_use]
    pub fn contains(self, codec: Codec) -> bool {
        self.0 & Self::from(codec).0 != 0
    }

    /// Whether nothing is compressed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, codec: Codec) {
        self.0 |= Self::from(codec).0;
    }
}

impl From<Codec> for Codecs {
    fn from(codec: Codec) -> Self {
        Self(1 << codec.attributes())
    }
}

/// A broker would refuse a set, or would drop a part of it without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetProblem {
    /// The set holds no message. A broker answers with success and offset -1.
    Empty,
    /// The set ends in the middle of an entry. A broker drops that entry without an error.
    Cut,
    /// The set holds an entry that is not a valid message.
    Corrupt(MessageError),
    /// A compressed entry holds no message. A broker stores nothing and answers with success.
    EmptyInside {
        /// The position of the entry, in bytes from the start of the set.
        at: usize,
    },
    /// A compressed entry ends in the middle of a message. A broker drops that message without an error.
    CutInside {
        /// The position of the entry, in bytes from the start of the set.
        at: usize,
    },
}

impl fmt::Display for SetProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the message set is empty: leave it out"),
            Self::Cut => f.write_str("the message set ends in the middle of a message: send whole entries only"),
            Self::Corrupt(_) => {
                f.write_str("the message set holds an entry that is not a valid message: build the set anew")
            }
            Self::EmptyInside { at } => {
                write!(f, "the compressed entry at byte {at} of the message set holds no message: leave it out")
            }
            Self::CutInside { at } => write!(
                f,
                "the compressed entry at byte {at} of the message set ends in the middle of a message: compress whole messages \
                 only"
            ),
        }
    }
}

impl std::error::Error for SetProblem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Corrupt(error) => Some(error),
            _ => None,
        }
    }
}

impl MessageSet {
    /// Checks a set as a broker would check it, before it is produced.
    ///
    /// A set of a [`MessageSetBuilder`](super::MessageSetBuilder) is valid, so its bytes are not read. In any other
    /// set, the entries are read without comparing checksums, and compressed entries are opened within the budget,
    /// comparing the checksums inside. [`Inspection::opened`] says whether all were opened.
    ///
    /// # Errors
    /// A broker would refuse the set, or would drop a part of it. Do not send it.
    pub fn inspect(&self, budget: &mut Budget) -> Result<Inspection, SetProblem> {
        // This comes before the mark, because a builder can build an empty set.
        if self.is_empty() {
            return Err(SetProblem::Empty);
        }
        if let Some(built) = self.mark() {
            let codecs = built.codec.map(Codecs::from).unwrap_or_default();
            return Ok(Inspection { largest: built.largest as usize, codecs, opened: Opened::All });
        }
        let found = Inspection { largest: 0, codecs: Codecs::default(), opened: Opened::All };
        let mut look = Look { inflater: Inflater::new(), budget, found };
        // Offsets are not checked, because the broker overwrites them. Checksums are not compared, because the broker
        // answers a mismatch with an error, so nothing is lost silently.
        let mut entries = self.entries().unordered().without_crc();
        let mut from = 0;
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(SetProblem::Corrupt)?;
            let end = entries.position();
            look.found.largest = look.found.largest.max(end - from);
            from = end;
            if let Entry::Compressed(wrapper) = entry {
                look.inside(&wrapper, 1)?;
            }
        }
        // An entry of an invalid size has been returned as an error above, so any other end is a cut.
        match entries.tail() {
            Some(Tail::Clean) => Ok(look.found),
            _ => Err(SetProblem::Cut),
        }
    }

    /// The codecs of the set's compressed entries, as far as the set can be read. Nothing is decompressed.
    #[must_use]
    pub fn codecs_used(&self) -> Codecs {
        if let Some(built) = self.mark() {
            return built.codec.map(Codecs::from).unwrap_or_default();
        }
        let mut codecs = Codecs::default();
        for entry in self.entries().unordered().without_crc() {
            if let Ok(Entry::Compressed(wrapper)) = entry {
                codecs.add(wrapper.codec);
            }
        }
        codecs
    }

    /// The number of messages, if the set was built here. `None` for any other set, which would have to be read and
    /// opened.
    #[must_use]
    pub fn known_messages(&self) -> Option<usize> {
        self.mark().map(|built| built.messages as usize)
    }
}

/// The number of levels of nested compressed sets that are opened.
// Brokers flatten any depth, but no known producer nests at all. The bound keeps a hostile set from overflowing the
// stack.
const DEPTH: usize = 4;

/// The state of an inspection.
struct Look<'b> {
    inflater: Inflater,
    budget: &'b mut Budget,
    found: Inspection,
}

impl Look<'_> {
    /// Checks the set in a wrapper. `depth` is the number of wrappers around that set, including this one.
    fn inside(&mut self, wrapper: &Wrapper<'_>, depth: usize) -> Result<(), SetProblem> {
        self.found.codecs.add(wrapper.codec);
        let at = wrapper.at;
        if depth > DEPTH {
            self.found.opened = Opened::NotAll;
            return Ok(());
        }
        let set = match self.inflater.open(wrapper, self.budget) {
            Ok(set) => MessageSet::new(set.bytes().clone(), Origin::Produced),
            Err(MessageError {
                problem:
                    MessageProblem::Inflate {
                        problem: InflateProblem::OverBudget { .. } | InflateProblem::MissingFeature,
                        ..
                    },
                ..
            }) => {
                self.found.opened = Opened::NotAll;
                return Ok(());
            }
            Err(error) => return Err(SetProblem::Corrupt(error)),
        };
        // Checksums are compared here, because a broker does not compare those inside. It would store a damaged
        // message, and every consumer would fail at it.
        let mut entries = set.entries();
        let mut is_empty = true;
        for entry in entries.by_ref() {
            match entry {
                Ok(Entry::Plain(_)) => {}
                Ok(Entry::Compressed(inner)) => self.inside(&inner, depth + 1)?,
                // Brokers of 0.8 do not look at the format of inner messages and store them as they come.
                Err(MessageError { problem: MessageProblem::Magic(_), .. }) => {}
                Err(error) => return Err(SetProblem::Corrupt(error)),
            }
            is_empty = false;
        }
        match entries.tail() {
            Some(Tail::Clean) if is_empty => Err(SetProblem::EmptyInside { at }),
            Some(Tail::Clean) => Ok(()),
            _ => Err(SetProblem::CutInside { at }),
        }
    }
}
