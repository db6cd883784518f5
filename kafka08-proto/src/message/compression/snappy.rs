//! The snappy codec, with the framing of snappy-java ("xerial") or as one block without framing. Brokers read both
//! forms and write the framing.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{InflateProblem, Output};
use crate::limits::SNAPPY_RATIO;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// The version of the framing and the lowest compatible version. Every release writes 1 for both.
// The reader does not check the versions, because the magic is enough to distinguish the framing from a block without
// framing.
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// The number of uncompressed bytes in a block. The Scala clients and the brokers of 0.8 write this size. The reader
/// accepts any size.
const BLOCK: usize = 32 << 10;

#[derive(Default)]
pub(super) struct Inflate(Decoder);

impl Inflate {
    pub(super) fn inflate(&mut self, input: &[u8], to: &mut Output) -> Result<(), InflateProblem> {
        let Some(framed) = input.strip_prefix(&MAGIC) else {
            to.prepare(claim(input)?);
            return block(&mut self.0, input, to);
        };
        let mut rest = framed.get(VERSIONS.len()..).ok_or(InflateProblem::Malformed)?;
        // Space for all blocks is reserved at once, so the output does not grow and copy its bytes for each block.
        to.prepare(claims(rest));
        while !rest.is_empty() {
            let (len, behind) = rest.split_first_chunk::<4>().ok_or(InflateProblem::Malformed)?;
            let len = usize::try_from(i32::from_be_bytes(*len)).map_err(|_| InflateProblem::Malformed)?;
            let (compressed, behind) = behind.split_at_checked(len).ok_or(InflateProblem::Malformed)?;
            block(&mut self.0, compressed, to)?;
            rest = behind;
        }
        Ok(())
    }
}

/// Returns the uncompressed size that a block contains, in bytes.
fn claim(compressed: &[u8]) -> Result<usize, InflateProblem> {
    let claimed = decompress_len(compressed).map_err(|_| InflateProblem::Malformed)?;
    // A valid block has at least one byte, its length. For an empty slice the library returns 0 instead of an error.
    if compressed.is_empty() {
        return Err(InflateProblem::Malformed);
    }
    // The ratio is checked before memory of the claimed size is allocated. The 64 bytes allow one copy element, which
    // is significant in a short block.
    if claimed > compressed.len().saturating_mul(SNAPPY_RATIO).saturating_add(64) {
        return Err(InflateProblem::Ratio { claimed });
    }
    Ok(claimed)
}

/// Returns the sum of the uncompressed sizes that the blocks contain, up to the first invalid block.
fn claims(mut blocks: &[u8]) -> usize {
    let mut sum = 0usize;
    while let Some((len, behind)) = blocks.split_first_chunk::<4>() {
        let len = usize::try_from(i32::from_be_bytes(*len)).ok();
        let Some((compressed, behind)) = len.and_then(|len| behind.split_at_checked(len)) else { break };
        let Ok(claimed) = claim(compressed) else { break };
        sum = sum.saturating_add(claimed);
        blocks = behind;
    }
    sum
}

fn block(decoder: &mut Decoder, compressed: &[u8], to: &mut Output) -> Result<(), InflateProblem> {
    let plain = to.extend(claim(compressed)?)?;
    decoder.decompress(compressed, plain).map_err(|_| InflateProblem::Malformed)?;
    Ok(())
}

#[derive(Default)]
pub(super) struct Deflate(Option<Encoder>);

impl Deflate {
    pub(super) fn deflate(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let encoder = self.0.get_or_insert_with(Encoder::new);
        let mut out = Vec::with_capacity(MAGIC.len() + VERSIONS.len() + plain.len() / 2 + 64);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSIONS);
        for block in plain.chunks(BLOCK) {
            let len_at = out.len();
            let data_at = len_at + 4;
            out.resize(data_at + max_compress_len(block.len()), 0);
            let room = out.get_mut(data_at..).unwrap_or_default();
            let len = encoder.compress(block, room).expect("there is room for the longest that this can become");
            out.truncate(data_at + len);
            let len = i32::try_from(len).expect("a block of 32 KiB stays small");
            if let Some(prefix) = out.get_mut(len_at..data_at) {
                prefix.copy_from_slice(&len.to_be_bytes());
            }
        }
        Some(out)
    }
}
