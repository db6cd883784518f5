//! The methods of a rule that say what goes wrong.

use std::time::Duration;

use bytes::Bytes;
use kafka08_proto::error_code::ErrorCode;

use super::Rule;
use crate::faults::{
    Lie,
    effect::{Effect, Ending},
};

/// What goes wrong. The effects of a rule add up.
impl Rule {
    pub(super) fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// Answers the selected partitions with a code, and does not act on them. Other partitions of the request are
    /// served.
    ///
    /// A produce with acks 0 is not answered: the broker closes the connection, as it does after any failed one.
    #[must_use]
    pub fn refuse_with(self, code: ErrorCode) -> Self {
        self.with(Effect::Refuse(code))
    }

    /// Acts on the request, and answers the selected partitions with a code. A produce is appended nevertheless.
    #[must_use]
    pub fn answer_with(self, code: ErrorCode) -> Self {
        self.with(Effect::Answer(code))
    }

    /// Acts on the request, and answers later than it would by this time. Later requests of the connection wait too.
    #[must_use]
    pub fn delay(self, by: Duration) -> Self {
        self.with(Effect::Delay(by))
    }

    /// Closes the connection instead of acting on the request.
    #[must_use]
    pub fn close_before(self) -> Self {
        self.with(Effect::Skip(Ending::Close))
    }

    /// Acts on the request, and closes the connection instead of answering.
    #[must_use]
    pub fn close_after(self) -> Self {
        self.cut(0)
    }

    /// Resets the connection instead of acting on the request.
    #[must_use]
    pub fn reset_before(self) -> Self {
        self.with(Effect::Skip(Ending::Reset))
    }

    /// Acts on the request, and resets the connection instead of answering.
    #[must_use]
    pub fn reset_after(self) -> Self {
        self.cut_and_reset(0)
    }

    /// Does not act on the request and never answers. The connection stays open, and no later request is served.
    #[must_use]
    pub fn ignore(self) -> Self {
        self.with(Effect::Skip(Ending::Hang))
    }

    /// Acts on the request and never answers. The connection stays open, and no later request is served.
    #[must_use]
    pub fn never_answer(self) -> Self {
        self.cut_and_hang(0)
    }

    /// Writes this many bytes of the answer's frame, and closes the connection.
    #[must_use]
    pub fn cut(self, after: usize) -> Self {
        self.with(Effect::Cut { after, then: Ending::Close })
    }

    /// Writes this many bytes of the answer's frame, and resets the connection.
    #[must_use]
    pub fn cut_and_reset(self, after: usize) -> Self {
        self.with(Effect::Cut { after, then: Ending::Reset })
    }

    /// Writes this many bytes of the answer's frame, and then nothing more. The connection stays open.
    #[must_use]
    pub fn cut_and_hang(self, after: usize) -> Self {
        self.with(Effect::Cut { after, then: Ending::Hang })
    }

    /// Writes the answer in pieces of this many bytes, with a pause between two pieces. After 10,000 pieces the rest is
    /// written at once.
    #[must_use]
    pub fn trickle(self, bytes: usize, every: Duration) -> Self {
        self.with(Effect::Trickle { bytes, every })
    }

    /// Changes one byte of the answer's frame. The frame begins with its length, so 8 is the first byte of the body.
    #[must_use]
    pub fn corrupt(self, at: usize, xor: u8) -> Self {
        self.with(Effect::Corrupt { at, xor })
    }

    /// Holds the answer back until the next answer of the connection has been written. A client that sends no second
    /// request before the first answer waits for ever.
    #[must_use]
    pub fn out_of_order(self) -> Self {
        self.with(Effect::OutOfOrder)
    }

    /// Writes the answer twice.
    #[must_use]
    pub fn twice(self) -> Self {
        self.with(Effect::Twice)
    }

    /// Answers with this correlation id.
    #[must_use]
    pub fn wrong_id(self, id: i32) -> Self {
        self.with(Effect::WrongId(id))
    }

    /// Answers with a correlation id that is too high by this number. It wraps at the ends of the range.
    #[must_use]
    pub fn shift_id(self, by: i32) -> Self {
        self.with(Effect::ShiftId(by))
    }

    /// Acts on the request, and writes these bytes instead of the answer. Nothing is added to them, not even a length.
    #[must_use]
    pub fn answer_raw(self, bytes: impl Into<Bytes>) -> Self {
        self.with(Effect::Raw(bytes.into()))
    }

    /// Answers the request, and reads nothing more from the connection. The client's writes fill the buffers of the
    /// transport and then block.
    #[must_use]
    pub fn stop_reading(self) -> Self {
        self.with(Effect::StopReading)
    }

    /// Answers a produce with acks 0, which must have no answer: code 0 and offset 0 for each partition.
    #[must_use]
    pub fn answer_acks_0(self) -> Self {
        self.with(Effect::AnswerAcks0)
    }

    /// Keeps the connection open after a produce with acks 0 that failed. 0.8.0-beta1 did so.
    #[must_use]
    pub fn keep_open_on_acks_0(self) -> Self {
        self.with(Effect::KeepOpenOnAcks0)
    }

    /// Answers without partitions. Short for [`Lie::Empty`].
    #[must_use]
    pub fn empty(self) -> Self {
        self.lie(Lie::Empty)
    }

    /// Leaves one partition out of the answer. Short for [`Lie::PartitionMissing`].
    #[must_use]
    pub fn omit(self) -> Self {
        self.lie(Lie::PartitionMissing)
    }

    /// Answers one partition twice. Short for [`Lie::PartitionTwice`].
    #[must_use]
    pub fn duplicate(self) -> Self {
        self.lie(Lie::PartitionTwice)
    }

    /// Answers one partition that was not asked for. Short for [`Lie::PartitionExtra`].
    #[must_use]
    pub fn add(self) -> Self {
        self.lie(Lie::PartitionExtra)
    }

    /// Lies in the answer.
    #[must_use]
    pub fn lie(self, lie: Lie) -> Self {
        self.with(Effect::Lie(lie))
    }
}
