//! gzip (RFC 1952): the frame by hand, the deflate stream by flate2, whose state is kept from one set to the next.
//!
//! Read as Java's `GZIPInputStream` reads: several members are one stream, and what follows the last one is ignored.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{InflateProblem, Output};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
/// What Java writes: no flags, no time, no hint, no system.
const HEADER: [u8; 10] = [MAGIC[0], MAGIC[1], DEFLATE, 0, 0, 0, 0, 0, 0, 0];
/// The least room to make for output at a time, in bytes.
const STEP: usize = 4096;

#[derive(Default)]
pub(super) struct Inflate(Option<Decompress>);

#[derive(Default)]
pub(super) struct Deflate(Option<Compress>);

impl Inflate {
    pub(super) fn inflate(&mut self, mut input: &[u8], to: &mut Output) -> Result<(), InflateProblem> {
        let raw = self.0.get_or_insert_with(|| Decompress::new(false));
        loop {
            input = skip_header(input).ok_or(InflateProblem::Malformed)?;
            let start = to.bytes.len();
            input = member(raw, input, to)?;
            let plain = to.bytes.get(start..).unwrap_or_default();
            let (trailer, rest) = input.split_first_chunk::<8>().ok_or(InflateProblem::Malformed)?;
            let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            if crc32fast::hash(plain) != u32::from_le_bytes([c0, c1, c2, c3])
                || plain.len() as u64 & 0xffff_ffff != length.into()
            {
                return Err(InflateProblem::Checksum);
            }
            if !rest.starts_with(&MAGIC) {
                return Ok(());
            }
            input = rest;
        }
    }
}

/// Inflates one deflate stream; gives what follows it.
fn member<'a>(raw: &mut Decompress, input: &'a [u8], to: &mut Output) -> Result<&'a [u8], InflateProblem> {
    raw.reset(false);
    let mut rest = input;
    loop {
        let room = (to.limit - to.bytes.len()).saturating_add(1).min(STEP.max(rest.len().saturating_mul(2)));
        to.bytes.reserve(room);
        let before = (raw.total_in(), raw.total_out());
        let status =
            raw.decompress_vec(rest, &mut to.bytes, FlushDecompress::None).map_err(|_| InflateProblem::Malformed)?;
        if to.bytes.len() > to.limit {
            return Err(InflateProblem::OverBudget { limit: to.limit });
        }
        let taken = usize::try_from(raw.total_in() - before.0).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        match status {
            Status::StreamEnd => return Ok(rest),
            _ if before == (raw.total_in(), raw.total_out()) => return Err(InflateProblem::Malformed),
            _ => {}
        }
    }
}

/// What follows a member's header, whose optional parts are skipped.
fn skip_header(input: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 0b0_0010;
    const EXTRA: u8 = 0b0_0100;
    const NAME: u8 = 0b0_1000;
    const COMMENT: u8 = 0b1_0000;
    let (&[m0, m1, method, flags, ..], mut rest) = input.split_first_chunk::<10>()?;
    if [m0, m1] != MAGIC || method != DEFLATE {
        return None;
    }
    if flags & EXTRA != 0 {
        let (len, behind) = rest.split_first_chunk::<2>()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

impl Deflate {
    pub(super) fn deflate(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let raw = self.0.get_or_insert_with(|| Compress::new(Compression::default(), false));
        raw.reset();
        let mut out = Vec::with_capacity(HEADER.len() + plain.len() / 2 + 64);
        out.extend_from_slice(&HEADER);
        loop {
            let taken = usize::try_from(raw.total_in()).unwrap_or(usize::MAX);
            let rest = plain.get(taken..).unwrap_or_default();
            out.reserve(STEP);
            let status = raw.compress_vec(rest, &mut out, FlushCompress::Finish);
            if status.expect("deflating into a growing buffer cannot fail") == Status::StreamEnd {
                break;
            }
        }
        out.extend_from_slice(&crc32fast::hash(plain).to_le_bytes());
        // The length modulo 2^32, as the format says.
        let [l0, l1, l2, l3, ..] = (plain.len() as u64).to_le_bytes();
        out.extend_from_slice(&[l0, l1, l2, l3]);
        Some(out)
    }
}
