//! The incremental decoder, alone and under both ends of a connection.

use std::time::Instant;

use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection, Disconnect, ServerConfig, ServerConnection,
    api::AnyResponse,
    connection::{Prepared, Reply},
    frame::FrameDecoder,
    ids::{Api, ApiKey, ConnectionId},
    limits::Limits,
};

use crate::input::pieces;

/// The largest frame accepted here, in bytes.
const MAX_FRAME: usize = 1 << 16;

/// Cuts any bytes into frames, arriving in any pieces.
///
/// No panic. The frames and their lengths are the stream's beginning, byte by byte. An error is final. However the stream
/// is cut up, the frames are the same.
pub fn frame(data: &[u8]) {
    let (pieces, stream) = pieces(data);
    let frames_of = |pieces: &[&[u8]]| {
        let mut decoder = FrameDecoder::new(MAX_FRAME);
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.extend(piece);
            while decoder.has_frame() {
                match decoder.next_frame() {
                    Ok(frame) => frames.push(frame.expect("there is one")),
                    Err(error) => {
                        decoder.extend(b"\0\0\0\x04good");
                        assert_eq!(decoder.next_frame(), Err(error), "an error is final");
                        return (frames, Some(error));
                    }
                }
            }
            assert_eq!(decoder.next_frame(), Ok(None));
        }
        (frames, None)
    };
    let (frames, error) = frames_of(&pieces);
    let mut joined = Vec::new();
    for frame in &frames {
        assert!((4..=MAX_FRAME).contains(&frame.len()));
        joined.extend_from_slice(&u32::try_from(frame.len()).expect("at most the limit").to_be_bytes());
        joined.extend_from_slice(frame);
    }
    assert!(stream.starts_with(&joined));
    assert_eq!(frames_of(&[stream]), (frames.clone(), error));
    assert_eq!(frames_of(&stream.chunks(1).collect::<Vec<_>>()), (frames, error));
}

/// Gives a stream to a client with requests in flight, and to a server, in any pieces.
///
/// No panic. The events are the same as when the stream arrives at once, and byte by byte.
pub fn chunking(data: &[u8]) {
    let (pieces, stream) = pieces(data);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    let whole = client(&[stream]);
    assert_eq!(client(&pieces), whole);
    assert_eq!(client(&bytes), whole);
    let server = |pieces: &[&[u8]]| {
        let config = ServerConfig::default().with_max_frame(MAX_FRAME).with_max_open_calls(usize::MAX);
        gather(ServerConnection::new(config, ConnectionId(0)), pieces, |event| format!("{event:?}"))
    };
    let whole = server(&[stream]);
    assert_eq!(server(&pieces), whole);
    assert_eq!(server(&bytes), whole);
}

/// The events of a client that has asked one question of each API.
fn client(pieces: &[&[u8]]) -> Vec<String> {
    let config = ClientConfig::default().with_limits(Limits::default().with_max_frame(MAX_FRAME));
    let mut connection = ClientConnection::new(config, ConnectionId(0));
    for key in 0..=12 {
        let request = Prepared::raw(Api::v0(ApiKey(key)), Bytes::new(), Reply::Expected);
        connection.send(Instant::now(), &request).expect("there is room");
    }
    let (_, queue) = connection.buffers();
    queue.advance(queue.remaining());
    gather(connection, pieces, |event| match event {
        ClientEvent::Response(frame) => format!("{frame:?} {:?}", AnyResponse::decode(frame.api, &frame.body)),
        other => format!("{other:?}"),
    })
}

/// What a connection tells until the stream ends. A payload is shown as its length, which is enough: the bytes are compared
/// by what is decoded from them.
fn gather<C: Connection>(mut connection: C, pieces: &[&[u8]], show: impl Fn(C::Event) -> String) -> Vec<String> {
    let now = Instant::now();
    let mut events = Vec::new();
    for piece in pieces {
        connection.handle_bytes(now, piece);
        events.extend(std::iter::from_fn(|| connection.poll_event()).map(&show));
    }
    connection.handle_disconnect(Disconnect::Eof);
    events.extend(std::iter::from_fn(|| connection.poll_event()).map(&show));
    events
}
