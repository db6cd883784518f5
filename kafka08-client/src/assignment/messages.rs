//! A fetched set on its way to the user, a reader of it that lends, and how far the user has come.

use kafka08_proto::{
    ids::{Offset, TopicPartition},
    message::{Budget, Cursor, Inflater, Message, MessageError, MessageProblem, MessageSet},
};

use super::{Epoch, OwnedMessage, PartitionIndex, SetId};
use crate::config::CorruptPolicy;

/// Which set of which epoch of which partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) at: PartitionIndex,
    pub(super) epoch: Epoch,
    pub(super) set: SetId,
    /// No more than this may be committed because of the set.
    pub(super) commits: Offset,
}

/// A fetched set of one partition, undecoded and still compressed. It keeps the memory of the whole response alive.
#[derive(Debug)]
pub struct Fetched {
    pub(super) of: TopicPartition,
    pub(super) ticket: Ticket,
    pub(super) set: MessageSet,
    /// The offset that was requested.
    pub(super) from: Offset,
    /// The offset behind the set, at most `until`.
    pub(super) behind: Offset,
    /// Messages from this offset on are not delivered.
    pub(super) until: Offset,
    pub(super) high_watermark: Offset,
    /// Some offset in it lies, so none proves how far reading has come.
    pub(super) is_doubtful: bool,
    pub(super) policy: CorruptPolicy,
    pub(super) max_inflated: usize,
}

impl Fetched {
    /// The partition.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.of
    }

    /// The offset of the first message that consumers cannot see yet, when the set was fetched.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The offset that was requested. The set may begin with messages in front of it, which [`Messages`] leaves out.
    #[must_use]
    pub fn from(&self) -> Offset {
        self.from
    }

    /// The offset behind the set, which the next set of the partition begins with.
    #[must_use]
    pub fn behind(&self) -> Offset {
        self.behind
    }

    /// The set as it was fetched.
    #[must_use]
    pub fn set(&self) -> &MessageSet {
        &self.set
    }

    /// Creates a reader of the messages.
    #[must_use]
    pub fn open(self) -> Messages {
        // Bounded by the watermark, because no checksum covers offsets.
        // What lies may seem to be behind the end, and is to be told.
        let end = if self.is_doubtful { self.high_watermark.min(self.until) } else { self.high_watermark };
        let cursor = Cursor::new(self.from).with_end(end).skipping_later_formats();
        let reading = Reading { passed: self.from, cursor, state: State::Reading, errors: 0 };
        Messages { reading, fetched: self }
    }
}

/// Reads the messages of a fetched set, one after the other, and knows how far the user has come.
///
/// A message has passed when the next one is asked for. So after a panic, an early return or a dropped task in the middle of a
/// message, this message has not passed, and is not committed. Tell [`Assignment::handle_passed`](super::Assignment::handle_passed)
/// what [`Messages::passed`] says, at the latest when you drop this.
#[derive(Debug)]
pub struct Messages {
    fetched: Fetched,
    reading: Reading,
}

/// How far a set is read. What it lends borrows this and the set, and not the rest of [`Messages`].
#[derive(Debug)]
struct Reading {
    cursor: Cursor,
    /// The offset behind the last message that has passed, or the requested one.
    passed: Offset,
    state: State,
    errors: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Reading,
    /// The last thing was this error, which the next ask passes.
    AtError(MessageError),
    /// Reading has ended at an error.
    Stopped(MessageError),
    /// Everything has passed.
    Over,
}

impl Messages {
    /// Lends the next message. `None` at the end of the set. Allocates nothing, except for what a compressed entry holds.
    ///
    /// # Errors
    /// The entry cannot be read. With [`CorruptPolicy::Skip`] the next call goes on behind it. With [`CorruptPolicy::Stop`] the
    /// next call returns `None`, and the partition is read no further.
    #[inline]
    pub fn next_message(&mut self, inflater: &mut Inflater) -> Option<Result<Message<'_>, MessageError>> {
        self.next_or_passed(inflater).ok()
    }

    /// [`Messages::next_message`], with the end told as how far the user has come, for
    /// [`Assignment::handle_passed`](super::Assignment::handle_passed).
    ///
    /// # Errors
    /// The set has ended. Each further call says so again. Within that, as [`Messages::next_message`].
    #[inline]
    pub fn next_or_passed(&mut self, inflater: &mut Inflater) -> Result<Result<Message<'_>, MessageError>, Passed> {
        self.reading.next_or_passed(&self.fetched, inflater)
    }

    /// The next message that is wanted, with its own bytes. Nothing is copied before `is_wanted` was asked, and nothing of an
    /// uncompressed message after it: the bytes share the memory of the response. Those that are not wanted pass.
    ///
    /// # Errors
    /// As [`Messages::next_or_passed`].
    #[inline]
    pub fn next_owned(
        &mut self,
        inflater: &mut Inflater,
        mut is_wanted: impl FnMut(&Message<'_>) -> bool,
    ) -> Result<Result<OwnedMessage, MessageError>, Passed> {
        let Self { fetched, reading } = self;
        loop {
            match reading.next_or_passed(fetched, inflater)? {
                Ok(message) if is_wanted(&message) => return Ok(Ok(OwnedMessage::of(&message, fetched))),
                Ok(_) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Where to go on behind the entry that could not be read, until the next message is asked for: what to seek to, to leave it
    /// out. The offset of a [`MessageError`] is what the entry says of itself, which no checksum covers.
    #[must_use]
    pub fn behind_error(&self) -> Option<Offset> {
        match &self.reading.state {
            State::AtError(error) | State::Stopped(error) => Some(self.reading.behind(&self.fetched, error)),
            State::Reading | State::Over => None,
        }
    }

    /// Passes everything that is left: the rest is not wanted.
    pub fn pass_rest(&mut self) {
        self.reading.pass_rest(&self.fetched);
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.fetched.of
    }

    /// The offset of the first message that consumers cannot see yet, when the set was fetched.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.fetched.high_watermark
    }

    /// How far the user has come.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.reading.passed(&self.fetched)
    }

    /// Passes everything that is left: the rest is not wanted.
    #[must_use = "the assignment is to be told"]
    pub fn pass(mut self) -> Passed {
        self.pass_rest();
        self.passed()
    }
}

impl Reading {
    #[inline]
    fn next_or_passed<'a>(
        &'a mut self,
        fetched: &'a Fetched,
        inflater: &mut Inflater,
    ) -> Result<Result<Message<'a>, MessageError>, Passed> {
        match self.state {
            State::Reading => {}
            State::AtError(_) => {
                self.cursor.pass_error();
                self.state = State::Reading;
            }
            State::Stopped(_) | State::Over => return Err(self.passed(fetched)),
        }
        // Who asks for the next has done with the last.
        self.passed = self.cursor.position();
        if self.passed >= fetched.until && !fetched.is_doubtful {
            self.pass_rest(fetched);
            return Err(self.passed(fetched));
        }
        // A budget for each compressed entry: one at a time is open.
        let mut budget = Budget::new(fetched.max_inflated);
        match self.cursor.next_message(&fetched.set, inflater, &mut budget) {
            Some(Ok(message)) if message.offset < fetched.until => Ok(Ok(message)),
            // What is wrong behind the end is nobody's concern. An entry whose offset lies may belong in front of it.
            Some(Err(error))
                if error.offset < fetched.until
                    || is_out_of_order(&error)
                    || fetched.is_doubtful && self.passed < fetched.until =>
            {
                self.errors = self.errors.saturating_add(1);
                self.state = match fetched.policy {
                    CorruptPolicy::Stop => State::Stopped(error),
                    CorruptPolicy::Skip => State::AtError(error),
                };
                Ok(Err(error))
            }
            Some(_) | None => {
                self.state = State::Over;
                self.passed = fetched.behind;
                Err(Passed::of(fetched, fetched.behind, How::Finished, self.errors))
            }
        }
    }

    fn pass_rest(&mut self, fetched: &Fetched) {
        self.state = State::Over;
        self.passed = fetched.behind;
    }

    /// Where to go on behind the error that was returned last.
    fn behind(&self, fetched: &Fetched, error: &MessageError) -> Offset {
        if is_out_of_order(error) && (fetched.from.next()..self.passed).contains(&error.offset) {
            // One in front of it has lied, and this one is sound.
            return error.offset;
        }
        self.cursor.behind_error().max(self.passed.next())
    }

    fn passed(&self, fetched: &Fetched) -> Passed {
        let how = match self.state {
            State::Reading | State::AtError(_) => How::Open,
            State::Stopped(error) => How::Stopped(error, self.behind(fetched, &error)),
            State::Over => How::Finished,
        };
        // A lie must not be committed.
        let passed = if fetched.is_doubtful && how != How::Finished { fetched.from } else { self.passed };
        Passed::of(fetched, passed, how, self.errors)
    }
}

fn is_out_of_order(error: &MessageError) -> bool {
    matches!(error.problem, MessageProblem::NotAscending { .. })
}

/// How far the user has come in a set. For [`Assignment::handle_passed`](super::Assignment::handle_passed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub(super) ticket: Ticket,
    pub(super) offset: Offset,
    /// Whether any message has.
    pub(super) has_passed: bool,
    pub(super) how: How,
    /// The number of entries that could not be read.
    pub(super) errors: u32,
}

/// Whether a set is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Something is left.
    Open,
    Finished,
    /// Reading has stopped at this error, behind which it could go on at this offset.
    Stopped(MessageError, Offset),
}

impl Passed {
    fn of(fetched: &Fetched, offset: Offset, how: How, errors: u32) -> Self {
        Self { ticket: fetched.ticket, offset, has_passed: offset > fetched.from, how, errors }
    }

    /// The offset behind the last message that has passed. As long as a set is not finished in which some offset lies, where it begins.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }
}
