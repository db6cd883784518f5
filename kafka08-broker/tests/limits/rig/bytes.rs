//! Requests made by hand, for what the types of a client do not let one say.

/// A request: header and body, without the length in front.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    bytes: Vec<u8>,
}

impl Raw {
    /// A request with this key and version, correlation id 7 and client id "c".
    pub(crate) fn new(key: i16, version: i16) -> Self {
        Self { bytes: Vec::new() }.i16(key).i16(version).i32(7).text("c")
    }

    pub(crate) fn i16(self, value: i16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn i32(self, value: i32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn i64(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.i16(i16::try_from(text.len()).expect("a short text")).bytes(text.as_bytes())
    }

    /// A length of four bytes, and the bytes.
    pub(crate) fn blob(self, bytes: &[u8]) -> Self {
        self.i32(i32::try_from(bytes.len()).expect("a small blob")).bytes(bytes)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Adds something for each number.
    pub(crate) fn each(self, numbers: impl IntoIterator<Item = i32>, mut add: impl FnMut(Self, i32) -> Self) -> Self {
        numbers.into_iter().fold(self, &mut add)
    }

    /// The size of the request, which is what its length says.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds zeros up to a size.
    pub(crate) fn filled_to(mut self, size: usize) -> Self {
        self.bytes.resize(size, 0);
        self
    }

    /// The length and the request.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let len = i32::try_from(self.bytes.len()).expect("it fits the wire");
        [&len.to_be_bytes()[..], &self.bytes].concat()
    }
}
