//! What a client must make of the bytes that it reads, independently of the code under test.
//!
//! A length that no frame has, and an answer that is not the one that is due, leave a connection that cannot be trusted: it
//! ends. Everything else may make a request fail, and leaves the connection alone.

use std::{collections::VecDeque, fmt};

use kafka08_proto::connection::CloseReason;

use super::wire::{Frames, HEAD, Header, PRODUCE, int32};

/// The longest frame that clients take by default.
const MOST: i32 = 64 << 20;
/// The shortest frame: an id.
const LEAST: i32 = 4;
/// The key of ConsumerMetadata. Brokers of 0.8.2 answer it with the id 0 when it fails in them.
const CONSUMER_METADATA: i16 = 10;
/// The code of that answer.
const NO_COORDINATOR: &[u8] = &[0, 15];

/// What of an answer ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The bytes are not frames.
    Frame,
    /// An answer is not the one that is due, or none is due.
    Match,
}

impl Breach {
    /// The breach that a client says has ended a connection.
    #[must_use]
    pub fn of(reason: &CloseReason) -> Option<Self> {
        match reason {
            CloseReason::Frame(_) => Some(Self::Frame),
            CloseReason::Match(_) => Some(Self::Match),
            _ => None,
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame => "bytes that are not frames",
            Self::Match => "an answer that was not due",
        })
    }
}

/// Reads what a client reads.
#[derive(Debug, Default)]
pub struct Reading {
    frames: Frames,
    /// The ids and keys of the requests that were written and are to be answered, in order.
    due: VecDeque<(i32, i16)>,
    /// The answers so far that were due.
    sound: u64,
    breach: Option<Breach>,
}

impl Reading {
    /// Notes a request that was written.
    pub fn asked(&mut self, header: Header) {
        if header.is_answered {
            self.due.push_back((header.id, header.key));
        }
    }

    /// Reads bytes that the client has read.
    pub fn read(&mut self, bytes: &[u8]) {
        let Self { frames, due, sound, breach } = self;
        let mut rest = bytes;
        while !rest.is_empty() && breach.is_none() {
            // The length is looked at as soon as it is there, as no frame may follow a bad one.
            let step = match frames.len() {
                None => frames.missing_of_length().min(rest.len()),
                Some(_) => rest.len().min(frames.missing()),
            };
            let (now, later) = rest.split_at(step);
            rest = later;
            frames.read(now, HEAD, |len, head| {
                let Some(id) = int32(head, 0).filter(|_| len >= LEAST) else {
                    *breach = Some(Breach::Frame);
                    return;
                };
                let is_due = |(expected, key): &mut (i32, i16)| {
                    let is_quirk = *key == CONSUMER_METADATA && id == 0 && head.get(4..) == Some(NO_COORDINATOR);
                    *expected == id || is_quirk
                };
                if due.pop_front_if(is_due).is_some() {
                    *sound += 1;
                } else {
                    *breach = Some(Breach::Match);
                }
            });
            if frames.len().is_some_and(|len| !(LEAST..=MOST).contains(&len)) {
                *breach = breach.or(Some(Breach::Frame));
            }
        }
    }

    /// How many answers have come that were due.
    #[must_use]
    pub fn sound(&self) -> u64 {
        self.sound
    }

    /// The key of the request whose answer the client reads next.
    #[must_use]
    pub fn due(&self) -> Option<i16> {
        self.due.front().map(|(_, key)| *key)
    }

    /// What has ended the connection, if anything has.
    #[must_use]
    pub fn breach(&self) -> Option<Breach> {
        self.breach
    }

    /// How many produces have no answer yet.
    #[must_use]
    pub fn produces(&self) -> usize {
        self.due.iter().filter(|(_, key)| *key == PRODUCE).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(asked: &[(i16, i32)], bytes: &[u8]) -> Option<Breach> {
        let mut found = Vec::new();
        // However the bytes are cut.
        for step in [1, 2, 3, 5, bytes.len().max(1)] {
            let mut reading = Reading::default();
            asked.iter().for_each(|(key, id)| {
                reading.asked(Header { key: *key, version: 0, id: *id, is_answered: true });
            });
            bytes.chunks(step).for_each(|bytes| reading.read(bytes));
            found.push(reading.breach());
        }
        assert!(found.iter().all(|breach| *breach == found[0]), "{found:?}");
        found[0]
    }

    #[test]
    fn answers_in_order_are_no_breach() {
        let answers = b"\0\0\0\x05\0\0\0\x07x\0\0\0\x04\0\0\0\x08\0\0";
        assert_eq!(after(&[(3, 7), (3, 8)], answers), None);
    }

    #[test]
    fn an_answer_out_of_order_or_to_nothing_is_a_breach() {
        let answer = b"\0\0\0\x04\0\0\0\x08";
        assert_eq!(after(&[(3, 7), (3, 8)], answer), Some(Breach::Match));
        assert_eq!(after(&[], answer), Some(Breach::Match));
        assert_eq!(after(&[(3, 8)], &[answer.as_slice(), answer].concat()), Some(Breach::Match));
    }

    #[test]
    fn a_length_that_no_frame_has_is_a_breach_at_once() {
        for bytes in [&b"HTTP"[..], b"\x15\x03\x03\0", b"\xff\xff\xff\xff", b"\0\0\0\x03", b"\0\0\0\0", b"SSH-2.0"] {
            assert_eq!(after(&[(3, 7)], bytes), Some(Breach::Frame), "{bytes:?}");
        }
        assert_eq!(after(&[(3, 7)], b"\x04\0\0\0"), None);
        assert_eq!(after(&[(3, 7)], b"\x04\0\0\x01"), Some(Breach::Frame));
        let behind_one = b"\0\0\0\x04\0\0\0\x07\0\0\0\x01";
        assert_eq!(after(&[(3, 7)], behind_one), Some(Breach::Frame));
    }

    #[test]
    fn a_failed_look_up_of_a_coordinator_may_have_the_id_0() {
        let answer = b"\0\0\0\x06\0\0\0\0\0\x0f";
        assert_eq!(after(&[(10, 7)], answer), None);
        assert_eq!(after(&[(3, 7)], answer), Some(Breach::Match));
    }
}
