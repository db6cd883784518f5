//! The gzip codec (RFC 1952). This module reads the header and the trailer. flate2 reads the deflate stream.
//!
//! The reader behaves like Java's `GZIPInputStream`: several members are one stream, and bytes after the last member
//! are ignored.
// flate2's own gzip reader allocates its state for each stream. `Decompress` can be reset and reused.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{InflateProblem, Output};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
/// The header that Java writes: no flags, and zeros for the time, the compression level and the operating system.
const HEADER: [u8; 10] = [MAGIC[0], MAGIC[1], DEFLATE, 0, 0, 0, 0, 0, 0, 0];
/// The minimum space that is reserved at a time for compressed bytes, in bytes.
const STEP: usize = 4096;
/// The maximum memory that is allocated in advance for a claimed size, as a multiple of the compressed size.
// The format allows 1032. Above this multiple, the buffer grows as bytes are decompressed.
const LIKELY: usize = 64;

#[derive(Default)]
pub(super) struct Inflate(Option<Decompress>);

#[derive(Default)]
pub(super) struct Deflate(Option<Compress>);

impl Inflate {
    pub(super) fn inflate(&mut self, mut input: &[u8], to: &mut Output) -> Result<(), InflateProblem> {
        let raw = self.0.get_or_insert_with(|| Decompress::new(false));
        to.prepare(claim(input));
        loop {
            input = skip_header(input).ok_or(InflateProblem::Malformed)?;
            let start = to.used();
            input = member(raw, input, to)?;
            let plain = to.since(start);
            let (trailer, rest) = input.split_first_chunk::<8>().ok_or(InflateProblem::Malformed)?;
            let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            // The trailer contains the uncompressed length of the member, modulo 2^32.
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

/// Returns the expected uncompressed size of the whole stream, in bytes.
fn claim(input: &[u8]) -> usize {
    // This size is only a hint. The last four bytes are the length only if there is one member and no bytes after it. A
    // peer can also write any number.
    let claimed = input.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    usize::try_from(claimed).unwrap_or(usize::MAX).min(input.len().saturating_mul(LIKELY))
}

/// Decompresses one deflate stream. Returns the bytes after the stream.
fn member<'a>(raw: &mut Decompress, input: &'a [u8], to: &mut Output) -> Result<&'a [u8], InflateProblem> {
    raw.reset(false);
    let mut rest = input;
    loop {
        let before = (raw.total_in(), raw.total_out());
        // At the limit there is no space left, but the decompressor may need another call to report the end. An extra
        // buffer of one byte shows whether the stream ends or is too long.
        let mut probe = [0];
        let is_full = to.left() == 0;
        let room = if is_full { &mut probe[..] } else { to.room() };
        let status = raw.decompress(rest, room, FlushDecompress::None).map_err(|_| InflateProblem::Malformed)?;
        let since = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(usize::MAX);
        let written = since(raw.total_out(), before.1);
        if is_full && written > 0 {
            return Err(to.over());
        }
        to.advance(written);
        rest = rest.get(since(raw.total_in(), before.0)..).unwrap_or_default();
        match status {
            Status::StreamEnd => return Ok(rest),
            // There was no progress although there was space, so the input is incomplete. Without this check the loop
            // would not end.
            _ if before == (raw.total_in(), raw.total_out()) => return Err(InflateProblem::Malformed),
            _ => {}
        }
    }
}

/// Skips the header of a member, including the optional fields. Returns the bytes after the header.
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
    // The header checksum is not verified (Java verifies it), because the data has its own checksum.
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
        // The format stores the length modulo 2^32.
        let [l0, l1, l2, l3, ..] = (plain.len() as u64).to_le_bytes();
        out.extend_from_slice(&[l0, l1, l2, l3]);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_magic_and_the_method_of_gzip() {
        // Magic, method, flags, four bytes of time, extra flags, system.
        assert_eq!(skip_header(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03behind"), Some(&b"behind"[..]));
        assert_eq!(skip_header(b"\x1f\x8c\x08\x00\x00\x00\x00\x00\x00\x03behind"), None, "another magic");
        assert_eq!(skip_header(b"\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x03behind"), None, "another method");
    }
}
