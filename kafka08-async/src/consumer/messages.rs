//! A set in the hands of a caller.

use std::{fmt, mem, sync::Arc};

use kafka08_client::assignment::{self, OwnedMessage, Passed};
use kafka08_proto::{
    ids::{Offset, TopicPartition},
    message::{Inflater, Message, MessageError},
};

use super::shared::Shared;

/// The messages of a fetched set of one partition, one after the other. It can be used on any thread, and outlive the consumer.
///
/// A message has passed when the next one is asked for, or the end is met. How far they have passed is noted when the end is met
/// and when this is dropped; between that, [`Messages::tell_passed`] notes it.
///
/// It keeps the memory of the whole response alive, with the sets of other partitions in it.
pub struct Messages {
    messages: assignment::Messages,
    inflater: Inflater,
    shared: Arc<Shared>,
    /// What was noted last.
    told: Option<Passed>,
}

impl Messages {
    pub(super) fn new(messages: assignment::Messages, inflater: Inflater, shared: &Arc<Shared>) -> Self {
        Self { messages, inflater, shared: Arc::clone(shared), told: None }
    }

    /// Lends the next message, decompressed and with its checksum verified. `None` at the end of the set. Allocates nothing, except
    /// for what a compressed entry holds.
    ///
    /// # Errors
    /// The entry cannot be read. With [`CorruptPolicy::Skip`](kafka08_client::config::CorruptPolicy::Skip) the next call goes on
    /// behind it. With [`CorruptPolicy::Stop`](kafka08_client::config::CorruptPolicy::Stop), which is the default, the next call
    /// returns `None`, and the partition is read no further until somebody seeks.
    #[inline]
    pub fn next_message(&mut self) -> Option<Result<Message<'_>, MessageError>> {
        match self.messages.next_or_passed(&mut self.inflater) {
            Ok(message) => Some(message),
            Err(passed) => {
                // At once, because the caller may commit before this is dropped.
                if self.told.replace(passed) != Some(passed) {
                    note(&self.shared, passed);
                }
                None
            }
        }
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        self.messages.partition()
    }

    /// The offset of the first message that consumers cannot see yet, when the set was fetched.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.messages.high_watermark()
    }

    /// The offset behind the last message that has passed.
    #[must_use]
    pub fn passed(&self) -> Offset {
        self.messages.passed().offset()
    }

    /// Where to go on behind the entry that could not be read last: what to seek to, to leave it out.
    #[must_use]
    pub fn behind_error(&self) -> Option<Offset> {
        self.messages.behind_error()
    }

    /// Notes how far messages have passed, so that a commit in the middle of the set counts them.
    pub fn tell_passed(&mut self) {
        let passed = self.messages.passed();
        if self.told.replace(passed) != Some(passed) {
            note(&self.shared, passed);
        }
    }

    /// Passes everything that is left: the rest is not wanted.
    pub fn pass(mut self) {
        self.messages.pass_rest();
    }

    /// The next message that is wanted, with its own bytes.
    pub(super) fn next_owned(
        &mut self,
        is_wanted: impl FnMut(&Message<'_>) -> bool,
    ) -> Option<Result<OwnedMessage, MessageError>> {
        self.messages.next_owned(&mut self.inflater, is_wanted).ok()
    }
}

fn note(shared: &Shared, passed: Passed) {
    shared.command(|desk, news| desk.note_passed(passed, news));
}

impl Drop for Messages {
    fn drop(&mut self) {
        let passed = Some(self.messages.passed()).filter(|passed| self.told != Some(*passed));
        // Its buffers serve the next set.
        let inflater = mem::take(&mut self.inflater);
        self.shared.command(|desk, news| {
            desk.give_inflater(inflater);
            if let Some(passed) = passed {
                desk.note_passed(passed, news);
            }
        });
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads are never told.
        f.debug_struct("Messages")
            .field("partition", self.partition())
            .field("passed", &self.passed())
            .finish_non_exhaustive()
    }
}
