//! Message sets and what is compressed in them.

use std::ops::ControlFlow;

use bytes::Bytes;
use kafka08_proto::{
    ids::Offset,
    message::{Budget, Codec, Deflater, Entry, Inflater, MessageSet, MessageSetBuilder, Origin, Tail},
};

/// What may come out of decompression here, in bytes.
const BUDGET: usize = 1 << 20;

/// Reads any bytes as a message set, from an offset that the first byte gives, cut where the second says.
///
/// No panic. What a prefix gives is a prefix of what the whole gives. The position never goes back, messages come in order
/// and none before the offset asked for, and reading ends.
pub fn message_set(data: &[u8]) {
    let [from, cut, bytes @ ..] = data else { return };
    let from = Offset(i64::from(*from));
    let whole = MessageSet::new(Bytes::copy_from_slice(bytes), Origin::Fetched);
    let cut = usize::from(*cut).min(whole.len());
    let prefix = MessageSet::new(whole.bytes().slice(..cut), Origin::Fetched);
    let entries: Vec<_> = whole.entries().collect();
    let of_prefix: Vec<_> = prefix.entries().collect();
    assert!(entries.starts_with(&of_prefix));
    assert!(entries.len() <= bytes.len() / 26 + 1);

    let mut last = None;
    let mut inflater = Inflater::new();
    let visit = whole.for_each_message(from, &mut inflater, &mut Budget::new(BUDGET), |found| {
        if let Ok(message) = found {
            assert!(message.offset >= from && last.is_none_or(|last| last < message.offset));
            last = Some(message.offset);
        }
        ControlFlow::Continue(())
    });
    assert!(visit.position >= from && last.is_none_or(|last| visit.position > last));
    assert!(visit.tail.is_some());
    let again = whole.whole_entries();
    assert!(whole.bytes().starts_with(again.bytes()));
    let mut entries = again.entries().without_crc();
    entries.by_ref().for_each(drop);
    assert_eq!(entries.tail(), Some(Tail::Clean));
}

/// Decompresses any bytes by the codec that the first byte picks; and compresses them, and reads that back.
///
/// No panic. What comes out stays within the budget. What was compressed comes back as it was.
pub fn decompress(data: &[u8]) {
    let Some((pick, bytes)) = data.split_first() else { return };
    let (codec, attributes) = match pick % 3 {
        0 => (Codec::Gzip, 1),
        1 => (Codec::Snappy, 2),
        _ => (Codec::Lz4, 3),
    };
    let hostile = wrapper(attributes, bytes);
    let mut budget = Budget::new(BUDGET);
    if let Some(Ok(Entry::Compressed(wrapper))) = hostile.entries().next()
        && let Ok(set) = Inflater::new().open(&wrapper, &mut budget)
    {
        assert_eq!(set.len(), BUDGET - budget.left());
        set.entries().for_each(drop);
    }

    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    builder.push(None, Some(bytes)).expect("small");
    let plain = builder.build();
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    builder.push(None, Some(bytes)).expect("small");
    let sound = builder.build_compressed(codec, &mut Deflater::new()).expect("every codec is in");
    let Some(Ok(Entry::Compressed(wrapper))) = sound.entries().next() else { panic!("a wrapper was built") };
    let opened = Inflater::new().open(&wrapper, &mut Budget::new(BUDGET)).expect("its own bytes");
    assert_eq!(opened.bytes(), plain.bytes());
}

/// A set of one entry around these bytes. Its checksum is not compared by those who look at what is inside.
fn wrapper(attributes: u8, value: &[u8]) -> MessageSet {
    // Built as a plain message with a null key; then the attributes are set, and the checksum follows.
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    builder.push(None, Some(value)).expect("small");
    let mut bytes = builder.build().bytes().to_vec();
    if let Some(field) = bytes.get_mut(17) {
        *field = attributes;
    }
    let sum = bytes.get(16..).map(crc32).unwrap_or_default().to_be_bytes();
    if let Some(field) = bytes.get_mut(12..16) {
        field.copy_from_slice(&sum);
    }
    MessageSet::new(bytes.into(), Origin::Fetched)
}

/// CRC-32 bit by bit: nobody's code but this.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), step))
}
