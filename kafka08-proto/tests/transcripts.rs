//! Thirty streams of responses, each cut in two and in three everywhere, into a fresh connection and one with requests in
//! flight: the same events, whatever the cuts.

mod common;

use bytes::{Buf as _, Bytes};
use common::{hex, start as origin};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, Disconnect,
    api::AnyResponse,
    connection::{Prepared, Reply},
    ids::{Api, ApiKey, ConnectionId},
};

/// A response's body for each API, by its key.
const BODIES: [&str; 13] = [
    "00000001 000174 00000001 00000000 0000 000000000000002a",
    "00000001 000174 00000001 00000000 0000 0000000000000001 0000001b
     0000000000000000 0000000f a50b8f63 00 00 ffffffff 00000001 77",
    "00000001 000174 00000001 00000000 0000 00000002 0000000000000014 0000000000000000",
    "00000001 00000001 00026831 00002384 00000001 0005 000175 00000000",
    "0000 00000001 000174 00000003 000d",
    "000b 00000000",
    "ffff",
    "0000 00000001 000174 00000003",
    "00000001 000174 00000001 00000000 000c",
    "00000001 000174 00000001 00000000 0000000000000007 00016d 0000",
    "0000 00000001 00026831 00002384",
    "ffff ffffffff 0000 00000000",
    "ffff",
];

/// The requests in flight, by their keys, and what the peer sends.
struct Transcript {
    keys: Vec<i16>,
    stream: Vec<u8>,
}

impl Transcript {
    fn of(keys: &[i16]) -> Self {
        let mut stream = Vec::new();
        for (key, sequence) in keys.iter().zip(0..) {
            let body = hex(BODIES.get(usize::try_from(*key).expect("a key")).expect("one of thirteen"));
            let id = (i32::from(*key) + 1) << 27 | sequence;
            stream.extend_from_slice(&u32::try_from(body.len() + 4).expect("short").to_be_bytes());
            stream.extend_from_slice(&id.to_be_bytes());
            stream.extend_from_slice(&body);
        }
        Self { keys: keys.to_vec(), stream }
    }

    fn and(mut self, more: &[u8]) -> Self {
        self.stream.extend_from_slice(more);
        self
    }

    fn without_requests(mut self) -> Self {
        self.keys.clear();
        self
    }

    /// What the client tells when the stream comes in these pieces, and then ends.
    fn events(&self, pieces: &[&[u8]]) -> Vec<String> {
        let now = origin();
        let mut client = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
        for key in &self.keys {
            let request = Prepared::raw(Api::v0(ApiKey(*key)), Bytes::new(), Reply::Expected);
            client.send(now, &request).expect("there is room");
        }
        let (_, queue) = client.buffers();
        queue.advance(queue.remaining());
        let mut events = Vec::new();
        for piece in pieces {
            client.handle_bytes(now, piece);
            while let Some(event) = client.poll_event() {
                events.push(match event {
                    ClientEvent::Response(frame) => {
                        format!("{frame:?} {:?}", AnyResponse::decode(frame.api, &frame.body))
                    }
                    other => format!("{other:?}"),
                });
            }
        }
        client.handle_disconnect(Disconnect::Eof);
        events.extend(std::iter::from_fn(|| client.poll_event()).map(|event| format!("{event:?}")));
        events
    }
}

fn transcripts() -> Vec<Transcript> {
    let singles = (0..13).map(|key| Transcript::of(&[key]));
    let pairs = (0..11).map(|key| Transcript::of(&[key, (key + 5) % 13]));
    let others = [
        Transcript::of(&[6, 12, 5, 6]),
        Transcript::of(&[3, 3]).and(&[0, 0, 0, 20, 1, 2]),
        Transcript::of(&[12]).and(&[0xff; 6]),
        Transcript::of(&[6]).and(b"HTTP/1.1"),
        Transcript::of(&[12]).and(&[0, 0, 0, 4, 0, 0, 0, 9]),
        Transcript::of(&[6, 12]).without_requests(),
    ];
    singles.chain(pairs).chain(others).collect()
}

#[test]
fn thirty_transcripts_are_read_the_same_however_they_are_cut() {
    let transcripts = transcripts();
    assert_eq!(transcripts.len(), 30);
    for transcript in transcripts {
        let stream = &transcript.stream[..];
        let whole = transcript.events(&[stream]);
        assert_eq!(transcript.events(&stream.chunks(1).collect::<Vec<_>>()), whole);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(transcript.events(&pieces), whole, "cut at {first} and {second}");
            }
        }
    }
}
