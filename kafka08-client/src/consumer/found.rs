//! What a fetched set is good for, and where to go on.

use kafka08_proto::{
    ids::Offset,
    message::{MessageProblem, MessageSet, Tail},
};

/// The bytes of an entry in front of its message.
const ENTRY_HEADER: usize = 12;

/// What a fetched set is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The first `len` bytes can be delivered.
    Set {
        len: usize,
        behind: Offset,
        /// The size of its first entry in bytes.
        first: usize,
        /// The number of entries of later formats in it.
        later: usize,
        /// Some offset in it lies.
        is_doubtful: bool,
    },
    /// There is nothing yet.
    End,
    /// The first entry does not fit. `needed` bytes do, if that is known.
    TooSmall { needed: Option<usize> },
    /// There are no bytes, though the log has messages: of a broker that converts, the size is too small, or nothing of what
    /// follows can be converted.
    Hidden,
    /// Nothing of what the broker has read can be converted. The next offset may be another matter.
    Filler,
    /// Some header lies. Another fetch may be answered better.
    Doubtful,
}

/// Judges the set that was fetched from `asked`. `is_second`: an earlier one from there was doubtful, so this one is taken as it
/// is, and its reader tells what is wrong with it.
pub(super) fn judge(set: &MessageSet, asked: Offset, high_watermark: Offset, is_second: bool) -> Found {
    let hop = set.hop(asked, high_watermark);
    #[cfg(kafka08_canary)]
    let hop = kafka08_proto::canary::LeavesOneOut.pick(hop.one_too_far(), hop);
    let of =
        |len, behind, is_doubtful| Found::Set { len, behind, first: first_entry(set), later: hop.later, is_doubtful };
    let whole = |len, behind| of(len, behind, false);
    match hop.tail {
        // Its offset may be right, and that of an entry in front of it wrong. So nothing of the set is believed.
        Err(error) if matches!(error.problem, MessageProblem::NotAscending { .. }) || hop.entries == 0 => {
            if !is_second {
                return Found::Doubtful;
            }
            // A reader that skips goes on behind the set, so it must not end where it began.
            let behind = follow(set, asked, high_watermark);
            of(set.len(), if behind > asked { behind } else { asked.next() }, true)
        }
        // What follows is fetched again. A broker of a later release may have read the high watermark before the messages.
        Err(_) => whole(hop.len, hop.position),
        Ok(_) if hop.entries > 0 => whole(hop.len, hop.position),
        Ok(Tail::Filler) => Found::Filler,
        Ok(Tail::Cut { needed }) => Found::TooSmall { needed: needed.and_then(|needed| usize::try_from(needed).ok()) },
        Ok(Tail::Clean | Tail::Corrupt { .. }) if asked < high_watermark => Found::Hidden,
        Ok(Tail::Clean | Tail::Corrupt { .. }) => Found::End,
    }
}

/// The size of the first entry in bytes.
fn first_entry(set: &MessageSet) -> usize {
    let size = set.bytes().get(8..ENTRY_HEADER).and_then(|bytes| bytes.first_chunk::<4>());
    let size = size.and_then(|bytes| usize::try_from(i32::from_be_bytes(*bytes)).ok());
    ENTRY_HEADER.saturating_add(size.unwrap_or(0))
}

/// The offset behind the set, whatever its headers say in between.
fn follow(set: &MessageSet, asked: Offset, high_watermark: Offset) -> Offset {
    let (mut position, mut rest) = (asked, set.clone());
    loop {
        let hop = rest.hop(position, high_watermark);
        position = hop.position;
        match hop.tail {
            Err(error) if !matches!(error.problem, MessageProblem::Size(_)) => {
                let bytes = rest.bytes().slice(hop.len..);
                let entry = first_entry(&MessageSet::new(bytes.clone(), rest.origin()));
                rest = MessageSet::new(bytes.slice(entry.min(bytes.len())..), rest.origin());
            }
            _ => return position,
        }
    }
}

#[cfg(test)]
mod tests;
