//! Parsers: nom's complete ones, with our own error.
//!
//! Every parser takes the field's name and the input, and gives the rest and the value, so that a decoder reads as one
//! line per field. Positions are kept as "how much was left" and turned into offsets at the end.

use bytes::Bytes;
use nom::{
    IResult, Parser as _,
    bytes::complete::take,
    error::{ErrorKind, ParseError},
    number::complete::{be_i8, be_i16, be_i32, be_i64},
};

use super::{DecodeError, DecodeProblem};
use crate::{ids::Text, limits::MAX_TEXT};

/// What a parser gives: the rest of the input and the value, or a [`Fault`].
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// A failure inside a parser, not yet placed in its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    field: &'static str,
    /// Bytes that were left where the field begins.
    left: usize,
    problem: DecodeProblem,
}

impl Fault {
    /// The failure of a parser.
    pub(super) fn of(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
            nom::Err::Incomplete(_) => unreachable!("complete parsers do not ask for more"),
        }
    }

    /// As an error of a body, whose parser's input ended `end` bytes behind the body's start.
    pub(super) fn placed(self, body: &'static str, end: usize) -> DecodeError {
        DecodeError::new(body, self.field, end - self.left, self.problem)
    }

    /// As it is for a parser that sees `bytes` more behind the input of the one that failed.
    fn with_behind(mut self, bytes: usize) -> Self {
        self.left += bytes;
        self
    }
}

/// What nom's own parsers fail with; [`field`] replaces it by a [`Fault`] that knows more.
struct Short;

impl<I> ParseError<I> for Short {
    fn from_error_kind(_: I, _: ErrorKind) -> Self {
        Self
    }
    fn append(_: I, _: ErrorKind, other: Self) -> Self {
        other
    }
}

fn fault<T>(field: &'static str, at: &[u8], problem: DecodeProblem) -> Parsed<'static, T> {
    Err(nom::Err::Error(Fault { field, left: at.len(), problem }))
}

/// Runs `parser`, which takes `needed` bytes, and names `field` if they are not there.
fn field<'a, T>(
    field: &'static str,
    needed: usize,
    mut parser: impl nom::Parser<&'a [u8], Output = T, Error = Short>,
    i: &'a [u8],
) -> Parsed<'a, T> {
    match parser.parse(i) {
        Ok(done) => Ok(done),
        Err(_) => fault(field, i, DecodeProblem::Truncated { needed, left: i.len() }),
    }
}

pub(crate) fn int8<'a>(name: &'static str, i: &'a [u8]) -> Parsed<'a, i8> {
    field(name, 1, be_i8, i)
}

pub(crate) fn int16<'a, T: From<i16>>(name: &'static str, i: &'a [u8]) -> Parsed<'a, T> {
    field(name, 2, be_i16.map(T::from), i)
}

pub(crate) fn int32<'a, T: From<i32>>(name: &'static str, i: &'a [u8]) -> Parsed<'a, T> {
    field(name, 4, be_i32.map(T::from), i)
}

pub(crate) fn int64<'a, T: From<i64>>(name: &'static str, i: &'a [u8]) -> Parsed<'a, T> {
    field(name, 8, be_i64.map(T::from), i)
}

/// A byte that is 0 or 1.
pub(crate) fn flag<'a>(name: &'static str, i: &'a [u8]) -> Parsed<'a, bool> {
    match field(name, 1, be_i8, i)? {
        (rest, 0) => Ok((rest, false)),
        (rest, 1) => Ok((rest, true)),
        (_, other) => fault(name, i, DecodeProblem::OutOfRange(other.into())),
    }
}

/// How lengths, counts and strings are read. Responses are read strictly; requests as the broker reads them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Only -1 is null where null is allowed; anything else negative is an error, and so is a string that is not UTF-8.
    Strict,
    /// As the broker's Scala reader: any negative length is null, any negative count is an empty array. What is not UTF-8 in
    /// a string is replaced by U+FFFD.
    Broker,
    /// As the Java reader, which brokers have for the bodies of APIs 11 and 12 only: nothing is null, strings are as above.
    JavaBroker,
}

fn utf8<'a>(name: &'static str, rules: Rules, body: &Bytes, start: &[u8], len: usize, i: &'a [u8]) -> Parsed<'a, Text> {
    let (i, bytes) = field(name, len, take(len), i)?;
    // Most names are, and it is told several bytes at a time.
    if let Some(ascii) = Text::ascii_slice_of(body, bytes) {
        return Ok((i, ascii));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((i, Text::slice_of(body, text))),
        Err(_) if rules != Rules::Strict => {
            let text = String::from_utf8_lossy(bytes);
            // Copied to its exact size. A replacement takes three bytes: what a broker could not write into its answer is refused here.
            if text.len() <= MAX_TEXT {
                Ok((i, Text::from(&*text)))
            } else {
                fault(name, start, DecodeProblem::NotUtf8)
            }
        }
        Err(_) => fault(name, start, DecodeProblem::NotUtf8),
    }
}

/// A string that may not be null. A broker's Scala reader knows no such: null is read as an empty string, which is no
/// topic's name either.
pub(crate) fn text<'a>(name: &'static str, rules: Rules, body: &Bytes, i: &'a [u8]) -> Parsed<'a, Text> {
    let (rest, len) = int16::<i16>(name, i)?;
    match usize::try_from(len) {
        Ok(len) => utf8(name, rules, body, i, len, rest),
        Err(_) if rules == Rules::Broker => Ok((rest, Text::default())),
        Err(_) => fault(name, i, DecodeProblem::Negative(len.into())),
    }
}

/// A string that may be null.
pub(crate) fn nullable_text<'a>(
    name: &'static str,
    rules: Rules,
    body: &Bytes,
    i: &'a [u8],
) -> Parsed<'a, Option<Text>> {
    let (rest, len) = int16::<i16>(name, i)?;
    match usize::try_from(len) {
        Ok(len) => {
            let (rest, text) = utf8(name, rules, body, i, len, rest)?;
            Ok((rest, Some(text)))
        }
        Err(_) if len == -1 || rules == Rules::Broker => Ok((rest, None)),
        Err(_) => fault(name, i, DecodeProblem::Negative(len.into())),
    }
}

fn blob<'a>(name: &'static str, len: usize, i: &'a [u8]) -> Parsed<'a, &'a [u8]> {
    field(name, len, take(len), i)
}

/// Bytes after an `int32` that counts them, never null: a message set to produce.
pub(crate) fn sized_blob<'a>(name: &'static str, body: &Bytes, i: &'a [u8]) -> Parsed<'a, Bytes> {
    let (rest, len) = int32::<i32>(name, i)?;
    let Ok(len) = usize::try_from(len) else {
        return fault(name, i, DecodeProblem::Negative(len));
    };
    let (rest, bytes) = blob(name, len, rest)?;
    Ok((rest, body.slice_ref(bytes)))
}

/// The same, where null (-1) is read as no bytes: a message set that was fetched.
pub(crate) fn sized_blob_or_null<'a>(name: &'static str, body: &Bytes, i: &'a [u8]) -> Parsed<'a, Bytes> {
    match int32::<i32>(name, i)? {
        (rest, -1) => Ok((rest, Bytes::new())),
        _ => sized_blob(name, body, i),
    }
}

/// An array whose elements take at least `smallest` bytes each. A count is believed only as far as the bytes that are
/// left could hold it, so that the reservation is exact and bounded.
pub(crate) fn array<'a, T>(
    name: &'static str,
    rules: Rules,
    smallest: usize,
    i: &'a [u8],
    mut element: impl FnMut(&'a [u8]) -> Parsed<'a, T>,
) -> Parsed<'a, Vec<T>> {
    let (mut rest, count) = int32::<i32>(name, i)?;
    let count = match usize::try_from(count) {
        Ok(count) => count,
        Err(_) if rules == Rules::Broker => 0,
        Err(_) => return fault(name, i, DecodeProblem::Negative(count)),
    };
    let fit = rest.len() / smallest;
    if count > fit {
        return fault(name, i, DecodeProblem::CountTooLarge { count, fit });
    }
    let mut elements = Vec::with_capacity(count);
    for behind in (0..count).rev() {
        // The least that the elements behind this one take is theirs, so that all counts of a body together reserve no
        // more than one of them alone could.
        let reserved = behind * smallest;
        let own = rest.get(..rest.len() - reserved).unwrap_or_default();
        let (left, value) = element(own).map_err(|error| error.map(|fault| fault.with_behind(reserved)))?;
        elements.push(value);
        rest = rest.split_at(own.len() - left.len()).1;
    }
    Ok((rest, elements))
}

/// Runs `parser` over the whole of `body`: the value and how many bytes it took.
pub(crate) fn parse<'a, T>(
    name: &'static str,
    body: &'a Bytes,
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<(T, usize), DecodeError> {
    match parser(body) {
        Ok((rest, value)) => Ok((value, body.len() - rest.len())),
        Err(error) => Err(Fault::of(error).placed(name, body.len())),
    }
}

/// Refuses bytes that are left after a body.
pub(crate) fn finish(name: &'static str, body: &Bytes, taken: usize) -> Result<(), DecodeError> {
    match body.len() - taken {
        0 => Ok(()),
        left => Err(DecodeError::new(name, "the last field", taken, DecodeProblem::Trailing(left))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T: std::fmt::Debug>(
        body: &'static [u8],
        parser: impl Fn(&Bytes) -> Result<T, DecodeError>,
    ) -> (usize, DecodeProblem) {
        let error = parser(&Bytes::from_static(body)).expect_err("malformed");
        (error.at, error.problem)
    }

    #[test]
    fn an_error_says_where_it_is_and_what_is_wrong() {
        let numbers = |b: &Bytes| {
            parse("test", b, |i| {
                let (i, _) = int16::<i16>("first", i)?;
                array("list", Rules::Strict, 4, i, |i| int32::<i32>("element", i))
            })
            .map(|(list, _)| list)
        };
        assert_eq!(problem(&[0], numbers), (0, DecodeProblem::Truncated { needed: 2, left: 1 }));
        assert_eq!(problem(&[0, 0, 0xff, 0xff, 0xff, 0xff], numbers), (2, DecodeProblem::Negative(-1)));
        assert_eq!(
            problem(&[0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4], numbers),
            (2, DecodeProblem::CountTooLarge { count: 0x7fff_ffff, fit: 1 })
        );
        let string = |b: &Bytes| parse("test", b, |i| text("name", Rules::Strict, b, i));
        assert_eq!(problem(&[0, 2, 0xc3, 0x28], string), (0, DecodeProblem::NotUtf8));
        assert_eq!(problem(&[0, 9, 1], string), (2, DecodeProblem::Truncated { needed: 9, left: 1 }));
        assert_eq!(problem(&[0xff, 0xfe], string), (0, DecodeProblem::Negative(-2)));
    }

    #[test]
    fn null_is_minus_one_and_the_broker_takes_any_negative_for_it() {
        let read = |rules, bytes: &'static [u8]| {
            let body = Bytes::from_static(bytes);
            parse("test", &body, |i| nullable_text("name", rules, &body, i)).map(|(text, _)| text)
        };
        assert_eq!(read(Rules::Strict, &[0xff, 0xff]), Ok(None));
        assert_eq!(read(Rules::Strict, &[0, 0]), Ok(Some(Text::default())));
        assert!(read(Rules::Strict, &[0xff, 0xfe]).is_err());
        assert_eq!(read(Rules::Broker, &[0x80, 0x00]), Ok(None));
    }

    #[test]
    fn a_broker_reads_what_is_not_utf8_and_refuses_what_it_could_not_write_again() {
        let read = |rules, bytes: Vec<u8>| {
            let body = Bytes::from(bytes);
            parse("test", &body, |i| text("name", rules, &body, i)).map(|(text, _)| text)
        };
        // "caf\xe9" in Latin-1.
        let latin = vec![0, 4, b'c', b'a', b'f', 0xe9];
        assert!(read(Rules::Strict, latin.clone()).is_err());
        for rules in [Rules::Broker, Rules::JavaBroker] {
            assert_eq!(read(rules, latin.clone()), Ok(Text::from("caf\u{fffd}")));
        }
        let of = |len: u16| [&len.to_be_bytes()[..], &vec![0xff; len.into()]].concat();
        assert!(read(Rules::Broker, of(32_767 / 3)).is_ok_and(|text| text.len() == 32_766));
        assert!(read(Rules::Broker, of(32_767 / 3 + 1)).is_err());
        assert_eq!(read(Rules::Broker, vec![0xff, 0xff]), Ok(Text::default()));
        assert!(read(Rules::JavaBroker, vec![0xff, 0xff]).is_err());
    }
}
