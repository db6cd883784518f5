//! Entries of a message set as raw bytes. A broker checks only a few of their fields and stores the rest as it was sent.
//
//     offset: i64   size: i32   crc: u32   magic: i8   attributes: i8   key: bytes   value: bytes
//     0             8           12         16          17               18

use kafka08_proto::ids::Offset;

/// The number of bytes before each message: the offset and the size.
pub(crate) const HEADER: usize = 12;
/// The size of the smallest message, in bytes: checksum, magic, attributes, null key, null value.
pub(crate) const SMALLEST_MESSAGE: usize = 14;

/// A complete entry of a message set. Only its size has been checked.
#[derive(Clone, Copy)]
pub(crate) struct RawEntry<'a> {
    /// The whole entry, from its offset on.
    pub(crate) bytes: &'a [u8],
    /// The message: the bytes after the size.
    message: &'a [u8],
}

/// A key or a value; `None` is null.
pub(crate) type Nullable<'a> = Option<&'a [u8]>;

/// What comes next in a message set.
pub(crate) enum Next<'a> {
    /// A complete entry.
    Entry(RawEntry<'a>),
    /// The set ends, perhaps in the middle of an entry. A broker does not report a truncated entry.
    End,
    /// The size field has an impossible value, so neither this entry nor later ones can be read.
    BadSize,
}

impl<'a> RawEntry<'a> {
    /// Reads the first entry of `set`.
    pub(crate) fn first_of(set: &'a [u8]) -> Next<'a> {
        let Some((&[_, _, _, _, _, _, _, _, s0, s1, s2, s3], body)) = set.split_first_chunk::<HEADER>() else {
            return Next::End;
        };
        let size = i32::from_be_bytes([s0, s1, s2, s3]);
        let Some(size) = usize::try_from(size).ok().filter(|&size| size >= SMALLEST_MESSAGE) else {
            return Next::BadSize;
        };
        match (body.get(..size), set.get(..HEADER + size)) {
            (Some(message), Some(bytes)) => Next::Entry(Self { bytes, message }),
            _ => Next::End,
        }
    }

    /// The offset field.
    pub(crate) fn offset(&self) -> Offset {
        Offset(self.bytes.first_chunk::<8>().map_or(0, |field| i64::from_be_bytes(*field)))
    }

    /// The bytes after the offset field: the size and the message.
    pub(crate) fn behind_offset(&self) -> &'a [u8] {
        self.bytes.get(8..).unwrap_or_default()
    }

    /// The stored checksum, and the bytes that it covers.
    pub(crate) fn checksum(&self) -> (u32, &'a [u8]) {
        self.message
            .split_first_chunk::<4>()
            .map_or((0, &[][..]), |(stored, covered)| (u32::from_be_bytes(*stored), covered))
    }

    /// The attributes, with the codec in their lower bits.
    pub(crate) fn attributes(&self) -> u8 {
        self.message.get(5).copied().unwrap_or(0)
    }

    /// Whether a stored entry is a compressed set.
    pub(crate) fn is_compressed(&self) -> bool {
        self.attributes() & 0b111 != 0
    }

    /// The key and the value. Returns `None` if a length exceeds the message.
    // `Message` of 0.8 reads every negative length as null.
    pub(crate) fn key_and_value(&self) -> Option<(Nullable<'a>, Nullable<'a>)> {
        let (key, rest) = split_nullable(self.message.get(6..)?)?;
        let (value, _) = split_nullable(rest)?;
        Some((key, value))
    }
}

/// Reads a length and as many bytes.
fn split_nullable(bytes: &[u8]) -> Option<(Nullable<'_>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    match usize::try_from(i32::from_be_bytes(*len)) {
        Ok(len) => rest.split_at_checked(len).map(|(data, rest)| (Some(data), rest)),
        Err(_) => Some((None, rest)),
    }
}

/// The complete entries of bytes that a log has stored.
pub(crate) fn entries(mut bytes: &[u8]) -> impl Iterator<Item = RawEntry<'_>> {
    std::iter::from_fn(move || {
        let Next::Entry(entry) = RawEntry::first_of(bytes) else { return None };
        bytes = bytes.get(entry.bytes.len()..).unwrap_or_default();
        Some(entry)
    })
}

/// The length of the longest run of complete entries with at most `max` bytes.
pub(super) fn run_within(bytes: &[u8], max: usize) -> usize {
    let mut len = 0;
    for entry in entries(bytes) {
        if len + entry.bytes.len() > max {
            break;
        }
        len += entry.bytes.len();
    }
    len
}
