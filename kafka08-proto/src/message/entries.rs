//! The lazy reader of a message set: the hot path of a consumer.

use std::fmt;

use crc32fast::Hasher;

use super::{
    CRC, Codec, ENTRY_HEADER, Entry, Message, MessageError, MessageProblem, MessageSet, Origin, SMALLEST_MESSAGE, Tail,
    Wrapper,
};
use crate::ids::Offset;

/// Where a message set whose last entry is cut is looked at for filler, in bytes of the cut message. Brokers write zeros in
/// pieces of 128 KiB, each with a header of its own; the first bytes tell.
const FILLER: usize = 64;

/// Iterates over the entries of a set, checking each one's checksum.
///
/// `CHECKED` is whether checksums are compared; [`Entries::without_crc`] turns it off.
///
/// An entry that cannot be used is an error, once, and those behind it follow. When the iterator has ended,
/// [`Entries::tail`] says how the set did.
///
/// Offsets lie outside the checksum. In a fetched set they have to ascend, from [`Entries::with_start`] on and below
/// [`Entries::with_end`]; without an end, one flipped bit can move [`Entries::next_offset`] by millions.
#[derive(Clone)]
pub struct Entries<'a, const CHECKED: bool = true> {
    /// What is left of the set. Empty once the iterator has ended.
    rest: &'a [u8],
    /// The set's length in bytes, from which `rest` gives the position.
    len: usize,
    /// Bytes that were left when the iterator ended.
    unread: usize,
    /// The lowest offset that the next entry may have.
    next: i64,
    /// The offset that every entry must lie below.
    end: i64,
    /// Whether the caller said what to start from.
    has_start: bool,
    origin: Origin,
    /// Kept and cloned for each message: making one asks what the processor can do.
    crc: Hasher,
    tail: Option<Tail>,
}

impl<'a> Entries<'a> {
    /// From byte `at` of the set on.
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

    /// Does not compare checksums: for a set that this process has just built or checked.
    #[must_use]
    pub fn without_crc(self) -> Entries<'a, false> {
        let Self { rest, len, unread, next, end, has_start, origin, crc, tail } = self;
        Entries { rest, len, unread, next, end, has_start, origin, crc, tail }
    }
}

impl<'a, const CHECKED: bool> Entries<'a, CHECKED> {
    /// The offset that was asked for. In a fetched set, an entry in front of it is a [`MessageProblem::NotAscending`].
    /// Default: 0.
    #[must_use]
    pub fn with_start(mut self, offset: Offset) -> Self {
        self.next = offset.0.max(0);
        self.has_start = true;
        self
    }

    /// The offset that all entries of a fetched set lie below: the answer's high watermark. An entry at it or above it is a
    /// [`MessageProblem::AboveEnd`]. Default: `i64::MAX`, so none.
    ///
    /// Brokers since 0.9 may read the watermark before the data: such an entry is there when it is fetched again.
    #[must_use]
    pub fn with_end(mut self, offset: Offset) -> Self {
        self.end = offset.0;
        self
    }

    /// Does not judge offsets: the caller does.
    pub(super) fn unordered(mut self) -> Self {
        self.origin = Origin::Produced;
        self
    }

    /// Whether offsets mean something.
    pub(super) fn is_ordered(&self) -> bool {
        self.origin == Origin::Fetched
    }

    /// How the set ends; `None` until the iterator has returned `None`.
    #[must_use]
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// Where the next entry begins, in bytes from the set's start. [`MessageSet::entries_at`] goes on there.
    #[must_use]
    pub fn position(&self) -> usize {
        self.len.saturating_sub(self.rest.len() + self.unread)
    }

    /// What to fetch next, in a fetched set: the offset behind the last entry that could be used.
    ///
    /// An entry whose checksum does not match, or whose format carries no checksum that is known here, moves it by one
    /// whatever the entry claims; one that does not ascend, or lies above the end, does not move it.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(self.next)
    }

    /// The next entry if it is a plain message that nothing is wrong with, which nearly all are. `None` says nothing about
    /// it: [`Entries::any`] does.
    #[inline(always)]
    pub(super) fn sound(&mut self) -> Option<Message<'a>> {
        let (_, behind) = self.rest.split_first_chunk::<8>()?;
        let (size, behind) = behind.split_first_chunk::<4>()?;
        let (message, behind) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
        let (_, covered) = message.split_first_chunk::<CRC>()?;
        let computed = if CHECKED { self.checksum(covered) } else { 0 };
        // Read only now: a value that is kept across the checksum costs a store and a load.
        let offset = i64::from_be_bytes(*self.rest.first_chunk::<8>()?);
        let (&[c0, c1, c2, c3, magic, attributes, k0, k1, k2, k3], parts) = message.split_first_chunk::<10>()?;
        if CHECKED && computed != u32::from_be_bytes([c0, c1, c2, c3]) {
            return None;
        }
        if magic != 0 || attributes & CODEC != 0 {
            return None;
        }
        if self.origin == Origin::Fetched && (offset < self.next || offset >= self.end) {
            return None;
        }
        let (key, parts) = split_data(i32::from_be_bytes([k0, k1, k2, k3]), parts)?;
        let (len, parts) = parts.split_first_chunk::<4>()?;
        let (value, _) = split_data(i32::from_be_bytes(*len), parts)?;
        self.rest = behind;
        self.next = offset.wrapping_add(1);
        Some(Message { offset: Offset(offset), key, value })
    }

    #[inline(always)]
    fn checksum(&self, covered: &[u8]) -> u32 {
        let mut crc = self.crc.clone();
        crc.update(covered);
        crc.finalize()
    }

    /// The next entry, whatever it is.
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
            self.end(Tail::Corrupt {
                offset: if self.has_start || self.next > 0 { Offset(self.next) } else { offset },
            });
            return Some(Err(MessageError { offset, at, problem: MessageProblem::Size(size) }));
        };
        let Some((message, behind)) = body.split_at_checked(size_of_message) else {
            let is_filler = offset == Offset::NONE && is_zero(body.get(..FILLER).unwrap_or(body));
            self.end(match self.origin {
                Origin::Fetched if is_filler => Tail::Filler,
                _ => Tail::Cut { needed: Some(ENTRY_HEADER + size_of_message) },
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

    /// How a set ends of which less than an entry's header is left.
    fn cut_header(&self) -> Tail {
        match self.rest {
            [] => Tail::Clean,
            // No message has a negative offset, so that the size behind it need not be there.
            rest if self.is_ordered() && rest.iter().take(8).all(|&byte| byte == 0xff) => Tail::Filler,
            _ => Tail::Cut { needed: None },
        }
    }

    /// Reads the message of an entry that is here in full.
    fn read(&mut self, at: usize, offset: Offset, message: &'a [u8]) -> Result<Entry<'a>, MessageProblem> {
        let (stored, covered) = split_u32(message).ok_or(MessageProblem::Size(0))?;
        // Later formats keep other things where the checksum was, and only the magic where it is here.
        if let Some(&magic @ 2..) = covered.first() {
            self.pass_one();
            return Err(MessageProblem::Magic(i8::from_be_bytes([magic])));
        }
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

    /// Moves behind an entry whose own offset is not to be trusted. It stands for at least one message, so this loses none.
    fn pass_one(&mut self) {
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

/// The bits of a message's attributes that name its codec.
const CODEC: u8 = 0b111;

/// A message's key, value and codec.
type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Option<Codec>);

/// Everything behind the checksum. Bytes behind the value are ignored, as the broker does.
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

/// A length and as many bytes; -1 is null. The error is the length that does not fit.
fn split_nullable(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), i32> {
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or(0)?;
    let len = i32::from_be_bytes(*len);
    split_data(len, rest).ok_or(len)
}

/// As many bytes as a length says, or null.
#[inline(always)]
fn split_data(len: i32, bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if len == -1 {
        return Some((None, bytes));
    }
    let (data, rest) = bytes.split_at_checked(usize::try_from(len.cast_unsigned()).ok()?)?;
    Some((Some(data), rest))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
