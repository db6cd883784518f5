//! Turns the set of a producer into the bytes of a log: checks it, assigns offsets, and flattens compressed sets
//! (`Log.append`, 0.8.2).

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    error_code::ErrorCode,
    ids::Offset,
    message::{Budget, Codec, Deflater, Entry, Inflater, MessageProblem, MessageSet, MessageSetBuilder, Origin},
};

/// The maximum nesting depth of compressed sets. In a real broker, only the stack limits it.
const MAX_DEPTH: usize = 4;

/// A set in the form in which a log stores it.
pub(super) struct Accepted {
    /// The entries, with their offsets.
    pub(super) bytes: Bytes,
    /// The offset behind the last message.
    pub(super) end: Offset,
}

/// The contents of a produced set.
struct Contents {
    /// The end of each whole entry, in bytes.
    ends: Vec<usize>,
    /// The codec of the last compressed entry.
    codec: Option<Codec>,
}

/// Checks a produced set, and assigns offsets from `first` on to its messages. Returns `None` if there is nothing to
/// append.
pub(super) fn accept(
    set: &MessageSet,
    first: Offset,
    max_message: usize,
    inflater: &mut Inflater,
    deflater: &mut Deflater,
) -> Result<Option<Accepted>, ErrorCode> {
    let contents = check(set, max_message)?;
    if contents.ends.is_empty() {
        return Ok(None);
    }
    // A set without a compressed entry is kept as it is, except for its offsets.
    let Some(codec) = contents.codec else { return Ok(Some(number(set, &contents, first))) };

    let mut flat = MessageSetBuilder::fetched_from(first);
    // The inflated messages of a set may be up to 64 times as large as the largest message.
    let mut budget = Budget::new(max_message.saturating_mul(64));
    flatten(set, MAX_DEPTH, inflater, &mut budget, &mut flat)?;
    let end = Offset(first.0.saturating_add(i64::try_from(flat.messages()).unwrap_or(i64::MAX)));
    if flat.is_empty() {
        return Ok(Some(Accepted { bytes: Bytes::new(), end }));
    }
    // All messages are stored in one entry, as in 0.8.2, with the codec of the last compressed entry.
    let wrapper = flat.build_compressed(codec, deflater).map_err(|_| ErrorCode::UNKNOWN)?;
    if wrapper.len() > max_message {
        return Err(ErrorCode::MESSAGE_SIZE_TOO_LARGE);
    }
    Ok(Some(Accepted { bytes: wrapper.bytes().clone(), end }))
}

/// Checks the entries as a broker does: sizes and checksums matter, magic and unused attributes do not. A truncated
/// entry at the end is dropped without an error.
fn check(set: &MessageSet, max_message: usize) -> Result<Contents, ErrorCode> {
    // The offsets that a producer writes have no meaning.
    let set = MessageSet::new(set.bytes().clone(), Origin::Produced);
    let mut entries = set.entries();
    let mut contents = Contents { ends: Vec::new(), codec: None };
    let mut from = 0;
    while let Some(entry) = entries.next() {
        let end = entries.position();
        // 0.8.2 compares the size before the checksum.
        if end - from > max_message {
            return Err(ErrorCode::MESSAGE_SIZE_TOO_LARGE);
        }
        match entry {
            Ok(Entry::Plain(_)) => {}
            Ok(Entry::Compressed(wrapper)) => contents.codec = Some(wrapper.codec),
            Err(error) => match error.problem {
                MessageProblem::Crc { .. } | MessageProblem::Size(_) => return Err(ErrorCode::INVALID_MESSAGE),
                MessageProblem::Codec(_) => return Err(ErrorCode::UNKNOWN),
                // A broker stores such an entry unchanged, and consumers will fail on it.
                _ => {}
            },
        }
        contents.ends.push(end);
        from = end;
    }
    Ok(contents)
}

/// Copies the whole entries, and overwrites their offsets.
fn number(set: &MessageSet, contents: &Contents, first: Offset) -> Accepted {
    let whole = contents.ends.last().copied().unwrap_or(0);
    // The copy is necessary, because the producer's bytes are shared with its frame.
    let mut bytes = BytesMut::from(set.bytes().get(..whole).unwrap_or_default());
    let mut offset = first;
    let mut from = 0;
    for &end in &contents.ends {
        if let Some(field) = bytes.get_mut(from..).and_then(|entry| entry.first_chunk_mut::<8>()) {
            *field = offset.0.to_be_bytes();
        }
        offset = offset.next();
        from = end;
    }
    Accepted { bytes: bytes.freeze(), end: offset }
}

/// Appends every message of a set, at any nesting depth. Checksums inside a wrapper are not checked.
fn flatten(
    set: &MessageSet,
    depth: usize,
    inflater: &mut Inflater,
    budget: &mut Budget,
    to: &mut MessageSetBuilder,
) -> Result<(), ErrorCode> {
    for entry in set.entries().without_crc() {
        match entry {
            Ok(Entry::Plain(message)) => to.push(message.key, message.value).map_err(|_| ErrorCode::UNKNOWN)?,
            Ok(Entry::Compressed(wrapper)) if depth > 0 => {
                let inner = inflater.open(&wrapper, budget).map_err(|_| ErrorCode::UNKNOWN)?;
                flatten(&inner, depth - 1, inflater, budget, to)?;
            }
            Ok(Entry::Compressed(_)) | Err(_) => return Err(ErrorCode::UNKNOWN),
        }
    }
    Ok(())
}
