//! What a reader of a set is told, and where it goes on: damaged, repeated and lying offsets among sound messages.

mod common;

use std::ops::ControlFlow;

use bytes::Bytes;
use kafka08_proto::{
    ids::Offset,
    message::{
        Budget, Cursor, Entry, Inflater, Message, MessageError, MessageProblem, MessageSet, MessageSetBuilder, Origin,
        Tail, Visit,
    },
};
use proptest::prelude::*;

/// 10 "m10", then 11 as 2059 (bit 11 of its offset is flipped) "m11", then 12 "m12".
const A_JUMP: &str = "000000000000000a 00000011 2932c812 00 00 ffffffff 00000003 6d3130
                      000000000000080b 00000011 5e35f884 00 00 ffffffff 00000003 6d3131
                      000000000000000c 00000011 c73ca93e 00 00 ffffffff 00000003 6d3132";
/// 10 "m10", an entry of size 14 that is all zeros, 12 "m12".
const A_ZEROED_ENTRY: &str = "000000000000000a 00000011 2932c812 00 00 ffffffff 00000003 6d3130
                              0000000000000000 0000000e 00000000 00 00 00000000 00000000
                              000000000000000c 00000011 c73ca93e 00 00 ffffffff 00000003 6d3132";

fn fetched(text: &str) -> MessageSet {
    MessageSet::new(common::hex(text).into(), Origin::Fetched)
}

fn plain(offset: i64) -> Vec<u8> {
    let mut builder = MessageSetBuilder::fetched_from(Offset(offset));
    builder.push(None, Some(b"value")).expect("small");
    builder.build().bytes().to_vec()
}

/// A message whose checksum does not match.
fn damaged(offset: i64) -> Vec<u8> {
    let mut entry = plain(offset);
    *entry.last_mut().expect("not empty") ^= 1;
    entry
}

fn joined(entries: &[Vec<u8>]) -> MessageSet {
    MessageSet::new(entries.concat().into(), Origin::Fetched)
}

/// What was delivered, what was wrong, and how far it came.
type Told = (Vec<i64>, Vec<MessageError>, Visit);

fn read(set: &MessageSet, mut cursor: Cursor) -> Told {
    let (mut offsets, mut errors) = (Vec::new(), Vec::new());
    let visit = set.visit(&mut cursor, &mut Inflater::new(), &mut Budget::new(1 << 20), |found| {
        match found {
            Ok(message) => offsets.push(message.offset.0),
            Err(error) => errors.push(error),
        }
        ControlFlow::Continue(())
    });
    assert_eq!(cursor.position(), visit.position);
    (offsets, errors, visit)
}

fn problems(errors: &[MessageError]) -> Vec<(i64, MessageProblem)> {
    errors.iter().map(|error| (error.offset.0, error.problem)).collect()
}

fn from(offset: i64) -> Cursor {
    Cursor::new(Offset(offset))
}

fn clean(position: i64) -> Visit {
    Visit { position: Offset(position), tail: Some(Tail::Clean) }
}

#[test]
fn an_offset_at_or_above_the_end_is_told_and_what_stands_behind_it_is_delivered() {
    let set = fetched(A_JUMP);
    for end in [13, 2059] {
        let (offsets, errors, visit) = read(&set, from(10).with_end(Offset(end)));
        assert_eq!(offsets, [10, 12]);
        assert_eq!(problems(&errors), [(2059, MessageProblem::AboveEnd { end: Offset(end) })]);
        assert_eq!((errors[0].at, visit), (29, clean(13)));
    }
}

#[test]
fn without_an_end_a_jump_is_followed_and_what_stands_behind_it_is_told() {
    let (offsets, errors, visit) = read(&fetched(A_JUMP), from(10));
    assert_eq!(offsets, [10, 2059]);
    assert_eq!(problems(&errors), [(12, MessageProblem::NotAscending { after: Offset(2059) })]);
    assert_eq!(visit, clean(2060));
}

#[test]
fn an_entry_of_zeros_between_messages_is_one_error() {
    let (offsets, errors, visit) = read(&fetched(A_ZEROED_ENTRY), from(10));
    assert_eq!(offsets, [10, 12]);
    assert_eq!(problems(&errors), [(0, MessageProblem::NotAscending { after: Offset(10) })]);
    assert_eq!(visit, clean(13));
}

#[test]
fn a_duplicate_a_negative_offset_and_one_in_front_of_what_was_asked_for_are_told_once_each() {
    let set = joined(&[plain(3), plain(5), plain(5), plain(-7), plain(4), plain(6)]);
    let (offsets, errors, visit) = read(&set, from(5));
    assert_eq!((offsets, visit), (vec![5, 6], clean(7)));
    let after = |offset| MessageProblem::NotAscending { after: Offset(offset) };
    assert_eq!(problems(&errors), [(3, after(4)), (5, after(5)), (-7, after(5)), (4, after(5))]);
}

#[test]
fn a_set_of_negative_offsets_alone_is_told_and_moves_nothing() {
    let (offsets, errors, visit) = read(&joined(&[plain(-1)]), from(10));
    assert_eq!((offsets, errors.len(), visit), (vec![], 1, clean(10)));
}

#[test]
fn a_damaged_message_moves_the_position_by_one_whatever_offset_it_claims() {
    for claimed in [11, 11 | 1 << 62, 500] {
        let (offsets, errors, visit) = read(&joined(&[plain(10), damaged(claimed), plain(12)]), from(10));
        assert_eq!((offsets, errors.len(), visit), (vec![10, 12], 1, clean(13)), "{claimed}");
        let (_, errors, visit) = read(&joined(&[plain(10), damaged(claimed)]), from(10));
        assert_eq!((errors.len(), visit), (1, clean(12)), "{claimed}: the entry stands for one message at least");
        let (_, errors, visit) = read(&joined(&[damaged(claimed)]), from(10).with_end(Offset(10)));
        assert_eq!((errors.len(), visit), (1, clean(10)), "{claimed}: never beyond the end");
    }
}

#[test]
fn the_largest_offset_of_all_has_none_behind_it_and_is_above_every_end() {
    let (offsets, errors, visit) = read(&joined(&[plain(10), plain(i64::MAX)]), from(10));
    assert_eq!((offsets, visit), (vec![10], clean(11)));
    assert_eq!(problems(&errors), [(i64::MAX, MessageProblem::AboveEnd { end: Offset(i64::MAX) })]);
}

#[test]
fn an_impossible_size_is_told_with_its_position_staying() {
    for (size, offset) in [(0u32, 0u64), (13, 999), (u32::MAX, 1 << 62)] {
        let hostile = [&offset.to_be_bytes()[..], &size.to_be_bytes(), &[0; 30]].concat();
        let (offsets, errors, visit) = read(&joined(&[plain(10), hostile.clone(), plain(11)]), from(10));
        assert_eq!((offsets, errors.len()), (vec![10], 1));
        assert_eq!(visit, Visit { position: Offset(11), tail: Some(Tail::Corrupt { offset: Offset(11) }) });
        let (_, errors, visit) = read(&joined(&[hostile]), from(10));
        assert_eq!(errors.len(), 1);
        assert_eq!(visit, Visit { position: Offset(10), tail: Some(Tail::Corrupt { offset: Offset(10) }) });
    }
}

#[test]
fn a_batch_of_a_later_format_is_told_by_its_format_and_not_as_damage() {
    // A transaction's end as 1.1.1 sends it: base offset 19, 66 bytes, leader epoch 0, magic 2, CRC-32C, and the rest.
    let batch = [common::hex("0000000000000013 00000042 00000000 02 64c1b148 0030"), vec![0; 0x42 - 11]].concat();
    let (offsets, errors, visit) = read(&joined(&[plain(18), batch.clone(), plain(20)]), from(18));
    assert_eq!((offsets, visit), (vec![18, 20], clean(21)));
    assert_eq!(problems(&errors), [(19, MessageProblem::Magic(2))]);
    // It may begin in front of what was asked for, and never keeps a reader from going on.
    let (_, errors, visit) = read(&joined(std::slice::from_ref(&batch)), from(19).with_end(Offset(19)));
    assert_eq!((errors.len(), visit), (1, clean(19)), "never beyond the end");
    let (_, errors, visit) = read(&joined(&[batch]), from(25));
    assert_eq!((problems(&errors), visit), (vec![(19, MessageProblem::Magic(2))], clean(26)));
}

#[test]
fn filler_at_the_end_is_no_cut_message_and_needs_nothing() {
    // Offset -1, a size of one more than what follows, and zeros.
    let filler = [&[0xff; 8][..], &101u32.to_be_bytes(), &[0; 100]].concat();
    for len in 1..filler.len() {
        let set = joined(&[plain(10), filler[..len].to_vec()]);
        let (offsets, errors, visit) = read(&set, from(10));
        assert_eq!((offsets, errors.len()), (vec![10], 0), "{len}");
        assert_eq!(visit, Visit { position: Offset(11), tail: Some(Tail::Filler) }, "{len}");
    }
    // A message that is cut, at an offset that no message has, and what a producer sends are not filler.
    let cut = [&[0xff; 8][..], &101u32.to_be_bytes(), &[1; 99]].concat();
    assert_eq!(read(&joined(&[cut]), from(10)).2.tail, Some(Tail::Cut { needed: Some(113) }));
    let produced = MessageSet::new(filler[..100].to_vec().into(), Origin::Produced);
    assert_eq!(read(&produced, from(0)).2.tail, Some(Tail::Cut { needed: Some(113) }));
}

#[test]
fn a_reader_begins_at_a_byte_position_that_another_has_left() {
    let set = joined(&[plain(10), plain(11), plain(12)]);
    let mut first = set.entries().with_start(Offset(10));
    first.next();
    let (position, next) = (first.position(), first.next_offset());
    let behind: Vec<_> =
        set.entries_at(position).with_start(next).map(|entry| entry.expect("sound").offset().0).collect();
    assert_eq!((behind, next), (vec![11, 12], Offset(11)));
    let mut behind_the_end = set.entries_at(set.len() + 1);
    assert_eq!((behind_the_end.next(), behind_the_end.tail()), (None, Some(Tail::Clean)));
}

#[test]
fn offsets_of_a_produced_set_move_no_position_and_are_no_filler() {
    let mut bytes = joined(&[plain(3), plain(1)]).bytes().to_vec();
    bytes.extend([0xff; 8]);
    let set = MessageSet::new(bytes.into(), Origin::Produced);
    let (offsets, errors, visit) = read(&set, from(0));
    assert_eq!((offsets, errors), (vec![3, 1], vec![]));
    assert_eq!(visit, Visit { position: Offset(0), tail: Some(Tail::Cut { needed: None }) });
}

#[test]
fn a_cursor_tells_at_which_byte_the_next_entry_begins() {
    let set = joined(&[plain(10), plain(11)]);
    let mut cursor = from(10);
    assert_eq!(cursor.byte_position(), 0);
    set.visit(&mut cursor, &mut Inflater::new(), &mut Budget::new(1), |_| ControlFlow::Break(()));
    assert_eq!(cursor.byte_position(), set.len() / 2, "both entries have one length");
    assert!(set.entries_at(cursor.byte_position()).all(|entry| entry.expect("sound").offset() == Offset(11)));
}

/// Everything that a visitor is told which breaks off each time and goes on. A cursor that lends tells the same.
fn one_by_one(set: &MessageSet, mut cursor: Cursor) -> (Vec<Result<i64, MessageError>>, Visit) {
    let (lent, position) = common::lent(set, cursor.clone(), 1 << 20);
    let (mut told, mut inflater, mut budget) = (Vec::new(), Inflater::new(), Budget::new(1 << 20));
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
    }
}

#[test]
fn what_is_lent_has_passed_when_the_next_is_asked_for_and_an_error_when_it_is_passed() {
    let set = joined(&[plain(10), damaged(11), plain(12), damaged(13)]);
    let (mut cursor, mut inflater, mut budget) = (from(10), Inflater::new(), Budget::new(0));
    let mut next = |cursor: &mut Cursor| {
        let found = cursor.next_message(&set, &mut inflater, &mut budget)?;
        Some(found.map(|message| (message.offset, message.key.is_none(), message.value == Some(b"value"))).ok())
    };
    let lent = |offset| Some(Some((Offset(offset), true, true)));
    assert_eq!((next(&mut cursor), cursor.position()), (lent(10), Offset(11)));
    assert_eq!((next(&mut cursor), cursor.position()), (Some(None), Offset(11)), "before the damaged one");
    assert_eq!((next(&mut cursor), cursor.position()), (lent(12), Offset(13)), "a message behind it has passed it");
    assert_eq!((next(&mut cursor), cursor.position()), (Some(None), Offset(13)));
    cursor.pass_error();
    assert_eq!(cursor.position(), Offset(14));
    assert_eq!((next(&mut cursor), next(&mut cursor), cursor.position()), (None, None, Offset(14)));
}

#[test]
fn a_visitor_that_breaks_off_each_time_is_told_everything_once() {
    let set = joined(&[plain(10), damaged(11), plain(12), plain(12), plain(13)]);
    let (told, visit) = one_by_one(&set, from(10));
    let (offsets, errors, whole) = read(&set, from(10));
    assert_eq!(told.iter().filter_map(|found| found.ok()).collect::<Vec<_>>(), offsets);
    assert_eq!(told.iter().filter_map(|found| found.err()).collect::<Vec<_>>(), errors);
    assert_eq!(visit, whole);
}

#[test]
fn a_visitor_that_breaks_off_at_an_error_stays_there_until_it_goes_on() {
    let set = joined(&[plain(10), damaged(11), plain(12)]);
    let mut cursor = from(10);
    let visit = |cursor: &mut Cursor| {
        let stop = |found: Result<Message<'_>, MessageError>| match found {
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        set.visit(cursor, &mut Inflater::new(), &mut Budget::new(0), stop)
    };
    assert_eq!(visit(&mut cursor), Visit { position: Offset(11), tail: None });
    assert_eq!(visit(&mut cursor), clean(13));
}

/// Headers alone lead to where a visitor gets, up to an entry whose header cannot be followed.
fn hopped(set: &MessageSet, asked: i64, end: i64, visit: Visit, told: &[Result<i64, MessageError>]) {
    let hop = set.hop(Offset(asked), Offset(end));
    let is_lie = |problem| !matches!(problem, MessageProblem::Crc { .. });
    match told.iter().filter_map(|found| found.err()).find(|error| is_lie(error.problem)) {
        Some(error) => assert!(hop.tail.is_err() && hop.len <= error.at, "{hop:?} {error:?}"),
        // A damaged entry moves the reader by one and the hop by what the entry says.
        None => assert!(hop.tail.is_err() || hop.position >= visit.position, "{hop:?} {visit:?}"),
    }
    if told.iter().all(|found| found.is_ok()) {
        assert_eq!((hop.position, hop.tail.ok(), hop.entries), (visit.position, visit.tail, told.len()));
    }
    assert!(hop.position.0 >= asked && hop.position.0 <= end.max(asked), "{hop:?}");
}

#[test]
fn headers_are_followed_up_to_one_that_lies() {
    let lies: [(Vec<u8>, MessageProblem); 4] = [
        (plain(10), MessageProblem::NotAscending { after: Offset(11) }),
        (plain(20), MessageProblem::AboveEnd { end: Offset(20) }),
        (plain(i64::MAX), MessageProblem::AboveEnd { end: Offset(20) }),
        ([&12i64.to_be_bytes()[..], &13u32.to_be_bytes(), &[0; 13]].concat(), MessageProblem::Size(13)),
    ];
    for (lie, problem) in lies {
        let set = joined(&[plain(10), plain(11), lie, plain(12)]);
        let hop = set.hop(Offset(10), Offset(20));
        assert_eq!((hop.position, hop.entries, hop.len), (Offset(12), 2, plain(10).len() * 2));
        assert_eq!(hop.tail.map_err(|error| (error.at, error.problem)), Err((hop.len, problem)));
    }
}

#[test]
fn headers_end_where_the_set_is_cut_or_filled_or_empty() {
    let cut = |len: usize| [plain(10), plain(11)[..len].to_vec()].concat();
    let filler = [&[0xff; 8][..], &131_072u32.to_be_bytes(), &[0; 100]].concat();
    let whole = i32::try_from(plain(11).len()).expect("small");
    for (bytes, position, tail) in [
        (vec![], 10, Tail::Clean),
        (plain(15), 16, Tail::Clean),
        (cut(5), 11, Tail::Cut { needed: None }),
        (cut(20), 11, Tail::Cut { needed: Some(whole) }),
        ([plain(10), filler].concat(), 11, Tail::Filler),
    ] {
        let hop = joined(&[bytes]).hop(Offset(10), Offset(20));
        assert_eq!((hop.position, hop.tail), (Offset(position), Ok(tail)));
    }
    let nothing = joined(&[]).hop(Offset(-1), Offset(20));
    assert_eq!(nothing.position, Offset(0), "no message has a negative offset");
}

#[test]
fn a_batch_of_a_later_format_is_followed_to_its_last_offset_and_never_beyond_the_end() {
    // 20 to 24: what 1.1.1 sends unconverted, with a base of 20 and a last delta of 4.
    let batch = |delta: i32| {
        let head = [&20i64.to_be_bytes()[..], &49u32.to_be_bytes(), &[0; 4], &[2], &[0; 6]].concat();
        [head, delta.to_be_bytes().to_vec(), vec![0; 34]].concat()
    };
    for (delta, end, position) in [(4, 100, 25), (0, 100, 23), (i32::MAX, 100, 100), (4, 21, 23)] {
        let hop = joined(&[batch(delta)]).hop(Offset(22), Offset(end));
        assert_eq!((hop.position, hop.tail), (Offset(position), Ok(Tail::Clean)), "{delta} {end}");
        assert_eq!((hop.entries, hop.later), (1, 1));
    }
    // A message with a flipped bit in its format is no batch, and is followed like any other.
    let hop = joined(&[batch(-5)]).hop(Offset(20), Offset(100));
    assert_eq!((hop.position, hop.entries, hop.later), (Offset(21), 1, 0));
    // A reader of messages has nothing to do with it, if it says so.
    let set = joined(&[plain(18), batch(4), plain(25)]);
    let (told, position) = common::lent(&set, from(18).skipping_later_formats(), 0);
    assert_eq!((told, position), (vec![Ok(18), Ok(25)], Offset(26)));
    assert_eq!(common::lent(&set, from(18), 0).0.len(), 3);
}

proptest! {
    #[test]
    fn the_visitor_is_told_what_entries_tell_and_never_goes_back_or_beyond_the_end(
        entries in proptest::collection::vec((0u8..5, -2i64..30), 0..12),
        asked in 0i64..20,
        end in 0i64..40,
    ) {
        let entry = |(kind, offset): (u8, i64)| match kind {
            0 => damaged(offset),
            1 => [plain(offset)[..12].to_vec(), vec![0; 19]].concat(),
            _ => plain(offset),
        };
        let set = joined(&entries.into_iter().map(entry).collect::<Vec<_>>());
        let mut reader = set.entries().with_start(Offset(asked)).with_end(Offset(end));
        let mut positions = vec![asked];
        let mut told = Vec::new();
        while let Some(found) = reader.next() {
            told.push(found.map(|entry| entry.offset().0));
            positions.push(reader.next_offset().0);
        }
        prop_assert!(positions.is_sorted());
        prop_assert!(positions.iter().all(|&position| position <= end.max(asked)));
        let cursor = || Cursor::new(Offset(asked)).with_end(Offset(end));
        let mut seen = Vec::new();
        let visit = set.visit(&mut cursor(), &mut Inflater::new(), &mut Budget::new(0), |found| {
            seen.push(found.map(|message| message.offset.0));
            ControlFlow::Continue(())
        });
        prop_assert_eq!(&seen, &told);
        prop_assert_eq!((visit.position, visit.tail), (reader.next_offset(), reader.tail()));
        hopped(&set, asked, end, visit, &told);
        let (stepped, visit_by_steps) = one_by_one(&set, cursor());
        prop_assert_eq!((stepped, visit_by_steps), (told, visit));
    }
}

#[test]
fn an_entry_that_is_asked_for_without_its_checksum_is_judged_by_its_offset_all_the_same() {
    let set = joined(&[plain(10), damaged(11), plain(11)]);
    let found: Vec<_> = set.entries().without_crc().map(|entry| entry.map(|entry| entry.offset().0)).collect();
    assert_eq!(found.iter().filter_map(|found| found.ok()).collect::<Vec<_>>(), [10, 11]);
    assert!(matches!(found[2], Err(MessageError { problem: MessageProblem::NotAscending { .. }, .. })));
}

#[test]
fn a_value_is_shared_where_it_lies_in_the_set_and_copied_where_it_does_not() {
    let set = joined(&[plain(10)]);
    let Some(Ok(Entry::Plain(message))) = set.entries().next() else { panic!("it is plain") };
    let value = message.value.expect("a value");
    let shared = set.share(value);
    assert_eq!((shared.as_ptr(), &shared[..]), (value.as_ptr(), value));
    assert_eq!(set.share(b"from elsewhere"), Bytes::from_static(b"from elsewhere"));
    assert_eq!(set.share(b""), Bytes::new());
}
