//! What handles and the task share.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_client::{
    assignment::{Assignment, CommitId, Fetched, Passed, Wake},
    config::{ConsumerConfig, OffsetStore},
    consumer::{CommitCause, ConsumerEvent, ConsumerStats},
    error::Cause,
};
use kafka08_proto::{
    ids::{Offset, Text, TopicPartition},
    message::Inflater,
};

use super::{
    error::{CommitError, ConsumeError},
    failures::Failures,
    listing::Listings,
    queue::Queue,
};
use crate::{
    fleet::Caller,
    sharing::{Contact, News},
    sync::{Mutex, MutexGuard, PoisonError},
    waker::keep_waker,
    watchers::Watchers,
};

/// Events that nobody takes are kept up to this number. Then the oldest one goes.
const MAX_EVENTS: usize = 1024;

/// Inflaters that are kept for the next sets.
const MAX_INFLATERS: usize = 8;

/// What handles and the task share.
pub(super) struct Shared {
    pub(super) config: ConsumerConfig,
    pub(super) caller: Caller,
    desk: Mutex<Desk>,
}

/// What is behind the lock. It is never held over a system call, decoding, or an await.
pub(super) struct Desk {
    pub(super) assignment: Assignment,
    pub(super) contact: Contact,
    takers: Queue,
    /// Failures of partitions that nobody was told.
    pub(super) failures: Failures,
    listeners: Queue,
    events: VecDeque<ConsumerEvent>,
    pub(super) lost_events: u64,
    /// The commits whose futures exist.
    commits: BTreeMap<CommitId, Commit>,
    pub(super) listings: Listings,
    watchers: Watchers,
    inflaters: Vec<Inflater>,
    pub(super) stats: ConsumerStats,
    phase: Phase,
    /// When closing is over at the latest. `None` if nobody has said.
    close_by: Option<Instant>,
    /// What the last commit of a consumer that closes has not stored, until somebody is told.
    unstored: Vec<(TopicPartition, CommitCause)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// `close` was called, or no handle is left. The task closes the machine.
    Closing,
    /// The task is gone, after the machine was closed.
    Closed,
    /// The task is gone, and nobody has closed the machine.
    Abandoned,
}

/// How far a commit has come.
enum Commit {
    /// The partitions, and whom it wakes.
    Open(Vec<TopicPartition>, Option<Waker>),
    /// What has failed.
    Ended(Vec<(TopicPartition, CommitCause)>),
}

/// What a caller of `next` gets.
pub(super) type Next = Result<Option<(Fetched, Inflater)>, ConsumeError>;

impl Shared {
    pub(super) fn new(config: ConsumerConfig) -> Self {
        let desk = Desk {
            assignment: Assignment::new(&config),
            contact: Contact::default(),
            takers: Queue::default(),
            failures: Failures::default(),
            listeners: Queue::default(),
            events: VecDeque::new(),
            lost_events: 0,
            commits: BTreeMap::new(),
            listings: Listings::default(),
            watchers: Watchers::default(),
            inflaters: Vec::new(),
            stats: ConsumerStats::default(),
            phase: Phase::Open,
            close_by: None,
            unstored: Vec::new(),
        };
        Self { config, caller: Caller::default(), desk: Mutex::new(desk) }
    }

    /// Locks the desk, and tells the news after it was unlocked.
    pub(super) fn command<T>(&self, work: impl FnOnce(&mut Desk, &mut News) -> T) -> T {
        let mut news = News::default();
        let mut desk = self.lock();
        let result = work(&mut desk, &mut news);
        desk.settle(&mut news);
        drop(desk);
        news.tell(&self.caller);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        // A panic of the machine ends the task, and with it everything that waits.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Whether nothing is assigned or taken any more.
    pub(super) fn is_closed(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Until when the task has to close the machine, if it has to. `default` counts if nobody has said.
    pub(super) fn closing(&self, default: Instant) -> Option<Instant> {
        (self.phase == Phase::Closing).then(|| self.close_by.unwrap_or(default))
    }

    /// Nothing is read any more: `close` was called, or the last handle is gone.
    pub(super) fn close(&mut self, by: Option<Instant>) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
        self.close_by = [self.close_by, by].into_iter().flatten().min();
    }

    /// Changes the assignment, and lets the task see it.
    pub(super) fn change(&mut self, news: &mut News, change: impl FnOnce(&mut Assignment) -> Wake) {
        if change(&mut self.assignment) == Wake::Yes {
            news.call();
        }
    }

    /// Wakes as many as there is something for.
    fn settle(&mut self, news: &mut News) {
        // As many failures as can wake somebody. Each that was woken and has not come counts for one thing.
        let things = self.assignment.ready() + self.failures.due(&self.assignment, self.takers.len());
        // The end is looked for only if somebody waits for it: it looks at partitions.
        if self.takers.settle(things, news) && self.has_nothing_to_come() {
            self.takers.wake_all(news);
        }
        if self.listeners.settle(self.events.len(), news) && self.has_ended() {
            self.listeners.wake_all(news);
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::Abandoned)
    }

    fn has_nothing_to_come(&self) -> bool {
        self.is_closed() || self.assignment.is_finished()
    }

    /// The next set, or why there is none.
    pub(super) fn poll_next(&mut self, number: &mut Option<u64>, cx: &Context<'_>, news: &mut News) -> Poll<Next> {
        self.poll_by(Queue::wait, number, cx, news)
    }

    /// [`Desk::poll_next`] for a stream, which may be kept and not polled.
    pub(super) fn poll_stream(&mut self, number: &mut Option<u64>, cx: &Context<'_>, news: &mut News) -> Poll<Next> {
        self.poll_by(Queue::wait_beside, number, cx, news)
    }

    fn poll_by(
        &mut self,
        wait: fn(&mut Queue, &mut Option<u64>, &Context<'_>, &mut News),
        number: &mut Option<u64>,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Next> {
        match self.find_next(news) {
            Some(next) => {
                self.takers.leave(number, news);
                Poll::Ready(next)
            }
            None => {
                wait(&mut self.takers, number, cx, news);
                Poll::Pending
            }
        }
    }

    fn find_next(&mut self, news: &mut News) -> Option<Next> {
        match self.phase {
            Phase::Open => {}
            Phase::Closing | Phase::Closed => return Some(Ok(None)),
            Phase::Abandoned => return Some(Err(ConsumeError::Ended)),
        }
        if let Some(failure) = self.failures.take(&self.assignment) {
            return Some(Err(failure));
        }
        if let Some((fetched, wake)) = self.assignment.take() {
            if wake == Wake::Yes {
                news.call();
            }
            return Some(Ok(Some((fetched, self.inflaters.pop().unwrap_or_default()))));
        }
        self.assignment.is_finished().then_some(Ok(None))
    }

    /// A caller waits no longer for a set.
    pub(super) fn forget_taker(&mut self, number: &mut Option<u64>, news: &mut News) {
        self.takers.leave(number, news);
    }

    /// The next event. `None` after the end.
    pub(super) fn poll_event(
        &mut self,
        number: &mut Option<u64>,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Option<ConsumerEvent>> {
        let event = self.events.pop_front();
        if event.is_none() && !self.has_ended() {
            self.listeners.wait(number, cx, news);
            return Poll::Pending;
        }
        self.listeners.leave(number, news);
        Poll::Ready(event)
    }

    pub(super) fn try_event(&mut self) -> Option<ConsumerEvent> {
        self.events.pop_front()
    }

    /// A caller waits no longer for an event.
    pub(super) fn forget_listener(&mut self, number: &mut Option<u64>, news: &mut News) {
        self.listeners.leave(number, news);
    }

    /// Takes an event of the machine.
    pub(super) fn note_event(&mut self, event: ConsumerEvent, news: &mut News) {
        match event {
            // Otherwise somebody has sought or assigned it since.
            ConsumerEvent::Failed { partition, cause } if self.assignment.has_ended(&partition) => {
                self.failures.add(partition, cause);
            }
            ConsumerEvent::Failed { .. } => {}
            ConsumerEvent::Committed { id, failed } => match self.commits.get_mut(&id) {
                Some(commit) => {
                    if let Commit::Open(_, waker) = mem::replace(commit, Commit::Ended(failed)) {
                        news.wake(waker);
                    }
                }
                // Nobody waits for it any more.
                None if failed.is_empty() => {}
                None => self.push_event(ConsumerEvent::Committed { id, failed }),
            },
            ConsumerEvent::Assigned { ref topic, ref partitions } => {
                self.listings.note(topic, partitions, news);
                self.push_event(event);
            }
            // Whoever waits for the end is told.
            ConsumerEvent::NotCommitted { failed } if self.is_closed() => self.unstored.extend(failed),
            event => self.push_event(event),
        }
    }

    fn push_event(&mut self, event: ConsumerEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.lost_events += 1;
        }
        self.events.push_back(event);
    }

    /// A caller has come so far in a set.
    pub(super) fn note_passed(&mut self, passed: Passed, news: &mut News) {
        self.change(news, |assignment| assignment.handle_passed(passed));
    }

    /// Keeps an inflater for the next set.
    pub(super) fn give_inflater(&mut self, inflater: Inflater) {
        if self.inflaters.len() < MAX_INFLATERS {
            self.inflaters.push(inflater);
        }
    }

    /// Begins to commit offsets. `None` if there are none, and nobody to tell that either.
    pub(super) fn begin_commit(
        &mut self,
        group: Text,
        store: OffsetStore,
        offsets: Vec<(TopicPartition, Offset)>,
        news: &mut News,
    ) -> Result<Option<CommitId>, CommitError> {
        let of: Vec<_> = offsets.iter().map(|(of, _)| of.clone()).collect();
        match self.gone() {
            // Nobody takes it from the assignment.
            Some(_) if of.is_empty() => Ok(None),
            Some(cause) => Err(CommitError { failed: failed(of, &cause) }),
            None => {
                let id = self.assignment.commit_offsets(group, store, offsets);
                // Under the same lock: the task cannot tell the end of a commit before its entry exists.
                self.commits.insert(id, Commit::Open(of, None));
                news.call();
                Ok(Some(id))
            }
        }
    }

    /// Why nobody does anything for callers any more.
    fn gone(&self) -> Option<Cause> {
        match self.phase {
            // The machine ends commits that come while it closes.
            Phase::Open | Phase::Closing => None,
            Phase::Closed => Some(Cause::Closed),
            Phase::Abandoned => Some(Cause::Abandoned),
        }
    }

    /// Whether a commit has ended.
    pub(super) fn poll_commit(
        &mut self,
        id: CommitId,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Result<(), CommitError>> {
        if let Some(Commit::Open(_, waker)) = self.commits.get_mut(&id) {
            news.discard(keep_waker(waker, cx));
            return Poll::Pending;
        }
        match self.commits.remove(&id) {
            Some(Commit::Ended(failed)) if !failed.is_empty() => Poll::Ready(Err(CommitError { failed })),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// The future of a commit is dropped.
    pub(super) fn forget_commit(&mut self, id: CommitId, news: &mut News) {
        match self.commits.remove(&id) {
            Some(Commit::Open(_, waker)) => news.discard(waker),
            // It has failed, and its caller has not looked.
            Some(Commit::Ended(failed)) if !failed.is_empty() => {
                self.push_event(ConsumerEvent::Committed { id, failed });
            }
            _ => {}
        }
    }

    /// Begins to wait for the end.
    pub(super) fn watch(&mut self) -> u64 {
        self.watchers.push()
    }

    pub(super) fn unwatch(&mut self, watcher: u64, news: &mut News) {
        news.discard(self.watchers.remove(watcher));
    }

    /// Whether the task has ended.
    pub(super) fn poll_end(
        &mut self,
        watcher: u64,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Result<(), CommitError>> {
        if self.has_ended() {
            let failed = mem::take(&mut self.unstored);
            return Poll::Ready(if failed.is_empty() { Ok(()) } else { Err(CommitError { failed }) });
        }
        news.discard(self.watchers.wait(watcher, cx));
        Poll::Pending
    }

    /// The task is gone. Everybody who waits finds that out. `is_cut`: before the machine was over, though it was to commit what has
    /// passed.
    pub(super) fn end(&mut self, is_cut: bool, news: &mut News) {
        self.phase = if self.phase == Phase::Closing { Phase::Closed } else { Phase::Abandoned };
        let cause = self.gone().unwrap_or(Cause::Abandoned);
        if is_cut {
            let of: Vec<_> = self.assignment.committable().map(|(of, _)| of.clone()).collect();
            self.unstored = failed(of, &cause);
        }
        for commit in self.commits.values_mut() {
            if let Commit::Open(of, waker) = commit {
                news.wake(waker.take());
                *commit = Commit::Ended(failed(mem::take(of), &cause));
            }
        }
        self.contact.end(news);
        self.listings.end(news);
        let mut wakers = Vec::new();
        self.watchers.finish_all(&mut wakers);
        wakers.into_iter().for_each(|waker| news.wake(Some(waker)));
    }
}

fn failed(of: Vec<TopicPartition>, cause: &Cause) -> Vec<(TopicPartition, CommitCause)> {
    of.into_iter().map(|of| (of, CommitCause::Attempt(cause.clone()))).collect()
}
