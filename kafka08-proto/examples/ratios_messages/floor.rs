//! The least code that does the job, by hand: what the library is compared with.

use crc32fast::Hasher;

/// The parts of one message: offset, key, value.
pub(crate) type Parts<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>);

/// Walks a set of plain messages and verifies each checksum. `true` if it was sound to its end.
#[inline(always)]
pub(crate) fn walk<'a>(set: &'a [u8], crc: &Hasher, mut see: impl FnMut(Parts<'a>)) -> bool {
    let mut rest = set;
    while let Some((_, behind)) = rest.split_first_chunk::<8>() {
        let Some((size, behind)) = behind.split_first_chunk::<4>() else { return false };
        let Some((message, behind)) = behind.split_at_checked(u32::from_be_bytes(*size) as usize) else { return false };
        let Some((_, covered)) = message.split_first_chunk::<4>() else { return false };
        let mut crc = crc.clone();
        crc.update(covered);
        // What is read only now need not be kept in registers across the call.
        let Some(parts) = parts(rest, message, crc.finalize()) else { return false };
        see(parts);
        rest = behind;
    }
    rest.is_empty()
}

#[inline(always)]
fn parts<'a>(entry: &'a [u8], message: &'a [u8], computed: u32) -> Option<Parts<'a>> {
    let offset = i64::from_be_bytes(*entry.first_chunk::<8>()?);
    let (&[c0, c1, c2, c3, magic, attributes, k0, k1, k2, k3], rest) = message.split_first_chunk::<10>()?;
    if computed != u32::from_be_bytes([c0, c1, c2, c3]) || magic != 0 || attributes & 7 != 0 {
        return None;
    }
    let (key, rest) = data(i32::from_be_bytes([k0, k1, k2, k3]), rest)?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (value, _) = data(i32::from_be_bytes(*len), rest)?;
    Some((offset, key, value))
}

#[inline(always)]
fn data(len: i32, bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if len == -1 {
        return Some((None, bytes));
    }
    let (data, rest) = bytes.split_at_checked(len.cast_unsigned() as usize)?;
    Some((Some(data), rest))
}

/// The CRC of everything covered, message by message, without reading any of it.
pub(crate) fn crc_alone(set: &[u8], entry: usize, crc: &Hasher) -> u64 {
    let mut sum = 0;
    for entry in set.chunks_exact(entry) {
        let mut crc = crc.clone();
        crc.update(entry.get(16..).unwrap_or_default());
        sum += u64::from(crc.finalize());
    }
    sum
}

/// Writes messages of one value length and no key: the CRC of the source, then the copy. The state behind the ten bytes in
/// front of the value is the same for all of them.
pub(crate) fn encode(to: &mut Vec<u8>, values: &[Vec<u8>]) {
    let len = values.first().map_or(0, Vec::len);
    let value_len = u32::try_from(len).expect("short").to_be_bytes();
    let size = u32::try_from(14 + len).expect("short").to_be_bytes();
    let mut head = Hasher::new();
    head.update(&[0, 0, 0xff, 0xff, 0xff, 0xff]);
    head.update(&value_len);
    for (offset, value) in (0u64..).zip(values) {
        let mut crc = head.clone();
        crc.update(value);
        let mut header = [0; 26];
        let (a, rest) = header.split_at_mut(8);
        let (b, rest) = rest.split_at_mut(4);
        let (c, rest) = rest.split_at_mut(4);
        let (d, e) = rest.split_at_mut(6);
        a.copy_from_slice(&offset.to_be_bytes());
        b.copy_from_slice(&size);
        c.copy_from_slice(&crc.finalize().to_be_bytes());
        d.copy_from_slice(&[0, 0, 0xff, 0xff, 0xff, 0xff]);
        e.copy_from_slice(&value_len);
        to.extend_from_slice(&header);
        to.extend_from_slice(value);
    }
}
