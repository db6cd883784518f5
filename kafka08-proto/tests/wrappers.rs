//! Compressed entries whose inner offsets, inner messages or budget are not as they should be.
#![cfg(feature = "gzip")]

mod common;

use std::ops::ControlFlow;

use bytes::Bytes;
use kafka08_proto::{
    ids::Offset,
    message::{
        Budget, Codec, Cursor, Deflater, Entry, InflateProblem, Inflater, MessageError, MessageProblem, MessageSet,
        MessageSetBuilder, Opened, Origin, SetProblem, Tail, Visit,
    },
};

/// Wrapper 102 (gzip) around three messages that have the offsets 0, 1 and 2 inside.
const RELATIVE: &str = "0000000000000066 0000004f c9fe1efa 00 01 ffffffff 00000041
    1f8b0800000000000000 636080038149eb169c6360f8ffffff7f060606a65c03a8382348eee9ca0911487286503926905ccd82838f90e48c00fbff4b0454000000";

/// An entry of these attributes around a value, with a null key.
fn entry(offset: i64, attributes: u8, value: &[u8]) -> Vec<u8> {
    let len = u32::try_from(value.len()).expect("short").to_be_bytes();
    let covered = [&[0, attributes, 0xff, 0xff, 0xff, 0xff][..], &len, value].concat();
    let size = u32::try_from(covered.len() + 4).expect("short").to_be_bytes();
    [&offset.to_be_bytes()[..], &size, &crc32fast::hash(&covered).to_be_bytes(), &covered].concat()
}

/// gzip of one stored block.
fn gzip(plain: &[u8]) -> Vec<u8> {
    let len = u16::try_from(plain.len()).expect("short");
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 1];
    let sum = crc32fast::hash(plain).to_le_bytes();
    [&head[..], &len.to_le_bytes(), &(!len).to_le_bytes(), plain, &sum, &u32::from(len).to_le_bytes()].concat()
}

fn wrapper_of(offset: i64, inner: &[u8]) -> MessageSet {
    MessageSet::new(entry(offset, 1, &gzip(inner)).into(), Origin::Fetched)
}

/// A wrapper around messages of these offsets.
fn wrapper(offset: i64, inner: &[i64]) -> MessageSet {
    wrapper_of(offset, &inner.iter().flat_map(|&offset| entry(offset, 0, b"v")).collect::<Vec<_>>())
}

fn read(set: &MessageSet, from: i64) -> (Vec<i64>, Vec<(i64, MessageProblem)>, Visit) {
    let (mut offsets, mut errors) = (Vec::new(), Vec::new());
    let visit = set.for_each_message(Offset(from), &mut Inflater::new(), &mut Budget::new(1 << 20), |found| {
        match found {
            Ok(message) => offsets.push(message.offset.0),
            Err(error) => errors.push((error.offset.0, error.problem)),
        }
        ControlFlow::Continue(())
    });
    (offsets, errors, visit)
}

fn clean(position: i64) -> Visit {
    Visit { position: Offset(position), tail: Some(Tail::Clean) }
}

#[test]
fn inner_offsets_that_count_from_zero_end_at_the_wrappers() {
    let set = MessageSet::new(common::hex(RELATIVE).into(), Origin::Fetched);
    assert_eq!(read(&set, 100), (vec![100, 101, 102], vec![], clean(103)));
    assert_eq!(read(&set, 102), (vec![102], vec![], clean(103)));
    // With a gap that compaction has left, from a producer that writes zeros, and a single message.
    assert_eq!(read(&wrapper(102, &[0, 2]), 100), (vec![100, 102], vec![], clean(103)));
    assert_eq!(read(&wrapper(102, &[0, 0, 0]), 100), (vec![100, 101, 102], vec![], clean(103)));
    assert_eq!(read(&wrapper(102, &[0]), 100), (vec![102], vec![], clean(103)));
    // The log's own beginning.
    assert_eq!(read(&wrapper(2, &[0, 1, 2]), 0), (vec![0, 1, 2], vec![], clean(3)));
}

#[test]
fn inner_messages_that_cannot_be_placed_are_one_error_of_their_wrapper() {
    let problem = MessageProblem::InnerOffsets { messages: 3, last: Offset(2) };
    assert_eq!(read(&wrapper(1, &[0, 1, 2]), 0), (vec![], vec![(1, problem)], clean(2)));
    let problem = MessageProblem::InnerOffsets { messages: 3, last: Offset(0) };
    assert_eq!(read(&wrapper(1, &[0, 0, 0]), 0), (vec![], vec![(1, problem)], clean(2)));
}

#[test]
fn a_wrapper_that_lost_its_tail_to_compaction_stays_silent() {
    assert_eq!(read(&wrapper(20, &[10, 12]), 13), (vec![], vec![], clean(21)));
    assert_eq!(read(&wrapper(20, &[10, 12]), 11), (vec![12], vec![], clean(21)));
    assert_eq!(read(&wrapper(20, &[10, 12]), 10), (vec![10, 12], vec![], clean(21)));
}

#[test]
fn an_inner_offset_that_does_not_follow_or_lies_behind_the_wrapper_is_told() {
    let after = |offset| MessageProblem::NotAscending { after: Offset(offset) };
    let above = MessageProblem::AboveEnd { end: Offset(13) };
    assert_eq!(read(&wrapper(12, &[10, 2059, 12]), 10), (vec![10, 12], vec![(2059, above)], clean(13)));
    assert_eq!(read(&wrapper(12, &[10, 3, 12]), 10), (vec![10, 12], vec![(3, after(10))], clean(13)));
    // Two wrappers of which the second begins in front of where the first ended.
    let twice = [wrapper(12, &[11, 12]).bytes().to_vec(), wrapper(13, &[12, 13]).bytes().to_vec()].concat();
    let twice = MessageSet::new(twice.into(), Origin::Fetched);
    assert_eq!(read(&twice, 11), (vec![11, 12, 13], vec![(12, after(12))], clean(14)));
}

#[test]
fn an_inner_entry_that_does_not_follow_is_told_where_it_begins() {
    // Its checksum covers bytes behind the value, which no reader looks at.
    let covered = [&[0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1][..], b"v", b"behind"].concat();
    let size = u32::try_from(covered.len() + 4).expect("short").to_be_bytes();
    let padded = [&4_i64.to_be_bytes()[..], &size, &crc32fast::hash(&covered).to_be_bytes(), &covered].concat();
    let first = entry(5, 0, b"v");
    let set = wrapper_of(10, &[&first[..], &padded].concat());
    let mut told = Vec::new();
    set.for_each_message(Offset(0), &mut Inflater::new(), &mut Budget::new(1 << 20), |found| {
        told.extend(found.err().map(|error| (error.offset, error.at, error.problem)));
        ControlFlow::Continue(())
    });
    assert_eq!(told, [(Offset(4), first.len(), MessageProblem::NotAscending { after: Offset(5) })]);
}

#[test]
fn a_wrapper_above_the_end_is_told_and_not_opened() {
    let set = MessageSet::new(
        [&wrapper(11, &[10, 11]).bytes()[..], wrapper(2059, &[12]).bytes()].concat().into(),
        Origin::Fetched,
    );
    let mut cursor = Cursor::new(Offset(10)).with_end(Offset(13));
    let mut errors = Vec::new();
    let visit = set.visit(&mut cursor, &mut Inflater::new(), &mut Budget::new(1000), |found| {
        errors.extend(found.err().map(|error| error.problem));
        ControlFlow::Continue(())
    });
    assert_eq!((errors, visit), (vec![MessageProblem::AboveEnd { end: Offset(13) }], clean(12)));
}

#[test]
fn a_compressed_set_that_ends_in_the_middle_of_a_message_is_told_once() {
    let whole = [entry(10, 0, b"v"), entry(11, 0, b"v")].concat();
    for len in 28..whole.len() {
        let told = read(&wrapper_of(11, &whole[..len]), 10);
        assert_eq!(told, (vec![10], vec![(11, MessageProblem::CutInside)], clean(12)), "{len}");
    }
}

#[test]
fn an_empty_compressed_set_and_one_without_a_value_move_on() {
    assert_eq!(read(&wrapper(11, &[]), 10), (vec![], vec![], clean(12)));
    let covered = [0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let null = [&11i64.to_be_bytes()[..], &[0, 0, 0, 14], &crc32fast::hash(&covered).to_be_bytes(), &covered].concat();
    let set = MessageSet::new(null.into(), Origin::Fetched);
    assert_eq!(read(&set, 10), (vec![], vec![(11, MessageProblem::ValueLength(-1))], clean(12)));
}

#[test]
fn damage_inside_is_skipped_in_front_of_what_was_asked_for_and_told_behind_it() {
    let mut inner = [entry(10, 0, b"v"), entry(11, 0, b"v"), entry(12, 0, b"v")].concat();
    inner[27 + 26] ^= 1;
    for (from, offsets, errors) in [(10, vec![10, 12], 1), (11, vec![12], 1), (12, vec![12], 0)] {
        let told = read(&wrapper_of(12, &inner), from);
        assert_eq!((told.0, told.1.len(), told.2), (offsets, errors, clean(13)), "from {from}");
    }
}

/// An entry whose value claims a length of -2, and whose checksum is right.
fn unusable(offset: i64) -> Vec<u8> {
    let covered = [0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe];
    [&offset.to_be_bytes()[..], &[0, 0, 0, 14], &crc32fast::hash(&covered).to_be_bytes(), &covered].concat()
}

/// An entry whose checksum is wrong.
fn damaged(offset: i64) -> Vec<u8> {
    let mut bytes = entry(offset, 0, b"v");
    *bytes.last_mut().expect("it has a value") ^= 1;
    bytes
}

#[test]
fn what_is_damaged_inside_has_the_logs_offset_and_moves_by_one_whatever_it_claims() {
    let relative = [entry(0, 0, b"v"), damaged(1), entry(2, 0, b"v")].concat();
    let (offsets, errors, visit) = read(&wrapper_of(102, &relative), 100);
    assert_eq!((offsets, visit), (vec![100, 102], clean(103)));
    assert!(matches!(errors[..], [(101, MessageProblem::Crc { .. })]), "{errors:?}");
    // 11 is damaged, and claims to be 12.
    let absolute = [entry(10, 0, b"v"), damaged(12), entry(12, 0, b"v")].concat();
    let (offsets, errors, visit) = read(&wrapper_of(12, &absolute), 10);
    assert_eq!((offsets, errors.len(), visit), (vec![10, 12], 1, clean(13)));
}

#[test]
fn what_is_unusable_inside_is_told_as_such_where_it_follows_and_as_out_of_order_elsewhere() {
    let after = MessageProblem::NotAscending { after: Offset(10) };
    let above = MessageProblem::AboveEnd { end: Offset(13) };
    for (offset, problem) in [(11, MessageProblem::ValueLength(-2)), (3, after), (2059, above)] {
        let inner = [entry(10, 0, b"v"), unusable(offset), entry(12, 0, b"v")].concat();
        assert_eq!(read(&wrapper_of(12, &inner), 10), (vec![10, 12], vec![(offset, problem)], clean(13)));
    }
    // The wrapper's own offset twice is not above the end.
    let after = MessageProblem::NotAscending { after: Offset(12) };
    assert_eq!(read(&wrapper(12, &[10, 12, 12]), 10), (vec![10, 12], vec![(12, after)], clean(13)));
}

#[test]
fn what_is_inside_a_produced_wrapper_moves_no_position() {
    let inner = [entry(3, 0, b"v"), unusable(1), damaged(9), entry(0, 0, b"v")].concat();
    let set = MessageSet::new(wrapper_of(2, &inner).bytes().clone(), Origin::Produced);
    let (offsets, errors, visit) = read(&set, 0);
    assert_eq!((offsets, visit), (vec![3, 0], clean(0)));
    assert!(
        matches!(errors[..], [(1, MessageProblem::ValueLength(-2)), (9, MessageProblem::Crc { .. })]),
        "{errors:?}"
    );
}

/// Everything that a visitor is told which breaks off each time. A cursor that lends tells the same.
fn one_by_one(set: &MessageSet, from: i64) -> (Vec<Result<i64, MessageError>>, Visit) {
    let (lent, position) = common::lent(set, Cursor::new(Offset(from)), 1 << 20);
    let (mut cursor, mut told) = (Cursor::new(Offset(from)), Vec::new());
    let (mut inflater, mut budget) = (Inflater::new(), Budget::new(1 << 20));
    loop {
        let before = told.len();
        let visit = set.visit(&mut cursor, &mut inflater, &mut budget, |found| {
            told.push(found.map(|message| message.offset.0));
            ControlFlow::Break(())
        });
        if told.len() == before {
            assert_eq!((lent, position), (told.clone(), visit.position));
            return (told, visit);
        }
        let last = told.last().and_then(|found| found.as_ref().ok());
        assert!(last.is_none_or(|&last| visit.position == Offset(last + 1)), "a message that was told has passed");
    }
}

#[test]
fn a_visitor_that_breaks_off_inside_a_wrapper_goes_on_there_without_opening_it_again() {
    let sets = [wrapper(12, &[10, 11, 12]), wrapper(15, &[13, 13, 14]), wrapper(18, &[0, 1, 2])];
    let set = MessageSet::new(sets.iter().flat_map(|set| set.bytes().to_vec()).collect(), Origin::Fetched);
    let (offsets, errors, visit) = read(&set, 11);
    let (told, stepped) = one_by_one(&set, 11);
    assert_eq!(offsets, [11, 12, 13, 14, 16, 17, 18]);
    assert_eq!(told.iter().filter_map(|found| found.ok()).collect::<Vec<_>>(), offsets);
    assert_eq!(told.iter().filter(|found| found.is_err()).count(), errors.len());
    assert_eq!((visit, stepped), (clean(19), clean(19)));

    let inner = entry(0, 0, b"v").len() * 3;
    let (mut cursor, mut budget) = (Cursor::new(Offset(10)), Budget::new(inner));
    for _ in 0..3 {
        sets[0].visit(&mut cursor, &mut Inflater::new(), &mut budget, |_| ControlFlow::Break(()));
    }
    assert_eq!((cursor.position(), budget.left()), (Offset(13), 0));
}

#[test]
fn an_exceeded_budget_ends_the_visit_in_front_of_the_wrapper_and_another_one_goes_on() {
    let set = MessageSet::new(
        [&wrapper(11, &[10, 11]).bytes()[..], wrapper(13, &[12, 13]).bytes()].concat().into(),
        Origin::Fetched,
    );
    let limit = 2 * entry(0, 0, b"v").len() + 1;
    let (mut cursor, mut told) = (Cursor::new(Offset(10)), Vec::new());
    let mut visit = |cursor: &mut Cursor| {
        set.visit(cursor, &mut Inflater::new(), &mut Budget::new(limit), |found| {
            told.push(found.map(|message| message.offset.0).map_err(|error| error.problem));
            ControlFlow::Continue(())
        })
    };
    assert_eq!(visit(&mut cursor), Visit { position: Offset(12), tail: None });
    assert_eq!(visit(&mut cursor), clean(14));
    let over = MessageProblem::Inflate { codec: Codec::Gzip, problem: InflateProblem::OverBudget { limit } };
    assert_eq!(told, [Ok(10), Ok(11), Err(over), Ok(12), Ok(13)]);
}

#[test]
fn a_cursor_that_lends_opens_each_wrapper_within_a_budget_of_its_own_and_goes_on_behind_one_that_is_too_large() {
    let small = 2 * entry(0, 0, b"v").len();
    let sets = [wrapper(11, &[10, 11]), wrapper(14, &[12, 13, 14]), wrapper(16, &[15, 16])];
    let set = MessageSet::new(sets.iter().flat_map(|set| set.bytes().to_vec()).collect(), Origin::Fetched);
    let (told, position) = common::lent(&set, Cursor::new(Offset(10)), small);
    let problem = InflateProblem::OverBudget { limit: small };
    let over = MessageProblem::Inflate { codec: Codec::Gzip, problem };
    let told: Vec<_> = told.into_iter().map(|found| found.map_err(|error| (error.offset.0, error.problem))).collect();
    assert_eq!((told, position), (vec![Ok(10), Ok(11), Err((14, over)), Ok(15), Ok(16)], Offset(17)));
}

#[test]
fn what_is_behind_an_error_that_was_passed_is_not_lent_before_it() {
    // The damaged message stands for offset 10, and the compressed one claims the same.
    let set = [damaged(11), wrapper(11, &[10, 11]).bytes().to_vec()].concat();
    let set = MessageSet::new(set.into(), Origin::Fetched);
    let (told, _) = one_by_one(&set, 10);
    let told: Vec<_> = told.into_iter().map(|found| found.map_err(|error| error.offset)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].is_err() && told[1].is_err(), "{told:?}");
    assert_eq!(told[2], Ok(11));
}

#[test]
fn key_and_value_of_a_compressed_message_are_lent_whole_and_null_is_not_empty() {
    let mut builder = MessageSetBuilder::fetched_from(Offset(10));
    let parts = [(Some(&b"k"[..]), Some(&b"value"[..])), (None, Some(b"")), (Some(b""), None), (None, None)];
    for (key, value) in parts {
        builder.push(key, value).expect("small");
    }
    let set = wrapper_of(13, builder.build().bytes());
    let (mut cursor, mut inflater) = (Cursor::new(Offset(10)), Inflater::new());
    for (offset, (key, value)) in (10..).zip(parts) {
        let message = cursor.next_message(&set, &mut inflater, &mut Budget::new(1000)).expect("lent").expect("sound");
        assert_eq!((message.offset, message.key, message.value), (Offset(offset), key, value));
    }
    assert!(cursor.next_message(&set, &mut inflater, &mut Budget::new(0)).is_none());
}

#[test]
fn a_message_of_a_compressed_set_is_shared_by_copying() {
    let set = wrapper(10, &[10]);
    let mut shared = Bytes::new();
    set.for_each_message(Offset(10), &mut Inflater::new(), &mut Budget::new(1000), |found| {
        shared = set.share(found.expect("sound").value.expect("a value"));
        ControlFlow::Continue(())
    });
    assert_eq!(shared, Bytes::from_static(b"v"));
}

fn inspected(set: &MessageSet, budget: usize) -> Result<(bool, Opened), SetProblem> {
    set.inspect(&mut Budget::new(budget)).map(|found| (found.codecs.contains(Codec::Gzip), found.opened))
}

#[test]
fn a_look_at_a_set_finds_its_largest_entry_and_its_codecs() {
    let plain = [entry(0, 0, b"v"), entry(1, 0, b"longer"), entry(2, 0, b"v")].concat();
    let set = MessageSet::new(plain.into(), Origin::Produced);
    let found = set.inspect(&mut Budget::new(0)).expect("sound");
    assert_eq!((found.largest, found.codecs.is_empty()), (26 + 6, true));
    let found = wrapper(0, &[0]).inspect(&mut Budget::new(1000)).expect("sound");
    assert!(found.codecs.contains(Codec::Gzip) && !found.codecs.is_empty());
}

#[test]
fn a_produced_set_is_looked_into_within_a_budget() {
    let produced = |set: MessageSet| MessageSet::new(set.bytes().clone(), Origin::Produced);
    let sound = produced(wrapper(2, &[0, 0, 0]));
    assert_eq!(inspected(&sound, 1000), Ok((true, Opened::All)));
    assert_eq!(inspected(&sound, 80), Ok((true, Opened::NotAll)), "81 bytes are inside");
    assert_eq!(inspected(&produced(wrapper(2, &[])), 1000), Err(SetProblem::EmptyInside { at: 0 }));
    let cut = wrapper_of(1, &[entry(0, 0, b"v"), entry(0, 0, b"v")[..26].to_vec()].concat());
    assert_eq!(inspected(&produced(cut), 1000), Err(SetProblem::CutInside { at: 0 }));
    let nested = |levels: usize| (1..levels).fold(wrapper(0, &[0]), |set, _| produced(wrapper_of(0, set.bytes())));
    assert_eq!(inspected(&nested(4), 10_000), Ok((true, Opened::All)), "as deep as brokers are known to flatten");
    assert_eq!(inspected(&nested(5), 10_000), Ok((true, Opened::NotAll)));
    let garbage = MessageSet::new(entry(0, 1, b"no gzip").into(), Origin::Produced);
    assert!(matches!(inspected(&garbage, 1000), Err(SetProblem::Corrupt(_))));
}

#[test]
fn what_a_builder_has_compressed_is_known_to_be_sound_without_a_look() {
    let mut builder = MessageSetBuilder::default();
    builder.push(None, Some(b"v")).expect("small");
    builder.push(None, Some(b"v")).expect("small");
    let set = builder.build_compressed(Codec::Gzip, &mut Deflater::new()).expect("gzip is in");
    let mut budget = Budget::new(0);
    let found = set.inspect(&mut budget).expect("sound");
    assert_eq!((found.largest, found.opened, set.known_messages()), (set.len(), Opened::All, Some(2)));
    assert!(
        found.codecs.contains(Codec::Gzip) && !found.codecs.contains(Codec::Lz4) && set.codecs_used() == found.codecs
    );
    // The same bytes from elsewhere are not known.
    let foreign = MessageSet::new(set.bytes().clone(), Origin::Produced);
    assert_eq!((inspected(&foreign, 0), foreign.known_messages()), (Ok((true, Opened::NotAll)), None));
    assert_eq!((foreign.codecs_used(), &foreign), (set.codecs_used(), &set));
    assert!(matches!(foreign.entries().next(), Some(Ok(Entry::Compressed(_)))));
}

#[test]
fn what_ends_an_inner_set_is_told_once_to_a_visitor_that_breaks_off_there() {
    let whole = entry(10, 0, b"v");
    let hostile = [&whole[..], &11i64.to_be_bytes(), &[0xff; 30]].concat();
    let cut = [&whole[..], &entry(11, 0, b"v")[..20]].concat();
    for (inner, problem) in [(hostile, MessageProblem::Size(-1)), (cut, MessageProblem::CutInside)] {
        let set = wrapper_of(12, &inner);
        let (told, visit) = one_by_one(&set, 10);
        let told: Vec<_> = told.into_iter().map(|found| found.map_err(|error| error.problem)).collect();
        assert_eq!((told, visit), (vec![Ok(10), Err(problem)], clean(13)));
    }
}
