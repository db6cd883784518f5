//! Reading for those who write bodies of their own.

use bytes::Bytes;

use super::{
    DecodeError, DecodeProblem, Parsed,
    read::{self, Fault},
};
use crate::ids::Text;

/// Reads the fields of a body one after the other: for layouts that this crate does not have.
///
/// Each method takes the field's name, which errors repeat. Strings and bytes are slices of the body. A length or a count
/// is believed only as far as the bytes that are left reach, so that nothing absurd is allocated.
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
    /// Where the next field begins.
    at: usize,
    /// Where the field that was read last begins.
    last: usize,
    /// Where what may be read ends: before the bytes that elements behind this one take at least.
    end: usize,
}

impl<'b> Reader<'b> {
    /// A reader at the start of a body, which errors call `name`.
    #[must_use]
    pub fn new(name: &'static str, body: &'b Bytes) -> Self {
        Self { name, body, at: 0, last: 0, end: body.len() }
    }

    /// Bytes read so far: what [`Body::read`](crate::api::Body::read) returns beside the value.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.at
    }

    /// The error that the field that was read last has this problem.
    #[must_use]
    pub fn fail(&self, field: &'static str, problem: DecodeProblem) -> DecodeError {
        DecodeError::new(self.name, field, self.last, problem)
    }

    /// One byte.
    ///
    /// # Errors
    /// The body ends here, as for every method that follows.
    pub fn int8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        self.take(|i| read::int8(field, i))
    }

    /// Two bytes.
    ///
    /// # Errors
    /// The body ends before.
    pub fn int16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.take(|i| read::int16(field, i))
    }

    /// Four bytes.
    ///
    /// # Errors
    /// The body ends before.
    pub fn int32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.take(|i| read::int32(field, i))
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// The body ends before.
    pub fn int64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.take(|i| read::int64(field, i))
    }

    /// A byte that is 0 or 1.
    ///
    /// # Errors
    /// The body ends before, or the byte is another.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        self.take(|i| read::flag(field, i))
    }

    /// A string behind its length of two bytes.
    ///
    /// # Errors
    /// The body ends before, the length is negative, or the bytes are not UTF-8.
    pub fn text(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        let body = self.body;
        self.take(|i| read::text(field, read::Rules::Strict, body, i))
    }

    /// A string behind its length of two bytes, of which -1 is null.
    ///
    /// # Errors
    /// The body ends before, the length is below -1, or the bytes are not UTF-8.
    pub fn nullable_text(&mut self, field: &'static str) -> Result<Option<Text>, DecodeError> {
        let body = self.body;
        self.take(|i| read::nullable_text(field, read::Rules::Strict, body, i))
    }

    /// Bytes behind their length of four bytes.
    ///
    /// # Errors
    /// The body ends before, or the length is negative.
    pub fn sized_blob(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        let body = self.body;
        self.take(|i| read::sized_blob(field, body, i))
    }

    /// Bytes behind their length of four bytes, of which -1 is null.
    ///
    /// # Errors
    /// The body ends before, or the length is below -1.
    pub fn nullable_blob(&mut self, field: &'static str) -> Result<Option<Bytes>, DecodeError> {
        if self.is_null_next(field)? { Ok(None) } else { self.sized_blob(field).map(Some) }
    }

    /// An array behind its count of four bytes. Each element takes at least `smallest` bytes, which bounds the count.
    ///
    /// # Errors
    /// The count is negative or more than the bytes that are left can hold; or `element` fails.
    pub fn array<T>(
        &mut self,
        field: &'static str,
        smallest: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let start = self.at;
        let count = self.int32(field)?;
        let fault = |problem| DecodeError::new(self.name, field, start, problem);
        let count = usize::try_from(count).map_err(|_| fault(DecodeProblem::Negative(count)))?;
        let smallest = smallest.max(1);
        let fit = (self.end - self.at) / smallest;
        if count > fit {
            return Err(fault(DecodeProblem::CountTooLarge { count, fit }));
        }
        let end = self.end;
        let mut elements = Vec::with_capacity(count);
        for behind in (0..count).rev() {
            // The least that the elements behind this one take is theirs, so that all counts of a body together reserve no
            // more than one of them alone could.
            self.end = end - behind * smallest;
            elements.push(element(self)?);
        }
        self.end = end;
        Ok(elements)
    }

    /// An array behind its count of four bytes, of which -1 is null.
    ///
    /// # Errors
    /// As [`Reader::array`], for counts below -1.
    pub fn nullable_array<T>(
        &mut self,
        field: &'static str,
        smallest: usize,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        if self.is_null_next(field)? { Ok(None) } else { self.array(field, smallest, element).map(Some) }
    }

    /// Whether the next four bytes are a length of -1, which is then taken.
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
