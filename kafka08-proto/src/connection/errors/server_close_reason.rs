//! Why a server's connection has ended.

use std::{fmt, io};

use super::Heard;
use crate::{connection::Disconnect, frame::FrameError, wire::DecodeError};

/// Why a server's connection with a client has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerCloseReason {
    /// `close` was called on this side.
    Local,
    /// The transport has ended.
    Disconnected {
        /// Whether the client has closed the stream or the system has reported an error.
        how: Disconnect,
        /// What had arrived from the client until then.
        heard: Heard,
    },
    /// The bytes from the client are not frames.
    Frame(FrameError),
    /// The header of a request is malformed.
    Header(DecodeError),
    /// A request has not arrived completely within [`ServerConfig::with_frame_timeout`](crate::ServerConfig::with_frame_timeout).
    SlowRequest {
        /// How many bytes of the request had arrived.
        received: usize,
    },
}

impl fmt::Display for ServerCloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("the connection was closed on this side"),
            Self::Disconnected { how, heard } => {
                match how {
                    Disconnect::Eof => f.write_str("the client closed the connection")?,
                    Disconnect::Error(io::ErrorKind::ConnectionReset) => {
                        f.write_str("the client reset the connection")?
                    }
                    Disconnect::Error(kind) => write!(f, "the connection failed ({kind})")?,
                }
                match heard {
                    Heard::Nothing => f.write_str(" before it had sent a byte"),
                    Heard::Frames => Ok(()),
                    Heard::PartOfFrame { bytes } => write!(f, " {bytes} bytes into a request"),
                }
            }
            Self::Frame(error) => {
                write!(f, "{error}")?;
                match error {
                    FrameError::TooSmall { looks_like: None, .. } => f.write_str(": the client does not speak Kafka"),
                    FrameError::TooLarge { looks_like: None, .. } => f.write_str(
                        ": the client does not speak Kafka, or sends more at once than ServerConfig::with_max_frame allows",
                    ),
                    _ => Ok(()),
                }
            }
            Self::Header(error) => write!(f, "{error}: the client does not speak Kafka"),
            Self::SlowRequest { received } => {
                write!(
                    f,
                    "a request was not complete in time (ServerConfig::with_frame_timeout): only {received} bytes of it had come"
                )
            }
        }
    }
}

impl std::error::Error for ServerCloseReason {}
