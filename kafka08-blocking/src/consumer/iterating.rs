//! What comes, as iterators.

use std::{fmt, future::poll_fn, pin::Pin};

use kafka08_async::{ConsumeError, MessageStream, Messages, OwnedMessage, futures_util::Stream as _};

use super::Consumer;
use crate::threads::{Threads, block_on};

/// The sets of a consumer, one after the other: [`Consumer::next`] again and again. It ends when nothing will come any more.
#[derive(Debug)]
pub struct SetIter<'a> {
    consumer: &'a Consumer,
    /// The end of the consumer's thread was told. Nothing follows it.
    has_ended: bool,
}

impl<'a> IntoIterator for &'a Consumer {
    type Item = Result<Messages, ConsumeError>;
    type IntoIter = SetIter<'a>;

    fn into_iter(self) -> SetIter<'a> {
        SetIter { consumer: self, has_ended: false }
    }
}

impl Iterator for SetIter<'_> {
    type Item = Result<Messages, ConsumeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = self.consumer.next();
        // Any other error does not end it: the other partitions go on.
        self.has_ended = matches!(next, Err(ConsumeError::Ended));
        next.transpose()
    }
}

/// The messages of a consumer, one by one, which own their bytes. Asking for the next one passes the last one. Several iterators of one
/// consumer share what comes. What is left of the set that it reads is left out if it is dropped, and holds the commits of its partition
/// until somebody seeks: keep one iterator, and do not make a new one for each message.
pub struct MessageIter(MessageStream<Threads>);

impl Consumer {
    /// The messages one by one. They cost about twice as much as those of [`Consumer::next`].
    #[must_use]
    pub fn messages(&self) -> MessageIter {
        MessageIter(self.consumer.messages())
    }

    /// [`Consumer::messages`] that a filter accepts, by key and value. It is asked for each message before anything is copied; those
    /// that it refuses pass.
    #[must_use]
    pub fn messages_where(
        &self,
        filter: impl FnMut(Option<&[u8]>, Option<&[u8]>) -> bool + Send + 'static,
    ) -> MessageIter {
        MessageIter(self.consumer.messages_where(filter))
    }
}

impl MessageIter {
    /// Notes how far messages have passed, so that the next commit counts all but the last one. Otherwise this is noted at the end
    /// of each set.
    pub fn tell_passed(&mut self) {
        self.0.tell_passed();
    }
}

impl Iterator for MessageIter {
    type Item = Result<OwnedMessage, ConsumeError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A stream that has left out a whole set wakes its caller, so the thread is parked for no time.
        block_on(poll_fn(|cx| Pin::new(&mut self.0).poll_next(cx)))
    }
}

impl fmt::Debug for MessageIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageIter").field("consumer", self.0.consumer()).finish_non_exhaustive()
    }
}
