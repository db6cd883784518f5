//! What a broker would make of a produced set, told before it is sent.

use std::fmt;

use super::{
    Budget, Codec, Entry, InflateProblem, Inflater, MessageError, MessageProblem, MessageSet, Origin, Tail, Wrapper,
};

/// What a sound set to produce holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The largest entry, in bytes: what a broker's `message.max.bytes` is compared with.
    pub largest: usize,
    /// The codecs of its compressed entries.
    pub codecs: Codecs,
    /// Whether its compressed entries were looked into.
    pub opened: Opened,
}

/// Whether the compressed entries of a set were looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// All of them, or there are none, or they were compressed here.
    All,
    /// Not all: the budget did not suffice, this build lacks the codec, or they are nested more than four deep. What is inside
    /// may be cut or empty.
    NotAll,
}

/// Which codecs a set uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codecs(u8);

impl Codecs {
    /// Whether an entry is compressed with this one.
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

/// Why a broker would refuse a set, or lose some of it without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetProblem {
    /// It holds no message: a broker answers with success and offset -1.
    Empty,
    /// It ends in the middle of an entry, which a broker drops without a word.
    Cut,
    /// It holds an entry that is no message.
    Corrupt(MessageError),
    /// The compressed entry at this byte holds no message: a broker stores nothing and answers with success.
    EmptyInside {
        /// Where the entry begins, in bytes from the set's start.
        at: usize,
    },
    /// The compressed entry at this byte ends in the middle of a message, which a broker drops without a word.
    CutInside {
        /// Where the entry begins, in bytes from the set's start.
        at: usize,
    },
}

impl fmt::Display for SetProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the message set is empty"),
            Self::Cut => f.write_str("the message set ends in the middle of a message"),
            Self::Corrupt(_) => f.write_str("the message set holds an entry that is no message"),
            Self::EmptyInside { at } => write!(f, "the compressed entry at byte {at} holds no message"),
            Self::CutInside { at } => write!(f, "the compressed entry at byte {at} ends in the middle of a message"),
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
    /// Looks at a set as the broker that it is produced to would.
    ///
    /// A set of [`MessageSetBuilder`](super::MessageSetBuilder) is sound, which costs no look at its bytes. Of others the
    /// headers are walked, without checksums, and compressed entries are opened within the budget, with checksums;
    /// [`Inspection::opened`] says whether all were.
    ///
    /// # Errors
    /// A broker would refuse the set, or lose some of it: do not send it.
    pub fn inspect(&self, budget: &mut Budget) -> Result<Inspection, SetProblem> {
        if self.is_empty() {
            return Err(SetProblem::Empty);
        }
        if let Some(built) = self.mark() {
            let codecs = built.codec.map(Codecs::from).unwrap_or_default();
            return Ok(Inspection { largest: built.largest as usize, codecs, opened: Opened::All });
        }
        let found = Inspection { largest: 0, codecs: Codecs::default(), opened: Opened::All };
        let mut look = Look { inflater: Inflater::new(), budget, found };
        // Offsets are the broker's to write.
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
        match entries.tail() {
            Some(Tail::Clean) => Ok(look.found),
            _ => Err(SetProblem::Cut),
        }
    }

    /// The codecs of its compressed entries, as far as the set can be read. Only headers are looked at.
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

    /// How many messages a set holds that was built here; `None` for any other, which would have to be read and opened.
    #[must_use]
    pub fn known_messages(&self) -> Option<usize> {
        self.mark().map(|built| built.messages as usize)
    }
}

/// How deep compressed sets in compressed sets are looked into. Brokers flatten deeper ones too, but nobody writes them.
const DEPTH: usize = 4;

/// Looks into compressed entries.
struct Look<'b> {
    inflater: Inflater,
    budget: &'b mut Budget,
    found: Inspection,
}

impl Look<'_> {
    /// `depth` counts the wrappers around what is inside, this one included. Checksums are compared: a broker stores a damaged
    /// inner message, and every consumer stumbles over it.
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
        let mut entries = set.entries();
        let mut is_empty = true;
        for entry in entries.by_ref() {
            match entry {
                Ok(Entry::Plain(_)) => {}
                Ok(Entry::Compressed(inner)) => self.inside(&inner, depth + 1)?,
                // Stored as it is: an older broker does not look at it.
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
