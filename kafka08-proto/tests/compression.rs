//! Compressed sets: the vectors of the Java producer, hostile claims, and round trips through every codec.
#![cfg(all(feature = "gzip", feature = "snappy", feature = "lz4"))]

mod common;

use std::ops::ControlFlow;

use bytes::Bytes;
use kafka08_proto::{
    ids::Offset,
    message::{
        Budget, Codec, Deflater, Entry, InflateProblem, Inflater, Message, MessageError, MessageProblem, MessageSet,
        MessageSetBuilder, Origin, Tail, Visit, Wrapper,
    },
};
use proptest::prelude::*;

const ALL: [Codec; 3] = [Codec::Gzip, Codec::Snappy, Codec::Lz4];
const MEBIBYTE: usize = 1 << 20;

fn hex(text: &str) -> Bytes {
    common::hex(text).into()
}

type Owned = (i64, Part, Part);

/// Every message from `from` on, every error, and how far the visit came.
fn read(set: &MessageSet, from: i64) -> (Vec<Owned>, Vec<MessageError>, Visit) {
    let (mut messages, mut errors) = (Vec::new(), Vec::new());
    let visit = set.for_each_message(Offset(from), &mut Inflater::new(), &mut Budget::new(64 * MEBIBYTE), |found| {
        match found {
            Ok(m) => messages.push((m.offset.0, m.key.map(<[u8]>::to_vec), m.value.map(<[u8]>::to_vec))),
            Err(error) => errors.push(error),
        }
        ControlFlow::Continue(())
    });
    (messages, errors, visit)
}

fn problems(errors: &[MessageError]) -> Vec<MessageProblem> {
    errors.iter().map(|error| error.problem).collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

fn wrapper_of(set: &MessageSet) -> Wrapper<'_> {
    match set.entries().next() {
        Some(Ok(Entry::Compressed(wrapper))) => wrapper,
        other => panic!("a wrapper was expected: {other:?}"),
    }
}

fn wrapped(codec: Codec, first: i64, values: &[&str]) -> MessageSet {
    let mut builder = MessageSetBuilder::fetched_from(Offset(first));
    values.iter().for_each(|value| builder.push(None, Some(value.as_bytes())).expect("small"));
    builder.build_compressed(codec, &mut Deflater::new()).expect("every codec is in")
}

fn joined(sets: &[&MessageSet]) -> MessageSet {
    MessageSet::new(sets.iter().flat_map(|set| set.bytes().to_vec()).collect(), Origin::Fetched)
}

/// A message set of one entry around `value`, as an attacker would make it: offset 0, null key, a sound checksum.
fn wrapper_around(attributes: u8, value: &[u8]) -> MessageSet {
    let len = u32::try_from(value.len()).expect("short").to_be_bytes();
    let covered = [&[0, attributes, 0xff, 0xff, 0xff, 0xff][..], &len, value].concat();
    let message = [&crc32fast::hash(&covered).to_be_bytes()[..], &covered].concat();
    let size = u32::try_from(message.len()).expect("short").to_be_bytes();
    MessageSet::new([&[0; 8][..], &size, &message].concat().into(), Origin::Fetched)
}

fn problem_of(set: &MessageSet, budget: usize) -> MessageProblem {
    Inflater::new().open(&wrapper_of(set), &mut Budget::new(budget)).expect_err("hostile").problem
}

/// A gzip member with these flags and optional header parts, of stored blocks.
fn gzip(plain: &[u8], flags: u8, optional: &[u8]) -> Vec<u8> {
    let mut out = [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0][..], optional].concat();
    let mut blocks = plain.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        let len = u16::try_from(block.len()).expect("a block's length");
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32fast::hash(plain).to_le_bytes());
    out.extend_from_slice(&u32::try_from(plain.len()).expect("short").to_le_bytes());
    out
}

/// `protocol.md` section 9: k/v and null/"w", as the Java producer compresses them.
fn vectors() -> [(Codec, Bytes); 2] {
    [
        (
            Codec::Snappy,
            hex("0000000000000001 0000004c 2f32b028 00 02 ffffffff 0000003e
                 82534e4150505900 00000001 00000001 0000002a
                 370000190110101fecd70a050f18016b0000000176050c09013c0fa50b8f630000ffffffff0000000177"),
        ),
        (
            Codec::Lz4,
            hex("0000000000000001 00000048 ea1291dc 00 03 ffffffff 0000003a
                 04224d18 60 40 1a 2b000000
                 1600010051101fecd70a0f0071016b00000001760c00020200f0010fa50b8f630000ffffffff0000000177 00000000"),
        ),
    ]
}

#[test]
fn what_the_java_producer_compressed_is_read() {
    for (codec, set) in vectors() {
        let set = MessageSet::new(set, Origin::Produced);
        let wrapper = wrapper_of(&set);
        assert_eq!((wrapper.offset, wrapper.codec), (Offset(1), codec));
        // It numbers its inner messages 0 and 0: in a produced set offsets mean nothing.
        let (messages, errors, visit) = read(&set, 0);
        assert_eq!(messages, [(0, bytes("k"), bytes("v")), (0, None, bytes("w"))]);
        assert_eq!((errors.len(), visit.tail), (0, Some(Tail::Clean)));
    }
}

#[test]
fn a_flipped_bit_in_a_wrapper_is_noticed() {
    for (_, vector) in vectors() {
        for bit in 0..vector.len() * 8 {
            let mut flipped = vector.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let set = MessageSet::new(flipped.into(), Origin::Produced);
            let mut entries = set.entries();
            // A wrong checksum, a later format, an impossible size, a cut entry; or another offset, which no checksum covers.
            let is_noticed = match entries.next() {
                Some(Err(error)) => matches!(
                    error.problem,
                    MessageProblem::Crc { .. } | MessageProblem::Size(_) | MessageProblem::Magic(_)
                ),
                Some(Ok(entry)) => entry.offset() != Offset(1),
                None => matches!(entries.tail(), Some(Tail::Cut { .. })),
            };
            assert!(is_noticed, "bit {bit}");
        }
    }
}

#[test]
fn the_headers_written_are_those_that_0_8_2_writes() {
    for (codec, header) in [
        (Codec::Gzip, hex("1f8b 08 00 00000000 00 00")),
        (Codec::Snappy, hex("82534e4150505900 00000001 00000001")),
        (Codec::Lz4, hex("04224d18 60 40 1a")),
    ] {
        let set = wrapped(codec, 0, &["value"]);
        assert!(wrapper_of(&set).value.starts_with(&header), "{codec}");
    }
    let lz4 = wrapped(Codec::Lz4, 0, &["value"]);
    assert!(wrapper_of(&lz4).value.ends_with(&[0; 4]), "the end mark");
}

#[test]
fn both_lz4_header_checksums_are_read_and_no_other() {
    let [_, (_, vector)] = vectors();
    // Behind offset, size, checksum, magic, attributes, null key and the value's length.
    let value = &vector[26..];
    for (checksum, readable) in [(0x1a, true), (0x82, true), (0x83, false)] {
        let mut value = value.to_vec();
        value[6] = checksum;
        let set = wrapper_around(3, &value);
        let opened = Inflater::new().open(&wrapper_of(&set), &mut Budget::new(MEBIBYTE));
        assert_eq!(opened.is_ok(), readable, "{checksum:x}");
    }
}

#[test]
fn snappy_without_a_frame_is_read_too() {
    let framed = wrapped(Codec::Snappy, 0, &["a"]);
    // Behind magic, versions and the length of the only block.
    let bare = wrapper_around(2, &wrapper_of(&framed).value[20..]);
    assert_eq!(read(&bare, 0).0, [(0, None, bytes("a"))]);
}

#[test]
fn gzip_may_have_several_members_optional_headers_and_garbage_behind() {
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    builder.push(None, Some(b"first")).expect("small");
    builder.push(None, Some(b"second")).expect("small");
    let plain = builder.build();
    let (a, b) = plain.bytes().split_at(40);
    // All flags: extra bytes, a name, a comment, a checksum of the header.
    let optional = [&[2, 0, 9, 9][..], b"name\0", b"comment\0", &[0, 0]].concat();
    for value in [
        gzip(plain.bytes(), 0, &[]),
        [gzip(a, 0, &[]), gzip(b, 0, &[])].concat(),
        [gzip(plain.bytes(), 0b1_1110, &optional), b"garbage".to_vec()].concat(),
    ] {
        let set = MessageSet::new(wrapper_around(1, &value).bytes().clone(), Origin::Produced);
        let (messages, errors, _) = read(&set, 0);
        assert_eq!((messages.len(), errors.len()), (2, 0));
    }
}

#[test]
fn gzip_that_is_cut_or_damaged_is_refused() {
    let whole = gzip(b"some bytes", 0, &[]);
    for len in 0..whole.len() {
        let problem = problem_of(&wrapper_around(1, &whole[..len]), MEBIBYTE);
        let expected = MessageProblem::Inflate { codec: Codec::Gzip, problem: InflateProblem::Malformed };
        assert_eq!(problem, expected, "{len} bytes");
    }
    for behind in 1..=8 {
        let mut damaged = whole.clone();
        damaged[whole.len() - behind] ^= 1;
        let problem = problem_of(&wrapper_around(1, &damaged), MEBIBYTE);
        let expected = MessageProblem::Inflate { codec: Codec::Gzip, problem: InflateProblem::Checksum };
        assert_eq!(problem, expected, "{behind} bytes before the end");
    }
}

#[test]
fn a_set_of_plain_and_compressed_entries_is_read_whole_and_in_order() {
    let mut plain = MessageSetBuilder::fetched_from(Offset(2));
    plain.push(None, Some(b"2")).expect("small");
    let whole = joined(&[
        &wrapped(Codec::Gzip, 0, &["0", "1"]),
        &plain.build(),
        &wrapped(Codec::Snappy, 3, &["3"]),
        &wrapped(Codec::Lz4, 4, &["4", "5"]),
    ]);
    for from in 0..=1 {
        let (messages, errors, visit) = read(&whole, from);
        let offsets: Vec<i64> = messages.iter().map(|(offset, ..)| *offset).collect();
        assert_eq!(offsets, (from..6).collect::<Vec<_>>(), "a wrapper may begin before what was asked for");
        assert_eq!((errors.len(), visit.position, visit.tail), (0, Offset(6), Some(Tail::Clean)));
    }
}

#[test]
fn the_position_lies_behind_a_wrapper_whose_last_messages_were_compacted_away() {
    let mut set = wrapped(Codec::Gzip, 7, &["seven"]).bytes().to_vec();
    set[7] = 9;
    let (messages, _, visit) = read(&MessageSet::new(set.into(), Origin::Fetched), 5);
    assert_eq!((messages.len(), visit.position), (1, Offset(10)));
}

#[test]
fn a_visitor_that_breaks_on_a_message_has_had_it_and_one_that_breaks_on_an_error_stays() {
    let mut broken = wrapped(Codec::Gzip, 3, &["3"]).bytes().to_vec();
    *broken.last_mut().expect("not empty") ^= 1;
    let set = joined(&[
        &wrapped(Codec::Gzip, 0, &["0", "1", "2"]),
        &MessageSet::new(broken.into(), Origin::Fetched),
        &wrapped(Codec::Lz4, 4, &["4"]),
    ]);
    let visit_until = |stop: &mut dyn FnMut(&Result<Message<'_>, MessageError>) -> bool| {
        set.for_each_message(Offset(0), &mut Inflater::new(), &mut Budget::new(MEBIBYTE), |found| {
            if stop(&found) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let at_one = visit_until(&mut |found| found.as_ref().is_ok_and(|m| m.offset == Offset(1)));
    assert_eq!(at_one, Visit { position: Offset(2), tail: None });
    let at_error = visit_until(&mut |found| found.is_err());
    assert_eq!(at_error, Visit { position: Offset(3), tail: None });
    let mut errors = 0;
    let past_error = visit_until(&mut |found| {
        errors += usize::from(found.is_err());
        false
    });
    assert_eq!((past_error, errors), (Visit { position: Offset(5), tail: Some(Tail::Clean) }, 1));
}

#[test]
fn what_was_fetched_can_be_produced_again_without_being_opened() {
    let whole = wrapped(Codec::Snappy, 5, &["a", "b"]);
    let cut = whole.bytes().slice(..whole.len() - 3);
    let fetched = joined(&[&whole, &MessageSet::new(cut, Origin::Fetched)]);
    let again = fetched.whole_entries();
    assert_eq!((again.bytes(), again.origin()), (whole.bytes(), Origin::Produced));
}

#[test]
fn a_compressed_set_inside_a_compressed_set_is_an_error() {
    let nested = wrapper_around(1, &gzip(wrapped(Codec::Gzip, 0, &["hidden"]).bytes(), 0, &[]));
    let (messages, errors, _) = read(&nested, 0);
    assert_eq!((messages, problems(&errors)), (vec![], vec![MessageProblem::Nested]));
}

#[test]
fn gzip_nested_20_000_deep_is_refused_in_a_small_stack() {
    let read_it = || {
        // Each level costs 44 bytes around the one inside; only the outermost is ever opened.
        let mut set = wrapped(Codec::Gzip, 0, &["core"]);
        for _ in 0..20_000 {
            set = wrapper_around(1, &gzip(set.bytes(), 0, &[]));
        }
        problems(&read(&set, 0).1)
    };
    // Making it is quadratic in its depth, and needs no stack either.
    let small_stack = std::thread::Builder::new().stack_size(256 << 10).spawn(read_it).expect("a thread");
    assert_eq!(small_stack.join().expect("no overflow"), [MessageProblem::Nested]);
}

#[test]
fn a_hostile_inner_size_is_one_error_and_ends_the_set() {
    for size in [-12i32, 0, 13] {
        let inner = [&[0; 8][..], &size.to_be_bytes(), &[0; 1024]].concat();
        let (messages, errors, _) = read(&wrapper_around(1, &gzip(&inner, 0, &[])), 0);
        assert_eq!((messages, problems(&errors)), (vec![], vec![MessageProblem::Size(size)]));
    }
}

#[test]
fn a_snappy_block_that_claims_4_gib_is_refused_by_its_ratio_before_anything_is_allocated() {
    let set = wrapper_around(2, &hex("ff ff ff ff 0f 00 00 00"));
    let mut problem = None;
    let counted = allocation_counter::measure(|| problem = Some(problem_of(&set, 64 * MEBIBYTE)));
    let claimed = u32::MAX as usize;
    let expected = MessageProblem::Inflate { codec: Codec::Snappy, problem: InflateProblem::Ratio { claimed } };
    assert_eq!(problem, Some(expected));
    assert!(counted.bytes_max < 4096, "{counted:?}");
}

#[test]
fn a_megabyte_of_gzip_that_would_be_a_gibibyte_is_refused_at_the_limit() {
    // gzip is a list of members: one of a mebibyte of zeros, a thousand times.
    let mut builder = MessageSet::builder();
    builder.push(None, Some(&vec![0; MEBIBYTE])).expect("small");
    let member = builder.build_compressed(Codec::Gzip, &mut Deflater::new()).expect("gzip is in");
    let bomb = wrapper_around(1, &wrapper_of(&member).value.repeat(1024));
    assert!((MEBIBYTE / 2..2 * MEBIBYTE).contains(&bomb.len()), "{}", bomb.len());
    let limit = 16 * MEBIBYTE;
    let mut problem = None;
    let counted = allocation_counter::measure(|| problem = Some(problem_of(&bomb, limit)));
    let expected = MessageProblem::Inflate { codec: Codec::Gzip, problem: InflateProblem::OverBudget { limit } };
    assert_eq!(problem, Some(expected));
    // Growing by doubling holds the old buffer and the new one for a moment.
    assert!(counted.bytes_max < 4 * limit as u64, "{counted:?}");
}

#[test]
fn the_budget_is_shared_by_all_wrappers_of_a_response() {
    let value = "x".repeat(1000);
    for codec in ALL {
        let set = joined(&[&wrapped(codec, 0, &[&value]), &wrapped(codec, 1, &[&value])]);
        let inflated = 1000 + 26;
        let limit = 2 * inflated - 1;
        let mut errors = Vec::new();
        let mut budget = Budget::new(limit);
        set.for_each_message(Offset(0), &mut Inflater::new(), &mut budget, |found| {
            errors.extend(found.err());
            ControlFlow::Continue(())
        });
        let problem = InflateProblem::OverBudget { limit };
        assert_eq!(problems(&errors), [MessageProblem::Inflate { codec, problem }]);
        assert!(budget.left() < inflated, "what was inflated of the second is charged too");
        let mut exact = Budget::new(limit + 1);
        set.for_each_message(Offset(0), &mut Inflater::new(), &mut exact, |found| match found {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => panic!("{error}"),
        });
        assert_eq!(exact.left(), 0);
    }
}

#[test]
fn a_gzip_member_without_content_needs_no_budget() {
    // header, an empty last block, checksum, length
    let empty = hex("1f8b 08 00 00000000 00 00 01 0000 ffff 00000000 00000000");
    let value = [&gzip(b"some bytes", 0, &[])[..], &empty].concat();
    let set = wrapper_around(1, &value);
    let opened = Inflater::new().open(&wrapper_of(&set), &mut Budget::new(10)).expect("the first takes all of it");
    assert_eq!(&opened.bytes()[..], b"some bytes");
}

#[test]
fn malformed_snappy_frames_are_refused() {
    let header = "82534e4150505900 00000001 00000001";
    for bad in [
        "82534e4150505900 00000001",
        &format!("{header} 000003e8 010203"),
        &format!("{header} ffffffff"),
        &format!("{header} 00000000"),
        &format!("{header} 0000"),
        "",
    ] {
        let problem = problem_of(&wrapper_around(2, &hex(bad)), MEBIBYTE);
        let expected = MessageProblem::Inflate { codec: Codec::Snappy, problem: InflateProblem::Malformed };
        assert_eq!(problem, expected, "{bad}");
    }
    let (messages, errors, visit) = read(&wrapper_around(2, &hex(header)), 0);
    assert_eq!((messages.len(), errors.len(), visit.position), (0, 0, Offset(1)), "a header alone is an empty stream");
}

type Part = Option<Vec<u8>>;

fn messages() -> impl Strategy<Value = Vec<(Part, Part)>> {
    let part = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    proptest::collection::vec((part(), part()), 0..20)
}

proptest! {
    #[test]
    fn compressing_and_reading_gives_the_same_messages(
        mut messages in messages(),
        first in 0i64..1000,
        large in any::<bool>(),
    ) {
        if large {
            // More than one block of each codec.
            messages.push((None, Some((0..200_000u32).map(|n| n.to_le_bytes()[0] % 251).collect())));
        }
        let mut deflater = Deflater::new();
        for codec in ALL {
            let mut builder = MessageSetBuilder::fetched_from(Offset(first));
            for (key, value) in &messages {
                builder.push(key.as_deref(), value.as_deref()).expect("small");
            }
            let set = builder.build_compressed(codec, &mut deflater).expect("every codec is in");
            let (read, errors, _) = read(&set, 0);
            let expected: Vec<Owned> = messages.iter().zip(first..).map(|((k, v), at)| (at, k.clone(), v.clone())).collect();
            prop_assert_eq!(read, expected);
            prop_assert!(errors.is_empty());
        }
    }

    #[test]
    fn any_bytes_in_a_wrapper_are_read_or_refused_within_the_budget(
        value in proptest::collection::vec(any::<u8>(), 0..300),
        attributes in 1u8..=3,
    ) {
        let set = wrapper_around(attributes, &value);
        if let Ok(set) = Inflater::new().open(&wrapper_of(&set), &mut Budget::new(1000)) {
            prop_assert!(set.len() <= 1000);
        }
    }

    #[test]
    fn a_flipped_bit_in_a_wrappers_value_never_changes_a_message(flip in any::<prop::sample::Index>(), codec in 0usize..3) {
        let set = wrapped(ALL[codec], 0, &["alpha", "beta", "gamma", "alpha beta gamma alpha beta gamma"]);
        let original = read(&set, 0).0;
        let mut value = wrapper_of(&set).value.to_vec();
        let bit = flip.index(value.len() * 8);
        value[bit / 8] ^= 1 << (bit % 8);
        let attributes = u8::try_from(codec + 1).expect("one of three");
        for (_, key, value) in read(&wrapper_around(attributes, &value), 0).0 {
            prop_assert!(original.iter().any(|(_, k, v)| (k, v) == (&key, &value)));
        }
    }
}
