//! Lies in the message sets of a fetch.

use super::*;
use crate::faults::Lie;

const FIRST: &str = "0000000000000005 00000010 1fecd70a 00 00 00000001 6b 00000001 76";
const SECOND: &str = "0000000000000006 0000000f a50b8f63 00 00 ffffffff 00000001 77";
/// The message that is made up if there is none: null key, value "a lie".
const MADE_UP: &str = "0000000000000005 00000013 bbdfad97 00 00 ffffffff 00000005 61206c6965";

/// The set of the answer after the lie, when the log has these bytes from offset 5.
fn told(lie: Lie, set: &str) -> Bytes {
    let high_watermark = Offset(7);
    let mut answer = Answer::Fetch(one(Fetched { error: ErrorCode::NONE, high_watermark, set: vec![hex(set)] }));
    apply(&plan(Rule::on_any().lie(lie), FETCH), &mut answer);
    let Answer::Fetch(groups) = answer else { panic!("the answer is to a fetch") };
    groups[0].items[0].1.set.concat().into()
}

#[track_caller]
fn assert_told(lie: Lie, set: &str) {
    assert_eq!(told(lie, TWO), hex(set));
}

#[test]
fn offsets_can_be_repeated_or_descend() {
    assert_told(Lie::OffsetRepeated, &format!("{FIRST} {SECOND} {SECOND}"));
    let first = "0000000000000006 00000010 1fecd70a 00 00 00000001 6b 00000001 76";
    let second = "0000000000000005 0000000f a50b8f63 00 00 ffffffff 00000001 77";
    assert_told(Lie::OffsetsDescending, &format!("{first} {second}"));
    // One message is not enough to descend, so that it stands twice.
    let again = "0000000000000005 00000010 1fecd70a 00 00 00000001 6b 00000001 76";
    assert_eq!(told(Lie::OffsetsDescending, FIRST), hex(&format!("{first} {again}")));
    // What was cut off at the end is dropped.
    assert_eq!(told(Lie::OffsetRepeated, &format!("{FIRST} 00000000")), hex(&format!("{FIRST} {FIRST}")));
}

#[test]
fn offsets_can_be_outside_of_what_was_asked_for() {
    let rest = &FIRST[16..];
    assert_told(Lie::OffsetNegative, &format!("fffffffffffffffb {rest} {SECOND}"));
    assert_told(Lie::OffsetBelowRequest, &format!("0000000000000004 {rest} {SECOND}"));
    let rest = &SECOND[16..];
    // The high watermark is 7.
    assert_told(Lie::OffsetAboveHighWatermark, &format!("{FIRST} 0000000000000008 {rest}"));
    assert_told(Lie::OffsetHighest, &format!("{FIRST} 7fffffffffffffff {rest}"));
}

#[test]
fn a_set_can_end_in_zeros_or_too_early() {
    assert_told(Lie::ZeroTail { length: 3 }, &format!("{TWO} 000000"));
    assert_told(Lie::SetCut { keep: 5 }, "0000000000");
    assert_told(Lie::SetCut { keep: 1000 }, TWO);
}

#[test]
fn the_size_of_an_entry_can_be_impossible() {
    for (size, field) in [(0, "00000000"), (13, "0000000d"), (-12, "fffffff4"), (i32::MAX, "7fffffff")] {
        let first = format!("0000000000000005 {field} 1fecd70a 00 00 00000001 6b 00000001 76");
        assert_told(Lie::EntrySize { size }, &format!("{first} {SECOND}"));
    }
}

#[test]
fn a_checksum_can_be_wrong() {
    assert_told(Lie::WrongCrc, &format!("0000000000000005 00000010 1fecd70b 00 00 00000001 6b 00000001 76 {SECOND}"));
}

#[test]
fn a_message_can_be_wrong_under_a_checksum_that_is_right() {
    for (lie, message) in [
        (Lie::Magic { magic: 2 }, "f3d74995 02 00 00000001 6b 00000001 76"),
        (Lie::Codec { codec: 5 }, "6ebb7b48 00 05 00000001 6b 00000001 76"),
        (Lie::KeyLength { length: i32::MAX }, "43eb4236 00 00 7fffffff 6b 00000001 76"),
    ] {
        assert_told(lie, &format!("0000000000000005 00000010 {message} {SECOND}"));
    }
}

#[test]
fn a_message_can_be_wrapped_again_and_again() {
    let wrapped = format!(
        "0000000000000005 00000044 341ffe04 00 01 ffffffff 00000036 -- offset 5, gzip, null key, 54 bytes
        1f8b08 00 00000000 00 ff -- gzip: no flags, no time, unknown system
        01 1f00 e0ff -- the last block, stored, 31 bytes
        {MADE_UP}
        bb0ee1aa 1f000000 -- checksum, 31 bytes"
    );
    assert_told(Lie::Nested { depth: 1 }, &wrapped);
    assert_told(Lie::Nested { depth: 0 }, MADE_UP);
    assert!(told(Lie::Nested { depth: u16::MAX }, TWO).len() < 100_000, "the depth is bounded");
}

#[test]
fn a_small_set_can_inflate_to_a_large_one() {
    let set = told(Lie::GzipBomb { inflated: 1 << 20 }, TWO);
    assert!(set.len() < 4096, "{} bytes", set.len());
    // Offset 5, and after the size and the checksum: magic 0, gzip, null key.
    assert_eq!(set[..8], hex("0000000000000005"));
    assert_eq!(set[16..22], hex("00 01 ffffffff"));
    // The last four bytes of gzip are the length: the message of 1 MiB with 26 bytes in front of it.
    assert_eq!(set[set.len() - 4..], hex("1a001000"));
}

#[test]
fn a_lie_about_a_message_makes_one_up_if_there_is_none() {
    assert_eq!(told(Lie::ZeroTail { length: 1 }, ""), hex(&format!("{MADE_UP} 00")));
    assert_eq!(told(Lie::ZeroTail { length: 1 }, &FIRST[..40]), hex(&format!("{MADE_UP} 00")));
}

#[test]
fn a_high_watermark_can_be_missing() {
    assert_answer(
        Rule::on_any().lie(Lie::HighWatermarkMissing),
        FETCH,
        &format!("00000001 000174 00000001 00000000 0000 ffffffffffffffff 00000037 {TWO}"),
    );
}

#[test]
fn a_partition_with_an_error_has_no_set_to_lie_in() {
    let rule = Rule::on_any().answer_with(ErrorCode(1)).lie(Lie::WrongCrc);
    assert_answer(rule, FETCH, "00000001 000174 00000001 00000000 0001 ffffffffffffffff 00000000");
}
