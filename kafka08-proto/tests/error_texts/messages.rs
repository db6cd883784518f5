//! Errors of message sets.

use std::error::Error as _;

use kafka08_proto::{
    ids::Offset,
    message::{
        Codec, CompressError, Entry, EntryWriter, InflateProblem, MessageError, MessageProblem, MessageSet,
        MissingFeature, Origin, SetFull, SetProblem,
    },
};

use super::{Open, Row, Says, row};

fn set(bytes: &'static [u8]) -> MessageSet {
    MessageSet::new(bytes::Bytes::from_static(bytes), Origin::Fetched)
}

/// The error of an entry at offset 5 whose checksum does not match.
fn damaged() -> MessageError {
    // Offset 5, 14 bytes: checksum 1, format 0, no codec, null key, null value.
    let set = set(b"\0\0\0\0\0\0\0\x05\0\0\0\x0e\0\0\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    set.entries().next().expect("an entry").expect_err("its checksum does not match")
}

pub(crate) fn rows() -> Vec<Row> {
    problems().into_iter().chain(sets()).collect()
}

fn problems() -> Vec<Row> {
    let codec = Codec::Gzip;
    let inflate = |problem| MessageProblem::Inflate { codec, problem };
    [
        (
            MessageProblem::Crc { stored: 1, computed: 0xa7ec_6803 },
            "is damaged: its checksum is 00000001, its bytes give a7ec6803",
        ),
        (MessageProblem::Size(13), "claims a size of 13: the rest of the set cannot be read"),
        (MessageProblem::Magic(2), "has format 2, which Kafka 0.8 does not know"),
        (MessageProblem::Codec(7), "is compressed with codec 7, which Kafka 0.8 does not know"),
        (MessageProblem::KeyLength(9), "has a key length of 9, which does not fit the message"),
        (MessageProblem::ValueLength(9), "has a value length of 9, which does not fit the message"),
        (MessageProblem::Nested, "is a compressed set inside a compressed set"),
        (MessageProblem::NotAscending { after: Offset(6) }, "has an offset that is not above 6"),
        (
            MessageProblem::AboveEnd { end: Offset(5) },
            "has an offset that is not below 5, where the log or the compressed set ends",
        ),
        (MessageProblem::CutInside, "is a compressed set that ends in the middle of a message"),
        (
            MessageProblem::InnerOffsets { messages: 2, last: Offset(9) },
            "is a compressed set of 2 messages whose last offset is 9: their offsets in the log are not known",
        ),
        (
            inflate(InflateProblem::Malformed),
            "is compressed with gzip and cannot be opened: the compressed bytes are malformed",
        ),
        (
            inflate(InflateProblem::Checksum),
            "is compressed with gzip and cannot be opened: a checksum in the compressed bytes does not match",
        ),
        (
            inflate(InflateProblem::Ratio { claimed: 9 }),
            "is compressed with gzip and cannot be opened: it claims to expand to 9 bytes, more than its format allows",
        ),
        (
            inflate(InflateProblem::OverBudget { limit: 9 }),
            "is compressed with gzip and cannot be opened: it expands to more than the limit of 9 bytes \
             (Limits::max_inflated)",
        ),
        (
            inflate(InflateProblem::MissingFeature),
            "is compressed with gzip and cannot be opened: this build of kafka08-proto lacks the feature of that name: \
             enable it",
        ),
    ]
    .into_iter()
    .map(|(problem, text)| {
        let mut error = damaged();
        error.problem = problem;
        let text = format!("message at offset 5 (byte 0 of its set) {text}");
        row(error, "message at offset 5", Open("a consumer stops, or goes on at the next offset"), text)
    })
    .collect()
}

fn sets() -> Vec<Row> {
    let full = SetFull { entry: 27 };
    let missing = MissingFeature(Codec::Snappy);
    let lacks = "this build of kafka08-proto lacks the feature \"snappy\": enable it, or use another codec";
    vec![
        row(SetProblem::Empty, "the message set", Says("leave it out"), "the message set is empty: leave it out"),
        row(
            SetProblem::Cut,
            "the message set",
            Says("send whole entries only"),
            "the message set ends in the middle of a message: send whole entries only",
        ),
        row(
            SetProblem::Corrupt(damaged()),
            "the message set",
            Says("build the set anew"),
            "the message set holds an entry that is not a valid message: build the set anew",
        ),
        row(
            SetProblem::EmptyInside { at: 3 },
            "entry at byte 3",
            Says("leave it out"),
            "the compressed entry at byte 3 of the message set holds no message: leave it out",
        ),
        row(
            SetProblem::CutInside { at: 3 },
            "entry at byte 3",
            Says("compress whole messages only"),
            "the compressed entry at byte 3 of the message set ends in the middle of a message: compress whole messages only",
        ),
        row(CompressError::Missing(missing), "\"snappy\"", Says("use another codec"), lacks),
        row(
            CompressError::Full(full),
            "an entry of 27 bytes",
            Says("build it in parts"),
            "the compressed set would be an entry of 27 bytes, more than the 2^31 - 1 bytes of a set: build it in parts",
        ),
        row(missing, "\"snappy\"", Says("enable it"), lacks),
        row(MissingFeature(Codec::Gzip), "\"gzip\"", Says("enable it"), lacks.replace("snappy", "gzip")),
        row(MissingFeature(Codec::Lz4), "\"lz4\"", Says("enable it"), lacks.replace("snappy", "lz4")),
        row(
            full,
            "an entry of 27 bytes",
            Says("send the set first"),
            "an entry of 27 bytes would make the set larger than 2^31 - 1 bytes: send the set first",
        ),
    ]
}

#[test]
fn a_damaged_message_is_told_as_its_row_says() {
    assert_eq!(damaged().problem, MessageProblem::Crc { stored: 1, computed: 0xa7ec_6803 });
}

#[test]
fn what_is_wrong_with_an_entry_is_the_cause_of_what_is_wrong_with_its_set() {
    assert_eq!(SetProblem::Corrupt(damaged()).source().map(ToString::to_string), Some(damaged().to_string()));
    for other in [SetProblem::Empty, SetProblem::Cut, SetProblem::EmptyInside { at: 3 }] {
        assert!(other.source().is_none(), "{other}");
    }
}

#[test]
fn a_compressed_entry_prints_its_size_and_not_its_bytes() {
    // Offset 5, 19 bytes: a checksum, format 0, gzip, null key, five bytes.
    let set = set(b"\0\0\0\0\0\0\0\x05\0\0\0\x13\0\0\0\x01\0\x01\xff\xff\xff\xff\0\0\0\x05bytes");
    let Some(Ok(Entry::Compressed(wrapper))) = set.entries().without_crc().next() else { panic!("a wrapper") };
    assert_eq!(format!("{wrapper:?}"), "Wrapper(offset 5, Gzip, 5 bytes)");
}

#[test]
fn a_writer_made_by_default_writes_as_any_other() {
    let write = |mut writer: EntryWriter| {
        let mut to = bytes::BytesMut::new();
        writer.write(&mut to, Offset(1), None, Some(b"v")).expect("it fits");
        to
    };
    assert_eq!(write(EntryWriter::default()), write(EntryWriter::new()));
}
