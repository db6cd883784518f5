//! The bytes of messages, written by hand. The core's encoder cannot write what is wrong.

use kafka08_proto::{
    ids::Offset,
    message::{Codec, Deflater, MessageSet, MessageSetBuilder},
};

/// The offset and the size in front of a message.
const FRONT: usize = 12;
/// The smallest message: checksum, magic, attributes, null key, null value.
const SMALLEST: usize = 14;
/// The most wrappers around a message. Each copies all that it wraps.
const DEEPEST: u16 = 1000;
/// The largest value of a bomb, because it is in memory for a moment.
const LARGEST_BOMB: u32 = 256 << 20;
/// The attributes of a wrapper that is compressed with gzip.
const GZIP: u8 = 1;
/// The bits of the attributes that hold the codec in 0.8.2.
const CODEC_BITS: u8 = 0x07;

/// A field of an entry, and what is written into it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Offset(Offset),
    Size(i32),
    /// The checksum, in which one bit is changed.
    WrongCrc,
    Magic(i8),
    Codec(i8),
    KeyLength(i32),
}

/// The positions of the whole entries of a set.
pub(super) fn starts(set: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(end) = end_of(set, at) {
        starts.push(at);
        at = end;
    }
    starts
}

/// The end of the whole entry at `start`. `None` if it is cut, or has an impossible size.
pub(super) fn end_of(set: &[u8], start: usize) -> Option<usize> {
    let size = set.get(start..)?.get(8..FRONT)?.first_chunk::<4>()?;
    let size = usize::try_from(i32::from_be_bytes(*size)).ok().filter(|&size| size >= SMALLEST)?;
    start.checked_add(FRONT)?.checked_add(size).filter(|&end| end <= set.len())
}

/// Writes a field of the entry at `start`. Does nothing if the set is too short.
pub(super) fn put(set: &mut [u8], start: usize, field: Field) {
    let mut write = |at: usize, bytes: &[u8]| {
        let place = start.checked_add(at).and_then(|at| set.get_mut(at..)?.get_mut(..bytes.len()));
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
    };
    match field {
        Field::Offset(offset) => write(0, &offset.0.to_be_bytes()),
        Field::Size(size) => write(8, &size.to_be_bytes()),
        Field::Magic(magic) => write(16, &magic.to_be_bytes()),
        Field::KeyLength(length) => write(18, &length.to_be_bytes()),
        Field::WrongCrc => change(set, start, FRONT + 3, |byte| byte ^ 1),
        Field::Codec(codec) => {
            let [codec] = codec.to_be_bytes();
            change(set, start, 17, |byte| (byte & !CODEC_BITS) | (codec & CODEC_BITS));
        }
    }
}

fn change(set: &mut [u8], start: usize, at: usize, to: impl Fn(u8) -> u8) {
    if let Some(byte) = start.checked_add(at).and_then(|at| set.get_mut(at)) {
        *byte = to(*byte);
    }
}

/// Writes the checksum that the message at `start` should have.
pub(super) fn reseal(set: &mut [u8], start: usize) {
    let Some(end) = end_of(set, start) else { return };
    let Some(message) = set.get_mut(start + FRONT..end) else { return };
    // The checksum covers all that follows it.
    if let Some((crc, covered)) = message.split_first_chunk_mut::<4>() {
        *crc = crc32(covered).to_be_bytes();
    }
}

/// An entry with a null key.
pub(super) fn entry(offset: Offset, attributes: u8, value: &[u8]) -> Vec<u8> {
    let size = SMALLEST.saturating_add(value.len());
    let mut entry = Vec::with_capacity(size.saturating_add(FRONT));
    entry.extend_from_slice(&offset.0.to_be_bytes());
    entry.extend_from_slice(&length(size).to_be_bytes());
    entry.extend_from_slice(&[0; 4]); // the checksum, which `reseal` writes
    entry.extend_from_slice(&[0, attributes]);
    entry.extend_from_slice(&(-1_i32).to_be_bytes());
    entry.extend_from_slice(&length(value.len()).to_be_bytes());
    entry.extend_from_slice(value);
    reseal(&mut entry, 0);
    entry
}

/// The sets made here are far below 2 GiB.
fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// A message in a compressed set in a compressed set, and so on.
pub(super) fn nested(offset: Offset, depth: u16) -> Vec<u8> {
    let message = entry(offset, 0, b"a lie");
    (0..depth.min(DEEPEST)).fold(message, |inner, _| entry(offset, GZIP, &stored_gzip(&inner)))
}

/// A compressed message whose value is so many zero bytes.
pub(super) fn bomb(offset: Offset, inflated: u32) -> Vec<u8> {
    let zeros = vec![0; usize::try_from(inflated.min(LARGEST_BOMB)).unwrap_or_default()];
    let mut builder = MessageSetBuilder::fetched_from(offset);
    let pushed = builder.push(None, Some(&zeros));
    // The builder has a copy. Freed now, so that not both are held during compression.
    drop(zeros);
    let set = builder.build_compressed(Codec::Gzip, &mut Deflater::new());
    // Without gzip in the build there is no bomb, and the set is empty.
    let set = set.ok().filter(|_| pushed.is_ok());
    set.map(|set: MessageSet| set.bytes().to_vec()).unwrap_or_default()
}

/// A gzip member (RFC 1952) whose blocks are stored, that is, not compressed (RFC 1951, 3.2.4).
fn stored_gzip(data: &[u8]) -> Vec<u8> {
    // Magic, method 8, no flags, no time, no extra flags, unknown system.
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let chunks = data.chunks(usize::from(u16::MAX));
    let count = chunks.len();
    for (number, chunk) in chunks.enumerate() {
        let len = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        // The lowest bit says that it is the last block. The two above it are 0 for a stored block.
        member.push(u8::from(number + 1 == count));
        member.extend_from_slice(&len.to_le_bytes());
        member.extend_from_slice(&(!len).to_le_bytes());
        member.extend_from_slice(chunk);
    }
    member.extend_from_slice(&crc32(data).to_le_bytes());
    member.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    member
}

/// The checksum of messages and of gzip. Bit by bit, because only lies need it.
fn crc32(data: &[u8]) -> u32 {
    let of_bit = |crc: u32, _| if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xedb8_8320 };
    !data.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), of_bit))
}
