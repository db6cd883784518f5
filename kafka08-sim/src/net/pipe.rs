//! One direction of a connection.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

use super::{Profile, Segments};
use crate::choices::Stream;

/// The size of a TCP segment on an Ethernet.
const MSS: usize = 1460;
/// How long the network collects bytes if it coalesces them, in microseconds.
const COALESCING: u64 = 1_000;

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeEnd {
    /// The sender has closed its side.
    Fin,
    /// The connection was reset.
    Reset,
}

/// One direction of a connection: bytes on their way, and bytes that have arrived and were not read.
#[derive(Debug, Default)]
pub struct Pipe {
    /// Bytes on their way, with the times of their arrival, which ascend.
    transit: VecDeque<(u64, Bytes)>,
    /// Bytes that the receiver can read.
    arrived: VecDeque<Bytes>,
    /// The bytes of both.
    held: usize,
    /// When the last byte on its way arrives.
    last_arrival: u64,
    /// Until when nothing arrives.
    pub(crate) stalled_until: u64,
    /// How the direction ends, behind all bytes.
    pub(crate) end: Option<PipeEnd>,
    /// The time of the event that will look at what has arrived.
    pub(crate) looks_at: Option<u64>,
    /// A bit to flip in the next bytes that are sent.
    pub(crate) corrupts: Option<u64>,
}

impl Pipe {
    /// How many bytes the sender can still write.
    #[must_use]
    pub fn room(&self, profile: &Profile) -> usize {
        if self.end.is_some() { 0 } else { profile.send_buffer.saturating_sub(self.held) }
    }

    /// Takes bytes of the sender.
    pub fn send(&mut self, now: u64, bytes: Bytes, profile: &Profile, stream: &mut Stream) {
        let mut bytes = self.corrupted(bytes);
        self.held += bytes.len();
        while !bytes.is_empty() {
            let len = if profile.segments == Segments::Mss { bytes.len().min(MSS) } else { bytes.len() };
            let segment = bytes.split_to(len);
            let travel =
                u64::try_from(len).unwrap_or(0).saturating_mul(1000).checked_div(profile.bandwidth).unwrap_or(0);
            let mut at = (now + stream.exponential(profile.latency)).max(self.last_arrival) + travel;
            if profile.segments == Segments::Coalesced {
                at = at.next_multiple_of(COALESCING);
            }
            self.last_arrival = at;
            self.transit.push_back((at, segment));
        }
    }

    fn corrupted(&mut self, bytes: Bytes) -> Bytes {
        let Some(bit) = self.corrupts.take() else { return bytes };
        let mut bytes = bytes.to_vec();
        let at = usize::try_from(bit / 8).unwrap_or(0).checked_rem(bytes.len()).unwrap_or(0);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << (bit % 8);
        }
        Bytes::from(bytes)
    }

    /// When the next bytes arrive, or the end.
    #[must_use]
    pub fn next_arrival(&self) -> Option<u64> {
        let next = self.transit.front().map(|(at, _)| *at);
        let end = self.end.filter(|_| self.arrived.is_empty()).map(|_| self.last_arrival);
        next.or(end).map(|at| at.max(self.stalled_until))
    }

    /// Lets bytes arrive whose time has come. Returns whether the receiver has something to look at.
    pub fn arrive(&mut self, now: u64) -> bool {
        if self.stalled_until > now {
            return false;
        }
        while let Some((at, bytes)) = self.transit.pop_front() {
            if at > now {
                self.transit.push_front((at, bytes));
                break;
            }
            self.arrived.push_back(bytes);
        }
        self.is_readable(now)
    }

    /// Whether the receiver can read bytes, or the end.
    #[must_use]
    pub fn is_readable(&self, now: u64) -> bool {
        !self.arrived.is_empty() || self.is_at_end(now)
    }

    /// Whether the receiver has read everything, and the end has come.
    #[must_use]
    pub fn is_at_end(&self, now: u64) -> bool {
        let is_due = self.last_arrival.max(self.stalled_until) <= now || self.end == Some(PipeEnd::Reset);
        self.end.is_some() && self.arrived.is_empty() && self.transit.is_empty() && is_due
    }

    /// Whether bytes have arrived that were not read.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Whether bytes are on their way.
    #[must_use]
    pub fn has_transit(&self) -> bool {
        !self.transit.is_empty()
    }

    /// Takes up to so many bytes that have arrived.
    pub fn read(&mut self, most: usize) -> Option<Bytes> {
        let first = self.arrived.front_mut()?;
        let len = first.len().min(most.max(1));
        let bytes = first.split_to(len);
        if !first.has_remaining() {
            self.arrived.pop_front();
        }
        self.held = self.held.saturating_sub(len);
        Some(bytes)
    }

    /// Takes all bytes that have arrived, in one piece.
    pub fn read_all(&mut self) -> Option<Bytes> {
        let first = self.arrived.pop_front()?;
        let bytes = if self.arrived.is_empty() {
            first
        } else {
            let rest: Vec<u8> = self.arrived.drain(..).flatten().collect();
            Bytes::from([first.as_ref(), rest.as_slice()].concat())
        };
        self.held = self.held.saturating_sub(bytes.len());
        Some(bytes)
    }

    /// Ends the direction. So many thousandths of the bytes that are on their way arrive at once; the rest is lost.
    pub fn cut(&mut self, now: u64, thousandths: u64, end: PipeEnd) {
        let all: usize = self.transit.iter().map(|(_, bytes)| bytes.len()).sum();
        let mut keep = all.saturating_mul(usize::try_from(thousandths).unwrap_or(0)) / 1000;
        let transit = std::mem::take(&mut self.transit);
        for (_, mut bytes) in transit {
            let len = bytes.len().min(keep);
            keep -= len;
            self.held = self.held.saturating_sub(bytes.len() - len);
            if len > 0 {
                self.arrived.push_back(bytes.split_to(len));
            }
        }
        self.last_arrival = now;
        self.stalled_until = 0;
        // A connection that was reset stays so.
        self.end = self.end.filter(|end| *end == PipeEnd::Reset).or(Some(end));
    }

    /// Ends the direction behind all bytes.
    pub fn finish(&mut self, end: PipeEnd) {
        self.end = self.end.or(Some(end));
    }

    /// Ends the direction behind all bytes, and not before this time.
    pub fn finish_at(&mut self, at: u64, end: PipeEnd) {
        if self.end.is_none() {
            self.last_arrival = self.last_arrival.max(at);
        }
        self.finish(end);
    }

    /// Lets bytes go on after a fault has ended.
    pub fn heal(&mut self) {
        self.stalled_until = 0;
        self.corrupts = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Profile = Profile { latency: 0, bandwidth: 0, send_buffer: 100, segments: Segments::Whole };

    fn sent(bytes: &[u8]) -> Pipe {
        let mut pipe = Pipe::default();
        pipe.send(5, Bytes::copy_from_slice(bytes), &PLAIN, &mut Stream::new(1));
        pipe
    }

    #[test]
    fn bytes_arrive_in_order_and_take_room_until_they_are_read() {
        let mut pipe = sent(b"abc");
        pipe.send(6, Bytes::from_static(b"def"), &PLAIN, &mut Stream::new(1));
        assert_eq!((pipe.room(&PLAIN), pipe.next_arrival()), (94, Some(5)));
        assert!(pipe.arrive(6));
        assert_eq!(pipe.read(2).as_deref(), Some(&b"ab"[..]));
        assert_eq!(pipe.read_all().as_deref(), Some(&b"cdef"[..]));
        assert_eq!((pipe.room(&PLAIN), pipe.next_arrival()), (100, None));
    }

    #[test]
    fn a_stall_holds_bytes_back_and_loses_none() {
        let mut pipe = sent(b"abc");
        pipe.stalled_until = 50;
        assert!(!pipe.arrive(20));
        assert_eq!(pipe.next_arrival(), Some(50));
        assert!(pipe.arrive(50));
        assert_eq!(pipe.read_all().as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn a_cut_loses_a_suffix_and_ends_behind_what_it_keeps() {
        let mut pipe = sent(b"abcd");
        pipe.cut(5, 500, PipeEnd::Reset);
        assert!(!pipe.is_at_end(5), "what was kept is read first");
        assert_eq!(pipe.read_all().as_deref(), Some(&b"ab"[..]));
        assert!(pipe.is_at_end(5));
        assert_eq!(pipe.room(&PLAIN), 0, "nothing can be written any more");
    }

    #[test]
    fn an_end_comes_behind_all_bytes_and_takes_its_time() {
        let mut pipe = sent(b"ab");
        pipe.finish_at(30, PipeEnd::Fin);
        assert!(pipe.arrive(5) && !pipe.is_at_end(5));
        assert_eq!(pipe.read_all().as_deref(), Some(&b"ab"[..]));
        assert_eq!((pipe.next_arrival(), pipe.is_at_end(29), pipe.is_at_end(30)), (Some(30), false, true));
    }

    #[test]
    fn a_limited_bandwidth_delays_bytes() {
        let slow = Profile { bandwidth: 2, ..PLAIN };
        let mut pipe = Pipe::default();
        pipe.send(0, Bytes::from_static(b"abcd"), &slow, &mut Stream::new(1));
        assert_eq!(pipe.next_arrival(), Some(2000));
    }

    #[test]
    fn a_corrupt_bit_is_flipped_once() {
        let mut pipe = Pipe { corrupts: Some(8), ..Pipe::default() };
        for bytes in [b"\0\0", b"\0\0"] {
            pipe.send(0, Bytes::from_static(bytes), &PLAIN, &mut Stream::new(1));
        }
        pipe.arrive(0);
        assert_eq!(pipe.read_all().as_deref(), Some(&[0, 1, 0, 0][..]));
    }
}
