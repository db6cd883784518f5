//! Compressed forms: written without compression, read by `kafka08-proto`.
//!
//! Each format can store bytes as they are. So the checks send valid streams that depend on no compressor.

use bytes::Bytes;
use kafka08_proto::message::{Budget, Entry, Inflater, MessageSet, Origin};

/// How a set is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// One gzip member with stored blocks.
    Gzip,
    /// One snappy block, without a header.
    Snappy,
    /// The stream of snappy-java with one block.
    Xerial,
    /// An LZ4 frame with the header checksum of Kafka.
    Lz4,
}

/// The header of snappy-java: magic, version 1, compatible with version 1.
const XERIAL: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Magic, FLG 0x60, BD 0x40, and the checksum over all of them.
const LZ4: &[u8] = b"\x04\x22\x4d\x18\x60\x40\x1a";
/// The largest length of a stored block of gzip.
const STORED: usize = 0xffff;
/// The most bytes that an answer may decompress to.
const LARGEST: usize = 64 << 20;

impl Packing {
    /// The number of the codec in the attributes of a message.
    fn codec(self) -> u8 {
        match self {
            Self::Gzip => 1,
            Self::Snappy | Self::Xerial => 2,
            Self::Lz4 => 3,
        }
    }

    /// Stores the bytes. `None` if they are too many for the format.
    pub(super) fn store(self, plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Gzip => store_gzip(plain),
            Self::Snappy => store_snappy(plain),
            Self::Xerial => {
                let block = store_snappy(plain)?;
                let len = u32::try_from(block.len()).ok()?;
                Some([XERIAL, &len.to_be_bytes(), &block].concat())
            }
            Self::Lz4 => {
                // The highest bit marks a block that is not compressed. Blocks of this frame have up to 64 KiB.
                let len = u32::try_from(plain.len()).ok().filter(|&len| len <= 1 << 16)?;
                Some([LZ4, &(len | 1 << 31).to_le_bytes(), plain, &[0; 4]].concat())
            }
        }
    }

    /// Decompresses what a broker wrote. A broker writes snappy and lz4 with a certain header, which is required here.
    pub(super) fn open(self, packed: &[u8]) -> Result<Bytes, String> {
        // Readers of 0.8 depend on these headers: some compare all of the bytes.
        let header = match self {
            Self::Xerial => XERIAL,
            Self::Lz4 => LZ4,
            Self::Gzip | Self::Snappy => &[],
        };
        if !packed.starts_with(header) {
            return Err("the compressed bytes do not start with the header that brokers write".to_owned());
        }
        // The checksum of the wrapper was compared before; this one only has to be right.
        let set = MessageSet::new(Bytes::from(wrap(self.codec(), packed)?), Origin::Fetched);
        let entry = set.entries().next();
        let Some(Ok(Entry::Compressed(wrapper))) = entry else {
            return Err("the compressed bytes are no wrapper".to_owned());
        };
        let opened = Inflater::new().open(&wrapper, &mut Budget::new(LARGEST));
        opened.map(|set| set.bytes().clone()).map_err(|error| error.to_string())
    }
}

/// An entry around compressed bytes, because the core opens only whole entries.
fn wrap(codec: u8, packed: &[u8]) -> Result<Vec<u8>, String> {
    let long = |_| "the compressed bytes are too many".to_owned();
    let len = u32::try_from(packed.len()).map_err(long)?;
    let size = u32::try_from(packed.len() + 14).map_err(long)?;
    let mut covered = vec![0, codec];
    covered.extend_from_slice(&(-1i32).to_be_bytes());
    covered.extend_from_slice(&len.to_be_bytes());
    covered.extend_from_slice(packed);
    let crc = crc32fast::hash(&covered);
    Ok([&[0; 8][..], &size.to_be_bytes(), &crc.to_be_bytes(), &covered].concat())
}

/// One member of RFC 1952: header, stored blocks of RFC 1951, checksum and length.
fn store_gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut member = b"\x1f\x8b\x08\0\0\0\0\0\0\0".to_vec();
    let mut rest = plain;
    // At least once: an empty set is one empty block.
    loop {
        let (block, behind) = rest.split_at(rest.len().min(STORED));
        let len = u16::try_from(block.len()).ok()?;
        // The lowest bit marks the last block, and the two bits above it are 0 for a stored one.
        member.push(u8::from(behind.is_empty()));
        member.extend_from_slice(&len.to_le_bytes());
        member.extend_from_slice(&(!len).to_le_bytes());
        member.extend_from_slice(block);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    member.extend_from_slice(&crc32fast::hash(plain).to_le_bytes());
    member.extend_from_slice(&u32::try_from(plain.len()).ok()?.to_le_bytes());
    Some(member)
}

/// One block: the length in groups of seven bits, and literals.
fn store_snappy(plain: &[u8]) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    let mut len = u32::try_from(plain.len()).ok()?;
    while let Ok(high) = u8::try_from(len & 0x7f).map(|low| low | 0x80)
        && len > 0x7f
    {
        block.push(high);
        len >>= 7;
    }
    block.push(u8::try_from(len).ok()?);
    // The tag 61 << 2 says that two bytes of length minus one follow, and then a literal.
    for literal in plain.chunks(1 << 16) {
        block.push(61 << 2);
        block.extend_from_slice(&u16::try_from(literal.len() - 1).ok()?.to_le_bytes());
        block.extend_from_slice(literal);
    }
    Some(block)
}
