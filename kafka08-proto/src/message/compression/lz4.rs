//! LZ4 frames as `KafkaLZ4BlockOutputStream` of 0.8.2 writes them and `KafkaLZ4BlockInputStream` reads them.
//!
//! Kafka's header checksum also covers the magic number. The header checksum of the LZ4 specification does not
//! (KAFKA-3160). 0.8.2 and 0.9 reject the checksum of the specification. So the writer uses Kafka's checksum, and the
//! reader accepts both. The reader accepts only the options of 0.8.2: independent blocks, no content size, no content
//! checksum, no dictionary, and an end mark.

use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into, get_maximum_output_size,
};
use twox_hash::XxHash32;

use super::{InflateProblem, Output};
use crate::limits::LZ4_RATIO;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The flags of version 1 with independent blocks.
const FLAGS: u8 = 0x60;
/// The flag for a checksum after each block.
const BLOCK_CHECKSUM: u8 = 0x10;
/// The descriptor of blocks of at most 64 KiB.
const BLOCK_DESCRIPTOR: u8 = 0x40;
/// The maximum number of uncompressed bytes in a block. 0.8.2 uses this size.
const BLOCK: usize = 64 << 10;
/// This bit in a block's length means that the block is stored uncompressed.
const STORED: u32 = 1 << 31;

#[derive(Default)]
pub(super) struct Inflate;

impl Inflate {
    #[expect(clippy::unused_self, reason = "the other codecs keep state")]
    pub(super) fn inflate(&mut self, input: &[u8], to: &mut Output) -> Result<(), InflateProblem> {
        let (header, mut rest) = input.split_first_chunk::<7>().ok_or(InflateProblem::Malformed)?;
        let [m0, m1, m2, m3, flags, descriptor, checksum] = *header;
        if [m0, m1, m2, m3] != MAGIC || flags & !BLOCK_CHECKSUM != FLAGS || descriptor & 0b1000_1111 != 0 {
            return Err(InflateProblem::Malformed);
        }
        let block_size = match descriptor >> 4 {
            4 => BLOCK,
            5 => 4 * BLOCK,
            6 => 16 * BLOCK,
            7 => 64 * BLOCK,
            _ => return Err(InflateProblem::Malformed),
        };
        if ![as_kafka(flags, descriptor), as_specified(flags, descriptor)].contains(&checksum) {
            return Err(InflateProblem::Checksum);
        }
        to.prepare(most_of_all(rest, flags & BLOCK_CHECKSUM != 0, block_size));
        loop {
            let (len, behind) = rest.split_first_chunk::<4>().ok_or(InflateProblem::Malformed)?;
            let len = u32::from_le_bytes(*len);
            // Length 0 is the end mark. Bytes after the end mark are ignored. A frame without an end mark is malformed,
            // as in 0.8.2.
            if len == 0 {
                return Ok(());
            }
            let size = usize::try_from(len & !STORED).map_err(|_| InflateProblem::Malformed)?;
            let (data, behind) = behind.split_at_checked(size).ok_or(InflateProblem::Malformed)?;
            rest = behind;
            if flags & BLOCK_CHECKSUM != 0 {
                let (sum, behind) = rest.split_first_chunk::<4>().ok_or(InflateProblem::Malformed)?;
                if XxHash32::oneshot(0, data) != u32::from_le_bytes(*sum) {
                    return Err(InflateProblem::Checksum);
                }
                rest = behind;
            }
            block(data, len & STORED != 0, block_size, to)?;
        }
    }
}

fn block(data: &[u8], stored: bool, block_size: usize, to: &mut Output) -> Result<(), InflateProblem> {
    if stored {
        if data.len() > block_size {
            return Err(InflateProblem::Malformed);
        }
        to.extend(data.len())?.copy_from_slice(data);
        return Ok(());
    }
    // The format does not contain the uncompressed length of a block. Space is reserved for the maximum, and the unused
    // part is removed afterwards.
    let most = most(data.len(), block_size);
    let room = most.min(to.left());
    match unpack(data, to.extend(room)?) {
        Ok(len) => {
            to.take_back(room - len);
            Ok(())
        }
        // The budget is too small only if it reduced the space. Otherwise the block is longer than its frame allows.
        Err(DecompressError::OutputTooSmall { .. }) if room < most => Err(to.over()),
        Err(_) => Err(InflateProblem::Malformed),
    }
}

/// Decompresses a block.
// This is a separate function, because the compiler generates faster code for the decompressor's loop if the loop is
// not inlined into `inflate`.
#[inline(never)]
fn unpack(data: &[u8], to: &mut [u8]) -> Result<usize, DecompressError> {
    decompress_into(data, to)
}

/// Returns the maximum uncompressed size of a compressed block, in bytes.
fn most(compressed: usize, block_size: usize) -> usize {
    block_size.min(compressed.saturating_mul(LZ4_RATIO))
}

/// Returns the maximum uncompressed size of all blocks together, in bytes. Stops at the first incomplete block.
fn most_of_all(mut blocks: &[u8], has_checksums: bool, block_size: usize) -> usize {
    let mut sum = 0usize;
    while let Some((len, behind)) = blocks.split_first_chunk::<4>() {
        let len = u32::from_le_bytes(*len);
        let Ok(size) = usize::try_from(len & !STORED) else { break };
        let checksum = if has_checksums { 4 } else { 0 };
        let Some(behind) = behind.get(size.saturating_add(checksum)..).filter(|_| len != 0) else { break };
        sum = sum.saturating_add(if len & STORED == 0 { most(size, block_size) } else { size });
        blocks = behind;
    }
    sum
}

/// Returns the header checksum of 0.8.2. It covers all bytes before the checksum.
fn as_kafka(flags: u8, descriptor: u8) -> u8 {
    second_byte(XxHash32::oneshot(0, &[MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], flags, descriptor]))
}

/// Returns the header checksum of the LZ4 specification. It does not cover the magic number.
fn as_specified(flags: u8, descriptor: u8) -> u8 {
    second_byte(XxHash32::oneshot(0, &[flags, descriptor]))
}

/// Whether the header has the checksum of the LZ4 specification and not the one of 0.8.2. Returns `false` for bytes that
/// are no header, which [`Inflate::inflate`] rejects.
pub(super) fn has_specified_header(input: &[u8]) -> bool {
    input.first_chunk::<7>().is_some_and(|&[.., flags, descriptor, checksum]| {
        checksum == as_specified(flags, descriptor) && checksum != as_kafka(flags, descriptor)
    })
}

fn second_byte(hash: u32) -> u8 {
    let [_, byte, ..] = hash.to_le_bytes();
    byte
}

#[derive(Default)]
pub(super) struct Deflate(Option<CompressTable>);

impl Deflate {
    pub(super) fn deflate(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let table = self.0.get_or_insert_with(CompressTable::large);
        let mut out = Vec::with_capacity(plain.len() / 2 + 64);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[FLAGS, BLOCK_DESCRIPTOR, as_kafka(FLAGS, BLOCK_DESCRIPTOR)]);
        for block in plain.chunks(BLOCK) {
            let len_at = out.len();
            let data_at = len_at + 4;
            out.resize(data_at + get_maximum_output_size(block.len()), 0);
            let room = out.get_mut(data_at..).unwrap_or_default();
            let len = compress_into_with_table(block, room, table)
                .expect("there is room for the longest that this can become");
            // A block that does not become smaller is stored uncompressed, so the headers are the only overhead.
            let (len, flag) = if len < block.len() { (len, 0) } else { (block.len(), STORED) };
            out.truncate(data_at + len);
            if flag == STORED {
                out.truncate(data_at);
                out.extend_from_slice(block);
            }
            let len = u32::try_from(len).expect("a block of 64 KiB stays small") | flag;
            if let Some(prefix) = out.get_mut(len_at..data_at) {
                prefix.copy_from_slice(&len.to_le_bytes());
            }
        }
        out.extend_from_slice(&[0; 4]);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// See `protocol.md` section 4.4. The values were observed on a live broker.
    #[test]
    fn the_header_checksum_is_the_wrong_one_of_0_8_2() {
        for (flags, descriptor, wrong, right) in [
            (0x60, 0x40, 0x1a, 0x82),
            (0x60, 0x50, 0x77, 0xfb),
            (0x60, 0x60, 0xd6, 0x51),
            (0x60, 0x70, 0x10, 0x73),
            (0x70, 0x40, 0xec, 0xad),
        ] {
            assert_eq!((as_kafka(flags, descriptor), as_specified(flags, descriptor)), (wrong, right));
        }
    }
}
