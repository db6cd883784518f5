//! Every field of every message set to a dictionary of evil values, and each outcome compared with that of a second reader:
//! a few lines that know only a table of layouts.

mod common;

use bytes::Bytes;
use common::hex;
use kafka08_proto::{
    api::{AnyError, AnyRequest, AnyResponse, Encode as _},
    ids::{Api, ApiKey, ApiVersion},
    wire::{DecodeProblem, Encoder},
};

/// One field of a layout.
#[derive(Debug)]
enum Field {
    I16,
    I32,
    I64,
    /// A byte that is 0 or 1.
    Flag,
    Text,
    NullableText,
    /// Bytes behind a length of four bytes, never null.
    Blob,
    /// The same, where null is read as no bytes. It is never written.
    NullableBlob,
    Array(&'static [Self]),
    /// An array whose negative counts are errors even in a request.
    CheckedArray(&'static [Self]),
}
use Field::*;

struct Layout {
    key: i16,
    version: i16,
    request: &'static [Field],
    response: &'static [Field],
    /// Bodies to start from: as many shapes as the layout has.
    requests: &'static [&'static str],
    responses: &'static [&'static str],
}

const BROKER: &[Field] = &[I32, Text, I32];
const STATE: &[Field] = &[Text, I32, I32, I32, I32, Array(&[I32]), I32, Array(&[I32])];
const RESULTS: &[Field] = &[I16, Array(&[Text, I32, I16])];
const ONE_STATE: &str =
    "00000004 00000002 00000001 000174 00000003 00000002 00000001 00000005 00000001 00000001 00000009
                         00000002 00000001 00000002 00000001 00000001 00026831 00002384";

/// `protocol.md` section 2.
const LAYOUTS: [Layout; 15] = [
    Layout {
        key: 0,
        version: 0,
        request: &[I16, I32, Array(&[Text, Array(&[I32, Blob])])],
        response: &[Array(&[Text, Array(&[I32, I16, I64])])],
        requests: &["0001 000003e8 00000001 000174 00000001 00000000 0000001c
                     0000000000000000 00000010 1fecd70a 00 00 00000001 6b 00000001 76"],
        responses: &["00000001 000174 00000001 00000000 0000 000000000000002a"],
    },
    Layout {
        key: 1,
        version: 0,
        request: &[I32, I32, I32, Array(&[Text, Array(&[I32, I64, I32])])],
        response: &[Array(&[Text, Array(&[I32, I16, I64, NullableBlob])])],
        requests: &["ffffffff 00000064 00000001 00000001 000174 00000001 00000000 0000000000000005 00100000"],
        responses: &["00000001 000174 00000002 00000000 0000 0000000000000002 0000001b
                      0000000000000000 0000000f a50b8f63 00 00 ffffffff 00000001 77
                      00000001 0003 ffffffffffffffff 00000000"],
    },
    Layout {
        key: 2,
        version: 0,
        request: &[I32, Array(&[Text, Array(&[I32, I64, I32])])],
        response: &[Array(&[Text, Array(&[I32, I16, Array(&[I64])])])],
        requests: &["ffffffff 00000001 000174 00000001 00000000 ffffffffffffffff 00000001"],
        responses: &["00000001 000174 00000001 00000000 0000 00000002 0000000000000014 0000000000000000"],
    },
    Layout {
        key: 3,
        version: 0,
        request: &[CheckedArray(&[Text])],
        response: &[Array(BROKER), Array(&[I16, Text, Array(&[I16, I32, I32, Array(&[I32]), Array(&[I32])])])],
        requests: &["00000001 000174", "00000000"],
        responses: &["00000002 00000001 00026831 00002384 00000002 00026832 00002385
                      00000002 0000 000174 00000002
                      0009 00000000 00000001 00000002 00000001 00000002 00000001 00000001
                      0005 00000001 ffffffff 00000001 00000002 00000000
                      0005 000175 00000000"],
    },
    Layout {
        key: 4,
        version: 0,
        request: &[I32, I32, Array(STATE), Array(BROKER)],
        response: RESULTS,
        requests: &[ONE_STATE],
        responses: &["0000 00000001 000174 00000003 000d"],
    },
    Layout {
        key: 5,
        version: 0,
        request: &[I32, I32, Flag, Array(&[Text, I32])],
        response: RESULTS,
        requests: &["00000004 00000002 01 00000001 000174 00000003"],
        responses: &["000b 00000000"],
    },
    Layout {
        key: 6,
        version: 0,
        request: &[I32, I32, Array(STATE), Array(BROKER)],
        response: &[I16],
        requests: &[ONE_STATE],
        responses: &["ffff"],
    },
    Layout {
        key: 7,
        version: 0,
        request: &[I32],
        response: &[I16, Array(&[Text, I32])],
        requests: &["00000007"],
        responses: &["0000 00000001 000174 00000003"],
    },
    Layout {
        key: 8,
        version: 0,
        request: &[Text, Array(&[Text, Array(&[I32, I64, NullableText])])],
        response: &[Array(&[Text, Array(&[I32, I16])])],
        requests: &["000167 00000001 000174 00000001 00000000 0000000000000007 00016d", "ffff 00000000"],
        responses: &["00000001 000174 00000001 00000000 000c"],
    },
    Layout {
        key: 8,
        version: 1,
        request: &[Text, I32, Text, Array(&[Text, Array(&[I32, I64, I64, NullableText])])],
        response: &[Array(&[Text, Array(&[I32, I16])])],
        requests: &["000167 ffffffff 0000 00000001 000174 00000001 00000000 0000000000000007 ffffffffffffffff ffff"],
        responses: &["00000001 000174 00000001 00000000 000c"],
    },
    Layout {
        key: 9,
        version: 0,
        request: &[Text, Array(&[Text, Array(&[I32])])],
        response: &[Array(&[Text, Array(&[I32, I64, NullableText, I16])])],
        requests: &["000167 00000001 000174 00000001 00000000"],
        responses: &["00000001 000174 00000001 00000000 0000000000000007 00016d 0000"],
    },
    Layout {
        key: 9,
        version: 1,
        request: &[Text, Array(&[Text, Array(&[I32])])],
        response: &[Array(&[Text, Array(&[I32, I64, NullableText, I16])])],
        requests: &["000167 00000001 000174 00000001 00000000"],
        responses: &["00000001 000174 00000001 00000000 ffffffffffffffff ffff 0010"],
    },
    Layout {
        key: 10,
        version: 0,
        request: &[Text],
        response: &[I16, I32, Text, I32],
        requests: &["000167", "ffff"],
        responses: &["0000 00000001 00026831 00002384", "000f ffffffff 0000 ffffffff"],
    },
    Layout {
        key: 11,
        version: 0,
        request: &[Text, I32, CheckedArray(&[Text]), Text, Text],
        response: &[I16, I32, Text, Array(&[Text, Array(&[I32])])],
        requests: &["000167 00001770 00000001 000174 0000 000572616e6765"],
        responses: &["ffff ffffffff 0000 00000000", "0000 00000001 00026331 00000001 000174 00000001 00000000"],
    },
    Layout {
        key: 12,
        version: 0,
        request: &[Text, I32, Text],
        response: &[I16],
        requests: &["000167 00000001 00026331"],
        responses: &["ffff"],
    },
];

/// Why the second reader refuses a body.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    Missing,
    Negative,
    NotUtf8,
    OutOfRange,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Request,
    Response,
}

/// The second reader. It notes where each number stands, lengths and counts included.
struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    side: Side,
    /// Whether the body is one of those that brokers read by their Java reader, which knows no null.
    is_java: bool,
    numbers: Vec<(usize, usize)>,
    /// Bytes that are null and will be written as empty.
    nulls: usize,
    /// Bytes by which a string becomes longer because it is not UTF-8.
    longer: usize,
}

impl<'a> Reader<'a> {
    fn number(&mut self, width: usize) -> Result<i64, Refusal> {
        let bytes = self.body.get(self.at..self.at + width).ok_or(Refusal::Missing)?;
        let first = i64::from(bytes.first().is_some_and(|byte| byte & 0x80 != 0)).wrapping_neg();
        self.numbers.push((self.at, width));
        self.at += width;
        Ok(bytes.iter().fold(first, |number, byte| number << 8 | i64::from(*byte)))
    }

    fn bytes(&mut self, len: i64) -> Result<&'a [u8], Refusal> {
        let len = usize::try_from(len).map_err(|_| Refusal::Negative)?;
        let end = self.at.checked_add(len).ok_or(Refusal::Missing)?;
        let bytes = self.body.get(self.at..end).ok_or(Refusal::Missing)?;
        self.at = end;
        Ok(bytes)
    }

    fn text(&mut self, nullable: bool) -> Result<(), Refusal> {
        let is_request = self.side == Side::Request;
        match self.number(2)? {
            -1 if nullable => Ok(()),
            ..0 if is_request && !self.is_java => Ok(()),
            len => {
                let bytes = self.bytes(len)?;
                match std::str::from_utf8(bytes) {
                    Ok(_) => Ok(()),
                    Err(_) if is_request => {
                        self.longer += String::from_utf8_lossy(bytes).len().saturating_sub(bytes.len());
                        Ok(())
                    }
                    Err(_) => Err(Refusal::NotUtf8),
                }
            }
        }
    }

    fn array(&mut self, element: &[Field], checked: bool) -> Result<(), Refusal> {
        let count = match self.number(4)? {
            ..0 if self.side == Side::Request && !checked => 0,
            ..0 => return Err(Refusal::Negative),
            count => count,
        };
        // No body here has so many bytes.
        if count > 10_000 {
            return Err(Refusal::Missing);
        }
        (0..count).try_for_each(|_| self.fields(element))
    }

    fn fields(&mut self, fields: &[Field]) -> Result<(), Refusal> {
        for field in fields {
            match field {
                I16 => drop(self.number(2)?),
                I32 => drop(self.number(4)?),
                I64 => drop(self.number(8)?),
                Flag if (0..=1).contains(&self.number(1)?) => {}
                Flag => return Err(Refusal::OutOfRange),
                Text => self.text(false)?,
                NullableText => self.text(true)?,
                Blob => {
                    let len = self.number(4)?;
                    self.bytes(len)?;
                }
                NullableBlob => match self.number(4)? {
                    -1 => self.nulls += 1,
                    len => drop(self.bytes(len)?),
                },
                Array(element) => self.array(element, false)?,
                CheckedArray(element) => self.array(element, true)?,
            }
        }
        Ok(())
    }
}

/// Reads a body both ways; they must agree. Gives what the second reader thinks, and where the numbers stand.
fn compare(layout: &Layout, side: Side, body: &[u8]) -> (Result<usize, Refusal>, Vec<(usize, usize)>) {
    let mut reader = Reader { body, at: 0, side, is_java: layout.key >= 11, numbers: Vec::new(), nulls: 0, longer: 0 };
    let fields = if side == Side::Request { layout.request } else { layout.response };
    let expected = reader.fields(fields).map(|()| reader.at);
    let api = Api { key: ApiKey(layout.key), version: ApiVersion(layout.version) };
    let bytes = Bytes::copy_from_slice(body);
    let mut again = Encoder::new();
    let found = match side {
        Side::Request => AnyRequest::decode(api, &bytes).map(|request| request.encode(&mut again).expect("it fits")),
        Side::Response => {
            AnyResponse::decode(api, &bytes).map(|response| response.encode(&mut again).expect("it fits"))
        }
    };
    match (expected, found) {
        (Ok(taken), Ok(())) => {
            let again = again.into_bytes();
            // A request has more than one spelling of null and of empty; a response has one of each, but for bytes.
            let is_same = side == Side::Request || reader.nulls > 0 || Some(&again[..]) == body.get(..taken);
            assert!(is_same && again.len() <= taken + reader.longer, "{api} {body:02x?} is written as {again:02x?}");
        }
        (Err(refusal), Err(AnyError::Malformed(error))) => {
            let class = match error.problem {
                DecodeProblem::Truncated { .. } | DecodeProblem::CountTooLarge { .. } => Refusal::Missing,
                DecodeProblem::Negative(_) => Refusal::Negative,
                DecodeProblem::NotUtf8 => Refusal::NotUtf8,
                DecodeProblem::OutOfRange(_) => Refusal::OutOfRange,
                other => panic!("{other:?}"),
            };
            // Where a count lies, the core may see that something is missing before it comes to what else is wrong.
            assert!(class == refusal || class == Refusal::Missing, "{api} {body:02x?}: {error}, expected {refusal:?}");
            assert!(error.at <= body.len());
        }
        (expected, found) => panic!("{api} {body:02x?}: expected {expected:?}, found {found:?}"),
    }
    (expected, reader.numbers)
}

fn each_golden(mut check: impl FnMut(&Layout, Side, &[u8])) {
    for layout in &LAYOUTS {
        layout.requests.iter().for_each(|body| check(layout, Side::Request, &hex(body)));
        layout.responses.iter().for_each(|body| check(layout, Side::Response, &hex(body)));
    }
}

/// Numbers that lengths, counts, flags and ordinary fields are set to, besides their neighbours.
const EVIL: [i64; 22] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    32_767,
    32_768,
    65_535,
    65_536,
    0x7fff_ffff,
    -1,
    -2,
    -128,
    -32_768,
    i64::MIN,
];

#[test]
fn every_field_set_to_evil_values_has_its_expected_outcome() {
    let (mut accepted, mut refused) = (0, 0);
    each_golden(|layout, side, golden| {
        let (taken, numbers) = compare(layout, side, golden);
        assert_eq!(taken, Ok(golden.len()), "what it starts from is well formed");
        for (at, width) in numbers {
            let own = golden[at..at + width].iter().fold(0i64, |number, byte| number << 8 | i64::from(*byte));
            for value in EVIL.into_iter().chain([own - 1, own + 1]) {
                let mut body = golden.to_vec();
                body[at..at + width].copy_from_slice(&value.to_be_bytes()[8 - width..]);
                match compare(layout, side, &body).0 {
                    Ok(_) => accepted += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    });
    assert!(accepted > 2000 && refused > 500, "{accepted} accepted, {refused} refused");
}

#[test]
fn every_prefix_lacks_something_and_every_tail_is_ignored() {
    each_golden(|layout, side, golden| {
        for len in 0..golden.len() {
            assert_eq!(compare(layout, side, &golden[..len]).0, Err(Refusal::Missing));
        }
        assert_eq!(compare(layout, side, &[golden, &[0xff; 9]].concat()).0, Ok(golden.len()));
    });
}

#[test]
fn every_flipped_bit_has_its_expected_outcome() {
    each_golden(|layout, side, golden| {
        for bit in 0..golden.len() * 8 {
            let mut body = golden.to_vec();
            body[bit / 8] ^= 1 << (bit % 8);
            // The comparison is the check; either outcome will do.
            let _ = compare(layout, side, &body);
        }
    });
}
