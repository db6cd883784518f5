//! A lazy reader of a message set.
// This is the hot path of a consumer. `sound` reads valid uncompressed messages, the most frequent case, and is inlined
// into the caller's loop. `any` reads all other entries and is not inlined.

use std::{fmt, ops::Range};

use crc32fast::Hasher;

use super::{
    CRC, Codec, ENTRY_HEADER, Entry, Message, MessageError, MessageProblem, MessageSet, Origin, SMALLEST_MESSAGE, Tail,
    Wrapper,
};
use crate::ids::Offset;

/// If an incomplete message starts with this many zero bytes, the entry is filler.
// Brokers write filler in pieces of 128 KiB, each with its own header. The first bytes of a piece are enough to
// recognize it.
const FILLER: usize = 64;

/// An iterator over the entries of a message set. By default it verifies the checksums.
///
/// If `CHECKED` is true, checksums are verified. [`Entries::without_crc`] turns this off.
///
/// An invalid entry is returned as an error, and iteration continues after this entry. After the iterator has ended,
/// [`Entries::tail`] returns how the set ends.
///
/// The offsets of a fetched set must ascend. They must be at or above [`Entries::with_start`] and below
/// [`Entries::with_end`]. The checksum does not cover the offsets, so without an end one flipped bit can move
/// [`Entries::next_offset`] by millions.
#[derive(Clone)]
pub struct Entries<'a, const CHECKED: bool = true> {
    /// The bytes that were not read yet. Empty after the iterator has ended.
    rest: &'a [u8],
    /// The length of the set in bytes. The position is `len` minus the lengths of `rest` and `unread`.
    len: usize,
    /// The length of `rest` at the time the iterator ended. The position is computed from it.
    unread: usize,
    /// The lowest offset that the next entry may have.
    next: i64,
    /// The exclusive upper bound for the offset of every entry.
    end: i64,
    /// Whether the caller has set a start.
    has_start: bool,
    origin: Origin,
    /// An empty checksum, which is cloned for each message. A new one would detect the CPU features again.
    crc: Hasher,
    tail: Option<Tail>,
}

impl<'a> Entries<'a> {
    /// Creates a reader that starts at byte `at` of the set.
    pub(super) fn new(set: &'a MessageSet, at: usize) -> Self {
        let rest = set.bytes().get(at..).unwrap_or_default();
        Self {
            rest,
            len: set.len(),
            unread: 0,
            next: 0,
            end: i64::MAX,
            has_start: false,
            origin: set.origin(),
            crc: Hasher::new(),
            tail: None,
        }
    }

    /// Turns off the verification of checksums. Use this for a set that this process has built or verified.
    #[must_use]
    pub fn without_crc(self) -> Entries<'a, false> {
        let Self { rest, len, unread, next, end, has_start, origin, crc, tail } = self;
        Entries { rest, len, unread, next, end, has_start, origin, crc, tail }
    }
}

impl<'a, const CHECKED: bool> Entries<'a, CHECKED> {
    /// Sets the offset that was requested in the fetch. In a fetched set, an entry with a lower offset is a
    /// [`MessageProblem::NotAscending`].
    ///
    /// Default: 0. No message has a lower offset.
    #[must_use]
    pub fn with_start(mut self, offset: Offset) -> Self {
        // Filler has the offset -1. A negative start would accept filler as an entry.
        self.next = offset.0.max(0);
        self.has_start = true;
        self
    }

    /// Sets the exclusive upper bound for the offsets of a fetched set: the high watermark of the response. An entry at
    /// or above this bound is a [`MessageProblem::AboveEnd`].
    ///
    /// Brokers since 0.9 may read the high watermark before the data, so a valid entry can be at or above the high
    /// watermark. The next fetch returns such an entry again.
    ///
    /// Default: `i64::MAX`, which means no upper bound.
    #[must_use]
    pub fn with_end(mut self, offset: Offset) -> Self {
        self.end = offset.0;
        self
    }

    /// Turns off the check of offsets. The caller then checks the offsets.
    pub(super) fn unordered(mut self) -> Self {
        self.origin = Origin::Produced;
        self
    }

    /// Whether the entries have offsets of the log, which must ascend.
    pub(super) fn is_ordered(&self) -> bool {
        self.origin == Origin::Fetched
    }

    /// How the set ends. `None` until the iterator has returned `None`.
    #[must_use]
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The position of the next entry, in bytes from the start of the set. Pass this position to
    /// [`MessageSet::entries_at`] to continue later.
    #[must_use]
    pub fn position(&self) -> usize {
        self.len.saturating_sub(self.rest.len() + self.unread)
    }

    /// The offset to fetch next, in a fetched set. This is the offset after the last valid entry, with the exceptions
    /// below.
    ///
    /// An entry with a wrong checksum or a later format increases this offset by one, and the entry's own offset is
    /// ignored. An entry whose offset does not ascend, or is not below the end, does not change this offset.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(self.next)
    }

    /// Reads the next entry if the entry is a valid uncompressed message. Otherwise returns `None` and changes nothing.
    /// Then call [`Entries::any`], which reads the entry or returns its error.
    #[inline(always)]
    pub(super) fn sound(&mut self) -> Option<Message<'a>> {
        let bounds = (self.origin == Origin::Fetched).then_some(self.next..self.end);
        let crc = CHECKED.then_some(&self.crc);
        let (message, behind) = sound(self.rest, bounds, crc)?;
        self.rest = behind;
        self.next = message.offset.0.wrapping_add(1);
        Some(message)
    }

    #[inline(always)]
    fn checksum(&self, covered: &[u8]) -> u32 {
        checksum(&self.crc, covered)
    }

    /// Reads the next entry, which can be valid or invalid.
    #[cold]
    #[inline(never)]
    pub(super) fn any(&mut self) -> Option<Result<Entry<'a>, MessageError>> {
        if self.tail.is_some() {
            return None;
        }
        let at = Self::position(self);
        let Some((offset, size, body)) = split_header(self.rest) else {
            self.end(self.cut_header());
            return None;
        };
        let Some(size_of_message) = usize::try_from(size).ok().filter(|&n| n >= SMALLEST_MESSAGE) else {
            // Without a valid size the next entry cannot be found. A log that was not flushed before a crash can end in
            // zeros. Zeros are read as an entry with offset 0 and size 0.
            self.end(Tail::Corrupt {
                offset: if self.has_start || self.next > 0 { Offset(self.next) } else { offset },
            });
            return Some(Err(MessageError { offset, at, problem: MessageProblem::Size(size) }));
        };
        let Some((message, behind)) = body.split_at_checked(size_of_message) else {
            let is_filler = offset == Offset::NONE && is_zero(body.get(..FILLER).unwrap_or(body));
            self.end(match self.origin {
                Origin::Fetched if is_filler => Tail::Filler,
                // `max_bytes` of a fetch is an int32, so a larger value cannot be requested.
                _ => Tail::Cut { needed: Some(i32::try_from(ENTRY_HEADER + size_of_message).unwrap_or(i32::MAX)) },
            });
            return None;
        };
        self.rest = behind;
        Some(self.read(at, offset, message).map_err(|problem| MessageError { offset, at, problem }))
    }

    fn end(&mut self, tail: Tail) {
        self.tail = Some(tail);
        self.unread = self.rest.len();
        self.rest = &[];
    }

    /// Returns how a set ends if fewer bytes are left than an entry header needs.
    fn cut_header(&self) -> Tail {
        match self.rest {
            [] => Tail::Clean,
            // No message has a negative offset, so the first bytes of the offset -1 are filler, even if the size is
            // missing.
            rest if self.is_ordered() && rest.iter().take(8).all(|&byte| byte == 0xff) => Tail::Filler,
            _ => Tail::Cut { needed: None },
        }
    }

    /// Reads the message of a complete entry.
    fn read(&mut self, at: usize, offset: Offset, message: &'a [u8]) -> Result<Entry<'a>, MessageProblem> {
        let (stored, covered) = split_u32(message).ok_or(MessageProblem::Size(0))?;
        // The magic is checked before the checksum, because later formats have other fields in the checksum's place.
        // For example, 1.1 sends transaction markers unconverted. With the other order these would be reported as
        // damaged, and a consumer that stops at damaged messages would stop.
        if let Some(&magic @ 2..) = covered.first() {
            self.pass_one();
            return Err(MessageProblem::Magic(i8::from_be_bytes([magic])));
        }
        // The order of offsets is also checked before the checksum: an entry that is out of order must not move the
        // position, but a damaged entry moves the position by one.
        if self.origin == Origin::Fetched {
            if offset.0 < self.next {
                return Err(MessageProblem::NotAscending { after: Offset(self.next - 1) });
            }
            if offset.0 >= self.end {
                return Err(MessageProblem::AboveEnd { end: Offset(self.end) });
            }
        }
        if CHECKED {
            let computed = self.checksum(covered);
            if computed != stored {
                self.pass_one();
                return Err(MessageProblem::Crc { stored, computed });
            }
        }
        // The next offset is updated before the rest is parsed. If the checksum is correct, the message is as the
        // producer wrote it. An error in such a message is not damage, so the entry's offset is used.
        self.next = offset.next().0;
        let (key, value, codec) = parse(covered)?;
        match codec {
            None => Ok(Entry::Plain(Message { offset, key, value })),
            Some(codec) => {
                let value = value.ok_or(MessageProblem::ValueLength(-1))?;
                Ok(Entry::Compressed(Wrapper { offset, codec, value, at, origin: self.origin }))
            }
        }
    }

    /// Increases the next offset by one, for an entry whose own offset cannot be trusted.
    fn pass_one(&mut self) {
        // The step is one, because the entry has at least one message and a larger step could skip valid messages. The
        // next offset does not exceed the end, because a fetch from there would be out of range.
        self.next = self.next.saturating_add(1).min(self.end.max(self.next));
    }
}

impl<'a, const CHECKED: bool> Iterator for Entries<'a, CHECKED> {
    type Item = Result<Entry<'a>, MessageError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.sound() {
            Some(message) => Some(Ok(Entry::Plain(message))),
            None => self.any(),
        }
    }
}

impl<const CHECKED: bool> fmt::Debug for Entries<'_, CHECKED> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("at", &self.position())
            .field("of", &self.len)
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

/// Reads the first entry of `rest` if it is a valid uncompressed message whose offset is within the bounds, if there are any.
/// Returns the message and the bytes after it. `crc` is an empty checksum, or `None` if checksums are not verified.
#[inline(always)]
pub(super) fn sound<'a>(
    rest: &'a [u8],
    bounds: Option<Range<i64>>,
    crc: Option<&Hasher>,
) -> Option<(Message<'a>, &'a [u8])> {
    let (_, behind) = rest.split_first_chunk::<8>()?;
    let (size, behind) = behind.split_first_chunk::<4>()?;
    let (message, behind) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
    let (_, covered) = message.split_first_chunk::<CRC>()?;
    let computed = crc.map(|crc| checksum(crc, covered));
    // The offset is read after the checksum, because keeping the value during the checksum computation costs a store and a
    // load.
    let offset = i64::from_be_bytes(*rest.first_chunk::<8>()?);
    let (&[c0, c1, c2, c3, magic, attributes, k0, k1, k2, k3], parts) = message.split_first_chunk::<10>()?;
    if computed.is_some_and(|computed| computed != u32::from_be_bytes([c0, c1, c2, c3])) {
        return None;
    }
    if magic != 0 || attributes & CODEC != 0 || bounds.is_some_and(|bounds| !bounds.contains(&offset)) {
        return None;
    }
    let (key, parts) = split_data(i32::from_be_bytes([k0, k1, k2, k3]), parts)?;
    let (len, parts) = parts.split_first_chunk::<4>()?;
    let (value, _) = split_data(i32::from_be_bytes(*len), parts)?;
    Some((Message { offset: Offset(offset), key, value }, behind))
}

#[inline(always)]
fn checksum(empty: &Hasher, covered: &[u8]) -> u32 {
    let mut crc = empty.clone();
    crc.update(covered);
    crc.finalize()
}

/// The bits of a message's attributes that identify its codec.
const CODEC: u8 = 0b111;

/// A message's key, value and codec.
type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Option<Codec>);

/// Parses the bytes that the checksum covers. Bytes after the value are ignored, as in the broker.
fn parse(covered: &[u8]) -> Result<Parts<'_>, MessageProblem> {
    let (&[magic, attributes], rest) = covered.split_first_chunk::<2>().ok_or(MessageProblem::Size(0))?;
    if magic != 0 {
        return Err(MessageProblem::Magic(i8::from_be_bytes([magic])));
    }
    let (key, rest) = split_nullable(rest).map_err(MessageProblem::KeyLength)?;
    let (value, _) = split_nullable(rest).map_err(MessageProblem::ValueLength)?;
    Ok((key, value, Codec::from_attributes(attributes & CODEC)?))
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<CRC>()?;
    Some((u32::from_be_bytes(*number), rest))
}

pub(super) fn split_header(bytes: &[u8]) -> Option<(Offset, i32, &[u8])> {
    let (offset, rest) = bytes.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    Some((Offset(i64::from_be_bytes(*offset)), i32::from_be_bytes(*size), rest))
}

/// Reads a length and that number of bytes. The length -1 is null. The error contains the invalid length.
fn split_nullable(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), i32> {
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or(0)?;
    let len = i32::from_be_bytes(*len);
    split_data(len, rest).ok_or(len)
}

/// Reads `len` bytes. The length -1 is null.
#[inline(always)]
fn split_data(len: i32, bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if len == -1 {
        return Some((None, bytes));
    }
    // The cast converts any other negative length to at least 2^31, which is longer than any set. So one comparison
    // rejects negative lengths and too large lengths.
    let (data, rest) = bytes.split_at_checked(usize::try_from(len.cast_unsigned()).ok()?)?;
    Some((Some(data), rest))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
