//! Why a byte stream is not a stream of frames.

use std::fmt;

/// A frame's length cannot be right: nothing behind it can be understood, and the connection is over.
///
/// Connecting again to the same port would bring the same, unless the limit was too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// Below the four bytes that the smallest frame has.
    TooSmall {
        /// The length that was read.
        len: i32,
        /// What the peer's bytes look like, where they look like something.
        looks_like: Option<LooksLike>,
    },
    /// Above the limit. Nothing of it was kept.
    TooLarge {
        /// The length that was read.
        len: i32,
        /// The limit, `Limits::max_frame`.
        max: usize,
        /// What the peer's bytes look like, where they look like something.
        looks_like: Option<LooksLike>,
    },
}

/// Protocols whose first bytes are easy to tell when they arrive where a frame's length should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LooksLike {
    /// A TLS record: a handshake or an alert.
    Tls,
    /// An HTTP response or request, or a web page.
    Http,
    /// An SSH banner.
    Ssh,
}

impl LooksLike {
    pub(super) fn from_prefix(bytes: [u8; 4]) -> Option<Self> {
        const METHODS: [&[u8; 4]; 7] = [b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"PRI "];
        match &bytes {
            [0x15 | 0x16, 0x03, ..] => Some(Self::Tls),
            b"HTTP" | b"<htm" | b"<HTM" | b"<!DO" | b"<!do" => Some(Self::Http),
            b"SSH-" => Some(Self::Ssh),
            other if METHODS.contains(&other) => Some(Self::Http),
            _ => None,
        }
    }
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => {
                "the peer speaks TLS, and Kafka 0.8 has none: use a plaintext port, or put TLS into the transport"
            }
            Self::Http => "the peer speaks HTTP: this is the port of another service",
            Self::Ssh => "the peer speaks SSH: this is the port of another service",
        })
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::TooSmall { len, looks_like } | Self::TooLarge { len, looks_like, .. }) = *self;
        let bytes = len.to_be_bytes();
        write!(f, "a frame claims {len} bytes (0x{len:08x}, in ASCII \"{}\"), ", bytes.escape_ascii())?;
        match self {
            Self::TooSmall { .. } => f.write_str("fewer than any has")?,
            Self::TooLarge { max, .. } => write!(f, "more than the limit of {max}")?,
        }
        match looks_like {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_length_is_shown_as_number_as_bytes_and_as_text() {
        let http = i32::from_be_bytes(*b"HTTP");
        let error = FrameError::TooLarge { len: http, max: 100, looks_like: LooksLike::from_prefix(*b"HTTP") };
        assert_eq!(
            error.to_string(),
            "a frame claims 1213486160 bytes (0x48545450, in ASCII \"HTTP\"), more than the limit of 100: the peer speaks HTTP: \
             this is the port of another service"
        );
        let error = FrameError::TooSmall { len: -1, looks_like: None };
        assert_eq!(
            error.to_string(),
            "a frame claims -1 bytes (0xffffffff, in ASCII \"\\xff\\xff\\xff\\xff\"), fewer than any has"
        );
    }
}
