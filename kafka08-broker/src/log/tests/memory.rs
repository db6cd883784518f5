//! What a log costs, counted exactly.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use kafka08_proto::{
    ids::{Offset, Timestamp},
    profile::Profile,
};

use super::rig::{Rig, plain, wrapper};
use crate::log::Log;

/// Builds a log, and returns it with the memory that it holds, in bytes.
fn held(build: impl FnOnce() -> Box<Log>) -> (Box<Log>, usize) {
    let mut log = None;
    let AllocationInfo { bytes_current, .. } = measure(|| log = Some(build()));
    (log.unwrap(), usize::try_from(bytes_current).unwrap())
}

/// A log to which sets of `messages` messages were appended until it has `bytes` bytes.
fn filled(value: usize, messages: usize, bytes: usize) -> (Box<Log>, usize) {
    let set = plain(0, &vec![7; value]).repeat(messages);
    // The compressors are shared by all logs, so they are not counted.
    let mut rig = Rig::new(Profile::V0_8_2);
    rig.rules.segment_bytes = 1 << 20;
    held(|| {
        rig.log = Log::new(Timestamp(0));
        while rig.log.bytes() < bytes {
            rig.append(&set).unwrap();
        }
        Box::new(std::mem::replace(&mut rig.log, Log::new(Timestamp(0))))
    })
}

fn assert_honest(log: &Log, held: usize) {
    let told = log.memory();
    assert!(told.abs_diff(held) * 10 <= held, "{told} told, {held} held, {} bytes of entries", log.bytes());
}

#[test]
fn a_log_tells_its_memory_within_a_tenth() {
    for value in [0, 1, 100, 5_000, 30_000, 70_000] {
        for messages in [1, 10] {
            for bytes in [1, 1_000, 10_000, 100_000, 3_000_000] {
                let (log, held) = filled(value, messages, bytes);
                assert_honest(&log, held);
            }
        }
    }
}

#[test]
fn entries_of_any_size_cost_less_than_1_3_times_their_bytes() {
    for value in [1, 100, 1_000, 16_000, 30_000, 60_000, 70_000] {
        for messages in [1, 3] {
            for bytes in [10_000, 50_000, 1_000_000] {
                let (log, held) = filled(value, messages, bytes);
                assert!(held * 10 <= log.bytes() * 13, "{held} for {} bytes of {value} + 26", log.bytes());
            }
        }
    }
}

#[test]
fn a_log_with_one_message_costs_half_a_kilobyte() {
    let (log, held) = filled(1, 1, 1);
    assert!(held <= 512, "{held}");
    assert_honest(&log, held);
}

#[test]
fn truncation_and_retention_and_the_limit_on_memory_return_memory() {
    let (mut log, held) = filled(1_000, 1, 5_000_000);
    let mut left = held;
    let mut counted = |log: &mut Log, work: &dyn Fn(&mut Log)| {
        let info = measure(|| work(log));
        left = usize::try_from(i64::try_from(left).unwrap() + info.bytes_current).unwrap();
        assert_honest(log, left);
        left
    };
    let all = log.bytes();
    assert!(counted(&mut log, &|log| log.truncate(Offset(4_000), Timestamp(1))) < all * 9 / 10);
    counted(&mut log, &|log| assert!(log.retain(1_000_000) > 2_000_000));
    let before = log.memory();
    counted(&mut log, &|log| while log.drop_oldest() > 0 {});
    assert_eq!((log.start(), log.bytes()), (Offset(3_999), 1_026));
    assert!(log.memory() < before / 100);
    counted(&mut log, &|log| log.truncate_fully(Offset(0), Timestamp(1)));
}

#[test]
fn a_read_shares_frozen_blocks_and_copies_at_most_one_tail() {
    let (log, _) = filled(1_000, 1, 5_000_000);
    let info = measure(|| {
        let read = log.read(Offset(0), usize::MAX, Offset(i64::MAX)).unwrap();
        assert!(read.len() > 1_000_000);
    });
    assert!(info.bytes_total <= 4_000, "{info:?}");
    let info = measure(|| {
        log.read(Offset(4_800), usize::MAX, Offset(i64::MAX)).unwrap();
    });
    assert!(info.bytes_total <= (64 << 10) + 4_000, "{info:?}");
}

#[test]
fn a_follower_shares_the_memory_of_its_leader() {
    let (leader, _) = filled(1_000, 1, 5_000_000);
    let rules = Rig::new(Profile::V0_8_2).rules;
    let (follower, held) = held(|| {
        let mut follower = Box::new(Log::new(Timestamp(0)));
        while follower.end() < leader.end() {
            assert!(follower.append_from(&leader, 1 << 20, &rules, Timestamp(0)) > 0);
        }
        follower
    });
    assert_eq!(follower.bytes(), leader.bytes());
    assert!(held < 300_000, "{held}");
    let own = follower.memory() - follower.borrowed();
    assert!(own.abs_diff(held) * 3 < held, "{own} told, {held} held");
    assert!(follower.memory() > follower.bytes());
}

#[test]
fn the_bytes_of_a_request_are_not_kept() {
    let mut rig = Rig::new(Profile::V0_8_2);
    let set = Bytes::from(plain(0, &[0; 100_000]));
    rig.append(&set).unwrap();
    let read = rig.log.read(Offset(0), usize::MAX, Offset(1)).unwrap().join();
    assert_ne!(read.as_ptr(), set.as_ptr());
    assert_eq!(read, set);
}

#[test]
fn an_append_needs_at_most_four_times_the_limit_of_inflated_bytes() {
    const LIMIT: usize = 4 << 20;
    let noise: Vec<u8> = (0..1000u32).flat_map(|n| crc32fast::hash(&n.to_be_bytes()).to_be_bytes()).collect();
    for value in [vec![0; 1], vec![0; 4000], noise] {
        let messages = plain(0, &value).repeat(LIMIT / (value.len() + 26));
        // Once compressed, and compressed twice so that two levels share the limit.
        for set in [wrapper(1, &messages), wrapper(2, &wrapper(1, &messages[..messages.len() / 2]))] {
            let mut rig = Rig::new(Profile::V0_8_2);
            rig.rules.max_inflated = LIMIT;
            rig.rules.max_message = 2 * LIMIT;
            let info = measure(|| assert!(rig.append(&set).is_ok_and(|appended| appended.messages > 100)));
            assert!(info.bytes_max <= 4 * LIMIT as u64, "{info:?}");
        }
    }
}
