//! What the task of this thread waits for, and the wait itself.
//!
//! A registration lasts until it is found ready, or until its stream or timer is dropped. So a task that owns many streams
//! polls only those that were found ready.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
    mem,
    os::fd::AsFd,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::source::{Source, Way};

thread_local!(static TURN: RefCell<Turn> = RefCell::default());

/// A time, and the number of the timer that waits for it.
pub(super) type Due = (Instant, u64);

/// What is registered on a thread.
#[derive(Default)]
pub(super) struct Turn {
    /// What is waited for, at the places that the sources know.
    wants: Vec<Option<Want>>,
    /// The places that are free.
    free: Vec<usize>,
    timers: BTreeMap<Due, Waker>,
    /// A time after which the thread has looked at its descriptors. Timers up to it may fire.
    looked_at: Option<Instant>,
    /// Memory for the list of descriptors. Empty between waits.
    polled: Vec<PollFd<'static>>,
    /// The place of each descriptor in that list.
    places: Vec<usize>,
    /// The places of those that are ready. Empty between waits.
    found: Vec<(usize, PollFlags)>,
}

/// A source, and who waits for it.
struct Want {
    source: Arc<Source>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Want {
    fn waker(&mut self, way: Way) -> &mut Option<Waker> {
        match way {
            Way::Reads => &mut self.reader,
            Way::Writes => &mut self.writer,
        }
    }

    fn flags(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.reader.is_some());
        flags.set(PollFlags::OUT, self.writer.is_some());
        flags
    }
}

/// Wakes the task of `cx` when an attempt may succeed.
pub(super) fn wait_for(source: &Arc<Source>, way: Way, cx: &Context<'_>) {
    // What is replaced is dropped after the borrow, because dropping a waker may run code of others.
    let _replaced = TURN.with_borrow_mut(|turn| {
        let kept = turn.want(source).waker(way);
        match kept {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => kept.replace(cx.waker().clone()),
        }
    });
}

/// Forgets a source whose stream is dropped. What is registered holds its descriptor open.
pub(super) fn forget(source: &Arc<Source>) {
    // The task of another thread forgets it before its next wait.
    source.note_dropped();
    // A stream may be dropped while its thread ends.
    let _forgotten = TURN.try_with(|turn| {
        let turn = &mut *turn.borrow_mut();
        let place = source.place();
        let is_here = turn.at(place).is_some_and(|want| Arc::ptr_eq(&want.source, source));
        if is_here { turn.release(place) } else { None }
    });
}

/// Wakes the task of `cx` when a time has come and the thread has looked at its descriptors after that. Returns whether it has
/// already.
pub(super) fn wait_until(due: Due, cx: &Context<'_>) -> bool {
    let (is_here, _replaced) = TURN.with_borrow_mut(|turn| {
        // Not compared with the clock: what has arrived before this time may not have been read yet.
        if turn.looked_at.is_some_and(|looked_at| due.0 <= looked_at) {
            return (true, turn.timers.remove(&due));
        }
        match turn.timers.entry(due) {
            Entry::Occupied(known) if known.get().will_wake(cx.waker()) => (false, None),
            Entry::Occupied(mut known) => (false, Some(known.insert(cx.waker().clone()))),
            Entry::Vacant(place) => {
                place.insert(cx.waker().clone());
                (false, None)
            }
        }
    });
    is_here
}

/// Forgets a timer that was set to another time, or is dropped.
pub(super) fn forget_timer(due: Due) {
    let _forgotten = TURN.try_with(|turn| turn.borrow_mut().timers.remove(&due));
}

/// Replaces what is registered. Returns what was registered before.
pub(super) fn replace(turn: Turn) -> Turn {
    TURN.replace(turn)
}

/// Waits until something that is registered has come, or `bell` is readable. Without `sleeps`, only looks. Adds the wakers of
/// what has come. Returns whether `bell` is readable.
pub(super) fn wait(bell: &impl AsFd, sleeps: bool, wakes: &mut Vec<Waker>) -> bool {
    TURN.with_borrow_mut(|turn| {
        // Before the wait, which may be long: such a source holds its descriptor open, so its peer does not see the end
        // of the stream.
        turn.drop_dropped(wakes);
        loop {
            // A timer fires only if its time had come before this look. So what had arrived by then is found first, also if
            // the process was stopped in between.
            let now = Instant::now();
            let next = turn.timers.first_key_value().map(|((due, _), _)| *due);
            let is_due = next.is_some_and(|due| due <= now);
            let until = if sleeps { next } else { Some(now) };
            let Some(is_woken) = turn.look(bell, until.map(|until| until.saturating_duration_since(now))) else {
                // After an interruption nothing has come, and the task is polled without a reason.
                return false;
            };
            turn.note_found(wakes);
            turn.looked_at = Some(now);
            while let Some(timer) = turn.timers.first_entry()
                && timer.key().0 <= now
            {
                wakes.push(timer.remove());
            }
            if is_woken || is_due || !sleeps || !wakes.is_empty() {
                return is_woken;
            }
        }
    })
}

impl Turn {
    /// The registration of a source, which is new if there is none.
    fn want(&mut self, source: &Arc<Source>) -> &mut Want {
        let mut place = source.place();
        if !self.at(place).is_some_and(|want| Arc::ptr_eq(&want.source, source)) {
            place = self.free.pop().unwrap_or(self.wants.len());
            if place == self.wants.len() {
                self.wants.push(None);
            }
            source.set_place(place);
        }
        let slot = self.wants.get_mut(place).expect("a place that is free or taken exists");
        slot.get_or_insert_with(|| Want { source: Arc::clone(source), reader: None, writer: None })
    }

    fn at(&self, place: usize) -> Option<&Want> {
        self.wants.get(place)?.as_ref()
    }

    fn release(&mut self, place: usize) -> Option<Want> {
        let want = self.wants.get_mut(place)?.take()?;
        // The next source takes this place. So the list stays as long as the largest number that waited at once.
        self.free.push(place);
        Some(want)
    }

    /// Forgets sources whose streams were dropped on another thread, or in a task inside of this one.
    fn drop_dropped(&mut self, wakes: &mut Vec<Waker>) {
        for place in 0..self.wants.len() {
            if self.at(place).is_some_and(|want| want.source.is_dropped()) {
                // The wakers are woken rather than dropped here, where the turn is borrowed.
                wakes.extend(self.release(place).into_iter().flat_map(|want| [want.reader, want.writer]).flatten());
            }
        }
    }

    /// Waits until a descriptor is ready, for at most so long. Returns whether `bell` is readable, or `None` if the wait was
    /// interrupted.
    fn look(&mut self, bell: &impl AsFd, limit: Option<Duration>) -> Option<bool> {
        // A time that does not fit into a `Timespec` is no limit.
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut polled = emptied(mem::take(&mut self.polled));
        polled.push(PollFd::new(bell, PollFlags::IN));
        self.places.clear();
        self.found.clear();
        for (place, want) in self.wants.iter().enumerate() {
            if let Some(want) = want {
                polled.push(PollFd::new(&want.source, want.flags()));
                self.places.push(place);
            }
        }
        let ready = poll(&mut polled, limit.as_ref());
        let is_woken = polled.first().is_some_and(|bell| !bell.revents().is_empty());
        if let Ok(ready) = ready {
            let found = self.places.iter().zip(polled.iter().skip(1)).filter(|(_, fd)| !fd.revents().is_empty());
            // Those behind the last that is ready are not looked at.
            let count = ready - usize::from(is_woken);
            self.found.extend(found.map(|(place, fd)| (*place, fd.revents())).take(count));
        }
        self.polled = emptied(polled);
        ready.ok().map(|_| is_woken)
    }

    /// Ends the registrations of what was found.
    fn note_found(&mut self, wakes: &mut Vec<Waker>) {
        while let Some((place, flags)) = self.found.pop() {
            // Only the ways that were found end. The other one still waits, and keeps its waker.
            let Some(want) = self.wants.get_mut(place).and_then(Option::as_mut) else { continue };
            for way in want.source.note_found(flags) {
                wakes.extend(want.waker(way).take());
            }
            if want.reader.is_none() && want.writer.is_none() {
                self.release(place);
            }
        }
    }
}

/// The memory of a list for another one. No list outlives what it borrows, and none is allocated for each wait.
fn emptied<'to>(mut polled: Vec<PollFd<'_>>) -> Vec<PollFd<'to>> {
    polled.clear();
    polled.into_iter().map(|_| -> PollFd<'to> { unreachable!("the list is empty") }).collect()
}
