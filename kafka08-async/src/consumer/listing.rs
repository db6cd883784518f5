//! Callers that wait until the partitions of a topic are known.

use std::{
    collections::BTreeMap,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use kafka08_client::error::Cause;
use kafka08_proto::ids::{PartitionId, Text};

use super::AssignError;
use crate::{sharing::News, waker::keep_waker};

/// How long a topic may be missing in what brokers say before it counts as one that does not exist: as long as in a call that reads.
const MISSING_FOR: Duration = Duration::from_secs(5);

/// Callers, by number.
#[derive(Debug, Default)]
pub(super) struct Listings {
    next: u64,
    callers: BTreeMap<u64, Listing>,
}

#[derive(Debug)]
struct Listing {
    topic: Text,
    since: Instant,
    limit: Duration,
    is: Is,
}

#[derive(Debug)]
enum Is {
    Open(Option<Waker>),
    Ended(Result<Vec<PartitionId>, AssignError>),
}

impl Listings {
    /// A caller waits, at most for `limit`.
    pub(super) fn begin(&mut self, topic: Text, since: Instant, limit: Duration) -> u64 {
        self.next += 1;
        self.callers.insert(self.next, Listing { topic, since, limit, is: Is::Open(None) });
        self.next
    }

    pub(super) fn poll(
        &mut self,
        number: u64,
        cx: &Context<'_>,
        news: &mut News,
    ) -> Poll<Result<Vec<PartitionId>, AssignError>> {
        if let Some(Listing { is: Is::Open(waker), .. }) = self.callers.get_mut(&number) {
            news.discard(keep_waker(waker, cx));
            return Poll::Pending;
        }
        match self.callers.remove(&number) {
            Some(Listing { is: Is::Ended(ended), .. }) => Poll::Ready(ended),
            _ => Poll::Ready(Err(AssignError::Closed)),
        }
    }

    /// A caller waits no longer.
    pub(super) fn forget(&mut self, number: u64, news: &mut News) {
        if let Some(Listing { is: Is::Open(waker), .. }) = self.callers.remove(&number) {
            news.discard(waker);
        }
    }

    /// The partitions of a topic are known.
    pub(super) fn note(&mut self, topic: &Text, partitions: &[PartitionId], news: &mut News) {
        for caller in self.callers.values_mut().filter(|caller| caller.topic == *topic) {
            caller.end(Ok(partitions.to_vec()), news);
        }
    }

    /// Somebody else says what is to be read of a topic, so those who wait for what they have said wait in vain.
    pub(super) fn replace(&mut self, topic: &str, news: &mut News) {
        for caller in self.callers.values_mut().filter(|caller| caller.topic == *topic) {
            caller.end(Err(AssignError::Replaced { topic: topic.to_owned() }), news);
        }
    }

    /// Ends those who have waited too long. Returns their topics.
    pub(super) fn expire(&mut self, now: Instant, why: impl Fn(&Text) -> Cause, news: &mut News) -> Vec<Text> {
        let mut expired = Vec::new();
        for caller in self.callers.values_mut().filter(|caller| matches!(caller.is, Is::Open(_))) {
            let waited = now.saturating_duration_since(caller.since);
            if waited < MISSING_FOR.min(caller.limit) {
                continue;
            }
            let cause = why(&caller.topic);
            // Who could not be asked may still say that it is there.
            if waited >= caller.limit || matches!(cause, Cause::NoLeader(_)) {
                let topic = caller.topic.to_string();
                expired.push(caller.topic.clone());
                caller.end(Err(AssignError::NoTopic { topic, waited, cause: Box::new(cause) }), news);
            }
        }
        expired
    }

    /// When somebody has waited too long, seen from `now`.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let open = self.callers.values().filter(|caller| matches!(caller.is, Is::Open(_)));
        let times = open.flat_map(|caller| [MISSING_FOR, caller.limit].map(|after| caller.since.checked_add(after)));
        times.flatten().filter(|at| *at > now).min()
    }

    /// The task is gone.
    pub(super) fn end(&mut self, news: &mut News) {
        for caller in self.callers.values_mut() {
            caller.end(Err(AssignError::Closed), news);
        }
    }
}

impl Listing {
    fn end(&mut self, how: Result<Vec<PartitionId>, AssignError>, news: &mut News) {
        if let Is::Open(waker) = &mut self.is {
            news.wake(waker.take());
            self.is = Is::Ended(how);
        }
    }
}
