//! Reads the frames of both directions, independently of the code under test.
//!
//! It checks that what the client writes is whole frames with sound headers, and that no correlation id is in use twice.

use std::{collections::VecDeque, fmt};

/// What the client did wrong on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireTapProblem {
    /// A length that no request has.
    Length(i32),
    /// A key that no API of 0.8 has, or a version that it does not have.
    Api(i16, i16),
    /// A correlation id that another request in flight has.
    Id(i32),
    /// Bytes behind the end of the connection.
    AfterEnd,
}

impl fmt::Display for WireTapProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "a frame has the length {length}"),
            Self::Api(key, version) => write!(f, "a request has the key {key} and the version {version}"),
            Self::Id(id) => write!(f, "the correlation id {id} is in flight twice"),
            Self::AfterEnd => f.write_str("bytes were written after the connection had ended"),
        }
    }
}

/// A request, as its header shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The API key.
    pub key: i16,
    /// The correlation id.
    pub id: i32,
    /// Whether the broker owes an answer.
    pub is_answered: bool,
}

/// Reads the frames of a connection.
#[derive(Debug, Default)]
pub struct WireTap {
    up: Frames,
    down: Frames,
    /// The requests that are not answered.
    outstanding: VecDeque<Header>,
    /// Requests so far.
    pub(crate) requests: u64,
}

#[derive(Debug, Default)]
struct Frames {
    /// The beginning of the frame that is being read, as much of it as is looked at.
    head: Vec<u8>,
    /// The bytes of the frame that were read.
    read: usize,
}

/// How much of a frame is looked at: the header with a client id of 64 bytes, and the acks.
const HEAD: usize = 4 + 8 + 2 + 64 + 2;

impl Frames {
    /// Reads bytes, and calls `each` with the beginning of every whole frame.
    fn read(&mut self, mut bytes: &[u8], mut each: impl FnMut(i32, &[u8])) {
        while !bytes.is_empty() {
            let len = self.len();
            let whole = len.map_or(4, |len| 4_usize.saturating_add(usize::try_from(len).unwrap_or(0)));
            let take = whole.saturating_sub(self.read).min(bytes.len());
            let (taken, rest) = bytes.split_at(take);
            bytes = rest;
            let room = HEAD.saturating_sub(self.head.len()).min(taken.len());
            self.head.extend(taken.iter().take(room));
            self.read += take;
            if let Some(len) = self.len()
                && self.read >= 4_usize.saturating_add(usize::try_from(len).unwrap_or(0))
            {
                each(len, self.head.get(4..).unwrap_or(&[]));
                self.head.clear();
                self.read = 0;
            }
        }
    }

    fn len(&self) -> Option<i32> {
        let prefix = self.head.get(..4)?;
        Some(i32::from_be_bytes(prefix.try_into().ok()?))
    }
}

fn int16(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn int32(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

impl WireTap {
    /// Reads bytes that the client has written. Calls `each` with every request.
    pub fn up(&mut self, bytes: &[u8], mut each: impl FnMut(Header)) -> Option<WireTapProblem> {
        let mut problem = None;
        let Self { up, outstanding, requests, .. } = self;
        up.read(bytes, |len, head| {
            *requests += 1;
            match header(len, head) {
                Ok(header) => {
                    if outstanding.iter().any(|other| other.id == header.id) {
                        problem = problem.or(Some(WireTapProblem::Id(header.id)));
                    }
                    if header.is_answered {
                        outstanding.push_back(header);
                    }
                    each(header);
                }
                Err(found) => problem = problem.or(Some(found)),
            }
        });
        problem
    }

    /// Reads bytes that the broker has written. Calls `each` with the correlation id of every answer.
    pub fn down(&mut self, bytes: &[u8], mut each: impl FnMut(i32)) {
        let Self { down, outstanding, .. } = self;
        down.read(bytes, |_, head| {
            if let Some(id) = int32(head, 0) {
                outstanding.retain(|other| other.id != id);
                each(id);
            }
        });
    }

    /// Whether a part of a request was written, and the rest was not.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.up.read > 0
    }

    /// Whether a part of an answer was written, and the rest was not.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.down.read > 0
    }

    /// The request that is answered next.
    #[must_use]
    pub fn owed(&self) -> Option<Header> {
        self.outstanding.front().copied()
    }

    /// The number of requests that are not answered.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }
}

fn header(len: i32, head: &[u8]) -> Result<Header, WireTapProblem> {
    const PRODUCE: i16 = 0;
    if !(10..=100 << 20).contains(&len) {
        return Err(WireTapProblem::Length(len));
    }
    let (Some(key), Some(version), Some(id)) = (int16(head, 0), int16(head, 2), int32(head, 4)) else {
        return Err(WireTapProblem::Length(len));
    };
    // ApiVersions is what a probe asks: brokers of 0.8 close at it. All other keys are those of 0.8.
    let is_known = (0..=12).contains(&key) && (0..=2).contains(&version) || key == 18;
    if !is_known {
        return Err(WireTapProblem::Api(key, version));
    }
    let client_id = int16(head, 8).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    let acks = int16(head, 10_usize.saturating_add(client_id));
    Ok(Header { key, id, is_answered: key != PRODUCE || acks != Some(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata v0 for all topics, id 7, client id "c".
    const REQUEST: &[u8] = b"\0\0\0\x0f\0\x03\0\0\0\0\0\x07\0\x01c\0\0\0\0";
    /// An answer to id 7 with a body of one byte.
    const ANSWER: &[u8] = b"\0\0\0\x05\0\0\0\x07x";

    #[test]
    fn requests_are_found_however_they_are_cut() {
        for cut in 0..REQUEST.len() {
            let mut tap = WireTap::default();
            let (first, second) = REQUEST.split_at(cut);
            let mut found = Vec::new();
            assert_eq!(tap.up(first, |header| found.push(header)), None);
            assert_eq!(tap.is_torn(), cut > 0);
            assert_eq!(tap.up(second, |header| found.push(header)), None);
            assert_eq!(found, [Header { key: 3, id: 7, is_answered: true }]);
            tap.down(ANSWER, |_| {});
            assert_eq!(tap.outstanding(), 0);
        }
    }

    #[test]
    fn an_id_in_flight_twice_is_a_problem_and_one_used_again_is_not() {
        let mut tap = WireTap::default();
        assert_eq!(tap.up(REQUEST, |_| {}), None);
        assert_eq!(tap.up(REQUEST, |_| {}), Some(WireTapProblem::Id(7)));
        let mut tap = WireTap::default();
        tap.up(REQUEST, |_| {});
        tap.down(ANSWER, |_| {});
        assert_eq!(tap.up(REQUEST, |_| {}), None);
    }

    #[test]
    fn frames_that_no_request_has_are_problems() {
        assert_eq!(WireTap::default().up(&[0; 8], |_| {}), Some(WireTapProblem::Length(0)));
        let mut unknown = REQUEST.to_vec();
        unknown[5] = 99;
        assert_eq!(WireTap::default().up(&unknown, |_| {}), Some(WireTapProblem::Api(99, 0)));
    }
}
