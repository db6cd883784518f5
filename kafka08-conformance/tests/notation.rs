//! The notation: bytes that were written by hand, and what a comparison says.

use kafka08_conformance::{Pattern, Variables};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(text: &str) -> String {
    let pattern = Pattern::parse(text).unwrap_or_else(|error| panic!("{error}"));
    hex(&pattern.encode(&Variables::default()).unwrap_or_else(|error| panic!("{error}")))
}

/// Compares the bytes of one pattern with another.
fn compare(sent: &str, expected: &str) -> Result<Variables, String> {
    let mut variables = Variables::default();
    let bytes = Pattern::parse(sent).expect("a pattern").encode(&variables).expect("exact fields");
    let compared = Pattern::parse(expected).expect("a pattern").compare(&bytes, &mut variables);
    compared.map(|()| variables).map_err(|mismatch| mismatch.reason)
}

#[test]
fn integers_are_big_endian_and_signed() {
    assert_eq!(encode("i8:-1 i16:258 i32:-2147483648 i64:7"), "ff0102800000000000000000000007");
}

#[test]
fn an_integer_that_does_not_fit_is_an_error() {
    for text in ["i8:128", "i8:-129", "i16:65535", "i32:2147483648"] {
        assert!(Pattern::parse(text).expect("a pattern").encode(&Variables::default()).is_err(), "{text}");
    }
}

#[test]
fn texts_have_their_lengths() {
    assert_eq!(
        encode(r#"str:"ab" str:null str:"" bytes:"a\xff" bytes:null raw:"\"{""#),
        "00026162ffff00000000000261ffffffffff227b"
    );
}

#[test]
fn a_metadata_request_is_as_the_scala_client_writes_it() {
    let request = r#"sized{ i16:3 i16:0 i32:1 str:"c" i32:1 str:"t" }"#;
    assert_eq!(encode(request), "000000120003000000000001000163000000010001".to_owned() + "74");
}

#[test]
fn checksums_are_those_of_the_java_producer() {
    assert_eq!(encode(r#"crc{ i8:0 i8:0 bytes:"k" bytes:"v" }"#), "1fecd70a0000000000016b0000000176");
    assert_eq!(encode(r#"crc{ i8:0 i8:0 bytes:"k" bytes:null }"#), "908204f60000000000016bffffffff");
    assert_eq!(encode(r#"bad-crc{ i8:0 i8:0 bytes:"k" bytes:"v" }"#), "1fecd70b0000000000016b0000000176");
}

#[test]
fn compressed_forms_are_stored() {
    // Header, last stored block, length 1 and its complement, the byte, CRC-32 and length, both little-endian.
    assert_eq!(encode("gzip{ hex:61 }"), "1f8b0800000000000000010100feff6143beb7e801000000");
    // Length 1, a literal whose length minus one follows in two bytes.
    assert_eq!(encode("snappy{ hex:61 }"), "01f4000061");
    assert_eq!(encode("xerial{ hex:61 }"), "82534e4150505900000000010000000100000005".to_owned() + "01f4000061");
    // Header with the checksum that 0.8.2 demands, a block that is marked as stored, the end.
    assert_eq!(encode("lz4{ hex:61 }"), "04224d1860401a0100008061".to_owned() + "00000000");
}

#[test]
fn what_is_sent_compressed_compares_with_what_is_inside() {
    for packing in ["gzip", "xerial", "lz4"] {
        let set = format!("sized{{ {packing}{{ fill:5000:61 i32:7 }} }}");
        assert!(compare(&set, &set).is_ok(), "{packing}");
        let other = format!("sized{{ {packing}{{ fill:5000:61 i32:8 }} }}");
        assert_eq!(compare(&set, &other).unwrap_err(), "an integer is 7 instead of 8 (in the decompressed bytes)");
    }
}

#[test]
fn cuts_and_repetitions_count_bytes_and_times() {
    assert_eq!(encode("cut:3{ i32:-1 } times:2{ i8:1 i8:2 } fill:2:0a"), "ffffff010201020a0a");
}

#[test]
fn the_first_wrong_field_is_named() {
    let reason = compare("i32:1 i16:2 i64:3", "id=i32:1 error=i16:0 offset=i64:3").unwrap_err();
    assert_eq!(reason, "error is 2 instead of 0");
}

#[test]
fn bytes_that_are_left_over_are_a_mismatch() {
    assert_eq!(compare("i32:1 i8:0", "i32:1").unwrap_err(), "1 bytes are left over");
    assert_eq!(compare("sized{ i32:1 i8:0 }", "sized{ i32:1 }").unwrap_err(), "1 bytes are left over");
}

#[test]
fn bytes_that_are_missing_are_a_mismatch() {
    assert_eq!(compare("i16:1", "code=i32:1").unwrap_err(), "code needs 4 bytes, but 2 are left");
    assert_eq!(compare("i32:9 i8:0", "size=sized{ rest }").unwrap_err(), "size is 9, but 1 bytes follow");
}

#[test]
fn a_wrong_checksum_is_a_mismatch() {
    assert_eq!(compare("bad-crc{ i8:1 }", "crc{ i8:1 }").unwrap_err(), "the crc is not a505df1b");
}

#[test]
fn null_is_not_empty() {
    assert!(compare("str:null", r#"str:"""#).is_err());
    assert!(compare(r#"str:"""#, "str:null").is_err());
    assert!(compare("str:null", "str:?").is_err());
}

#[test]
fn another_negative_length_is_not_null() {
    assert!(compare("i16:-2", "str:null").is_err());
}

#[test]
fn open_values_are_kept_under_their_names() {
    let found = compare(r#"i32:7 str:"t""#, "i32:?node str:?topic").expect("they match");
    assert_eq!((found.number("node"), found.text("topic")), (Ok(7), Ok(&b"t"[..])));
}

#[test]
fn a_value_that_was_kept_must_come_again() {
    assert!(compare("i32:7 i32:7", "i32:?a i32:$a").is_ok());
    assert!(compare("i32:7 i32:8", "i32:?a i32:$a").is_err());
    assert!(compare("i32:7 i32:8", "i32:?a i32:$a+1").is_ok());
}

#[test]
fn ranges_include_both_ends() {
    for (value, fits) in [(0, false), (1, true), (3, true), (4, false)] {
        assert_eq!(compare(&format!("i32:{value}"), "i32:1..3").is_ok(), fits, "{value}");
    }
}

#[test]
fn blocks_may_come_in_any_order_but_each_must_come_once() {
    let any = "any-order{ { i8:1 i8:10 } { i8:2 i8:20 } { i8:3 } }";
    assert!(compare("i8:3 i8:2 i8:20 i8:1 i8:10", any).is_ok());
    assert!(compare("i8:1 i8:10 i8:2 i8:20 i8:3", any).is_ok());
    assert!(compare("i8:1 i8:10 i8:1 i8:10 i8:3", any).is_err());
    assert!(compare("i8:3 i8:2 i8:20", any).is_err());
}

#[test]
fn every_element_is_compared() {
    assert!(compare("i32:2 i8:1 i8:2", "each{ i8:1..2 }").is_ok());
    assert!(compare("i32:2 i8:1 i8:3", "each{ i8:1..2 }").is_err());
    assert!(compare("i32:2 i8:1 i8:1", "each:3{ i8:1 }").is_err());
}

#[test]
fn one_element_among_others_is_found() {
    assert!(compare("i32:3 i8:5 i8:7 i8:6", "has{ i8:7 }{ i8:5..6 }").is_ok());
    assert!(compare("i32:2 i8:5 i8:6", "has{ i8:7 }{ i8:5..6 }").is_err());
    assert!(compare("i32:2 i8:7 i8:9", "has{ i8:7 }{ i8:5..6 }").is_err());
}

#[test]
fn what_is_not_in_the_notation_is_an_error() {
    for text in [
        "i24:1",
        "i32:x",
        "str:a",
        "sized",
        "sized{ i8:1",
        "i8:1 }",
        "hex:123",
        "hex:zz",
        "str:\"a",
        "fill:3",
        "str:\"\\x1\"",
    ] {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_listing_names_fields_and_shows_lengths() {
    let pattern = Pattern::parse(r#"size=sized{ id=i32:1 error=i16:? topic=str:"t" }"#).expect("a pattern");
    let lines: Vec<String> = pattern
        .list(&Variables::default())
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines, ["???????? size", "00000001 id 1", "???? error", "000174 topic"]);
}
