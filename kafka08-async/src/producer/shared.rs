//! What handles and the task share.

use std::{
    collections::BTreeMap,
    mem,
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_client::{
    accumulator::{Accumulator, AppendError, FlushId, Kept},
    config::ProducerConfig,
    producer::ProducerStats,
};

use super::{
    cell::Completion,
    delivery::Delivery,
    error::{SendError, Undelivered},
    line::{For, Line, Number, Pinned, Stuck, Turn},
};
use crate::{
    fleet::Caller,
    sharing::{Contact, News},
    sync::{Mutex, MutexGuard, PoisonError},
    waker::keep_waker,
};

/// What handles and the task share.
pub(super) struct Shared {
    pub(super) config: ProducerConfig,
    pub(super) caller: Caller,
    desk: Mutex<Desk>,
}

/// What is behind the lock. It is never held over a system call, compression, or an await.
pub(super) struct Desk {
    /// `None` when the task is gone.
    accumulator: Option<Accumulator<Completion>>,
    pub(super) line: Line,
    pub(super) contact: Contact,
    /// Flushes that are not over, and whom they wake.
    flushes: BTreeMap<FlushId, Option<Waker>>,
    /// Those who wait for the end.
    watchers: BTreeMap<u64, Option<Waker>>,
    next_watcher: u64,
    /// Since the last flush.
    pub(super) failed: u64,
    pub(super) unconfirmed: u64,
    pub(super) stats: ProducerStats,
    /// The last handle is gone, and the task has not closed the accumulator yet.
    is_abandoned: bool,
    /// The task has ended without telling all outcomes.
    is_cut: bool,
    /// The task has told all that it knows. The accumulator is gone before that.
    has_ended: bool,
}

/// What a flush waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flush {
    /// The end of the batches before it.
    Batches(FlushId),
    /// The end of the task, which had begun to end before the flush. The number is that of the watcher.
    End(u64),
}

/// What appends. It returns the delivery, and whether the task has to be called.
pub(super) trait Append: FnMut(&mut Accumulator<Completion>) -> Result<(Delivery, bool), AppendError> {}

impl<F: FnMut(&mut Accumulator<Completion>) -> Result<(Delivery, bool), AppendError>> Append for F {}

/// What a caller may have to wait for, and how long for its topic.
pub(super) struct Patience<'a> {
    pub(super) topic: &'a str,
    pub(super) pinned: Pinned,
    /// Called when the caller begins to wait.
    pub(super) deadline: &'a dyn Fn() -> Option<Instant>,
}

impl Shared {
    pub(super) fn new(config: ProducerConfig, accumulator: Accumulator<Completion>) -> Self {
        let desk = Desk {
            accumulator: Some(accumulator),
            line: Line::default(),
            contact: Contact::default(),
            flushes: BTreeMap::new(),
            watchers: BTreeMap::new(),
            next_watcher: 0,
            failed: 0,
            unconfirmed: 0,
            stats: ProducerStats::default(),
            is_abandoned: false,
            is_cut: false,
            has_ended: false,
        };
        Self { config, caller: Caller::default(), desk: Mutex::new(desk) }
    }

    /// Locks the desk, and tells the news after it was unlocked.
    pub(super) fn command<T>(&self, work: impl FnOnce(&mut Desk, &mut News) -> T) -> T {
        let mut news = News::default();
        let result = work(&mut self.lock(), &mut news);
        news.tell(&self.caller);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        // A partitioner of the user may panic, and runs before anything is changed.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// The accumulator, while there is a task.
    pub(super) fn accumulator(&mut self) -> Option<&mut Accumulator<Completion>> {
        self.accumulator.as_mut()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_abandoned || self.accumulator.as_ref().is_none_or(Accumulator::is_closed)
    }

    pub(super) fn buffered(&self) -> usize {
        self.accumulator.as_ref().map_or(0, Accumulator::buffered)
    }

    /// The last handle is gone.
    pub(super) fn abandon(&mut self) {
        self.is_abandoned = true;
    }

    /// Whether the last handle has gone since this was last asked.
    pub(super) fn take_abandoned(&mut self) -> bool {
        mem::take(&mut self.is_abandoned)
    }

    /// Appends if that is possible without waiting.
    #[inline]
    pub(super) fn try_append(&mut self, mut append: impl Append, news: &mut News) -> Result<Delivery, SendError> {
        // The record would overtake those who wait. A closed producer says that it is closed, not that it is full.
        if self.line.keeps_room() && !self.is_closed() {
            return Err(SendError::Refused(AppendError::Full { stuck: false, wake: false }));
        }
        match self.attempt(None, &mut append, news) {
            Ok(delivery) => Ok(delivery),
            Err(Some(error)) => Err(SendError::Refused(error)),
            Err(None) => Err(SendError::Ended),
        }
    }

    /// Appends, or waits until that is possible. `number` is that of the caller, if it waits.
    #[inline]
    pub(super) fn poll_append(
        &mut self,
        number: &mut Option<Number>,
        patience: &Patience<'_>,
        cx: &Context<'_>,
        append: &mut impl Append,
        news: &mut News,
    ) -> Poll<Result<Delivery, SendError>> {
        if let Some(waits_for) = self.must_wait(*number) {
            return self.wait(number, waits_for, patience, cx, news);
        }
        if let Some(number) = *number
            && let Turn::Fail(error) = self.line.turn(number)
        {
            return Poll::Ready(Err(error));
        }
        let error = match self.attempt(*number, append, news) {
            Ok(delivery) => return Poll::Ready(Ok(delivery)),
            Err(None) => return Poll::Ready(Err(SendError::Ended)),
            Err(Some(error)) => error,
        };
        let waits_for = match error {
            AppendError::Full { stuck: false, .. } => For::Room,
            AppendError::Full { stuck: true, .. } => For::StuckRoom(Stuck {
                at: self.accumulator.as_ref().and_then(Accumulator::refused_at),
                pinned: patience.pinned,
            }),
            AppendError::UnknownTopic { .. } => For::Topic(patience.topic.into()),
            error => return Poll::Ready(Err(SendError::Refused(error))),
        };
        self.wait(number, Some(waits_for), patience, cx, news)
    }

    /// Whether a caller has to wait without trying, and for what if it did not wait before.
    #[expect(clippy::option_option, reason = "a caller that waits goes on waiting for the same")]
    fn must_wait(&self, number: Option<Number>) -> Option<Option<For>> {
        // The attempt fails, and its error says why.
        if self.is_closed() {
            return None;
        }
        match number {
            None => self.line.keeps_room().then_some(Some(For::Room)),
            Some(number) => (self.line.turn(number) == Turn::Wait).then_some(None),
        }
    }

    #[cold]
    fn wait(
        &mut self,
        number: &mut Option<Number>,
        waits_for: Option<For>,
        patience: &Patience<'_>,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Result<Delivery, SendError>> {
        match (*number, waits_for) {
            (None, Some(waits_for)) => {
                *number = Some(self.line.join(waits_for, (patience.deadline)(), cx, news));
            }
            (Some(number), Some(waits_for)) => self.line.wait_again(number, waits_for, cx, news),
            (Some(number), None) => self.line.keep_waiting(number, cx, news),
            (None, None) => {}
        }
        Poll::Pending
    }

    /// `None` is the error of a producer whose task is gone.
    #[inline]
    fn attempt(
        &mut self,
        number: Option<Number>,
        append: &mut impl Append,
        news: &mut News,
    ) -> Result<Delivery, Option<AppendError>> {
        let is_kept = self.line.keeps_stuck_room() && number.is_none_or(|number| !self.line.is_stuck(number));
        let accumulator = self.accumulator.as_mut().ok_or(None)?;
        // Set for each attempt, because it depends on who appends.
        accumulator.keep_stuck_room(if is_kept { Kept::Yes } else { Kept::No });
        match append(accumulator) {
            Ok((delivery, wake)) => {
                if wake {
                    news.call();
                }
                Ok(delivery)
            }
            Err(error) => {
                // A refused append may have made open batches ready, or asked for a topic. Without a turn of the task
                // neither would help.
                if error.wake() {
                    news.call();
                }
                Err(Some(error))
            }
        }
    }

    /// Begins a flush.
    pub(super) fn begin_flush(&mut self, news: &mut News) -> Flush {
        // The task is ending, and counts what has failed.
        let Some(accumulator) = &mut self.accumulator else { return Flush::End(self.watch()) };
        let id = accumulator.flush();
        // Under the same lock: the task cannot tell the end of a flush before its entry exists.
        self.flushes.insert(id, None);
        news.call();
        Flush::Batches(id)
    }

    /// Whether a flush is over. Failures are taken only when they are returned.
    pub(super) fn poll_flush(
        &mut self,
        flush: Flush,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Result<(), Undelivered>> {
        let id = match flush {
            Flush::Batches(id) => id,
            Flush::End(watcher) => return self.poll_end(watcher, cx, news),
        };
        if let Some(waker) = self.flushes.get_mut(&id) {
            news.discard(keep_waker(waker, cx));
            return Poll::Pending;
        }
        Poll::Ready(self.take_failures())
    }

    /// A flush is over.
    pub(super) fn end_flush(&mut self, id: FlushId, news: &mut News) {
        news.wake(self.flushes.remove(&id).flatten());
    }

    /// The future of a flush is dropped.
    pub(super) fn forget_flush(&mut self, flush: Flush, news: &mut News) {
        match flush {
            Flush::Batches(id) => news.discard(self.flushes.remove(&id).flatten()),
            Flush::End(watcher) => self.unwatch(watcher, news),
        }
    }

    fn take_failures(&mut self) -> Result<(), Undelivered> {
        let (failed, unconfirmed) = (mem::take(&mut self.failed), mem::take(&mut self.unconfirmed));
        if failed == 0 && unconfirmed == 0 && !self.is_cut {
            return Ok(());
        }
        Err(Undelivered { failed, unconfirmed, is_cut: self.is_cut })
    }

    /// Takes no more records, and ends what is left at `deadline`.
    pub(super) fn close(&mut self, deadline: Instant, news: &mut News) {
        if let Some(accumulator) = &mut self.accumulator {
            accumulator.close(deadline);
        }
        // Nobody comes behind these: whoever tries from now on finds the accumulator closed.
        self.line.end(news);
        news.call();
    }

    /// Begins to wait for the end.
    pub(super) fn watch(&mut self) -> u64 {
        self.next_watcher += 1;
        self.watchers.insert(self.next_watcher, None);
        self.next_watcher
    }

    pub(super) fn unwatch(&mut self, watcher: u64, news: &mut News) {
        news.discard(self.watchers.remove(&watcher).flatten());
    }

    /// Whether the task has ended.
    pub(super) fn poll_end(
        &mut self,
        watcher: u64,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Result<(), Undelivered>> {
        // Not `is_closed`: that is true from `close` on, and the task still sends what was appended.
        if self.has_ended {
            return Poll::Ready(self.take_failures());
        }
        if let Some(waker) = self.watchers.get_mut(&watcher) {
            news.discard(keep_waker(waker, cx));
        }
        Poll::Pending
    }

    /// Takes the accumulator away. Nothing can be appended any more.
    pub(super) fn take_accumulator(&mut self) -> Option<Accumulator<Completion>> {
        self.accumulator.take()
    }

    /// The task has told what it knows. Everybody who waits finds that out.
    pub(super) fn end(&mut self, is_cut: bool, news: &mut News) {
        // Before anybody is woken, so that their reports include it.
        self.is_cut = is_cut;
        self.has_ended = true;
        self.line.end(news);
        self.contact.end(news);
        for waker in mem::take(&mut self.flushes).into_values().chain(mem::take(&mut self.watchers).into_values()) {
            news.wake(waker);
        }
    }
}
