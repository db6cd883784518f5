//! What a log answers at its limits, and what it tells its storage.

use kafka08_proto::{
    ids::{Offset, Timestamp},
    profile::Profile,
};

use super::rig::{Rig, bytes, hex, plain, wrapper};
use crate::log::{Change, CompactError, Log, OutOfRange};

/// A log with three messages of 27 bytes in each segment.
fn segmented(messages: usize) -> Rig {
    let mut rig = Rig::new(Profile::V0_8_2);
    rig.rules.segment_bytes = 81;
    (0..messages).for_each(|_| assert!(rig.append(&plain(0, b"a")).is_ok()));
    rig
}

const NO_LIMIT: Offset = Offset(i64::MAX);

#[test]
fn a_read_starts_at_the_entry_and_is_cut_anywhere() {
    let rig = segmented(2);
    let set = "
        0000000000000000 0000000f 51df3a32 00 00 ffffffff 00000001 61 -- offset, size, checksum, magic, attributes, null, a
        0000000000000001 0000000f 51df3a32 00 00 ffffffff 00000001 61
    ";
    let set = bytes(set);
    for max in 0..60 {
        let read = rig.log.read(Offset(0), max, NO_LIMIT).unwrap();
        assert_eq!(hex(&read.join()), hex(&set[..max.min(54)]));
        assert_eq!(read.is_empty(), max == 0);
        let read = rig.log.read(Offset(1), max, NO_LIMIT).unwrap();
        assert_eq!(hex(&read.join()), hex(&set[27..][..max.min(27)]));
    }
}

#[test]
fn a_read_ends_with_the_segment_and_skips_to_the_next_one_at_its_end() {
    let rig = segmented(7);
    let len = |from| rig.log.read(Offset(from), usize::MAX, NO_LIMIT).map(|read| read.len());
    let expected = [Ok(81), Ok(54), Ok(27), Ok(81), Ok(54), Ok(27), Ok(27), Ok(0), Err(OutOfRange)];
    assert_eq!((0..9).map(len).collect::<Vec<_>>(), expected);
    assert_eq!(rig.log.bytes_from(Offset(1), NO_LIMIT), 6 * 27, "all segments count");
}

#[test]
fn a_read_ends_below_the_limit() {
    let mut rig = segmented(3);
    rig.rules.segment_bytes = 1000;
    // Offsets 3 to 5. The whole wrapper is above a limit of 5.
    rig.append(&wrapper(1, &plain(0, b"b").repeat(3))).unwrap();
    let wrapped = rig.log.bytes() - 81;
    for (limit, bytes) in [(-1, 0), (0, 0), (1, 27), (3, 81), (4, 81), (5, 81), (6, 81 + wrapped), (7, 81 + wrapped)] {
        assert_eq!(rig.log.read(Offset(0), usize::MAX, Offset(limit)).unwrap().len(), bytes, "{limit}");
        assert_eq!(rig.log.bytes_from(Offset(0), Offset(limit)), bytes);
    }
    for inside in 3..6 {
        assert_eq!(rig.log.read(Offset(inside), usize::MAX, NO_LIMIT).unwrap().len(), wrapped, "{inside}");
    }
}

#[test]
fn only_0_8_2_begins_a_segment_before_the_limit_is_exceeded() {
    for (profile, expected) in [
        (Profile::V0_8_0, vec![(0, 108), (4, 81)]),
        (Profile::V0_8_1, vec![(0, 108), (4, 81)]),
        (Profile::V0_8_2, vec![(0, 81), (3, 81), (6, 27)]),
    ] {
        let mut rig = Rig::new(profile);
        rig.rules.segment_bytes = 81;
        (0..7).for_each(|_| assert!(rig.append(&plain(0, b"a")).is_ok()));
        let found: Vec<_> = rig.log.segments().map(|(base, _, bytes)| (base.0, bytes)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn each_segment_has_the_time_of_its_last_append() {
    let mut rig = segmented(7);
    let segments: Vec<_> = rig.log.segments().collect();
    let expected = [(0, 81), (3, 81), (6, 27)].map(|(base, bytes)| (Offset(base), Timestamp(1), bytes));
    assert_eq!(segments, expected);
    let mut leader = Rig::new(Profile::V0_8_2);
    leader.append(&plain(0, b"a")).unwrap();
    leader.log.truncate(Offset(0), Timestamp(5));
    assert_eq!(leader.log.segments().next_back(), Some((Offset(0), Timestamp(5), 0)));
    rig.log.truncate_fully(Offset(9), Timestamp(6));
    assert_eq!(rig.log.segments().collect::<Vec<_>>(), [(Offset(9), Timestamp(6), 0)]);
    let empty = Log::from_segments(Vec::new(), Timestamp(7));
    assert_eq!(empty.segments().collect::<Vec<_>>(), [(Offset(0), Timestamp(7), 0)]);
}

#[test]
fn retention_keeps_at_least_the_limit_and_the_active_segment() {
    let mut rig = segmented(7);
    assert_eq!(rig.log.retain(109), 0);
    assert_eq!(rig.log.retain(108), 81, "108 bytes are left");
    assert_eq!((rig.log.start(), rig.log.end()), (Offset(3), Offset(7)));
    assert_eq!(rig.log.retain(0), 81);
    assert_eq!(rig.log.retain(0), 0);
    assert_eq!((rig.log.start(), rig.log.bytes()), (Offset(6), 27));
}

#[test]
fn a_follower_that_the_leader_does_not_know_copies_nothing() {
    let mut leader = segmented(7);
    leader.log.retain(0);
    let rules = leader.rules;
    let mut behind = Log::new(Timestamp(0));
    assert_eq!(behind.append_from(&leader.log, 1000, &rules, Timestamp(1)), 0);
    behind.truncate_fully(Offset(8), Timestamp(0));
    assert_eq!(behind.append_from(&leader.log, 1000, &rules, Timestamp(1)), 0, "above the end");
    behind.truncate_fully(Offset(6), Timestamp(0));
    assert_eq!(behind.append_from(&leader.log, 1, &rules, Timestamp(1)), 27, "one entry, however large");
    assert_eq!(behind.end(), Offset(7));
}

#[test]
fn changes_are_noted_while_recording_is_on() {
    let mut rig = Rig::new(Profile::V0_8_2);
    rig.append(&plain(0, b"a")).unwrap();
    assert_eq!(rig.log.take_changes().len(), 0);
    rig.log.record();
    rig.append(&plain(0, b"a")).unwrap();
    rig.log.record();
    let changes = rig.log.take_changes();
    let [Change::Append { base: Offset(0), bytes }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(hex(&bytes.join()), hex(&plain(1, b"a")));
    assert_eq!(rig.log.take_changes().len(), 0);
}

#[test]
fn compaction_names_the_message_that_stops_it() {
    let mut rig = segmented(4);
    let error = rig.log.compact().unwrap_err();
    assert_eq!(error, CompactError::Unkeyed(Offset(0)));
    let expected = "the message at offset 0 has no key: a compacted topic takes only uncompressed messages with keys";
    assert_eq!(error.to_string(), expected);
    let mut rig = Rig::new(Profile::V0_8_2);
    rig.append(&wrapper(1, &plain(0, b"a"))).unwrap();
    rig.log.compact().expect("the active segment is not looked at");
    rig.rules.segment_bytes = 60;
    rig.append(&plain(0, b"a")).unwrap();
    let error = rig.log.compact().unwrap_err();
    assert!(error.to_string().starts_with("the message at offset 0 is compressed: "), "{error}");
}
