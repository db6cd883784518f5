//! The public reader, for bodies that are implemented outside of this crate.

use bytes::Bytes;

use super::{
    DecodeError, DecodeProblem, Parsed,
    read::{self, Fault},
};
use crate::ids::Text;

/// Reads the fields of a body one after the other. Use it for layouts that this crate does not have.
///
/// Each method takes the field's name, which errors contain. Strings and bytes are slices of the body. A length or a
/// count that exceeds the rest of the body is an error, so a peer cannot cause a large allocation.
///
/// ```
/// use bytes::Bytes;
/// use kafka08_proto::wire::{DecodeError, Reader};
///
/// /// A name and the numbers of its partitions.
/// fn read(body: &Bytes) -> Result<(String, Vec<i32>), DecodeError> {
///     let mut reader = Reader::new("example", body);
///     let name = reader.text("name")?.to_string();
///     let partitions = reader.array("partitions", 4, |reader| reader.int32("partition"))?;
///     Ok((name, partitions))
/// }
/// let body = Bytes::from_static(&[0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8]);
/// assert_eq!(read(&body), Ok(("t".to_owned(), vec![7, 8])));
/// ```
#[derive(Debug)]
pub struct Reader<'b> {
    name: &'static str,
    body: &'b Bytes,
    /// The position of the next field, in bytes.
    at: usize,
    /// The position of the field that was read last, for errors about its value.
    last: usize,
    /// The position up to which fields may be read. Inside an array, it lies before the bytes that the later elements
    /// need.
    end: usize,
    /// The rules for strings and counts.
    rules: read::Rules,
}

impl<'b> Reader<'b> {
    /// Creates a reader at the start of `body`. Errors call the body `name`.
    #[must_use]
    pub fn new(name: &'static str, body: &'b Bytes) -> Self {
        Self { name, body, at: 0, last: 0, end: body.len(), rules: read::Rules::Strict }
    }

    /// Creates a reader that follows the rules of a broker's Scala reader: any negative length of a nullable string is
    /// null, and of another string empty; bytes that are not UTF-8 are replaced by U+FFFD; a negative count is an empty
    /// array. Lengths of bytes are read as by [`Reader::new`].
    #[must_use]
    pub fn of_broker(name: &'static str, body: &'b Bytes) -> Self {
        Self { rules: read::Rules::Broker, ..Self::new(name, body) }
    }

    /// The whole body.
    #[must_use]
    pub fn body(&self) -> &'b Bytes {
        self.body
    }

    /// The number of bytes that were read. [`Body::read`](crate::api::Body::read) returns it with the value.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.at
    }

    /// Creates an error for the field that was read last, if its value is invalid.
    #[must_use]
    pub fn fail(&self, field: &'static str, problem: DecodeProblem) -> DecodeError {
        DecodeError::new(self.name, field, self.last, problem)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// The body ends before the field does.
    pub fn int8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        self.take(|i| read::int8(field, i))
    }

    /// Reads two bytes.
    ///
    /// # Errors
    /// The body ends before the field does.
    pub fn int16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.take(|i| read::int16(field, i))
    }

    /// Reads four bytes.
    ///
    /// # Errors
    /// The body ends before the field does.
    pub fn int32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.take(|i| read::int32(field, i))
    }

    /// Reads eight bytes.
    ///
    /// # Errors
    /// The body ends before the field does.
    pub fn int64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.take(|i| read::int64(field, i))
    }

    /// Reads a byte that is 0 (false) or 1 (true).
    ///
    /// # Errors
    /// The body ends before the field does, or the byte is neither 0 nor 1.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        self.take(|i| read::flag(field, i))
    }

    /// Reads a length of two bytes, then a string of that length.
    ///
    /// # Errors
    /// The body ends before the field does, the length is negative, or the bytes are not UTF-8.
    pub fn text(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        let (body, rules) = (self.body, self.rules);
        self.take(|i| read::text(field, rules, body, i))
    }

    /// Reads a length of two bytes, then a string of that length. A length of -1 is null.
    ///
    /// # Errors
    /// The body ends before the field does, the length is below -1, or the bytes are not UTF-8.
    pub fn nullable_text(&mut self, field: &'static str) -> Result<Option<Text>, DecodeError> {
        let (body, rules) = (self.body, self.rules);
        self.take(|i| read::nullable_text(field, rules, body, i))
    }

    /// Reads a length of four bytes, then as many bytes.
    ///
    /// # Errors
    /// The body ends before the field does, or the length is negative.
    pub fn sized_blob(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        let body = self.body;
        self.take(|i| read::sized_blob(field, body, i))
    }

    /// Reads a length of four bytes, then as many bytes. A length of -1 is null.
    ///
    /// # Errors
    /// The body ends before the field does, or the length is below -1.
    pub fn nullable_blob(&mut self, field: &'static str) -> Result<Option<Bytes>, DecodeError> {
        if self.is_null_next(field)? { Ok(None) } else { self.sized_blob(field).map(Some) }
    }

    /// Reads a count of four bytes, then as many elements. `smallest` is the least number of bytes that an element
    /// takes; it bounds the count.
    ///
    /// # Errors
    /// The count is negative, the rest of the body cannot hold that many elements, or `element` returns an error.
    pub fn array<T>(
        &mut self,
        field: &'static str,
        smallest: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let start = self.at;
        let count = self.int32(field)?;
        let fault = |problem| DecodeError::new(self.name, field, start, problem);
        let count = match usize::try_from(count) {
            Ok(count) => count,
            Err(_) if self.rules == read::Rules::Broker => 0,
            Err(_) => return Err(fault(DecodeProblem::Negative(count))),
        };
        // A caller's layout may allow empty elements. Without a least size a count would be bounded by nothing.
        let smallest = smallest.max(1);
        let fit = (self.end - self.at) / smallest;
        if count > fit {
            return Err(fault(DecodeProblem::CountTooLarge { count, fit }));
        }
        let end = self.end;
        let mut elements = Vec::with_capacity(count);
        for behind in (0..count).rev() {
            // An element must not see the bytes that the elements behind it need at least: see `array` in `read.rs`.
            self.end = end - behind * smallest;
            let read = element(self);
            // Also after an error: who catches it reads on.
            self.end = end;
            elements.push(read?);
        }
        Ok(elements)
    }

    /// Reads an array as [`Reader::array`] does. A count of -1 is null.
    ///
    /// # Errors
    /// The errors of [`Reader::array`], except that -1 is not an error.
    pub fn nullable_array<T>(
        &mut self,
        field: &'static str,
        smallest: usize,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        if self.is_null_next(field)? { Ok(None) } else { self.array(field, smallest, element).map(Some) }
    }

    /// Whether the next four bytes are -1. If so, the reader takes them; otherwise it stays in front of them.
    fn is_null_next(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        let start = self.at;
        let is_null = self.int32(field)? == -1;
        if !is_null {
            self.at = start;
        }
        Ok(is_null)
    }

    fn take<T>(&mut self, parser: impl FnOnce(&'b [u8]) -> Parsed<'b, T>) -> Result<T, DecodeError> {
        let body: &'b [u8] = self.body;
        // This is kept apart from `at`, which moves on, because `fail` may report a value that the parser has accepted.
        self.last = self.at;
        let input = body.get(self.at..self.end).unwrap_or_default();
        match parser(input) {
            Ok((rest, value)) => {
                self.at = self.end - rest.len();
                Ok(value)
            }
            Err(error) => Err(Fault::of(error).placed(self.name, self.end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(body: &Bytes) -> Reader<'_> {
        Reader::new("test", body)
    }

    #[test]
    fn an_error_says_where_it_is_also_inside_an_array() {
        // Two elements of at least two bytes each; the second has a string of one byte too many.
        let body = Bytes::from_static(&[0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b']);
        let error = reader(&body).array("list", 2, |reader| reader.text("name")).expect_err("too short");
        assert_eq!(error, DecodeError::new("test", "name", 9, DecodeProblem::Truncated { needed: 2, left: 1 }));
        // The first may not take what the second needs at least.
        let body = Bytes::from_static(&[0, 0, 0, 2, 0, 4, b'a', b'b', 0, 0]);
        let error = reader(&body).array("list", 2, |reader| reader.text("name")).expect_err("too long");
        assert_eq!(error, DecodeError::new("test", "name", 6, DecodeProblem::Truncated { needed: 4, left: 2 }));
    }

    #[test]
    fn a_count_is_believed_as_far_as_the_bytes_reach_and_null_only_where_it_may_be() {
        let of = |bytes: &'static [u8]| Bytes::from_static(bytes);
        let bytes = |reader: &mut Reader<'_>| reader.int8("byte");
        let claimed = of(&[0x7f, 0xff, 0xff, 0xff, 1]);
        let error = reader(&claimed).array("list", 0, bytes).expect_err("absurd");
        assert_eq!(error.problem, DecodeProblem::CountTooLarge { count: 0x7fff_ffff, fit: 1 });
        let null = of(&[0xff; 4]);
        assert_eq!(reader(&null).array("list", 1, bytes).expect_err("null").problem, DecodeProblem::Negative(-1));
        assert_eq!(reader(&null).nullable_array("list", 1, bytes), Ok(None));
        assert_eq!(reader(&null).nullable_blob("blob"), Ok(None));
        assert_eq!(reader(&null).sized_blob("blob").expect_err("null").problem, DecodeProblem::Negative(-1));
        let below = of(&[0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(reader(&below).nullable_blob("blob").expect_err("-2").problem, DecodeProblem::Negative(-2));
        assert_eq!(
            reader(&below).nullable_array("list", 1, bytes).expect_err("-2").problem,
            DecodeProblem::Negative(-2)
        );
    }

    #[test]
    fn a_broker_reads_any_negative_length_as_null_and_any_negative_count_as_empty() {
        let body = Bytes::from_static(&[0xff, 0xfe, 0, 1, 0xe9, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff]);
        let mut reader = Reader::of_broker("test", &body);
        assert_eq!(reader.nullable_text("a"), Ok(None));
        assert_eq!(reader.text("b").as_deref(), Ok("\u{fffd}"));
        assert_eq!(reader.array("c", 1, |reader| reader.int8("byte")), Ok(Vec::new()));
        assert_eq!(reader.text("d").as_deref(), Ok(""));
    }

    #[test]
    fn what_was_taken_is_counted_field_by_field() {
        let body = Bytes::from_static(&[1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0xff, 0xff, 0, 0, 0, 1, 9, 5]);
        let mut reader = reader(&body);
        assert_eq!(reader.int8("a"), Ok(1));
        assert_eq!(reader.int16("b"), Ok(2));
        assert_eq!(reader.int32("c"), Ok(3));
        assert_eq!(reader.int64("d"), Ok(4));
        assert_eq!(reader.flag("e"), Ok(true));
        assert_eq!(reader.nullable_text("f"), Ok(None));
        assert_eq!(reader.nullable_blob("g"), Ok(Some(Bytes::from_static(&[9]))));
        assert_eq!(reader.taken(), 23);
        let error = reader.flag("h").expect_err("it is 5");
        assert_eq!(error, reader.fail("h", DecodeProblem::OutOfRange(5)));
    }
}
