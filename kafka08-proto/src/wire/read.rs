//! Parsers of primitives, built on the complete parsers of nom, with an error that names the field.
//!
//! Every parser takes the field's name and the input, and returns the rest of the input and the value, so that a
//! decoder has one line per field.
// A parser sees only the rest of the body, so a fault keeps the number of bytes that were left. `Fault::placed`, which
// knows the body's length, turns it into a position.

use bytes::Bytes;
use nom::{
    IResult, Parser as _,
    bytes::complete::take,
    error::{ErrorKind, ParseError},
    number::complete::{be_i8, be_i16, be_i32, be_i64},
};

use super::{DecodeError, DecodeProblem};
use crate::{ids::Text, limits::MAX_TEXT};

/// The result of a parser: the rest of the input and the value, or a [`Fault`].
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// An error of a parser, without the position in the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    field: &'static str,
    /// The number of bytes from the start of the field to the end of the parser's input.
    left: usize,
    problem: DecodeProblem,
}

impl Fault {
    /// Takes the fault out of nom's error.
    pub(super) fn of(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
            nom::Err::Incomplete(_) => unreachable!("complete parsers do not ask for more"),
        }
    }

    /// Turns the fault into an error of `body`. The parser's input ended `end` bytes behind the start of the body.
    pub(super) fn placed(self, body: &'static str, end: usize) -> DecodeError {
        DecodeError::new(body, self.field, end - self.left, self.problem)
    }

    /// Adapts the fault to an outer parser, whose input is this many bytes longer than that of the parser that failed.
    fn with_behind(mut self, bytes: usize) -> Self {
        self.left += bytes;
        self
    }
}

/// The error of nom's own parsers, which holds nothing. [`field`] replaces it by a [`Fault`].
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

/// Runs `parser`, which needs `needed` bytes. If they are not there, the fault names `field`.
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

/// A byte that is 0 (false) or 1 (true).
// Only StopReplica has such a field. A broker closes the connection on any other value.
pub(crate) fn flag<'a>(name: &'static str, i: &'a [u8]) -> Parsed<'a, bool> {
    match field(name, 1, be_i8, i)? {
        (rest, 0) => Ok((rest, false)),
        (rest, 1) => Ok((rest, true)),
        (_, other) => fault(name, i, DecodeProblem::OutOfRange(other.into())),
    }
}

/// The rules for lengths, counts and strings. Responses are read by strict rules, requests as a broker reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// -1 is null where null is allowed. Any other negative number is an error, and so is a string that is not UTF-8.
    Strict,
    /// The rules of the broker's Scala reader. A negative length is null, and a negative count is an empty array. Bytes
    /// of a string that are not UTF-8 are replaced by U+FFFD.
    Broker,
    /// The rules of the broker's Java reader, which reads the bodies of APIs 11 and 12. A negative length or count is
    /// an error. Bytes of a string that are not UTF-8 are replaced by U+FFFD.
    JavaBroker,
}

fn utf8<'a>(name: &'static str, rules: Rules, body: &Bytes, start: &[u8], len: usize, i: &'a [u8]) -> Parsed<'a, Text> {
    let (i, bytes) = field(name, len, take(len), i)?;
    // Most strings are ASCII, and checking for ASCII alone goes several bytes at a time.
    if let Some(ascii) = Text::ascii_slice_of(body, bytes) {
        return Ok((i, ascii));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((i, Text::slice_of(body, text))),
        Err(_) if rules != Rules::Strict => {
            let text = String::from_utf8_lossy(bytes);
            // U+FFFD takes three bytes, so the string can grow beyond what a response can hold. A broker that echoes
            // the string could not encode it.
            if text.len() <= MAX_TEXT {
                // The string is copied to its exact size, because the one of `from_utf8_lossy` may have spare capacity.
                Ok((i, Text::from(&*text)))
            } else {
                fault(name, start, DecodeProblem::NotUtf8)
            }
        }
        Err(_) => fault(name, start, DecodeProblem::NotUtf8),
    }
}

/// A string that may not be null. By the rules of [`Rules::Broker`], null is an empty string.
// The Scala reader allows null in every string. `Text` has no null, and an empty string is not a valid topic name
// either.
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

/// A length of four bytes, then as many bytes; null is not allowed. The message set of a produce request is such a
/// field.
// There are no `Rules` here, because a broker's Scala reader refuses a negative length too, and closes the connection.
pub(crate) fn sized_blob<'a>(name: &'static str, body: &Bytes, i: &'a [u8]) -> Parsed<'a, Bytes> {
    let (rest, len) = int32::<i32>(name, i)?;
    let Ok(len) = usize::try_from(len) else {
        return fault(name, i, DecodeProblem::Negative(len));
    };
    let (rest, bytes) = blob(name, len, rest)?;
    Ok((rest, body.slice_ref(bytes)))
}

/// A length of four bytes, then as many bytes; null (-1) is read as no bytes. The message set of a fetch response is
/// such a field.
// Brokers of 0.8 write no null here. Later ones do, for a partition that has an error (codes 35, 76) and also without
// one.
pub(crate) fn sized_blob_or_null<'a>(name: &'static str, body: &Bytes, i: &'a [u8]) -> Parsed<'a, Bytes> {
    match int32::<i32>(name, i)? {
        (rest, -1) => Ok((rest, Bytes::new())),
        _ => sized_blob(name, body, i),
    }
}

/// An array whose elements take at least `smallest` bytes each. A count that the rest of the input cannot hold is an
/// error, so a peer cannot make the reservation larger than the bytes that it has sent.
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
        // An element must not see the bytes that the elements behind it need at least. Otherwise the count of each
        // array in a nest could claim the whole rest of the body, and together they would reserve several times its
        // size.
        let reserved = behind * smallest;
        let own = rest.get(..rest.len() - reserved).unwrap_or_default();
        let (left, value) = element(own).map_err(|error| error.map(|fault| fault.with_behind(reserved)))?;
        elements.push(value);
        rest = rest.split_at(own.len() - left.len()).1;
    }
    Ok((rest, elements))
}

/// Runs `parser` on `body`. Returns the value and the number of bytes that the parser took.
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

/// Returns an error if the body is longer than the bytes that were taken.
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
