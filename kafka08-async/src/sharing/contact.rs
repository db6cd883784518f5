//! Whether a broker has answered.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use kafka08_client::{
    config::ClusterConfig,
    consumer,
    error::{BootstrapError, CallFailure, Unreachable},
    producer,
};
use kafka08_proto::fate::Fate;

use super::news::News;
use crate::waker::keep_waker;

/// What a machine says of its brokers.
pub(crate) trait Reach {
    fn has_answered(&self) -> bool;
    fn unreachable(&self) -> Option<Arc<Unreachable>>;
    fn trouble(&self) -> Unreachable;
}

macro_rules! reach {
    ($([$($generics:tt)*] $machine:ty),*) => {$(
        impl<$($generics)*> Reach for $machine {
            fn has_answered(&self) -> bool {
                self.has_answered()
            }

            fn unreachable(&self) -> Option<Arc<Unreachable>> {
                self.unreachable()
            }

            fn trouble(&self) -> Unreachable {
                self.trouble()
            }
        }
    )*};
}

reach!([C: Clone] producer::Producer<C>, [] consumer::Consumer);

/// Whether a broker has answered.
#[derive(Debug, Default)]
pub(crate) enum Contact {
    /// Nobody asks.
    #[default]
    None,
    /// Somebody waits for it.
    Sought(Option<Waker>),
    Made,
    /// `None` after it was told.
    Failed(Option<BootstrapError>),
}

impl Contact {
    pub(crate) fn seek(&mut self) {
        *self = Self::Sought(None);
    }

    pub(crate) fn is_sought(&self) -> bool {
        matches!(self, Self::Sought(_))
    }

    pub(crate) fn poll(&mut self, cx: &Context<'_>, news: &mut News) -> Poll<Result<(), BootstrapError>> {
        match self {
            Self::Sought(waker) => {
                news.discard(keep_waker(waker, cx));
                Poll::Pending
            }
            // An error is told once. `connect` returns it and drops the only handle, so nobody asks again.
            Self::Failed(error) => Poll::Ready(Err(error.take().unwrap_or_else(abandoned))),
            Self::None | Self::Made => Poll::Ready(Ok(())),
        }
    }

    pub(crate) fn settle(&mut self, outcome: Result<(), BootstrapError>, news: &mut News) {
        let settled = outcome.map_or_else(|error| Self::Failed(Some(error)), |()| Self::Made);
        if let Self::Sought(waker) = mem::replace(self, settled) {
            news.wake(waker);
        }
    }

    /// Tells those who wait for a first answer, until `by`.
    pub(crate) fn look(
        &mut self,
        machine: &impl Reach,
        cluster: &ClusterConfig,
        by: Option<Instant>,
        now: Instant,
        news: &mut News,
    ) {
        if !self.is_sought() {
            return;
        }
        // In this order: an answer beats every failure, and the reason of each address says more than a time that has
        // passed.
        if machine.has_answered() {
            self.settle(Ok(()), news);
        } else if let Some(unreachable) = machine.unreachable() {
            self.settle(Err(BootstrapError::Unreachable(unreachable)), news);
        } else if by.is_some_and(|by| by <= now) {
            let mut failed = machine.trouble();
            for address in cluster.bootstrap() {
                if failed.attempts.iter().all(|(failed, _)| failed != address) {
                    failed.attempts.push((address.clone(), Arc::from(format!("{address} has not answered"))));
                }
            }
            let (after, failed) = (cluster.connect_timeout(), Arc::new(failed));
            self.settle(Err(BootstrapError::TimedOut { after, failed }), news);
        }
    }

    /// The task is gone.
    pub(crate) fn end(&mut self, news: &mut News) {
        // An outcome that is known stays. Its caller may not have been polled yet.
        if self.is_sought() {
            self.settle(Err(abandoned()), news);
        }
    }
}

/// The error if the task has ended before a broker has answered.
fn abandoned() -> BootstrapError {
    BootstrapError::Failed(Box::new(CallFailure::abandoned(Fate::NotApplied)))
}
