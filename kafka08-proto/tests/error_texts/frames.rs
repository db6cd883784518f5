//! Errors of frames, alone and as either end of a connection tells them.

use kafka08_proto::{
    connection::{CloseReason, ServerCloseReason},
    frame::{FrameError, LooksLike},
};

use super::{Next, Row, Says, Wrapped, row};

/// A length below and one above the limits.
pub(crate) fn rows() -> Vec<Row> {
    const BY_END: Next = Wrapped(&["CloseReason::Frame", "ServerCloseReason::Frame"]);
    let (small, large) = (
        "a frame claims 3 bytes (0x00000003, in ASCII \"\\x00\\x00\\x00\\x03\"), less than the 4 of the smallest frame",
        "a frame claims 9 bytes (0x00000009, in ASCII \"\\x00\\x00\\x00\\t\"), more than the limit of 8",
    );
    let too_small = |looks_like| FrameError::TooSmall { len: 3, looks_like };
    let too_large = |looks_like| FrameError::TooLarge { len: 9, max: 8, looks_like };
    let mut rows = vec![
        row(too_small(None), "3 bytes", BY_END, small),
        row(too_large(None), "9 bytes", BY_END, large),
        row(
            CloseReason::Frame(too_small(None)),
            "3 bytes",
            Says("the peer does not speak Kafka 0.8"),
            format!("{small}: the peer does not speak Kafka 0.8"),
        ),
        row(
            CloseReason::Frame(too_large(None)),
            "9 bytes",
            Says("Limits::max_frame is too low"),
            format!("{large}: either the peer does not speak Kafka 0.8, or Limits::max_frame is too low"),
        ),
        row(
            ServerCloseReason::Frame(too_small(None)),
            "3 bytes",
            Says("the client does not speak Kafka"),
            format!("{small}: the client does not speak Kafka"),
        ),
        row(
            ServerCloseReason::Frame(too_large(None)),
            "9 bytes",
            Says("ServerConfig::with_max_frame"),
            format!(
                "{large}: the client does not speak Kafka, or sends more at once than ServerConfig::with_max_frame allows"
            ),
        ),
    ];
    for (known, next, hint) in [
        (
            LooksLike::Tls,
            "use a plaintext port",
            "the peer speaks TLS, which Kafka 0.8 does not: use a plaintext port, or a transport that does TLS",
        ),
        (LooksLike::Http, "the port of another service", "the peer speaks HTTP: this is the port of another service"),
        (LooksLike::Ssh, "the port of another service", "the peer speaks SSH: this is the port of another service"),
    ] {
        for (error, names, text) in
            [(too_small(Some(known)), "3 bytes", small), (too_large(Some(known)), "9 bytes", large)]
        {
            let text = format!("{text}: {hint}");
            rows.push(row(error, names, Says(next), text.as_str()));
            rows.push(row(CloseReason::Frame(error), names, Says(next), text.as_str()));
            rows.push(row(ServerCloseReason::Frame(error), names, Says(next), text));
        }
    }
    rows
}
