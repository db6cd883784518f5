//! The stream and the peer behind it, as one state machine: it plays its part of the script, and notes what it did.

use std::{
    io::{self, ErrorKind, IoSlice},
    task::Poll,
    time::Duration,
};

use super::{
    frames::{Parser, answer, framed},
    promise::Promise,
    script::{FlushStep, PeerPlan, ReadStep, Units, WriteStep},
};

/// An adapter that makes more attempts than this in one run spins.
const MOST_ATTEMPTS: usize = 100_000;

#[derive(Debug)]
pub(super) struct Wire {
    plan: PeerPlan,
    /// The length of one unit of the script.
    unit: Duration,
    pub(super) parser: Parser,
    /// What the peer has sent and the client has not read.
    unread: Vec<u8>,
    /// The most bytes of one read.
    chunk: usize,
    /// How many of the received requests were looked at for an answer.
    looked_at: usize,
    /// Requests that were answered, by their place among those received: the client has read all of the answer, or
    /// `unread` holds its end.
    pub(super) answered: Vec<Answered>,
    /// All bytes that the client has read.
    read: usize,
    /// Bytes of an attempt that would have blocked, and when that was.
    held: Option<(Duration, Vec<u8>)>,
    write_blocked_until: Option<Duration>,
    flush_blocked_until: Option<Duration>,
    read_blocked_until: Option<Duration>,
    write_failed: Option<ErrorKind>,
    read_failed: Option<Option<ErrorKind>>,
    /// Whether bytes were sent that no broker sends.
    pub(super) has_lied: bool,
    /// Since when nothing can come of the connection any more.
    over_since: Option<(Duration, Promise)>,
    /// When the call that runs must have ended. Set for clients that call from one thread.
    pub(super) limit: Option<Duration>,
    /// Counts calls of a stream that does not tell time.
    attempts: usize,
    pub(super) counts_attempts: bool,
}

/// An answer that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    /// The request's place among those received.
    pub(super) request: usize,
    pub(super) is_malformed: bool,
    /// How many bytes the client has read when it has the whole answer.
    end: usize,
}

impl Wire {
    pub(super) fn new(plan: PeerPlan, unit: Duration) -> Self {
        Self {
            plan,
            unit,
            parser: Parser::default(),
            unread: Vec::new(),
            chunk: usize::MAX,
            looked_at: 0,
            answered: Vec::new(),
            read: 0,
            held: None,
            write_blocked_until: None,
            flush_blocked_until: None,
            read_blocked_until: None,
            write_failed: None,
            read_failed: None,
            has_lied: false,
            over_since: None,
            limit: None,
            attempts: 0,
            counts_attempts: false,
        }
    }

    /// Until when writes, flushes and reads would block, where the script says so.
    pub(super) fn blocked_until(&self) -> [Option<Duration>; 3] {
        [self.write_blocked_until, self.flush_blocked_until, self.read_blocked_until]
    }

    /// Whether the client has read the whole answer.
    pub(super) fn has_delivered(&self, answer: Answered) -> bool {
        answer.end <= self.read
    }

    /// Failures of the stream that the client was shown.
    pub(super) fn has_shown(&self, kind: ErrorKind) -> bool {
        self.write_failed == Some(kind) || self.read_failed == Some(Some(kind))
    }

    pub(super) fn has_shown_eof(&self) -> bool {
        self.read_failed == Some(None)
    }

    fn attempt(&mut self, now: Duration) {
        if let Some(limit) = self.limit {
            Promise::Deadline.check(now <= limit, || format!("a call still runs at {now:?}, its limit was {limit:?}"));
        }
        self.attempts += 1;
        assert!(!self.counts_attempts || self.attempts < MOST_ATTEMPTS, "the client spins");
    }

    pub(super) fn write(&mut self, now: Duration, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.attempt(now);
        if let Some(kind) = self.write_failed {
            return Poll::Ready(Err(kind.into()));
        }
        let step = self.plan.writes.pop_front().unwrap_or(WriteStep::Take(usize::MAX));
        match step {
            WriteStep::Take(most) => Poll::Ready(Ok(self.take(now, most, slices))),
            WriteStep::TakeFirstSlice => {
                let first = slices.iter().find(|slice| !slice.is_empty()).map_or(0, |slice| slice.len());
                Poll::Ready(Ok(self.take(now, first, slices)))
            }
            WriteStep::Block(time) => {
                if is_over(&mut self.write_blocked_until, now, time, self.unit) {
                    return self.write(now, slices);
                }
                self.hold(now, slices);
                self.plan.writes.push_front(step);
                Poll::Pending
            }
            WriteStep::BlockForEver => {
                self.hold(now, slices);
                self.plan.writes.push_front(step);
                Poll::Pending
            }
            WriteStep::Interrupted => Poll::Ready(Err(ErrorKind::Interrupted.into())),
            WriteStep::Zero => {
                self.fail_write(now, ErrorKind::WriteZero);
                Poll::Ready(Ok(0))
            }
            WriteStep::Fail(kind) => {
                self.fail_write(now, kind);
                Poll::Ready(Err(kind.into()))
            }
        }
    }

    /// Takes bytes; first those that it has kept.
    fn take(&mut self, now: Duration, most: usize, slices: &[IoSlice<'_>]) -> usize {
        if let Some((since, held)) = self.held.take() {
            self.parser.take(since, &held);
            return held.len().min(slices.iter().map(|slice| slice.len()).sum());
        }
        let mut left = most;
        for slice in slices {
            let (taken, _) = slice.split_at(left.min(slice.len()));
            self.parser.take(now, taken);
            left -= taken.len();
        }
        most - left
    }

    fn hold(&mut self, now: Duration, slices: &[IoSlice<'_>]) {
        if self.plan.keeps_blocked_bytes && self.held.is_none() {
            let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.held = Some((now, bytes));
        }
    }

    fn fail_write(&mut self, now: Duration, kind: ErrorKind) {
        self.write_failed = Some(kind);
        self.note_end(now);
    }

    /// The connection is over when reading has ended, or when nothing can be written and no answer is due.
    fn note_end(&mut self, now: Duration) {
        let owes = self.parser.requests.iter().filter(|request| request.expects_answer()).count();
        let given = self.answered.iter().filter(|answer| self.has_delivered(**answer)).count();
        if self.over_since.is_none() {
            if self.read_failed.is_some() {
                self.over_since = Some((now, Promise::Prompt));
            } else if self.write_failed.is_some() && owes == given && !self.has_lied {
                // Behind bytes that no broker sends, an answer may be part of what looks like a longer one.
                self.over_since = Some((now, Promise::Mute));
            }
        }
    }

    /// Checks that a call has not waited when nothing could come of it any more.
    pub(super) fn check_prompt(&self, what: &str, start: Duration, end: Duration, slack: Duration) {
        if let Some((over, promise)) = self.over_since {
            let last = start.max(over) + slack;
            promise.check(end <= last, || format!("{what} ended at {end:?}, all was over at {over:?}"));
        }
    }

    pub(super) fn flush(&mut self, now: Duration) -> Poll<io::Result<()>> {
        self.attempt(now);
        if let Some(kind) = self.write_failed {
            return Poll::Ready(Err(kind.into()));
        }
        match self.plan.flushes.pop_front() {
            None | Some(FlushStep::Succeed) => Poll::Ready(Ok(())),
            Some(FlushStep::Block(time)) => {
                if is_over(&mut self.flush_blocked_until, now, time, self.unit) {
                    return Poll::Ready(Ok(()));
                }
                self.plan.flushes.push_front(FlushStep::Block(time));
                Poll::Pending
            }
            Some(FlushStep::Interrupted) => Poll::Ready(Err(ErrorKind::Interrupted.into())),
            Some(FlushStep::Fail(kind)) => {
                self.fail_write(now, kind);
                Poll::Ready(Err(kind.into()))
            }
        }
    }

    pub(super) fn read(&mut self, now: Duration, space: &mut [u8]) -> Poll<io::Result<usize>> {
        self.attempt(now);
        loop {
            if let Some(failed) = self.read_failed {
                return Poll::Ready(failed.map_or(Ok(0), |kind| Err(kind.into())));
            }
            if !self.unread.is_empty() {
                let n = self.unread.len().min(space.len()).min(self.chunk);
                space[..n].copy_from_slice(&self.unread[..n]);
                self.unread.drain(..n);
                self.read += n;
                self.note_end(now);
                return Poll::Ready(Ok(n));
            }
            let Some(step) = self.plan.reads.pop_front() else {
                if self.plan.is_honest_at_last && self.answer(|whole| whole, false) {
                    continue;
                }
                return Poll::Pending;
            };
            if let Some(result) = self.read_step(now, step) {
                return result;
            }
        }
    }

    /// What comes of one step; `None`: look again.
    fn read_step(&mut self, now: Duration, step: ReadStep) -> Option<Poll<io::Result<usize>>> {
        let is_done = match &step {
            ReadStep::Answer => self.answer(|whole| whole, false),
            ReadStep::AnswerMalformed => self.answer(|whole| framed(id_of(&whole), &[0]), true),
            ReadStep::AnswerCut(len) => {
                let is_due = self.next_due().is_some();
                let len = *len;
                if is_due {
                    // What follows is read as the rest of this answer.
                    self.has_lied = true;
                    self.answer(|whole| whole.into_iter().take(len).collect(), false);
                    self.answered.pop();
                }
                is_due
            }
            ReadStep::AnswerWrongId => {
                self.has_lied = true;
                self.unread.extend(framed(7, &[0; 4]));
                true
            }
            ReadStep::Garbage(bytes) => {
                self.has_lied = true;
                self.unread.extend(bytes);
                true
            }
            ReadStep::Delay(time) => is_over(&mut self.read_blocked_until, now, *time, self.unit),
            ReadStep::Chunk(most) => {
                self.chunk = *most;
                true
            }
            ReadStep::Interrupted => return Some(Poll::Ready(Err(ErrorKind::Interrupted.into()))),
            ReadStep::Eof => {
                self.fail_read(now, None);
                true
            }
            ReadStep::Fail(kind) => {
                self.fail_read(now, Some(*kind));
                true
            }
            ReadStep::Silence => false,
        };
        if is_done {
            return None;
        }
        self.plan.reads.push_front(step);
        Some(Poll::Pending)
    }

    fn fail_read(&mut self, now: Duration, kind: Option<ErrorKind>) {
        self.read_failed = Some(kind);
        self.note_end(now);
    }

    /// The first request that is to be answered and was not.
    fn next_due(&self) -> Option<usize> {
        (self.looked_at..self.parser.requests.len()).find(|&index| self.parser.requests[index].expects_answer())
    }

    /// Answers the next request; false if none has come whole.
    fn answer(&mut self, change: impl FnOnce(Vec<u8>) -> Vec<u8>, is_malformed: bool) -> bool {
        let Some(request) = self.next_due() else { return false };
        self.looked_at = request + 1;
        self.unread.extend(change(answer(&self.parser.requests[request])));
        self.answered.push(Answered { request, is_malformed, end: self.read + self.unread.len() });
        true
    }
}

fn id_of(frame: &[u8]) -> i32 {
    i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]])
}

/// Whether a time that begins with the first question has passed.
fn is_over(until: &mut Option<Duration>, now: Duration, time: Units, unit: Duration) -> bool {
    let end = *until.get_or_insert(now + unit * time.0);
    if end <= now {
        *until = None;
    }
    end <= now
}
