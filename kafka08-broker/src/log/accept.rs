//! Turns the set of a producer into the bytes of a log. Checks the set, and flattens compressed sets. Source: `Log.append`
//! and `ByteBufferMessageSet.assignOffsets` of 0.8.0, 0.8.1 and 0.8.2.

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    error_code::ErrorCode,
    ids::Offset,
    message::{Budget, Codec},
    profile::Profile,
};

use super::{
    Codecs, Rules,
    entry::{Next, RawEntry},
};

/// The maximum number of nested compressed sets. In a real broker only its stack limits them.
// Each level holds at least 4 KiB while its entries are read. A compressed set can contain itself, so without this limit
// only the budget would end the descent, and small sets use little of the budget.
const MAX_DEPTH: usize = 32;

/// A set in the form in which a log stores it.
pub(super) enum Accepted<'a> {
    /// The set has no complete entry.
    Nothing,
    /// No entry is compressed. The entries are stored as they were sent, except for their offsets.
    Plain {
        /// The complete entries.
        entries: &'a [u8],
        /// The number of messages.
        messages: usize,
    },
    /// All messages are in one compressed entry, which has its offset already.
    Wrapped {
        /// The entry. Empty if there are no messages.
        entry: Bytes,
        /// The number of messages.
        messages: usize,
    },
}

/// Checks a produced set whose first message gets the offset `first`.
pub(super) fn accept<'a>(
    set: &'a Bytes,
    first: Offset,
    rules: &Rules,
    codecs: &mut Codecs,
) -> Result<Accepted<'a>, ErrorCode> {
    let (entries, messages, codec) = check(set, rules, codecs)?;
    if messages == 0 {
        return Ok(Accepted::Nothing);
    }
    // Without a compressed entry, nothing is copied here. The log overwrites the offsets when it copies the entries.
    let Some(codec) = codec else {
        check_sizes(entries, rules)?;
        return Ok(Accepted::Plain { entries, messages });
    };
    let (flat, messages) = flatten(set, entries.len(), first, rules, codecs)?;
    if messages == 0 {
        return Ok(Accepted::Wrapped { entry: Bytes::new(), messages });
    }
    // A consumer continues behind the offset of the wrapper, so it is that of the last message.
    let last = Offset(first.0.saturating_add(i64::try_from(messages - 1).unwrap_or(i64::MAX)));
    let compressed = codecs.deflater.deflate(codec, &flat).map_err(|_| ErrorCode::UNKNOWN)?;
    let mut entry = BytesMut::new();
    codecs.writer.write_wrapper(&mut entry, last, codec, &compressed).map_err(|_| ErrorCode::MESSAGE_SIZE_TOO_LARGE)?;
    check_sizes(&entry, rules)?;
    Ok(Accepted::Wrapped { entry: entry.freeze(), messages })
}

/// Checks the entries in order, as `analyzeAndValidateMessageSet` does. Returns the complete entries, their number, and
/// the codec of the last compressed one.
fn check<'a>(set: &'a [u8], rules: &Rules, codecs: &Codecs) -> Result<(&'a [u8], usize, Option<Codec>), ErrorCode> {
    let (mut at, mut messages, mut codec) = (0, 0, None);
    loop {
        let entry = match RawEntry::first_of(set.get(at..).unwrap_or_default()) {
            Next::Entry(entry) => entry,
            Next::End => return Ok((set.get(..at).unwrap_or_default(), messages, codec)),
            Next::BadSize => return Err(ErrorCode::INVALID_MESSAGE),
        };
        // The order of the three checks decides which code a message with several faults gets.
        if rules.profile >= Profile::V0_8_2 && entry.bytes.len() > rules.max_message {
            return Err(ErrorCode::MESSAGE_SIZE_TOO_LARGE);
        }
        let (stored, covered) = entry.checksum();
        if codecs.checksum(covered) != stored {
            return Err(ErrorCode::INVALID_MESSAGE);
        }
        codec = codec_of(rules.profile, &entry)?.or(codec);
        at += entry.bytes.len();
        messages += 1;
    }
}

/// Reads the codec from the attributes of an entry. 0.8.0 and 0.8.1 look at two bits, 0.8.2 at three.
fn codec_of(profile: Profile, entry: &RawEntry<'_>) -> Result<Option<Codec>, ErrorCode> {
    let mask = if profile >= Profile::V0_8_2 { 0b111 } else { 0b011 };
    match entry.attributes() & mask {
        0 => Ok(None),
        1 => Ok(Some(Codec::Gzip)),
        2 => Ok(Some(Codec::Snappy)),
        3 if profile >= Profile::V0_8_2 => Ok(Some(Codec::Lz4)),
        _ => Err(ErrorCode::UNKNOWN),
    }
}

/// Checks the entries that are to be stored.
fn check_sizes(entries: &[u8], rules: &Rules) -> Result<(), ErrorCode> {
    if super::entry::entries(entries).any(|entry| entry.bytes.len() > rules.max_message) {
        return Err(ErrorCode::MESSAGE_SIZE_TOO_LARGE);
    }
    // Earlier releases append such a set to a segment of its own.
    if rules.profile >= Profile::V0_8_2 && entries.len() > rules.segment_bytes {
        return Err(ErrorCode::MESSAGE_SET_SIZE_TOO_LARGE);
    }
    Ok(())
}

/// A compressed set that is being read.
struct Level {
    bytes: Bytes,
    /// The position of the next entry.
    at: usize,
}

/// Copies the messages of all levels, with consecutive offsets from `first` on. Returns them and their number.
///
/// Apart from the offset an entry is copied as it was sent, even if its checksum or its lengths are wrong.
// The levels are on the heap, because the producer decides how many there are.
fn flatten(
    set: &Bytes,
    len: usize,
    first: Offset,
    rules: &Rules,
    codecs: &mut Codecs,
) -> Result<(Vec<u8>, usize), ErrorCode> {
    let mut budget = Budget::new(rules.max_inflated);
    let mut levels = vec![Level { bytes: set.slice(..len), at: 0 }];
    let (mut flat, mut messages, mut next) = (Vec::new(), 0, first);
    'levels: while let Some(Level { bytes, mut at }) = levels.pop() {
        loop {
            let entry = match RawEntry::first_of(bytes.get(at..).unwrap_or_default()) {
                Next::Entry(entry) => entry,
                // A truncated entry at the end of a compressed set is dropped too.
                Next::End => continue 'levels,
                Next::BadSize => return Err(ErrorCode::INVALID_MESSAGE),
            };
            at += entry.bytes.len();
            let Some(codec) = codec_of(rules.profile, &entry)? else {
                flat.extend_from_slice(&next.0.to_be_bytes());
                flat.extend_from_slice(entry.behind_offset());
                next = next.next();
                messages += 1;
                continue;
            };
            let inner = inflate(&entry, codec, codecs, &mut budget)?;
            if levels.len() >= MAX_DEPTH {
                return Err(ErrorCode::UNKNOWN);
            }
            levels.push(Level { bytes, at });
            levels.push(Level { bytes: inner, at: 0 });
            continue 'levels;
        }
    }
    Ok((flat, messages))
}

/// Decompresses the value of a compressed entry.
fn inflate(entry: &RawEntry<'_>, codec: Codec, codecs: &mut Codecs, budget: &mut Budget) -> Result<Bytes, ErrorCode> {
    // The magic is not looked at. A wrapper of format 1 has a timestamp in front of its key, so its value is not found.
    let value = entry.key_and_value().and_then(|(_, value)| value).ok_or(ErrorCode::UNKNOWN)?;
    codecs.inflater.inflate(codec, value, budget).map_err(|_| ErrorCode::UNKNOWN)
}
