//! Wakers that are kept until something happens.

use std::task::{Context, Waker};

/// Keeps the waker of `cx`. Returns the waker that it replaces. Drop the returned waker only after the lock is
/// released, because dropping it may run code of another executor.
pub(crate) fn keep_waker(kept: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match kept {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => kept.replace(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_is_kept_when_the_same_task_polls_again() {
        let mut kept = None;
        let cx = Context::from_waker(Waker::noop());
        assert!(keep_waker(&mut kept, &cx).is_none() && kept.is_some());
        assert!(keep_waker(&mut kept, &cx).is_none(), "the waker was replaced by an equal one");
    }
}
