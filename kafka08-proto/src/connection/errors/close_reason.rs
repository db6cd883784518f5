//! Why a client's connection has ended, with a text that says what to do.

use std::{fmt, io, sync::Arc, time::Duration};

use super::{MatchError, Progress, Unconfirmed};
use crate::{
    connection::Disconnect,
    frame::FrameError,
    ids::{Api, ApiKey, ConnectionId, CorrelationId, HostPort},
};

/// The end of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The connection that has ended.
    pub connection: ConnectionId,
    /// The address of the peer, if [`ClientConfig::with_peer`](crate::ClientConfig::with_peer) has set it.
    pub peer: Option<Arc<HostPort>>,
    /// Why the connection has ended.
    pub reason: CloseReason,
    /// Written requests with acks = 0 of which it is not known whether the broker has applied them.
    pub unconfirmed: Unconfirmed,
}

/// Why a client's connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// `close` was called on this side.
    Local,
    /// The task or thread that owned the connection has ended without closing it. It was aborted, or its runtime shut down.
    Abandoned,
    /// The transport has ended.
    Disconnected {
        /// Whether the peer has closed the stream or the system has reported an error.
        how: Disconnect,
        /// What had arrived from the peer until then.
        heard: Heard,
        /// The request that the peer had to answer next. `None` if it owed no response.
        waiting_for: Option<Api>,
        /// The time between the last bytes from the peer and that request. `None` if no bytes had arrived before it.
        idle: Option<Duration>,
        /// The number of written requests with acks = 0 of which it is not known whether the broker has applied them.
        unconfirmed: usize,
    },
    /// The bytes from the peer are not frames.
    Frame(FrameError),
    /// A response does not answer the request that had to be answered next.
    Match(MatchError),
    /// The deadline of a request has passed while a part of it was written. Nothing may follow a partly written frame.
    TornFrame(CorrelationId),
    /// A request was not answered in time, and no other request waits for a response. Or it was not written in time, which has
    /// happened so often between requests with acks = 0 that the connection cannot remember which of those were written.
    NoAnswer {
        /// The correlation id of the request.
        id: CorrelationId,
        /// How far the request had come.
        progress: Progress,
    },
}

/// What has arrived from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// Whole frames only.
    Frames,
    /// The beginning of a frame whose rest has not arrived.
    PartOfFrame {
        /// How many bytes of the frame have arrived.
        bytes: usize,
    },
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("the connection was closed on this side"),
            Self::Abandoned => f.write_str(
                "the task that owned the connection is gone: it was aborted, or its runtime shut down; connect again",
            ),
            Self::Disconnected { how: Disconnect::Error(io::ErrorKind::ConnectionRefused), .. } => {
                f.write_str("the connection was refused: check that a broker listens there")
            }
            Self::Disconnected { how, heard, waiting_for, idle, unconfirmed } => {
                what_ended(f, *how)?;
                how_far(f, *heard, *waiting_for)?;
                match (*unconfirmed, heard, *waiting_for) {
                    // Brokers close on purpose when a produce with acks = 0 fails, so this cause comes before all others.
                    (1.., ..) => unconfirmed_advice(f, *unconfirmed),
                    (0, Heard::PartOfFrame { .. }, _) => f.write_str(": the peer or the network stopped; connect again"),
                    (0, Heard::Nothing, Some(api)) => never_heard(f, api),
                    (0, Heard::Frames, Some(api)) => fell_silent(f, api, *idle),
                    (0, _, None) => f.write_str(
                        " while nothing was asked: brokers of 0.8.2 do so after ten idle minutes, and all when they stop; \
                         connect again",
                    ),
                }
            }
            Self::Frame(error) => {
                write!(f, "{error}")?;
                match error {
                    FrameError::TooSmall { looks_like: None, .. } => f.write_str(": the peer does not speak Kafka 0.8"),
                    FrameError::TooLarge { looks_like: None, .. } => {
                        f.write_str(": either the peer does not speak Kafka 0.8, or Limits::max_frame is too low")
                    }
                    _ => Ok(()),
                }
            }
            Self::Match(error) => write!(
                f,
                "{error}: a Kafka 0.8 broker answers in order, so the peer is no such broker, or a proxy mixes streams"
            ),
            Self::TornFrame(id) => write!(
                f,
                "request {id:?} timed out when only a part of it was written, and nothing can be sent behind that part: the peer \
                 does not read; connect again"
            ),
            Self::NoAnswer { id, progress } => write!(
                f,
                "request {id:?} timed out, and no other request waits for an answer: {progress}; {}; connect again",
                progress.advice()
            ),
        }
    }
}

fn what_ended(f: &mut fmt::Formatter<'_>, how: Disconnect) -> fmt::Result {
    match how {
        Disconnect::Eof => f.write_str("the peer closed the connection"),
        Disconnect::Error(io::ErrorKind::ConnectionReset) => f.write_str("the peer reset the connection"),
        Disconnect::Error(kind) => write!(f, "the connection failed ({kind})"),
    }
}

fn how_far(f: &mut fmt::Formatter<'_>, heard: Heard, waiting_for: Option<Api>) -> fmt::Result {
    match (heard, waiting_for) {
        (Heard::PartOfFrame { bytes }, _) => write!(f, " {bytes} bytes into a response"),
        (_, Some(api)) => write!(f, " instead of answering {api}"),
        _ => Ok(()),
    }
}

fn unconfirmed_advice(f: &mut fmt::Formatter<'_>, unconfirmed: usize) -> fmt::Result {
    let (requests, are) = if unconfirmed == 1 { ("request", "is") } else { ("requests", "are") };
    write!(
        f,
        "; {unconfirmed} produce {requests} with acks = 0 {are} unconfirmed: a broker closes the connection without an answer \
         when one of them fails, so look up the leaders again before you resend"
    )
}

/// Writes the likely causes if the peer has closed the connection before it sent a byte.
fn never_heard(f: &mut fmt::Formatter<'_>, api: Api) -> fmt::Result {
    write!(
        f,
        " and before it had sent a byte: it stopped, is no Kafka broker, speaks TLS (Kafka 0.8 has none), does not know {api} \
         (the probe tells the release), or does not allow this client"
    )
}

/// Writes the likely causes if the peer had answered before and has closed the connection at this request.
fn fell_silent(f: &mut fmt::Formatter<'_>, api: Api, idle: Option<Duration>) -> fmt::Result {
    /// From this time on an idle limit of the broker or of a firewall is suspected. The limit of 0.8.2 is ten minutes by
    /// default (`connections.max.idle.ms`).
    const PAUSE: Duration = Duration::from_secs(60);
    match idle {
        Some(idle) if idle >= PAUSE => write!(
            f,
            " after {} idle seconds: brokers of 0.8.2 close a connection after ten idle minutes, and firewalls sooner; connect \
             again. If it happens at once, ",
            idle.as_secs()
        )?,
        _ => f.write_str(": it stopped (connect again), or ")?,
    }
    // Every release of 0.8 knows these, so that the broker is not too old.
    if (ApiKey::PRODUCE..=ApiKey::CONTROLLED_SHUTDOWN).contains(&api.key) {
        f.write_str(
            "it could not read the request, or it is Kafka 4.0 or later, which has dropped most requests of 0.8 (the probe \
             tells the release)",
        )
    } else {
        write!(
            f,
            "it does not know API {}: 0.8.0 knows APIs 0 to 7, 0.8.1 up to 9, 0.8.2 up to 12; set the profile of the broker's \
             release, or probe it",
            api.key.0
        )
    }
}

impl std::error::Error for CloseReason {}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = &self.peer {
            write!(f, "connection to {peer}: ")?;
        }
        fmt::Display::fmt(&self.reason, f)
    }
}

impl std::error::Error for Closed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_says_so_and_blames_no_release() {
        let how = Disconnect::Error(io::ErrorKind::ConnectionRefused);
        let waiting_for = Some(Api::v0(ApiKey::METADATA));
        let reason = CloseReason::Disconnected { how, heard: Heard::Nothing, waiting_for, idle: None, unconfirmed: 0 };
        assert_eq!(reason.to_string(), "the connection was refused: check that a broker listens there");
    }
}
