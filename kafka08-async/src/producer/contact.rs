//! Whether a broker has answered.

use std::{
    mem,
    task::{Context, Poll, Waker},
};

use kafka08_client::error::{BootstrapError, CallFailure};
use kafka08_proto::fate::Fate;

use super::news::News;
use crate::waker::keep_waker;

/// Whether a broker has answered.
#[derive(Debug, Default)]
pub(super) enum Contact {
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
    pub(super) fn seek(&mut self) {
        *self = Self::Sought(None);
    }

    pub(super) fn is_sought(&self) -> bool {
        matches!(self, Self::Sought(_))
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>, news: &mut News) -> Poll<Result<(), BootstrapError>> {
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

    pub(super) fn settle(&mut self, outcome: Result<(), BootstrapError>, news: &mut News) {
        let settled = outcome.map_or_else(|error| Self::Failed(Some(error)), |()| Self::Made);
        if let Self::Sought(waker) = mem::replace(self, settled) {
            news.wake(waker);
        }
    }

    /// The task is gone.
    pub(super) fn end(&mut self, news: &mut News) {
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
