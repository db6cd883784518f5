//! Message sets and what is compressed in them.

use std::ops::ControlFlow;

use bytes::Bytes;
use kafka08_proto::{
    ids::Offset,
    message::{
        Budget, Codec, Cursor, Deflater, Entry, InflateProblem, Inflater, MessageError, MessageProblem, MessageSet,
        MessageSetBuilder, Origin, Tail, Visit,
    },
};

/// What may come out of decompression here, in bytes.
const BUDGET: usize = 1 << 20;

/// Reads any bytes as a message set, from an offset that the first byte gives, cut where the second says.
///
/// No panic. What a prefix gives is a prefix of what the whole gives. Reading ends. The position never goes back nor beyond
/// the end; messages come in order, none before the offset asked for and none at the end or above it. The visitor is told of
/// plain entries exactly what `entries` tell, and one that breaks off each time is told what one is that never does.
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

    // The end is the second byte again, so that some offsets lie above it.
    for end in [Offset(i64::MAX), Offset(i64::try_from(cut).unwrap_or(i64::MAX))] {
        visited(&whole, from, end);
    }
    let again = whole.whole_entries();
    assert!(whole.bytes().starts_with(again.bytes()));
    let mut entries = again.entries().without_crc();
    entries.by_ref().for_each(drop);
    assert_eq!(entries.tail(), Some(Tail::Clean));
}

/// What a visitor is told.
type Told = Result<Offset, MessageError>;

fn visited(set: &MessageSet, from: Offset, end: Offset) {
    let (told, visit) = visit(set, Cursor::new(from).with_end(end), ControlFlow::Continue(()));
    let mut last = None;
    for offset in told.iter().filter_map(|found| found.ok()) {
        assert!(offset >= from && offset < end && last.is_none_or(|last| last < offset));
        last = Some(offset);
    }
    assert!(visit.position >= from && last.is_none_or(|last| visit.position > last));
    assert!(visit.position <= end.max(from));

    let mut reader = set.entries().with_start(from).with_end(end);
    let mut position = reader.next_offset();
    let (mut of_entries, mut is_plain) = (Vec::new(), true);
    while let Some(found) = reader.next() {
        is_plain &= !matches!(found, Ok(Entry::Compressed(_)));
        of_entries.push(found.map(|entry| entry.offset()));
        assert!(reader.next_offset() >= position, "the position never goes back");
        position = reader.next_offset();
    }
    if is_plain {
        assert_eq!((&told, visit.position, visit.tail), (&of_entries, position, reader.tail()));
    }
    assert_eq!(self::visit(set, Cursor::new(from).with_end(end), ControlFlow::Break(())), (told.clone(), visit));
    lent(set, Cursor::new(from).with_end(end), &told, visit);
}

/// A cursor that lends tells what a visitor is told, up to a compressed entry that is too large.
fn lent(set: &MessageSet, mut cursor: Cursor, told: &[Told], visit: Visit) {
    let (mut inflater, mut budget) = (Inflater::new(), Budget::new(BUDGET));
    for expected in told {
        let found = cursor.next_message(set, &mut inflater, &mut budget).expect("a visitor was told more");
        assert_eq!(&found.map(|message| message.offset), expected);
    }
    if visit.tail.is_some() {
        assert!(cursor.next_message(set, &mut inflater, &mut budget).is_none());
        assert_eq!(cursor.position(), visit.position);
    }
}

/// Visits until nothing is told any more, by a visitor that gives this answer.
fn visit(set: &MessageSet, mut cursor: Cursor, answer: ControlFlow<()>) -> (Vec<Told>, Visit) {
    let (mut told, mut inflater, mut budget) = (Vec::new(), Inflater::new(), Budget::new(BUDGET));
    loop {
        let (before, position) = (told.len(), cursor.position());
        let visit = set.visit(&mut cursor, &mut inflater, &mut budget, |found| {
            told.push(found.map(|message| message.offset));
            answer
        });
        assert!(visit.position >= position, "the position never goes back");
        let is_over_budget = matches!(
            told.last(),
            Some(Err(MessageError {
                problem: MessageProblem::Inflate { problem: InflateProblem::OverBudget { .. }, .. },
                ..
            }))
        );
        if visit.tail.is_some() && told.len() == before || is_over_budget || answer.is_continue() {
            return (told, visit);
        }
    }
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
    if let Some(Ok(Entry::Compressed(wrapper))) = hostile.entries().next() {
        let mut inflater = Inflater::new();
        if let Ok(set) = inflater.open(&wrapper, &mut budget) {
            assert_eq!(set.len(), BUDGET - budget.left());
            set.entries().for_each(drop);
            // In used memory it is the same.
            let copy = set.bytes().to_vec();
            drop(set);
            let again = inflater.open(&wrapper, &mut Budget::new(BUDGET)).expect("it was opened before");
            assert_eq!(again.bytes(), &copy);
            let exact = inflater.open(&wrapper, &mut Budget::new(copy.len()));
            assert!(codec == Codec::Lz4 || exact.is_ok());
            if let Some(less) = copy.len().checked_sub(1) {
                assert!(inflater.open(&wrapper, &mut Budget::new(less)).is_err());
            }
        }
        let _ = MessageSet::new(hostile.bytes().clone(), Origin::Produced).inspect(&mut Budget::new(BUDGET));
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
