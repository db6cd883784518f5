//! Checks a message set before it is produced.

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
    /// Whether the compressed entries were decompressed.
    pub opened: Opened,
}

/// Whether the compressed entries of a set were decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// All compressed entries were decompressed, or the set was compressed by its builder, or there are no compressed
    /// entries.
    All,
    /// Some entries were not decompressed: the budget was too small, the codec is not compiled in, or the entries are
    /// nested more than four levels deep. The sets in these entries can be incomplete or empty.
    NotAll,
}

/// The codecs that a set uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codecs(u8);

impl Codecs {
    /// Whether at least one entry is compressed with this codec.
    #[must_use]
    pub fn contains(self, codec: Codec) -> bool {
        self.0 & Self::from(codec).0 != 0
    }

    /// Whether no entry is compressed.
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

/// The reason why a broker would reject a set, or would drop a part of it without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetProblem {
    /// The set has no messages. A broker answers with success and offset -1.
    Empty,
    /// The set ends in the middle of an entry. A broker drops that entry without an error.
    Cut,
    /// The set contains an entry that is not a valid message.
    Corrupt(MessageError),
    /// A compressed entry contains no messages. A broker stores nothing and answers with success.
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
    /// A set of a [`MessageSetBuilder`](super::MessageSetBuilder) is valid, so its bytes are not read. For any other
    /// set, all entries are read, but their checksums are not verified. Compressed entries are decompressed within the
    /// budget, and the checksums of their messages are verified. [`Inspection::opened`] shows whether all entries were
    /// decompressed.
    ///
    /// # Errors
    /// Returns an error if a broker would reject the set, or would drop a part of it. Do not send such a set.
    pub fn inspect(&self, budget: &mut Budget) -> Result<Inspection, SetProblem> {
        // This check comes before the check for a built set, because a builder can build an empty set.
        if self.is_empty() {
            return Err(SetProblem::Empty);
        }
        if let Some(built) = self.mark() {
            let codecs = built.codec.map(Codecs::from).unwrap_or_default();
            return Ok(Inspection { largest: built.largest as usize, codecs, opened: Opened::All });
        }
        let found = Inspection { largest: 0, codecs: Codecs::default(), opened: Opened::All };
        let mut look = Look { inflater: Inflater::new(), budget, found };
        // Offsets are not checked, because the broker replaces them. Checksums are not verified, because the broker
        // answers a mismatch with an error, so no message is lost without an error.
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
        // An entry with an invalid size has been returned as an error above. So any other tail is an incomplete entry.
        match entries.tail() {
            Some(Tail::Clean) => Ok(look.found),
            _ => Err(SetProblem::Cut),
        }
    }

    /// The codecs of the set's compressed entries. Entries that cannot be read are ignored. Nothing is decompressed.
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

    /// The number of messages, if the set was built by a `MessageSetBuilder`. `None` for any other set, because its
    /// messages were not counted.
    #[must_use]
    pub fn known_messages(&self) -> Option<usize> {
        self.mark().map(|built| built.messages as usize)
    }
}

/// The maximum number of levels of nested compressed sets that are decompressed.
// Brokers flatten any number of levels, but no known producer nests compressed sets. The limit prevents a stack
// overflow by a hostile set.
const DEPTH: usize = 4;

/// The state of an inspection.
struct Look<'b> {
    inflater: Inflater,
    budget: &'b mut Budget,
    found: Inspection,
}

impl Look<'_> {
    /// Checks the set in a wrapper. `depth` is the number of wrappers around that set, including `wrapper`.
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
        // Checksums are verified here, because a broker does not verify the checksums in a compressed set. The broker
        // would store a damaged message, and every consumer would fail at this message.
        let mut entries = set.entries();
        let mut is_empty = true;
        for entry in entries.by_ref() {
            match entry {
                Ok(Entry::Plain(_)) => {}
                Ok(Entry::Compressed(inner)) => self.inside(&inner, depth + 1)?,
                // Brokers of 0.8 do not check the format of inner messages and store them unchanged.
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
