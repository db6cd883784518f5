//! What the task of this thread waits for. Streams and timers register it each time they are polled.

use std::{cell::RefCell, os::fd::AsFd, sync::Arc, time::Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::source::{Source, Way};

thread_local!(static TURN: RefCell<Turn> = RefCell::default());

/// What was registered since the task was polled.
#[derive(Default)]
pub(super) struct Turn {
    wants: Vec<(Arc<Source>, PollFlags)>,
    deadline: Option<Instant>,
}

/// Lets the task of this thread wait until an attempt may succeed.
pub(super) fn wait_for(source: &Arc<Source>, way: Way) {
    let flags = match way {
        Way::Reads => PollFlags::IN,
        Way::Writes => PollFlags::OUT,
    };
    TURN.with_borrow_mut(|turn| match turn.wants.iter_mut().find(|(known, _)| Arc::ptr_eq(known, source)) {
        Some((_, wanted)) => *wanted |= flags,
        None => turn.wants.push((Arc::clone(source), flags)),
    });
}

/// Lets the task of this thread wait until a time, or until an earlier one that was registered.
pub(super) fn wait_until(deadline: Instant) {
    TURN.with_borrow_mut(|turn| turn.deadline = Some(turn.deadline.map_or(deadline, |earlier| earlier.min(deadline))));
}

/// Replaces what is registered. Returns what was registered before.
pub(super) fn replace(turn: Turn) -> Turn {
    TURN.replace(turn)
}

/// Forgets what is registered, and keeps the memory.
pub(super) fn clear() {
    TURN.with_borrow_mut(|turn| {
        turn.wants.clear();
        turn.deadline = None;
    });
}

/// Waits until something that is registered has come, or `waker` is readable. Without `sleeps`, only looks. Returns whether
/// `waker` is readable.
pub(super) fn wait(waker: &impl AsFd, sleeps: bool) -> bool {
    TURN.with_borrow(|turn| {
        let until = if sleeps { turn.deadline } else { Some(Instant::now()) };
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A time that does not fit into a `Timespec` is no limit.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut polled = Vec::with_capacity(1 + turn.wants.len());
        polled.push(PollFd::new(waker, PollFlags::IN));
        polled.extend(turn.wants.iter().map(|(source, flags)| PollFd::new(source, *flags)));
        // After an interruption nothing has come, and the task is polled without a reason.
        if poll(&mut polled, timeout.as_ref()).is_err() {
            return false;
        }
        let mut found = polled.iter().map(PollFd::revents);
        let is_woken = found.next().is_some_and(|found| !found.is_empty());
        for ((source, _), found) in turn.wants.iter().zip(found) {
            source.note_found(found);
        }
        is_woken
    })
}
