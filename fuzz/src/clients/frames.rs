//! The peer's own view of the bytes: a parser and an encoder that share no code with the crates under test.

use std::time::Duration;

use super::promise::Promise;

/// The client id of every request here.
pub(super) const CLIENT_ID: &str = "c";

/// A request as the peer received it.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) api_key: i16,
    pub(super) id: i32,
    pub(super) body: Vec<u8>,
    /// When its first byte came.
    pub(super) began_at: Duration,
}

impl Received {
    /// A broker answers every request but a produce with acks = 0, whose acks are the body's first two bytes.
    pub(super) fn expects_answer(&self) -> bool {
        self.api_key != 0 || !self.body.starts_with(&[0, 0])
    }
}

/// Cuts what the peer has received into requests.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// What came behind the last whole request, and when its first byte did.
    rest: Vec<u8>,
    began_at: Option<Duration>,
    /// What came is no request, so that nothing behind it can be told apart.
    is_lost: bool,
    pub(super) requests: Vec<Received>,
}

impl Parser {
    pub(super) fn take(&mut self, now: Duration, bytes: &[u8]) {
        if bytes.is_empty() || self.is_lost {
            return;
        }
        self.began_at.get_or_insert(now);
        self.rest.extend_from_slice(bytes);
        while let Some((len, rest)) = self.rest.split_first_chunk::<4>() {
            let len = usize::try_from(i32::from_be_bytes(*len)).unwrap_or_default();
            let Some((frame, rest)) = rest.split_at_checked(len) else { break };
            let Some(request) = request(frame, self.began_at.unwrap_or(now)) else {
                self.is_lost = true;
                return Promise::Frames.check(false, || format!("the peer received no request: {frame:02x?}"));
            };
            self.requests.push(request);
            self.rest = rest.to_vec();
            self.began_at = (!self.rest.is_empty()).then_some(now);
        }
    }
}

/// api_key int16, api_version int16, correlation_id int32, client_id string, body. `None`: it is none that is sent here.
fn request(frame: &[u8], began_at: Duration) -> Option<Received> {
    let (header, body) = frame.split_at_checked(2 + 2 + 4 + 2 + CLIENT_ID.len())?;
    let is_ours = header[2..4] == [0, 0] && header[8..10] == [0, 1] && &header[10..] == CLIENT_ID.as_bytes();
    let api_key = i16::from_be_bytes([header[0], header[1]]);
    let id = i32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    is_ours.then(|| Received { api_key, id, body: body.to_vec(), began_at })
}

/// The answer to a request, with its length. It repeats the request's id where a caller can see it.
pub(super) fn answer(request: &Received) -> Vec<u8> {
    let id = request.id.to_be_bytes();
    let body = match request.api_key {
        // One topic "t", one partition 0, no error, the id as the offset.
        0 => [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &id].concat(),
        // The same with the id as the high watermark, and no messages.
        1 => [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &id, &[0; 4]].concat(),
        // One broker whose node id is the id, host "h", port 1; no topics.
        _ => [&[0, 0, 0, 1][..], &id, &[0, 1, b'h', 0, 0, 0, 1, 0, 0, 0, 0]].concat(),
    };
    framed(request.id, &body)
}

/// A body behind an id and a length.
pub(super) fn framed(id: i32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("answers are small");
    [&len.to_be_bytes()[..], &id.to_be_bytes(), body].concat()
}
