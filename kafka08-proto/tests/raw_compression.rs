//! Compressed bytes without a message set around them, as a broker uses them.
#![cfg(all(feature = "gzip", feature = "snappy", feature = "lz4"))]

mod common;

use bytes::BytesMut;
use kafka08_proto::{
    ids::Offset,
    message::{Budget, Codec, Deflater, EntryWriter, InflateProblem, Inflater, Lz4Header},
};

/// Two messages of the Java producer of 0.8.2: k/v at offset 0, and null/"w" at offset 0.
const PLAIN: &str = "
    0000000000000000 00000010 1fecd70a 00 00 00000001 6b 00000001 76
    0000000000000000 0000000f a50b8f63 00 00 ffffffff 00000001 77
";

/// The messages, compressed by that producer. The seventh byte of lz4 is the header checksum.
fn compressed() -> [(Codec, Vec<u8>); 2] {
    let snappy = "
        82534e4150505900 00000001 00000001 0000002a
        370000190110101fecd70a050f18016b0000000176050c09013c0fa50b8f630000ffffffff0000000177
    ";
    let lz4 = "
        04224d18 60 40 1a 2b000000
        1600010051101fecd70a0f0071016b00000001760c00020200f0010fa50b8f630000ffffffff0000000177 00000000
    ";
    [(Codec::Snappy, common::hex(snappy)), (Codec::Lz4, common::hex(lz4))]
}

#[test]
fn bytes_are_inflated_and_charged_to_the_budget() {
    let plain = common::hex(PLAIN);
    for (codec, compressed) in compressed() {
        let mut budget = Budget::new(100);
        let inflated = Inflater::new().inflate(codec, &compressed, &mut budget);
        assert_eq!(inflated.as_deref(), Ok(&plain[..]), "{codec}");
        assert_eq!(budget.left(), 100 - plain.len());
        let again = Inflater::new().inflate(codec, &compressed, &mut budget);
        assert_eq!(again, Err(InflateProblem::OverBudget { limit: 100 }), "{codec}");
        let cut = &compressed[..compressed.len() - 1];
        let cut = Inflater::new().inflate(codec, cut, &mut Budget::new(100));
        assert_eq!(cut, Err(InflateProblem::Malformed), "{codec}");
    }
}

#[test]
fn lz4_with_the_checksum_of_the_specification_is_refused_if_only_that_of_kafka_is_accepted() {
    let [_, (codec, kafka)] = compressed();
    let mut specified = kafka.clone();
    specified[6] = 0x82;
    let mut neither = kafka.clone();
    neither[6] = 0x83;
    let inflate = |accepted, value: &[u8]| {
        let mut inflater = Inflater::new().with_lz4_header(accepted);
        inflater.inflate(codec, value, &mut Budget::new(100)).map(|plain| plain.len())
    };
    assert_eq!(Lz4Header::default(), Lz4Header::Any);
    let wrong = Err(InflateProblem::Checksum);
    for (value, any, only_kafka) in [(kafka, Ok(55), Ok(55)), (specified, Ok(55), wrong), (neither, wrong, wrong)] {
        assert_eq!(inflate(Lz4Header::Any, &value), any);
        assert_eq!(inflate(Lz4Header::Kafka, &value), only_kafka);
    }
    assert_eq!(inflate(Lz4Header::Kafka, b"\x04\x22"), Err(InflateProblem::Malformed));
}

#[test]
fn bytes_that_were_deflated_can_be_inflated() {
    let plain = common::hex(PLAIN);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let compressed = Deflater::new().deflate(codec, &plain).expect("every codec is in");
        let mut inflater = Inflater::new().with_lz4_header(Lz4Header::Kafka);
        assert_eq!(inflater.inflate(codec, &compressed, &mut Budget::new(100)).as_deref(), Ok(&plain[..]));
    }
}

#[test]
fn a_wrapper_has_a_null_key_and_the_codec() {
    let [(_, snappy), _] = compressed();
    let mut set = BytesMut::from(&b"before"[..]);
    let written = EntryWriter::new().write_wrapper(&mut set, Offset(1), Codec::Snappy, &snappy).expect("small");
    // The whole entry as the producer sent it: offset, size, checksum, magic, attributes, key, length of the value.
    let head = common::hex("0000000000000001 0000004c 2f32b028 00 02 ffffffff 0000003e");
    assert_eq!((&set[..6], &set[6..32], &set[32..]), (&b"before"[..], &head[..], &snappy[..]));
    assert_eq!(written, set.len() - 6);
}
