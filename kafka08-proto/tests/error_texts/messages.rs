//! Errors of message sets: their texts, word for word.

use std::error::Error as _;

use kafka08_proto::{
    ids::Offset,
    message::{
        Codec, CompressError, Entry, EntryWriter, InflateProblem, MessageError, MessageProblem, MessageSet,
        MissingFeature, SetFull, SetProblem,
    },
};

/// A set whose one entry, at offset 5, has a checksum that does not match.
fn damaged() -> MessageError {
    // Offset 5, 14 bytes: checksum 1, format 0, no codec, null key, null value.
    let bytes = b"\0\0\0\0\0\0\0\x05\0\0\0\x0e\0\0\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    let set = MessageSet::new(bytes::Bytes::from_static(bytes), kafka08_proto::message::Origin::Fetched);
    set.entries().next().expect("an entry").expect_err("its checksum does not match")
}

#[test]
fn a_message_that_cannot_be_used_says_where_it_is_and_why() {
    let text = |problem| {
        let mut error = damaged();
        error.problem = problem;
        error.to_string()
    };
    assert_eq!(
        damaged().to_string(),
        "message at offset 5 (byte 0 of its set) is damaged: its checksum is 00000001, its bytes give a7ec6803"
    );
    for (problem, expected) in [
        (MessageProblem::Size(13), "claims a size of 13: the rest of the set cannot be read"),
        (MessageProblem::Magic(2), "has format 2, which Kafka 0.8 does not know"),
        (MessageProblem::Codec(7), "is compressed with codec 7, which Kafka 0.8 does not know"),
        (MessageProblem::KeyLength(9), "has a key length of 9, which does not fit the message"),
        (MessageProblem::ValueLength(9), "has a value length of 9, which does not fit the message"),
        (
            MessageProblem::Inflate { codec: Codec::Gzip, problem: InflateProblem::Malformed },
            "is compressed with gzip and cannot be opened: the compressed bytes are malformed",
        ),
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
    ] {
        assert_eq!(text(problem), format!("message at offset 5 (byte 0 of its set) {expected}"));
    }
}

#[test]
fn a_set_that_a_broker_would_lose_says_what_is_wrong_and_has_the_cause() {
    for (problem, expected) in [
        (SetProblem::Empty, "the message set is empty"),
        (SetProblem::Cut, "the message set ends in the middle of a message"),
        (SetProblem::Corrupt(damaged()), "the message set holds an entry that is not a valid message"),
        (SetProblem::EmptyInside { at: 3 }, "the compressed entry at byte 3 holds no message"),
        (SetProblem::CutInside { at: 3 }, "the compressed entry at byte 3 ends in the middle of a message"),
    ] {
        assert_eq!(problem.to_string(), expected);
        crate::says_each_once(&problem);
        let cause = matches!(problem, SetProblem::Corrupt(_)).then(|| damaged().to_string());
        assert_eq!(problem.source().map(ToString::to_string), cause);
    }
}

#[test]
fn a_set_that_cannot_be_compressed_says_why() {
    let missing = MissingFeature(Codec::Snappy);
    assert_eq!(CompressError::Missing(missing).to_string(), missing.to_string());
    let full = SetFull { entry: 27 };
    assert_eq!(CompressError::Full(full).to_string(), full.to_string());
}

#[test]
fn a_compressed_entry_prints_its_size_and_not_its_bytes() {
    // Offset 5, 19 bytes: a checksum, format 0, gzip, null key, five bytes.
    let bytes = b"\0\0\0\0\0\0\0\x05\0\0\0\x13\0\0\0\x01\0\x01\xff\xff\xff\xff\0\0\0\x05bytes";
    let set = MessageSet::new(bytes::Bytes::from_static(bytes), kafka08_proto::message::Origin::Fetched);
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
