//! The error of a byte stream that does not consist of frames.

use std::fmt;

/// The length of a frame is invalid. The bytes behind it cannot be split into frames, so close the connection.
///
/// A new connection to the same port meets the same error, unless the limit is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The length is below 4 bytes, the size of the smallest frame.
    TooSmall {
        /// The length that was read.
        len: i32,
        /// The protocol that the four bytes of the length belong to, if they are those of a known one.
        looks_like: Option<LooksLike>,
    },
    /// The length is above the limit. No memory was allocated for the frame.
    TooLarge {
        /// The length that was read.
        len: i32,
        /// The limit, `Limits::max_frame`.
        max: usize,
        /// The protocol that the four bytes of the length belong to, if they are those of a known one.
        looks_like: Option<LooksLike>,
    },
}

/// A protocol that is recognized by its first four bytes, when a peer sends them in place of a frame's length.
// A connection to the wrong port is the usual cause of an absurd length. The first bytes of HTTP are a length of 1.2
// GB.
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
            // The content type of an alert or a handshake, and the major version, which is 3 from SSL 3.0 to TLS 1.3. A
            // server answers bytes that are not TLS with an alert.
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
                "the peer speaks TLS, which Kafka 0.8 does not: use a plaintext port, or a transport that does TLS"
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
            Self::TooSmall { .. } => f.write_str("less than the 4 of the smallest frame")?,
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
            "a frame claims -1 bytes (0xffffffff, in ASCII \"\\xff\\xff\\xff\\xff\"), less than the 4 of the smallest \
             frame"
        );
    }
}
