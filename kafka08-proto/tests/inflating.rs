//! What opening a compressed set costs in memory and in budget, for each codec, whatever comes of it.
#![cfg(all(feature = "gzip", feature = "snappy", feature = "lz4"))]

use allocation_counter::{AllocationInfo, measure};
use kafka08_proto::{
    ids::Offset,
    message::{
        Budget, Codec, Deflater, Entry, EntryWriter, InflateProblem, Inflater, MessageError, MessageProblem,
        MessageSet, MessageSetBuilder, Origin, Wrapper,
    },
};

const ALL: [Codec; 3] = [Codec::Gzip, Codec::Snappy, Codec::Lz4];
const MEBIBYTE: usize = 1 << 20;

/// A wrapper that becomes exactly this many bytes.
fn of_size(codec: Codec, bytes: usize) -> MessageSet {
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    // Of the value, every other kibibyte repeats and the rest does not.
    let mut state = 1u32;
    let mut next = move |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (n / 1024).is_multiple_of(2) { 7 } else { state.to_be_bytes()[0] }
    };
    let value: Vec<u8> = (0..bytes - 26).map(&mut next).collect();
    builder.push(None, Some(&value)).expect("small");
    builder.build_compressed(codec, &mut Deflater::new()).expect("every codec is in")
}

fn wrapper_of(set: &MessageSet) -> Wrapper<'_> {
    match set.entries().next() {
        Some(Ok(Entry::Compressed(wrapper))) => wrapper,
        other => panic!("a wrapper was expected: {other:?}"),
    }
}

/// The same wrapper with these bytes for its value.
fn with_value(set: &MessageSet, value: &[u8]) -> MessageSet {
    let &attributes = set.bytes().get(17).expect("a whole entry");
    let len = u32::try_from(value.len()).expect("short").to_be_bytes();
    let covered = [&[0, attributes, 0xff, 0xff, 0xff, 0xff][..], &len, value].concat();
    let size = u32::try_from(covered.len() + 4).expect("short").to_be_bytes();
    let sum = crc32fast::hash(&covered).to_be_bytes();
    MessageSet::new([&[0; 8][..], &size, &sum, &covered].concat().into(), Origin::Fetched)
}

fn open(set: &MessageSet, inflater: &mut Inflater, budget: &mut Budget) -> Result<usize, InflateProblem> {
    match inflater.open(&wrapper_of(set), budget) {
        Ok(set) => Ok(set.len()),
        Err(MessageError { problem: MessageProblem::Inflate { problem, .. }, .. }) => Err(problem),
        Err(error) => panic!("{error}"),
    }
}

/// A first use of each codec, which allocates its state.
fn warm() -> Inflater {
    let mut inflater = Inflater::new();
    for codec in ALL {
        assert_eq!(open(&of_size(codec, 100), &mut inflater, &mut Budget::new(100)), Ok(100));
    }
    inflater
}

fn cost(set: &MessageSet, limit: usize) -> (Result<usize, InflateProblem>, usize, AllocationInfo) {
    let (mut inflater, mut budget, mut opened) = (warm(), Budget::new(limit), Ok(0));
    let counted = measure(|| opened = open(set, &mut inflater, &mut budget));
    (opened, budget.left(), counted)
}

#[test]
fn opening_holds_at_most_one_and_a_half_times_the_limit() {
    for codec in ALL {
        for limit in [3 * MEBIBYTE, 3 * MEBIBYTE + 1, 5 * MEBIBYTE - 7] {
            let most = limit as u64 * 3 / 2 + 4096;
            let (opened, left, counted) = cost(&of_size(codec, limit), limit);
            assert_eq!((opened, left), (Ok(limit), 0), "{codec}");
            assert!(counted.bytes_max <= most, "{codec}: {counted:?}");
            let (opened, _, counted) = cost(&of_size(codec, limit + 1), limit);
            assert_eq!(opened, Err(InflateProblem::OverBudget { limit }), "{codec}");
            assert!(counted.bytes_max <= most, "{codec}: {counted:?}");
        }
    }
}

#[test]
fn a_length_that_a_gzip_stream_does_not_tell_costs_no_more() {
    let limit = 3 * MEBIBYTE;
    let sound = of_size(Codec::Gzip, limit);
    for claim in [0u32, 1, 2_000_000, u32::MAX] {
        let mut value = wrapper_of(&sound).value.to_vec();
        let at = value.len() - 4;
        value[at..].copy_from_slice(&claim.to_le_bytes());
        let (opened, left, counted) = cost(&with_value(&sound, &value), limit);
        assert_eq!((opened, left), (Err(InflateProblem::Checksum), 0), "{claim}");
        assert!(counted.bytes_max <= limit as u64 * 3 / 2 + 4096, "{claim}: {counted:?}");
    }
}

#[test]
fn what_was_inflated_is_charged_also_if_opening_fails() {
    for codec in ALL {
        let sound = of_size(codec, MEBIBYTE);
        let value = wrapper_of(&sound).value;
        // The last bytes are missing, so that nearly all of it is inflated before that is found.
        let cut = with_value(&sound, &value[..value.len() - 5]);
        let (opened, left, _) = cost(&cut, 4 * MEBIBYTE);
        assert_eq!(opened, Err(InflateProblem::Malformed), "{codec}");
        assert!(left <= 3 * MEBIBYTE + 70_000, "{codec}: {left} of 4 MiB are left");
    }
}

#[test]
fn bombs_together_cost_no_more_than_the_budget() {
    for codec in ALL {
        let sound = of_size(codec, MEBIBYTE);
        let value = wrapper_of(&sound).value;
        let cut = with_value(&sound, &value[..value.len() - 5]);
        let (mut inflater, mut budget) = (Inflater::new(), Budget::new(4 * MEBIBYTE));
        let results: Vec<_> = (0..40).map(|_| open(&cut, &mut inflater, &mut budget)).collect();
        let worked = results.iter().filter(|&result| *result == Err(InflateProblem::Malformed)).count();
        assert!((4..=5).contains(&worked), "{codec}: {worked} of 40 were inflated whole");
        let limit = 4 * MEBIBYTE;
        assert_eq!(results.last(), Some(&Err(InflateProblem::OverBudget { limit })), "{codec}");
    }
}

#[test]
fn a_set_is_opened_in_the_memory_of_the_last_one_without_allocation() {
    for codec in ALL {
        // Also one that fills the budget, and one that fills half of it.
        for (bytes, limit) in [(200_000, MEBIBYTE), (500_000, MEBIBYTE), (MEBIBYTE, MEBIBYTE), (100, MEBIBYTE)] {
            let set = of_size(codec, bytes);
            let mut inflater = warm();
            let mut open = || open(&set, &mut inflater, &mut Budget::new(limit)).expect("sound");
            open();
            let counted = measure(|| assert_eq!(open(), bytes));
            assert_eq!(counted.count_total, 0, "{codec}, {bytes} of {limit}: {counted:?}");
        }
    }
}

#[test]
fn memory_of_64_kib_is_kept_for_any_small_set() {
    for codec in ALL {
        let (large, small) = (of_size(codec, 65_000), of_size(codec, 100));
        let mut inflater = warm();
        open(&large, &mut inflater, &mut Budget::new(MEBIBYTE)).expect("sound");
        let counted = measure(|| assert_eq!(open(&small, &mut inflater, &mut Budget::new(MEBIBYTE)), Ok(100)));
        assert_eq!(counted.count_total, 0, "{codec}: {counted:?}");
    }
}

#[test]
fn memory_that_does_not_suffice_is_given_up_before_more_is_taken() {
    for codec in ALL {
        let (half, whole) = (of_size(codec, 500_000), of_size(codec, MEBIBYTE));
        let mut inflater = warm();
        let counted = measure(|| {
            assert_eq!(open(&half, &mut inflater, &mut Budget::new(MEBIBYTE)), Ok(500_000));
            assert_eq!(open(&whole, &mut inflater, &mut Budget::new(MEBIBYTE)), Ok(MEBIBYTE));
        });
        assert!(counted.bytes_max <= MEBIBYTE as u64 + 4096, "{codec}: {counted:?}");
    }
}

#[test]
fn memory_from_another_budget_is_not_grown_beyond_one_and_a_half_times_the_limit() {
    let (first, limit) = (3 * MEBIBYTE, 4 * MEBIBYTE);
    let (before, whole) = (of_size(Codec::Gzip, first), of_size(Codec::Gzip, limit));
    // It says that it becomes less than the memory that is there.
    let mut value = wrapper_of(&whole).value.to_vec();
    let at = value.len() - 4;
    value[at..].copy_from_slice(&2_000_000u32.to_le_bytes());
    let lies = with_value(&whole, &value);
    let mut inflater = warm();
    let counted = measure(|| {
        assert_eq!(open(&before, &mut inflater, &mut Budget::new(first)), Ok(first));
        assert_eq!(open(&lies, &mut inflater, &mut Budget::new(limit)), Err(InflateProblem::Checksum));
    });
    assert!(counted.bytes_max <= limit as u64 * 3 / 2 + 4096, "{counted:?}");
}

/// A wrapper around a message of these bytes.
fn of_value(codec: Codec, value: &[u8]) -> MessageSet {
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    builder.push(None, Some(value)).expect("small");
    builder.build_compressed(codec, &mut Deflater::new()).expect("every codec is in")
}

#[test]
fn room_for_all_blocks_is_made_at_once_where_they_say_what_they_become() {
    // 14 blocks of LZ4 and 28 of snappy, which compress well.
    let value = vec![7; 900_000];
    for codec in [Codec::Snappy, Codec::Lz4] {
        let set = of_value(codec, &value);
        let mut inflater = warm();
        let counted =
            measure(|| assert_eq!(open(&set, &mut inflater, &mut Budget::new(MEBIBYTE)), Ok(26 + value.len())));
        // The memory, and the count of those who share it.
        assert!(counted.count_total <= 2, "{codec}: {counted:?}");
    }
}

#[test]
fn what_can_be_compressed_becomes_smaller_and_what_cannot_hardly_larger() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let (same, noise) = ([7; 100_000], (0..100_000).map(|_| random()).collect::<Vec<_>>());
    for codec in ALL {
        let same = of_value(codec, &same).len();
        assert!(same < 6_000, "{codec}: {same} of 100 000 bytes that are all the same");
        let noise = of_value(codec, &noise).len();
        assert!(noise < 100_200, "{codec}: {noise} of 100 000 bytes without any order");
    }
}

#[test]
fn a_snappy_block_may_claim_22_bytes_for_each_of_its_own_and_64_and_no_more() {
    let opened = |claim: [u8; 2]| {
        // A length in two bytes, of seven bits each, and six bytes that are no block.
        let value = [&claim[..], &[0xff; 6]].concat();
        open(&with_value(&of_size(Codec::Snappy, 100), &value), &mut Inflater::new(), &mut Budget::new(MEBIBYTE))
    };
    let claimed = 8 * 22 + 64;
    assert_eq!(opened([0xf0, 0x01]), Err(InflateProblem::Malformed), "240 is possible");
    assert_eq!(opened([0xf1, 0x01]), Err(InflateProblem::Ratio { claimed: claimed + 1 }));
}

#[test]
fn what_compresses_and_writes_shows_nothing_of_what_it_holds() {
    let shown = format!("{:?} {:?} {:?}", Inflater::new(), Deflater::new(), EntryWriter::new());
    assert_eq!(shown, "Inflater { .. } Deflater { .. } EntryWriter { .. }");
}

#[test]
fn memory_that_is_still_held_is_left_alone_and_a_small_set_does_not_hold_a_large_ones() {
    for codec in ALL {
        let (large, small) = (of_size(codec, MEBIBYTE), of_size(codec, 1000));
        let mut inflater = warm();
        let held = inflater.open(&wrapper_of(&large), &mut Budget::new(MEBIBYTE)).expect("sound");
        let copy = held.bytes().to_vec();
        let other = inflater.open(&wrapper_of(&large), &mut Budget::new(MEBIBYTE)).expect("sound");
        assert_eq!((held.bytes(), other.bytes()), (&copy[..].to_vec().into(), held.bytes()));
        drop((held, other));
        let mut small_one = None;
        let counted = measure(|| small_one = inflater.open(&wrapper_of(&small), &mut Budget::new(MEBIBYTE)).ok());
        assert!(counted.bytes_current <= -1_000_000, "the large memory is given up: {codec}: {counted:?}");
    }
}

#[test]
fn opened_and_cut_at_every_length_nothing_is_taken_for_whole() {
    for codec in ALL {
        let sound = of_size(codec, 300);
        let value = wrapper_of(&sound).value;
        for len in 0..value.len() {
            let cut = with_value(&sound, &value[..len]);
            match open(&cut, &mut Inflater::new(), &mut Budget::new(MEBIBYTE)) {
                // Nothing says where a frame of snappy ends: one without its only block is an empty one.
                Ok(0) if codec == Codec::Snappy && len == 16 => {}
                Err(InflateProblem::Malformed | InflateProblem::Ratio { .. }) => {}
                other => panic!("{codec} cut at {len}: {other:?}"),
            }
        }
    }
}

/// An LZ4 frame of one block, written by hand.
fn lz4(flags: u8, descriptor: u8, block: &[u8], stored: bool, checksum: Option<u32>) -> Vec<u8> {
    let header = [0x04, 0x22, 0x4d, 0x18, flags, descriptor];
    let [_, sum, ..] = twox_hash::XxHash32::oneshot(0, &header).to_le_bytes();
    let len = u32::try_from(block.len()).expect("short") | if stored { 1 << 31 } else { 0 };
    let checksum = checksum.map(u32::to_le_bytes);
    let parts = [&header[..], &[sum], &len.to_le_bytes(), block, checksum.as_ref().map_or(&[][..], |sum| sum), &[0; 4]];
    parts.concat()
}

fn opened_lz4(value: &[u8]) -> Result<usize, InflateProblem> {
    open(&with_value(&of_size(Codec::Lz4, 100), value), &mut Inflater::new(), &mut Budget::new(8 * MEBIBYTE))
}

#[test]
fn lz4_blocks_of_every_size_are_read_up_to_their_largest() {
    for (descriptor, largest) in [(0x40, 64 << 10), (0x50, 256 << 10), (0x60, 1 << 20), (0x70, 4 << 20)] {
        let block = vec![7; largest + 1];
        assert_eq!(opened_lz4(&lz4(0x60, descriptor, &block[1..], true, None)), Ok(largest), "{descriptor:x}");
        let over = opened_lz4(&lz4(0x60, descriptor, &block, true, None));
        assert_eq!(over, Err(InflateProblem::Malformed), "{descriptor:x}");
        for (len, expected) in [(largest, Ok(largest)), (largest + 1, Err(InflateProblem::Malformed))] {
            let compressed = lz4_flex::block::compress(&block[..len]);
            assert_eq!(opened_lz4(&lz4(0x60, descriptor, &compressed, false, None)), expected, "{descriptor:x}");
        }
    }
    for unknown in [0x00, 0x10, 0x20, 0x30, 0x41, 0x48, 0xc0] {
        assert_eq!(opened_lz4(&lz4(0x60, unknown, b"v", true, None)), Err(InflateProblem::Malformed), "{unknown:x}");
    }
}

#[test]
fn lz4_flags_that_0_8_2_does_not_take_are_refused() {
    assert_eq!(opened_lz4(&lz4(0x60, 0x40, b"v", true, None)), Ok(1));
    // Another version, dependent blocks, content size, content checksum, the reserved bit, a dictionary.
    for flags in [0x20, 0xa0, 0x40, 0x68, 0x64, 0x62, 0x61] {
        assert_eq!(opened_lz4(&lz4(flags, 0x40, b"v", true, None)), Err(InflateProblem::Malformed), "{flags:x}");
    }
}

#[test]
fn lz4_block_checksums_are_compared() {
    let sum = twox_hash::XxHash32::oneshot(0, b"value");
    assert_eq!(opened_lz4(&lz4(0x70, 0x40, b"value", true, Some(sum))), Ok(5));
    assert_eq!(opened_lz4(&lz4(0x70, 0x40, b"value", true, Some(sum ^ 1))), Err(InflateProblem::Checksum));
    let cut = lz4(0x70, 0x40, b"value", true, Some(sum));
    assert_eq!(opened_lz4(&cut[..7 + 4 + 5 + 3]), Err(InflateProblem::Malformed));
}
