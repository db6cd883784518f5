//! Strings that share memory with the receive buffer.

use std::{fmt, ops::Deref};

use bytes::Bytes;

/// A UTF-8 string that is cheap to clone, such as a topic, a host or a client id.
///
/// A decoded string is a slice of its frame and keeps the frame's memory allocated. [`Text::detached`] copies the
/// string. `Debug` and `Display` escape control characters, because strings from a peer are often written to logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Bytes);

/// The bytes are not UTF-8, so they cannot become a [`Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

impl fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not UTF-8")
    }
}

impl std::error::Error for NotUtf8 {}

impl Text {
    /// Creates a string from a `'static` string. Allocates nothing.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The string, without escapes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Each call validates the bytes. Only `unsafe` code could skip the validation, and this crate forbids `unsafe`.
        std::str::from_utf8(&self.0).expect("a Text is made from UTF-8 only")
    }

    /// The UTF-8 bytes. They sort in the same order as the strings. This method does not validate the bytes again.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Copies the string to its own memory, so that a short name does not keep a large response in memory.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// A string that shares the memory of `whole`. Panics if `part` does not lie in `whole`.
    pub(crate) fn slice_of(whole: &Bytes, part: &str) -> Self {
        Self(whole.slice_ref(part.as_bytes()))
    }

    /// A string that shares the memory of `whole`, or `None` if `part` is not all ASCII. Panics if `part` does not lie
    /// in `whole`.
    pub(crate) fn ascii_slice_of(whole: &Bytes, part: &[u8]) -> Option<Self> {
        part.is_ascii().then(|| Self(whole.slice_ref(part)))
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&Self> for Text {
    fn from(text: &Self) -> Self {
        text.clone()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl TryFrom<Bytes> for Text {
    type Error = NotUtf8;
    fn try_from(bytes: Bytes) -> Result<Self, NotUtf8> {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(NotUtf8),
        }
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        // Look-ups by topic compare many names. Comparing the bytes avoids the UTF-8 validation.
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_str().escape_debug(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_peer_never_reach_a_log() {
        let text = Text::from("a\u{1b}[31m\n");
        assert_eq!(format!("{text}"), r"a\u{1b}[31m\n");
        assert_eq!(format!("{text:?}"), r#""a\u{1b}[31m\n""#);
    }
}
