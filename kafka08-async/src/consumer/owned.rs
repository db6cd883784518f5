//! Messages one by one, which own their bytes.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use kafka08_client::assignment::OwnedMessage;
use kafka08_proto::message::Message;

use super::{ConsumeError, Consumer, Messages};

/// Says by key and value whether a message is wanted.
type KeyFilter = Box<dyn FnMut(Option<&[u8]>, Option<&[u8]>) -> bool + Send>;

/// The messages of a consumer, one by one, which own their bytes. Polling for the next one passes the last one.
///
/// Several streams of one consumer share what comes. It ends when nothing will come any more. What is left of the set that it reads is
/// left out if it is dropped, and holds the commits of its partition until somebody seeks: keep one stream, and do not make a new one
/// for each message.
pub struct MessageStream<Rt> {
    consumer: Consumer<Rt>,
    filter: Option<KeyFilter>,
    messages: Option<Messages>,
    /// Its place among those who wait.
    number: Option<u64>,
    /// The end of the task was told. Nothing follows it.
    has_ended: bool,
}

impl<Rt> Consumer<Rt> {
    /// The messages one by one, as a `Stream`. They cost about twice as much as those of [`Consumer::next`], and each keeps the
    /// memory of its whole response alive.
    #[must_use]
    pub fn messages(&self) -> MessageStream<Rt> {
        MessageStream { consumer: self.clone(), filter: None, messages: None, number: None, has_ended: false }
    }

    /// [`Consumer::messages`] that a filter accepts. It is asked for each message before anything is copied; those that it refuses
    /// pass.
    #[must_use]
    pub fn messages_where(
        &self,
        filter: impl FnMut(Option<&[u8]>, Option<&[u8]>) -> bool + Send + 'static,
    ) -> MessageStream<Rt> {
        let mut stream = self.messages();
        stream.filter = Some(Box::new(filter));
        stream
    }
}

impl<Rt> MessageStream<Rt> {
    /// The consumer.
    #[must_use]
    pub fn consumer(&self) -> &Consumer<Rt> {
        &self.consumer
    }

    /// Notes how far messages have passed, so that the next commit counts all but the last one. Otherwise this is noted at the end
    /// of each set.
    pub fn tell_passed(&mut self) {
        if let Some(messages) = &mut self.messages {
            messages.tell_passed();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<OwnedMessage, ConsumeError>>> {
        if let Some(messages) = &mut self.messages {
            if let Some(next) = next_of(messages, &mut self.filter) {
                return Poll::Ready(Some(next));
            }
            self.messages = None;
        }
        if self.has_ended {
            return Poll::Ready(None);
        }
        let shared = self.consumer.shared();
        let next = shared.command(|desk, news| desk.poll_stream(&mut self.number, cx, news));
        match ready!(next) {
            Ok(None) => Poll::Ready(None),
            Err(error) => {
                self.has_ended = error == ConsumeError::Ended;
                Poll::Ready(Some(Err(error)))
            }
            Ok(Some((fetched, inflater))) => {
                let mut messages = Messages::new(fetched.open(), inflater, shared);
                let next = next_of(&mut messages, &mut self.filter);
                if next.is_none() {
                    // Nothing in it is wanted. Other tasks run before the next set is looked at.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.messages = Some(messages);
                Poll::Ready(next)
            }
        }
    }
}

/// The next message of a set that the filter accepts.
fn next_of(messages: &mut Messages, filter: &mut Option<KeyFilter>) -> Option<Result<OwnedMessage, ConsumeError>> {
    let is_wanted = |message: &Message<'_>| match filter {
        Some(filter) => filter(message.key, message.value),
        None => true,
    };
    let next = messages.next_owned(is_wanted)?;
    Some(next.map_err(|error| {
        let behind = messages.behind_error().unwrap_or(error.offset);
        ConsumeError::Corrupt { partition: messages.partition().clone(), error, behind }
    }))
}

impl<Rt> Stream for MessageStream<Rt> {
    type Item = Result<OwnedMessage, ConsumeError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Nothing in it is pinned.
        self.get_mut().poll(cx)
    }
}

impl<Rt> Drop for MessageStream<Rt> {
    fn drop(&mut self) {
        if self.number.is_some() {
            let shared = Arc::clone(self.consumer.shared());
            shared.command(|desk, news| desk.forget_taker(&mut self.number, news));
        }
    }
}

impl<Rt> fmt::Debug for MessageStream<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}
