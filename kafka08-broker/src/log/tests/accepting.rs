//! Which produced sets are stored, and in what form. The expected codes come from real brokers.

use kafka08_proto::{error_code::ErrorCode, ids::Offset, profile::Profile};

use super::rig::{ALL, Rig, bytes, deflate, entry, hex, message, plain, wrapper};
use crate::log::Appended;

/// Key "k", value "v". The checksum was computed by the official serializer.
const KEY_VALUE: &str = "
    0000000000000000 -- offset 0
    00000010         -- size 16
    1fecd70a         -- checksum
    00 00            -- magic, attributes
    00000001 6b      -- key
    00000001 76      -- value
";
/// Two messages, k/v and null/\"w\", compressed with snappy by the Java producer of 0.8.2.
const SNAPPY: &str = "
    0000000000000001 0000004c 2f32b028 00 02 ffffffff 0000003e
    82534e4150505900 00000001 00000001 0000002a
    370000190110101fecd70a050f18016b0000000176050c09013c0fa50b8f630000ffffffff0000000177
";
/// The same, compressed with lz4.
const LZ4: &str = "
    0000000000000001 00000048 ea1291dc 00 03 ffffffff 0000003a
    04224d18 60 40 1a 2b000000
    1600010051101fecd70a0f0071016b00000001760c00020200f0010fa50b8f630000ffffffff0000000177 00000000
";
/// The messages of both, with the offsets 1 and 2.
const INNER: &str = "
    0000000000000001 00000010 1fecd70a 00 00 00000001 6b 00000001 76 -- offset, size, checksum, magic, attributes, k, v
    0000000000000002 0000000f a50b8f63 00 00 ffffffff 00000001 77
";

fn bad_crc(mut entry: Vec<u8>) -> Vec<u8> {
    entry[12] ^= 1;
    entry
}

#[test]
fn messages_get_the_next_offsets_whatever_the_producer_wrote() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        let appended = rig.append(&bytes(KEY_VALUE)).unwrap();
        assert_eq!(appended, Appended { first: Offset(0), end: Offset(1), bytes: 28, messages: 1 });
        assert_eq!(rig.stored(), hex(&bytes(KEY_VALUE)));

        let set = [entry(-7, &bytes(KEY_VALUE)[12..]), entry(99, &bytes(KEY_VALUE)[12..])].concat();
        let appended = rig.append(&set).unwrap();
        assert_eq!(appended, Appended { first: Offset(1), end: Offset(3), bytes: 56, messages: 2 });
        let message = "000000101fecd70a000000000001 6b00000001 76".replace(' ', "");
        let expected = ["0000000000000000", "0000000000000001", "0000000000000002"].map(|o| format!("{o}{message}"));
        assert_eq!(rig.stored(), expected.concat());
    }
}

#[test]
fn a_truncated_entry_at_the_end_is_dropped() {
    for profile in ALL {
        let set = [plain(0, b"a"), plain(1, b"b")].concat();
        for len in 27..54 {
            let mut rig = Rig::new(profile);
            let appended = rig.append(&set[..len]).unwrap();
            assert_eq!((appended.messages, appended.bytes), (1, 27), "{len}");
        }
        for len in 0..27 {
            let mut rig = Rig::new(profile);
            let appended = rig.append(&set[..len]).unwrap();
            assert_eq!(appended, Appended { first: Offset::NONE, end: Offset(0), bytes: 0, messages: 0 }, "{len}");
        }
    }
}

#[test]
fn an_impossible_size_or_a_wrong_checksum_is_an_invalid_message() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        for size in [0u32, 5, 13, 0xffff_ffff, 0x8000_0000] {
            let mut set = plain(0, b"a");
            set[8..12].copy_from_slice(&size.to_be_bytes());
            assert_eq!(rig.refuse(&set), ErrorCode::INVALID_MESSAGE, "{size}");
            assert_eq!(rig.refuse(&[plain(0, b"a"), set].concat()), ErrorCode::INVALID_MESSAGE);
        }
        assert_eq!(rig.refuse(&bad_crc(plain(0, b"a"))), ErrorCode::INVALID_MESSAGE);
        assert_eq!(rig.refuse(&[plain(0, b"a"), bad_crc(plain(0, b"a"))].concat()), ErrorCode::INVALID_MESSAGE);
        // A key and a value that are null make the smallest message.
        assert_eq!(rig.append(&entry(0, &message(0, 0, None, None))).unwrap().bytes, 26);
    }
}

#[test]
fn codecs_are_read_as_each_release_reads_them() {
    let stored = |profile, codec| {
        let inner = plain(0, b"a");
        // The codecs 5 and 6 are 1 and 2 to a release that looks at two bits.
        let value = deflate([1, 1, 2, 3, 1, 1, 2, 3][usize::from(codec)], &inner);
        let mut rig = Rig::new(profile);
        rig.append(&entry(0, &message(0, codec, None, Some(&value)))).map(|_| rig.stored()[34..36].to_owned())
    };
    let unknown = Err(ErrorCode::UNKNOWN);
    let is = |attributes: &str| Ok(attributes.to_owned());
    for profile in [Profile::V0_8_0, Profile::V0_8_1] {
        let found: Vec<_> = (0..8).map(|codec| stored(profile, codec)).collect();
        let [none, four] = ["00", "04"].map(is);
        let expected = [none, is("01"), is("02"), unknown.clone(), four, is("01"), is("02"), unknown.clone()];
        assert_eq!(found, expected);
    }
    let found: Vec<_> = (0..8).map(|codec| stored(Profile::V0_8_2, codec)).collect();
    let unknown = || unknown.clone();
    assert_eq!(found, [is("00"), is("01"), is("02"), is("03"), unknown(), unknown(), unknown(), unknown()]);
}

#[test]
fn magic_and_unused_bits_and_lengths_of_a_plain_message_are_stored_as_sent() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        // The length of the key is 2^31 - 1, and there is no value.
        let mut bad = message(7, 0b1111_1000, None, None);
        bad[6..10].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
        let crc = crc32fast::hash(&bad[4..]).to_be_bytes();
        bad[..4].copy_from_slice(&crc);
        assert_eq!(rig.append(&entry(5, &bad)).unwrap().messages, 1);
        assert_eq!(rig.stored(), hex(&entry(0, &bad)));

        let mut mixed = Rig::new(profile);
        let set = [entry(5, &bad), wrapper(1, &entry(5, &bad)), entry(5, &bad)].concat();
        assert_eq!(mixed.append(&set).unwrap().messages, 3);
        let expected = [entry(0, &bad), entry(1, &bad), entry(2, &bad)].concat();
        assert_eq!(mixed.only_wrapper(), (1, expected));
    }
}

#[test]
fn a_codec_is_unknown_whatever_the_magic() {
    let set = entry(0, &message(7, 5, None, Some(b"a")));
    assert_eq!(Rig::new(Profile::V0_8_2).refuse(&set), ErrorCode::UNKNOWN);
}

#[test]
fn the_size_limit_counts_the_entry_and_is_inclusive() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        rig.rules.max_message = 126;
        assert_eq!(rig.append(&plain(0, &[0; 100])).unwrap().bytes, 126);
        assert_eq!(rig.refuse(&plain(0, &[0; 101])), ErrorCode::MESSAGE_SIZE_TOO_LARGE);
        assert_eq!(rig.refuse(&[plain(0, b""), plain(0, &[0; 101])].concat()), ErrorCode::MESSAGE_SIZE_TOO_LARGE);
    }
}

#[test]
fn only_0_8_2_checks_the_size_before_the_checksum() {
    let large = bad_crc(plain(0, &[0; 101]));
    for (profile, code) in [
        (Profile::V0_8_0, ErrorCode::INVALID_MESSAGE),
        (Profile::V0_8_1, ErrorCode::INVALID_MESSAGE),
        (Profile::V0_8_2, ErrorCode::MESSAGE_SIZE_TOO_LARGE),
    ] {
        let mut rig = Rig::new(profile);
        rig.rules.max_message = 126;
        assert_eq!(rig.refuse(&large), code);
    }
}

#[test]
fn only_0_8_2_checks_a_wrapper_before_it_is_compressed_again() {
    // A wrapper whose key is lost, so that it becomes smaller.
    let set = entry(0, &message(0, 1, Some(&[0; 200]), Some(&deflate(1, &plain(0, b"a")))));
    for (profile, result) in
        [(Profile::V0_8_0, Ok(1)), (Profile::V0_8_1, Ok(1)), (Profile::V0_8_2, Err(ErrorCode::MESSAGE_SIZE_TOO_LARGE))]
    {
        let mut rig = Rig::new(profile);
        rig.rules.max_message = 126;
        assert_eq!(rig.append(&set).map(|appended| appended.messages), result);
    }
}

#[test]
fn messages_that_become_too_large_together_are_refused() {
    // Each of the three entries is below the limit, but a broker puts them into one.
    let noise = |seed: u32| {
        (0..100)
            .map(|n| crc32fast::hash(&[seed.to_be_bytes(), u32::to_be_bytes(n)].concat()).to_be_bytes()[0])
            .collect::<Vec<u8>>()
    };
    let set = [plain(0, &noise(1)), wrapper(1, &plain(0, &noise(2))), plain(0, &noise(3))].concat();
    for profile in ALL {
        let mut rig = Rig::new(profile);
        rig.rules.max_message = 250;
        assert_eq!(rig.refuse(&set), ErrorCode::MESSAGE_SIZE_TOO_LARGE);
    }
}

#[test]
fn only_0_8_2_refuses_a_set_that_is_larger_than_a_segment() {
    let set = [plain(0, b"a"), plain(0, b"b")].concat();
    for profile in ALL {
        let mut rig = Rig::new(profile);
        rig.rules.segment_bytes = 54;
        assert_eq!(rig.append(&set).unwrap().messages, 2);
        rig.rules.segment_bytes = 53;
        let expected = if profile == Profile::V0_8_2 { Err(ErrorCode::MESSAGE_SET_SIZE_TOO_LARGE) } else { Ok(2) };
        assert_eq!(rig.append(&set).map(|appended| appended.messages), expected);
    }
}

#[test]
fn a_compressed_set_gets_absolute_offsets_and_keeps_its_messages() {
    for (set, attributes) in [(SNAPPY, 2), (LZ4, 3)] {
        let mut rig = Rig::new(Profile::V0_8_2);
        rig.append(&plain(0, b"")).unwrap();
        let appended = rig.append(&bytes(set)).unwrap();
        assert_eq!((appended.first, appended.end, appended.messages), (Offset(1), Offset(3), 2));
        rig.log.drop_oldest();
        assert_eq!(rig.stored()[..16], *"0000000000000002", "the offset of the last message");
        assert_eq!(rig.only_wrapper(), (attributes, bytes(INNER)));
    }
}

#[test]
fn lz4_with_the_checksum_of_the_specification_is_refused() {
    let mut set = bytes(LZ4);
    assert_eq!(set[32], 0x1a);
    set[32] = 0x82;
    let crc = crc32fast::hash(&set[16..]).to_be_bytes();
    set[12..16].copy_from_slice(&crc);
    assert_eq!(Rig::new(Profile::V0_8_2).refuse(&set), ErrorCode::UNKNOWN);
}

#[test]
fn one_compressed_entry_puts_all_messages_into_one_wrapper_with_the_last_codec() {
    let inner = [plain(3, b"b"), wrapper(2, &[plain(0, b"c"), plain(0, b"d")].concat()), plain(0, b"e")].concat();
    let set =
        [plain(0, b"a"), wrapper(1, &inner), plain(0, b"f"), wrapper(2, &plain(7, b"g")), plain(0, b"h")].concat();
    let expected: Vec<u8> = (0..8).flat_map(|n: u8| plain(n.into(), &[b'a' + n])).collect();
    for profile in ALL {
        let mut rig = Rig::new(profile);
        let appended = rig.append(&set).unwrap();
        assert_eq!((appended.first, appended.end, appended.messages), (Offset(0), Offset(8), 8));
        assert_eq!(rig.stored()[..16], *"0000000000000007");
        assert_eq!(rig.only_wrapper(), (2, expected.clone()));
    }
}

#[test]
fn a_wrapper_without_a_value_or_with_a_damaged_one_is_refused() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        let value = deflate(1, &plain(0, b"a"));
        for value in [None, Some(&b""[..]), Some(&value[..9]), Some(&value[..value.len() - 1])] {
            let set = entry(0, &message(0, 1, None, value));
            assert_eq!(rig.refuse(&set), ErrorCode::UNKNOWN);
            assert_eq!(rig.refuse(&wrapper(1, &set)), ErrorCode::UNKNOWN);
        }
    }
}

#[test]
fn a_wrapper_is_read_as_format_0_whatever_its_magic() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        let value = deflate(1, &plain(0, b"a"));
        // Format 1 has a timestamp in front of the key: none, 0, or a day of the year 2020.
        for time in [-1i64, 0, 1_600_000_000_000] {
            let mut later = message(1, 1, None, Some(&value));
            later.splice(6..6, time.to_be_bytes());
            let crc = crc32fast::hash(&later[4..]).to_be_bytes();
            later[..4].copy_from_slice(&crc);
            assert_eq!(rig.refuse(&entry(0, &later)), ErrorCode::UNKNOWN);
        }
        for magic in [1, 7] {
            let mut rig = Rig::new(profile);
            rig.append(&entry(0, &message(magic, 1, None, Some(&value)))).unwrap();
            assert_eq!(rig.only_wrapper(), (1, plain(0, b"a")));
        }
    }
}

#[test]
fn inner_messages_are_stored_as_sent() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        let later = message(1, 0, Some(b"k"), Some(b"v"));
        let bad = bad_crc(plain(0, b"b"))[12..].to_vec();
        rig.append(&wrapper(1, &[entry(0, &later), entry(0, &bad)].concat())).unwrap();
        assert_eq!(rig.only_wrapper(), (1, [entry(0, &later), entry(1, &bad)].concat()));
    }
}

#[test]
fn an_inner_entry_of_impossible_size_is_an_invalid_message() {
    for profile in ALL {
        for size in [0u8, 5, 13] {
            let mut inner = [plain(0, b"a"), plain(0, b"b")].concat();
            inner[38] = size;
            assert_eq!(Rig::new(profile).refuse(&wrapper(2, &inner)), ErrorCode::INVALID_MESSAGE);
        }
    }
}

#[test]
fn an_inner_truncated_entry_is_dropped() {
    let inner = [plain(0, b"a"), plain(0, b"b")].concat();
    for profile in ALL {
        for len in 27..54 {
            let mut rig = Rig::new(profile);
            let set = [wrapper(1, &inner[..len]), plain(0, b"c")].concat();
            assert_eq!(rig.append(&set).unwrap().messages, 2, "{len}");
            assert_eq!(rig.only_wrapper().1, [plain(0, b"a"), plain(1, b"c")].concat());
        }
    }
}

#[test]
fn a_wrapper_without_messages_appends_nothing_at_the_end_of_the_log() {
    for profile in ALL {
        let mut rig = Rig::new(profile);
        rig.append(&plain(0, b"a")).unwrap();
        for inner in [&b""[..], b"\0\0\0"] {
            let appended = rig.append(&wrapper(1, inner)).unwrap();
            assert_eq!(appended, Appended { first: Offset(1), end: Offset(1), bytes: 0, messages: 0 });
        }
        // Only the header of the snappy framing.
        let empty = entry(0, &message(0, 2, None, Some(&bytes("82534e4150505900 00000001 00000001"))));
        assert_eq!(rig.append(&empty).unwrap().first, Offset(1));
        assert_eq!(rig.log.bytes(), 27);
    }
}

#[test]
fn sets_nested_up_to_32_deep_are_flattened() {
    let nested = |depth| (0..depth).fold(plain(0, b"a"), |set, _| wrapper(1, &set));
    for profile in ALL {
        let mut rig = Rig::new(profile);
        rig.append(&nested(32)).unwrap();
        assert_eq!(rig.only_wrapper(), (1, plain(0, b"a")));
        assert_eq!(rig.refuse(&nested(33)), ErrorCode::UNKNOWN);
    }
}

#[test]
fn all_levels_together_may_inflate_to_the_limit() {
    // 126 bytes, and 126 + the size of the inner wrapper at the outer level.
    let inner = wrapper(1, &plain(0, &[0; 100]));
    for profile in ALL {
        let mut rig = Rig::new(profile);
        rig.rules.max_inflated = 126 + inner.len();
        assert_eq!(rig.append(&wrapper(1, &inner)).unwrap().messages, 1);
        rig.rules.max_inflated -= 1;
        assert_eq!(rig.refuse(&wrapper(1, &inner)), ErrorCode::UNKNOWN);
    }
}
