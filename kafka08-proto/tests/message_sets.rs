//! Message sets that are cut, damaged or hostile.

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    ids::Offset,
    message::{
        Entry, EntryWriter, Message, MessageError, MessageProblem, MessageSet, MessageSetBuilder, Origin, SetFull, Tail,
    },
};
use proptest::prelude::*;

type Part = Option<Vec<u8>>;

fn fetched(bytes: impl Into<Bytes>) -> MessageSet {
    MessageSet::new(bytes.into(), Origin::Fetched)
}

/// An entry of these covered bytes, under a checksum that fits.
fn entry(offset: i64, covered: &[u8]) -> Vec<u8> {
    let size = u32::try_from(covered.len() + 4).expect("short").to_be_bytes();
    [&offset.to_be_bytes()[..], &size, &crc32fast::hash(covered).to_be_bytes(), covered].concat()
}

/// Magic, attributes, key and value of a message.
fn covered(magic: u8, attributes: u8, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
    let part = |part: Option<&[u8]>| match part {
        None => vec![0xff; 4],
        Some(bytes) => [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat(),
    };
    [vec![magic, attributes], part(key), part(value)].concat()
}

fn plain(offset: i64, value: &[u8]) -> Vec<u8> {
    entry(offset, &covered(0, 0, None, Some(value)))
}

fn read(set: &MessageSet) -> (Vec<Message<'_>>, Vec<MessageError>, Option<Tail>) {
    let (mut messages, mut errors) = (Vec::new(), Vec::new());
    let mut entries = set.entries();
    assert_eq!(entries.tail(), None, "a set that was not read has no tail");
    for entry in entries.by_ref() {
        match entry {
            Ok(Entry::Plain(message)) => messages.push(message),
            Ok(Entry::Compressed(wrapper)) => panic!("nothing is compressed here: {wrapper:?}"),
            Err(error) => errors.push(error),
        }
    }
    (messages, errors, entries.tail())
}

fn offsets(messages: &[Message<'_>]) -> Vec<i64> {
    messages.iter().map(|message| message.offset.0).collect()
}

fn problems(errors: &[MessageError]) -> Vec<(i64, usize, MessageProblem)> {
    errors.iter().map(|error| (error.offset.0, error.at, error.problem)).collect()
}

#[test]
fn a_set_cut_anywhere_gives_its_whole_entries_and_says_what_the_next_needs() {
    let (first, second) = (plain(5, b"alpha"), plain(6, b"beta"));
    let whole = [first.clone(), second.clone()].concat();
    for len in 0..=whole.len() {
        let set = fetched(whole[..len].to_vec());
        let (messages, errors, tail) = read(&set);
        let ends = [0, first.len(), whole.len()];
        let complete = ends.iter().filter(|&&end| end <= len).count() - 1;
        let behind = len - ends[complete];
        let expected = match behind {
            0 => Tail::Clean,
            1..12 => Tail::Cut { needed: None },
            _ => Tail::Cut { needed: i32::try_from([first.len(), second.len()][complete]).ok() },
        };
        assert_eq!((messages.len(), errors.len(), tail), (complete, 0, Some(expected)), "{len} bytes");
    }
}

#[test]
fn a_zeroed_tail_is_one_error_and_its_offset_is_the_one_behind_the_last_message() {
    let set = fetched([plain(5, b"a"), plain(6, b"b"), vec![0; 64]].concat());
    let at = 2 * plain(5, b"a").len();
    let (messages, errors, tail) = read(&set);
    assert_eq!(offsets(&messages), [5, 6]);
    assert_eq!(problems(&errors), [(0, at, MessageProblem::Size(0))]);
    assert_eq!(tail, Some(Tail::Corrupt { offset: Offset(7) }));
}

#[test]
fn a_size_that_no_message_has_ends_the_set() {
    for size in [13, 0, -1, -12, i32::MIN] {
        let set = fetched([&9i64.to_be_bytes()[..], &size.to_be_bytes(), &[0; 100]].concat());
        let (messages, errors, tail) = read(&set);
        assert!(messages.is_empty());
        assert_eq!(problems(&errors), [(9, 0, MessageProblem::Size(size))]);
        assert_eq!(tail, Some(Tail::Corrupt { offset: Offset(9) }));
    }
}

#[test]
fn a_size_that_claims_everything_is_only_a_cut_message() {
    let set = fetched([&9i64.to_be_bytes()[..], &i32::MAX.to_be_bytes(), &[0; 100]].concat());
    // The entry takes 12 bytes more than that, which no fetch can ask for.
    let needed = Some(0x7fff_ffff);
    assert_eq!(read(&set), (vec![], vec![], Some(Tail::Cut { needed })));
}

#[test]
fn a_damaged_message_is_told_once_and_those_behind_it_are_read() {
    let mut bytes = [plain(5, b"a"), plain(6, b"b"), plain(7, b"c")].concat();
    let at = plain(5, b"a").len();
    bytes[at + 26] ^= 1;
    let set = fetched(bytes);
    let (messages, errors, tail) = read(&set);
    assert_eq!((offsets(&messages), tail), (vec![5, 7], Some(Tail::Clean)));
    let stored = crc32fast::hash(&covered(0, 0, None, Some(b"b")));
    let computed = crc32fast::hash(&covered(0, 0, None, Some(b"c")));
    assert_eq!(problems(&errors), [(6, at, MessageProblem::Crc { stored, computed })]);
    assert_eq!(set.entries().without_crc().filter(Result::is_ok).count(), 3);
}

#[test]
fn lengths_that_do_not_fit_their_message_are_errors_and_not_a_cut_set() {
    let behind = plain(6, b"good");
    // A key of 1 MiB of which nothing follows, lengths below null, and a value that is one byte too long.
    let key = |len: u32| [&[0, 0][..], &len.to_be_bytes(), &[0xff; 4]].concat();
    let value = |len: u32| [&[0, 0, 0xff, 0xff, 0xff, 0xff][..], &len.to_be_bytes(), b"abc"].concat();
    for (covered, problem) in [
        (key(1 << 20), MessageProblem::KeyLength(1 << 20)),
        (key(0xffff_fffe), MessageProblem::KeyLength(-2)),
        (key(5), MessageProblem::KeyLength(5)),
        (value(4), MessageProblem::ValueLength(4)),
        (value(0x8000_0000), MessageProblem::ValueLength(i32::MIN)),
    ] {
        let set = fetched([entry(5, &covered), behind.clone()].concat());
        let (messages, errors, tail) = read(&set);
        assert_eq!((offsets(&messages), tail), (vec![6], Some(Tail::Clean)));
        assert_eq!(problems(&errors), [(5, 0, problem)]);
    }
}

#[test]
fn formats_and_codecs_that_0_8_does_not_know_are_errors_of_their_message() {
    for magic in [1, 2, 0x7f, 0x80, 0xff] {
        let set = fetched([entry(5, &covered(magic, 0, None, Some(b"v"))), plain(6, b"b")].concat());
        let (messages, errors, _) = read(&set);
        assert_eq!(offsets(&messages), [6]);
        assert_eq!(problems(&errors), [(5, 0, MessageProblem::Magic(magic.cast_signed()))]);
    }
    for codec in 4..=7 {
        let set = fetched(entry(5, &covered(0, codec, None, Some(b"v"))));
        assert_eq!(problems(&read(&set).1), [(5, 0, MessageProblem::Codec(codec))]);
    }
    // The bits that no release looks at are no error.
    let set = fetched(entry(5, &covered(0, 0b1111_1000, None, Some(b"v"))));
    assert_eq!(offsets(&read(&set).0), [5]);
}

#[test]
fn offsets_ascend_in_what_was_fetched_and_mean_nothing_in_what_was_produced() {
    let bytes = [plain(5, b"a"), plain(5, b"b"), plain(4, b"c"), plain(6, b"d")].concat();
    let set = fetched(bytes.clone());
    let (messages, errors, _) = read(&set);
    assert_eq!(offsets(&messages), [5, 6]);
    let after = Offset(5);
    let expected = [MessageProblem::NotAscending { after }, MessageProblem::NotAscending { after }];
    assert_eq!(errors.iter().map(|error| error.problem).collect::<Vec<_>>(), expected);
    let negative = fetched(plain(-7, b"a"));
    assert_eq!(problems(&read(&negative).1), [(-7, 0, MessageProblem::NotAscending { after: Offset(-1) })]);
    let produced = MessageSet::new(bytes.into(), Origin::Produced);
    assert_eq!(offsets(&read(&produced).0), [5, 5, 4, 6]);
}

#[test]
fn a_builder_counts_what_it_holds_and_begins_each_set_at_its_first_offset() {
    let mut builder = MessageSetBuilder::fetched_from(Offset(7));
    let holds = |builder: &MessageSetBuilder| (builder.messages(), builder.len(), builder.is_empty());
    assert_eq!(holds(&builder), (0, 0, true));
    builder.push(None, Some(b"dropped")).expect("small");
    builder.clear();
    assert_eq!(holds(&builder), (0, 0, true));
    for _ in 0..2 {
        for value in [b"a", b"b"] {
            builder.push(None, Some(value)).expect("small");
        }
        // An entry of a value of one byte: offset 8, size 4, checksum 4, magic 1, attributes 1, two lengths 8, value 1.
        assert_eq!(holds(&builder), (2, 2 * 27, false));
        let set = builder.take();
        assert_eq!((set.len(), set.origin()), (2 * 27, Origin::Fetched));
        assert_eq!(offsets(&read(&set).0), [7, 8]);
    }
}

#[test]
fn null_and_empty_are_different_in_keys_and_values() {
    let parts = [None, Some(&b""[..])];
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    let mut expected = Vec::new();
    for key in parts {
        for value in parts {
            builder.push(key, value).expect("small");
            expected.push((key, value));
        }
    }
    let set = builder.build();
    let found: Vec<_> = read(&set).0.iter().map(|message| (message.key, message.value)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_flipped_bit_never_changes_a_message_unnoticed() {
    let good = [entry(5, &covered(0, 0, Some(b"k"), Some(b"value"))), plain(6, b"other")].concat();
    let original = fetched(good.clone());
    let (messages, ..) = read(&original);
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let set = fetched(flipped);
        let (read, errors, tail) = read(&set);
        for message in &read {
            let known = messages.iter().any(|m| (m.key, m.value) == (message.key, message.value));
            assert!(known, "bit {bit} gives {message:?}");
        }
        // Something is always seen, unless the bit lies in an offset, which no checksum covers and which then differs.
        let is_noticed = !errors.is_empty() || tail != Some(Tail::Clean) || offsets(&read) != [5, 6];
        assert!(is_noticed, "bit {bit} is not noticed");
    }
}

#[test]
fn payloads_never_appear_in_debug_output() {
    let set = fetched(plain(5, b"secret"));
    let shown = format!("{set:?} {:?} {:?}", set.entries(), read(&set).0);
    assert!(!shown.contains("secret") && shown.contains("6 bytes"), "{shown}");
    assert!(shown.starts_with("MessageSet(Fetched, 32 bytes) "), "{shown}");
}

#[test]
fn sets_of_other_bytes_or_another_origin_are_not_equal() {
    let set = fetched(plain(5, b"a"));
    assert_eq!(set, fetched(plain(5, b"a")));
    assert_ne!(set, fetched(plain(5, b"b")));
    assert_ne!(set, MessageSet::new(set.bytes().clone(), Origin::Produced));
}

#[cfg(target_pointer_width = "64")]
#[test]
fn a_set_is_full_at_two_to_the_31_less_one_bytes() {
    const LARGEST: usize = 0x7fff_ffff;
    // Zeros that nobody looks at take no memory.
    let mut set = BytesMut::zeroed(LARGEST);
    let mut writer = EntryWriter::new();
    for (key, entry) in [(None, 27), (Some(&b"k"[..]), 28)] {
        set.truncate(LARGEST - entry + 1);
        let refused = writer.write(&mut set, Offset(0), key, Some(b"v"));
        assert_eq!((refused, set.len()), (Err(SetFull { entry }), LARGEST - entry + 1), "nothing was written");
        set.truncate(LARGEST - entry);
        assert_eq!((writer.write(&mut set, Offset(0), key, Some(b"v")), set.len()), (Ok(entry), LARGEST));
    }
    // 12 and 14 bytes stand in front of a value of this length, which would be one byte too many.
    let value = vec![0; LARGEST - 25];
    set.clear();
    let refused = writer.write(&mut set, Offset(0), None, Some(&value));
    assert_eq!((refused, set.len()), (Err(SetFull { entry: LARGEST + 1 }), 0));
}

fn parts() -> impl Strategy<Value = Vec<(Part, Part)>> {
    let part = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    proptest::collection::vec((part(), part()), 0..12)
}

/// A set made by the book: field behind field.
fn by_the_book(parts: &[(Part, Part)], first: i64) -> Vec<u8> {
    let numbered = parts.iter().zip(first..);
    numbered
        .flat_map(|((key, value), offset)| entry(offset, &covered(0, 0, key.as_deref(), value.as_deref())))
        .collect()
}

proptest! {
    #[test]
    fn the_builder_writes_what_the_book_says_and_the_reader_gives_it_back(parts in parts(), first in 0i64..1000) {
        let mut builder = MessageSetBuilder::fetched_from(Offset(first));
        for (key, value) in &parts {
            builder.push(key.as_deref(), value.as_deref()).expect("small");
        }
        prop_assert_eq!(builder.messages(), parts.len());
        let set = builder.build();
        prop_assert_eq!(set.bytes(), &by_the_book(&parts, first));
        let (messages, errors, tail) = read(&set);
        let found: Vec<(Part, Part)> =
            messages.iter().map(|m| (m.key.map(<[u8]>::to_vec), m.value.map(<[u8]>::to_vec))).collect();
        prop_assert_eq!(found, parts);
        prop_assert!(errors.is_empty());
        prop_assert_eq!(tail, Some(Tail::Clean));
    }

    #[test]
    fn what_a_prefix_gives_is_a_prefix_of_what_the_whole_gives(
        parts in parts(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = by_the_book(&parts, 3);
        bytes.extend_from_slice(&[0; 20]);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let prefix = bytes[..cut.index(bytes.len())].to_vec();
        let (whole, part) = (fetched(bytes), fetched(prefix));
        let whole: Vec<_> = whole.entries().collect();
        let part: Vec<_> = part.entries().collect();
        prop_assert_eq!(&part[..], &whole[..part.len()]);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let set = fetched(bytes);
        let mut entries = set.entries();
        prop_assert!(entries.by_ref().count() <= set.len() / 26 + 1);
        prop_assert!(entries.tail().is_some());
        prop_assert!(entries.next().is_none());
    }
}
