//! What the tests of the core share: bytes written by hand, a clock that stands still, and the two ways into a connection.
#![expect(dead_code, reason = "no test file uses all of it")]

use std::time::Instant;

use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientEvent, Connection, ServerEvent,
    ids::{Api, CorrelationId, Offset},
    message::{Budget, Cursor, Inflater, MessageError, MessageSet},
};

/// The origin of a test's virtual time.
pub(crate) fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from nothing; tests only add to this one")]
    Instant::now()
}

/// Bytes in hex: spaces mean nothing, and `#` begins a comment.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits = text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().chars());
    let digits: Vec<u32> =
        digits.filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("a hexadecimal digit")).collect();
    let (pairs, odd) = digits.as_chunks::<2>();
    assert!(odd.is_empty(), "an odd number of digits");
    pairs.iter().map(|[high, low]| u8::try_from(high << 4 | low).expect("two digits are a byte")).collect()
}

/// The payload behind its length.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    let len = i32::try_from(payload.len()).expect("a short payload");
    [&len.to_be_bytes(), payload].concat()
}

/// A response as a broker sends it.
pub(crate) fn response(id: CorrelationId, body: &[u8]) -> Vec<u8> {
    framed(&[&id.0.to_be_bytes(), body].concat())
}

/// The offsets and errors that a cursor lends, and where it ends. Each compressed entry has this budget.
pub(crate) fn lent(set: &MessageSet, mut cursor: Cursor, budget: usize) -> (Vec<Result<i64, MessageError>>, Offset) {
    let (mut told, mut inflater) = (Vec::new(), Inflater::new());
    while let Some(found) = cursor.next_message(set, &mut inflater, &mut Budget::new(budget)) {
        told.push(found.map(|message| message.offset.0));
    }
    (told, cursor.position())
}

/// CRC-32 as zlib has it, bit by bit: slow, and nobody's code but this.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// An entry of a message set whose checksum is right, whatever stands behind it.
pub(crate) fn entry(offset: i64, covered: &[u8]) -> Vec<u8> {
    let size = i32::try_from(covered.len() + 4).expect("a short message");
    [&offset.to_be_bytes()[..], &size.to_be_bytes(), &crc(covered).to_be_bytes(), covered].concat()
}

/// Lets the transport take everything, and returns it.
pub(crate) fn written(connection: &mut impl Connection) -> Bytes {
    let (_, queue) = connection.buffers();
    queue.copy_to_bytes(queue.remaining())
}

/// How bytes get into a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path {
    /// By `handle_bytes`.
    Copied,
    /// By `buffers` and `handle_read`.
    InPlace,
}

impl Path {
    pub(crate) fn feed(self, connection: &mut impl Connection, now: Instant, mut bytes: &[u8]) {
        match self {
            Self::Copied => connection.handle_bytes(now, bytes),
            Self::InPlace => {
                while !bytes.is_empty() {
                    let (space, _) = connection.buffers();
                    let (front, behind) = bytes.split_at(bytes.len().min(space.len()));
                    space.split_at_mut(front.len()).0.copy_from_slice(front);
                    connection.handle_read(now, front.len());
                    bytes = behind;
                }
            }
        }
    }
}

/// An event in a form that compares: whole responses and requests, anything else as it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Response(CorrelationId, Api, Bytes),
    Request(kafka08_proto::connection::RequestFrame),
    Other(String),
}

impl From<ClientEvent> for Seen {
    fn from(event: ClientEvent) -> Self {
        match event {
            ClientEvent::Response(frame) => Self::Response(frame.id, frame.api, frame.body),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl From<ServerEvent> for Seen {
    fn from(event: ServerEvent) -> Self {
        match event {
            ServerEvent::Request(frame) => Self::Request(frame),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// Takes all events that are there.
pub(crate) fn drain<C: Connection>(connection: &mut C) -> Vec<C::Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}
