//! Helpers of the tests: entries that are put together field by field, and a log with its settings.

use std::fmt::Write as _;

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{Offset, Timestamp},
    message::{Budget, Codec, Deflater, Inflater},
    profile::Profile,
};

use crate::log::{Appended, Codecs, Log, Rules};

/// All releases.
pub(crate) const ALL: [Profile; 3] = [Profile::V0_8_0, Profile::V0_8_1, Profile::V0_8_2];

/// A log and what it is called with.
pub(crate) struct Rig {
    pub(crate) log: Log,
    pub(crate) rules: Rules,
    codecs: Codecs,
}

impl Rig {
    pub(crate) fn new(profile: Profile) -> Self {
        let rules = Rules { profile, max_message: 1_000_012, segment_bytes: 1 << 30, max_inflated: 64 << 20 };
        Self { log: Log::new(Timestamp(0)), rules, codecs: Codecs::new() }
    }

    pub(crate) fn append(&mut self, set: &[u8]) -> Result<Appended, ErrorCode> {
        self.log.append(&Bytes::copy_from_slice(set), &self.rules, &mut self.codecs, Timestamp(1))
    }

    /// Appends a set that must be refused, and checks that nothing changed.
    pub(crate) fn refuse(&mut self, set: &[u8]) -> ErrorCode {
        let before = (self.log.end(), self.log.bytes());
        let code = self.append(set).expect_err("the set must be refused");
        assert_eq!((self.log.end(), self.log.bytes()), before);
        code
    }

    /// Everything in the log, as hex.
    pub(crate) fn stored(&self) -> String {
        hex(&all(&self.log))
    }

    /// The decompressed contents of the only entry, and its codec.
    pub(crate) fn only_wrapper(&self) -> (u8, Vec<u8>) {
        let stored = all(&self.log);
        let attributes = stored[17];
        assert_eq!(stored[16..22], [0, attributes, 0xff, 0xff, 0xff, 0xff], "magic 0 and a null key");
        assert_eq!(stored.len(), 12 + usize::try_from(number(&stored[8..12])).unwrap(), "one entry");
        let codec = [Codec::Gzip, Codec::Snappy, Codec::Lz4][usize::from(attributes) - 1];
        let inflated = Inflater::new().inflate(codec, &stored[26..], &mut Budget::new(1 << 20));
        (attributes, inflated.unwrap().to_vec())
    }
}

/// The bytes of all segments.
pub(crate) fn all(log: &Log) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut from = log.start();
    while bytes.len() < log.bytes() {
        let read = log.read(from, usize::MAX, Offset(i64::MAX)).unwrap().join();
        bytes.extend_from_slice(&read);
        from = crate::log::entries(&read).last().unwrap().offset().next();
    }
    bytes
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

/// A message with any fields, and a correct checksum.
pub(crate) fn message(magic: u8, attributes: u8, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
    let mut covered = vec![magic, attributes];
    for part in [key, value] {
        let len = part.map_or(-1, |part| i32::try_from(part.len()).unwrap());
        covered.extend(len.to_be_bytes());
        covered.extend(part.unwrap_or_default());
    }
    let mut message = crc32fast::hash(&covered).to_be_bytes().to_vec();
    message.extend(covered);
    message
}

/// An entry.
pub(crate) fn entry(offset: i64, message: &[u8]) -> Vec<u8> {
    let mut entry = offset.to_be_bytes().to_vec();
    entry.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    entry.extend(message);
    entry
}

/// An entry with magic 0, a null key and this value.
pub(crate) fn plain(offset: i64, value: &[u8]) -> Vec<u8> {
    entry(offset, &message(0, 0, None, Some(value)))
}

/// An entry with a compressed set, whose codec is 1 gzip, 2 snappy or 3 lz4.
pub(crate) fn wrapper(codec: u8, inner: &[u8]) -> Vec<u8> {
    entry(0, &message(0, codec, None, Some(&deflate(codec, inner))))
}

/// Compressed bytes.
pub(crate) fn deflate(codec: u8, plain: &[u8]) -> Vec<u8> {
    let codec = [Codec::Gzip, Codec::Snappy, Codec::Lz4][usize::from(codec) - 1];
    Deflater::new().deflate(codec, plain).unwrap()
}

/// Reads hex. Everything from `--` to the end of a line is a comment.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.lines().flat_map(|line| line.split("--").next()).collect();
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Writes hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
