//! Reads the frames of both directions, independently of the code under test.
//!
//! It checks that what the client writes is whole frames with sound headers and bodies, and that no correlation id is in use
//! twice. A frame that another one was mixed into has no sound body.

use std::{collections::VecDeque, fmt};

use super::body::{self, BodyProblem};

/// What the client did wrong on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireTapProblem {
    /// A length that no request has.
    Length(i32),
    /// A key that no API of 0.8 has, or a version that it does not have.
    Api(i16, i16),
    /// A correlation id that another request in flight has.
    Id(i32),
    /// A body that is not what its key and version say.
    Body(i16, i16, BodyProblem),
    /// What another reader of the protocol says of a request.
    Second(String),
}

impl fmt::Display for WireTapProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "a frame has the length {length}"),
            Self::Api(key, version) => write!(f, "a request has the key {key} and the version {version}"),
            Self::Id(id) => write!(f, "the correlation id {id} is in flight twice"),
            Self::Body(key, version, problem) => {
                write!(f, "the body of a request with the key {key} and the version {version} is wrong: {problem}")
            }
            Self::Second(problem) => write!(f, "another reader cannot read a request: {problem}"),
        }
    }
}

/// A request, as its header shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The API key.
    pub key: i16,
    /// The version of the API.
    pub version: i16,
    /// The correlation id.
    pub id: i32,
    /// Whether the broker owes an answer.
    pub is_answered: bool,
}

/// Whether another reader of the protocol reads each request as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Second {
    /// It does, if the feature `second-decoder` is there.
    Reads,
    /// It does not.
    #[default]
    Rests,
}

/// Reads the frames of a connection.
#[derive(Debug, Default)]
pub struct WireTap {
    second: Second,
    up: Frames,
    down: Frames,
    /// The requests that are not answered.
    outstanding: VecDeque<Header>,
    /// Requests so far.
    pub(crate) requests: u64,
}

#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of the frame that is being read, as much of it as is looked at.
    head: Vec<u8>,
    /// The bytes of the frame that were read.
    read: usize,
}

/// How much of an answer is looked at: its length, its id, and the first two bytes of its body.
pub(super) const HEAD: usize = 4 + 4 + 2;

impl Frames {
    /// Reads bytes, and calls `each` with every whole frame, or with the first `most` bytes of it, length included.
    pub(super) fn read(&mut self, mut bytes: &[u8], most: usize, mut each: impl FnMut(i32, &[u8])) {
        while !bytes.is_empty() {
            let len = self.len();
            let whole = len.map_or(4, |len| 4_usize.saturating_add(usize::try_from(len).unwrap_or(0)));
            let take = whole.saturating_sub(self.read).min(bytes.len());
            let (taken, rest) = bytes.split_at(take);
            bytes = rest;
            let room = most.saturating_sub(self.head.len()).min(taken.len());
            self.head.extend_from_slice(taken.get(..room).unwrap_or_default());
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

    /// How many bytes of the length were not read.
    pub(super) fn missing_of_length(&self) -> usize {
        4_usize.saturating_sub(self.read)
    }

    /// How many bytes of the frame were not read, once its length was.
    pub(super) fn missing(&self) -> usize {
        let len = self.len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        len.saturating_add(4).saturating_sub(self.read)
    }

    /// The length of the frame that is being read.
    pub(super) fn len(&self) -> Option<i32> {
        let prefix = self.head.get(..4)?;
        Some(i32::from_be_bytes(prefix.try_into().ok()?))
    }
}

fn int16(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn int32(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

impl WireTap {
    /// Has another reader of the protocol read each request as well.
    #[must_use]
    pub fn with_second(second: Second) -> Self {
        Self { second, ..Self::default() }
    }

    /// Reads bytes that the client has written. Calls `each` with every request.
    pub fn up(&mut self, bytes: &[u8], mut each: impl FnMut(Header)) -> Option<WireTapProblem> {
        let mut problem = None;
        let Self { up, outstanding, requests, second, .. } = self;
        up.read(bytes, usize::MAX, |len, frame| {
            *requests += 1;
            match request(len, frame, *second) {
                Ok(header) => {
                    if outstanding.iter().any(|other| other.id == header.id) {
                        problem.get_or_insert(WireTapProblem::Id(header.id));
                    }
                    if header.is_answered {
                        outstanding.push_back(header);
                    }
                    each(header);
                }
                Err(found) => drop(problem.get_or_insert(found)),
            }
        });
        problem
    }

    /// Reads bytes that the broker has written. Calls `each` with the correlation id of every answer.
    pub fn down(&mut self, bytes: &[u8], mut each: impl FnMut(i32)) {
        let Self { down, outstanding, .. } = self;
        down.read(bytes, HEAD, |_, head| {
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

/// The key of Produce, the one request that may have no answer.
pub(super) const PRODUCE: i16 = 0;

fn request(len: i32, frame: &[u8], second: Second) -> Result<Header, WireTapProblem> {
    if !(10..=100 << 20).contains(&len) {
        return Err(WireTapProblem::Length(len));
    }
    let (Some(key), Some(version), Some(id)) = (int16(frame, 0), int16(frame, 2), int32(frame, 4)) else {
        return Err(WireTapProblem::Length(len));
    };
    if !body::is_known(key, version) {
        return Err(WireTapProblem::Api(key, version));
    }
    // A client id may be null.
    let client_id = int16(frame, 8).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    let body = frame.get(10_usize.saturating_add(client_id)..).ok_or(WireTapProblem::Length(len))?;
    let messages = body::read(key, version, body).map_err(|problem| WireTapProblem::Body(key, version, problem))?;
    if second == Second::Reads {
        super::second::read(frame, messages).map_err(WireTapProblem::Second)?;
    }
    Ok(Header { key, version, id, is_answered: key != PRODUCE || int16(body, 0) != Some(0) })
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
            assert_eq!(found, [Header { key: 3, version: 0, id: 7, is_answered: true }]);
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
        // A frame that begins within another one is a part of it, and its body is not the one that was to come.
        let mixed = [&REQUEST[..13], REQUEST, &REQUEST[13..]].concat();
        assert!(matches!(WireTap::default().up(&mixed, |_| {}), Some(WireTapProblem::Body(..))));
        let mut unknown = REQUEST.to_vec();
        unknown[5] = 99;
        assert_eq!(WireTap::default().up(&unknown, |_| {}), Some(WireTapProblem::Api(99, 0)));
        let mut counted = REQUEST.to_vec();
        counted[18] = 1;
        let short = WireTapProblem::Body(3, 0, BodyProblem::Short);
        assert_eq!(WireTap::default().up(&counted, |_| {}), Some(short));
    }
}
