//! The requests of a connection that have not ended, in the order of sending.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Cancelled,
    deadlines::{DeadlineOf, Deadlines},
    entry::{Blocked, Entry, Part, State, is_quirk},
};
use crate::{
    connection::{MatchError, Unconfirmed},
    fate::Fate,
    frame::{SendQueue, Taken},
    ids::{CorrelationId, Serial},
};

/// The longest wait that a request can ask for on the wire. The cap keeps the sum from overflowing, because request types
/// outside this crate may ask for any wait.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// The list is tidied if it has more withdrawn requests than this, and if they are more than half of it. So tidying costs a
/// constant for each withdrawn request.
const UNTIDY: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Requests whose last byte was not taken.
    unsent: VecDeque<Entry>,
    /// How many entries of `unsent` are withdrawn.
    withdrawn: usize,
    /// Requests whose last byte was taken and whose responses are due.
    awaiting: VecDeque<Entry>,
    /// Where the frames end of unsent requests that have no response, withdrawn ones included. When such a frame is taken, there
    /// is an event.
    silent: VecDeque<(u64, Serial)>,
    unconfirmed: Unconfirmed,
    deadlines: Deadlines,
    /// How many entries are `Live`.
    live: usize,
    /// The sum of the entries' `server_wait`.
    server_wait: Duration,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.unsent.len() - self.withdrawn + self.awaiting.len()
    }

    /// How many responses are due, tombstones included.
    pub(super) fn awaiting(&self) -> usize {
        self.awaiting.len()
    }

    /// The request that the peer is to answer next, if it was written.
    pub(super) fn first_awaiting(&self) -> Option<&Entry> {
        self.awaiting.front()
    }

    /// Whether a request with this serial might get the id of a request that has not ended.
    pub(super) fn may_repeat(&self, serial: Serial) -> bool {
        let first = self.awaiting.front().or_else(|| self.unsent.front());
        first.is_some_and(|entry| serial.is_a_period_behind(entry.serial))
    }

    /// Whether a request with this id has not ended.
    pub(super) fn knows(&self, id: CorrelationId) -> bool {
        self.index(id).is_some()
    }

    /// Finds a request by its id: its list, and its index there.
    fn index(&self, id: CorrelationId) -> Option<(Part, usize)> {
        // The id holds only the low 27 bits of a serial. The others follow from what is still here.
        let first = self.awaiting.front().or_else(|| self.unsent.front())?.serial;
        let last = self.unsent.back().or_else(|| self.awaiting.back())?.serial;
        // One candidate, unless 2^27 requests were sent since the first one that is still here.
        id.serials_between(first, last).find_map(|serial| {
            let place = self.locate(serial)?;
            let entry = self.get(place)?;
            (entry.id == id && entry.state != State::Withdrawn).then_some(place)
        })
    }

    /// Finds a request by its serial. Serials ascend in each list.
    fn locate(&self, serial: Serial) -> Option<(Part, usize)> {
        let search = |list: &VecDeque<Entry>| list.binary_search_by_key(&serial, |entry| entry.serial).ok();
        // Those that end first, and are asked for most, are in front.
        if self.awaiting.front().is_some_and(|entry| entry.serial == serial) {
            return Some((Part::Awaiting, 0));
        }
        search(&self.awaiting)
            .map(|index| (Part::Awaiting, index))
            .or_else(|| search(&self.unsent).map(|index| (Part::Unsent, index)))
    }

    fn get(&self, (part, index): (Part, usize)) -> Option<&Entry> {
        match part {
            Part::Awaiting => self.awaiting.get(index),
            Part::Unsent => self.unsent.get(index),
        }
    }

    fn get_mut(&mut self, (part, index): (Part, usize)) -> Option<&mut Entry> {
        match part {
            Part::Awaiting => self.awaiting.get_mut(index),
            Part::Unsent => self.unsent.get_mut(index),
        }
    }

    /// Gives up the response of a live request. Returns whether there was one.
    pub(super) fn forget(&mut self, id: CorrelationId) -> bool {
        let Some(place) = self.index(id) else { return false };
        let Some(entry) = self.get_mut(place).filter(|entry| entry.state == State::Live) else { return false };
        entry.state = State::Forgotten;
        self.live -= 1;
        true
    }

    /// The deadline of a request with this timeout and wait, if it were sent now.
    pub(super) fn deadline(&self, at: Instant, timeout: Duration, server_wait: Duration) -> Option<Instant> {
        // A broker answers in order, so a request also waits for what those in front of it may wait.
        let wait = self.server_wait.saturating_add(server_wait.min(LONGEST_WAIT));
        at.checked_add(timeout.saturating_add(wait))
    }

    pub(super) fn push(&mut self, mut entry: Entry) {
        entry.server_wait = entry.server_wait.min(LONGEST_WAIT);
        self.server_wait += entry.server_wait;
        self.live += 1;
        if let Some(deadline) = entry.deadline {
            self.deadlines.push(deadline, entry.serial);
        }
        if !entry.awaits_response {
            self.silent.push_back((entry.frame.end, entry.serial));
        }
        self.unsent.push_back(entry);
    }

    /// Whether [`Ledger::promote`] would report a request.
    pub(super) fn has_written_news(&self, queue: &SendQueue) -> bool {
        // Called for each look at `wants_read`, so it looks only at requests without an answer whose frames have left.
        let mut written = self.silent.iter().take_while(|(end, _)| queue.has_taken(*end));
        written
            .any(|(_, serial)| self.locate(*serial).and_then(|at| self.get(at)).is_some_and(|e| e.state == State::Live))
    }

    /// Moves written requests to the list of those whose responses are due. Reports those that have no response and so end.
    pub(super) fn promote(&mut self, queue: &SendQueue, mut written: impl FnMut(CorrelationId)) {
        let is_taken = |entry: &mut Entry| queue.has_taken(entry.frame.end);
        let mut has_ended = false;
        while let Some(entry) = self.unsent.pop_front_if(is_taken) {
            has_ended |= self.move_on(entry, &mut written);
        }
        while self.silent.pop_front_if(|(end, _)| queue.has_taken(*end)).is_some() {}
        if has_ended {
            self.tidy_deadlines();
        }
    }

    /// Handles a response that arrives while none is due. If it answers the next request that was offered completely, then that
    /// request was written, and so were those in front of it. The stream has not reported this yet, because it may report
    /// several frames together.
    pub(super) fn promote_offered(
        &mut self,
        got: CorrelationId,
        body: &[u8],
        queue: &SendQueue,
        mut written: impl FnMut(CorrelationId),
    ) {
        // An answer proves that its request and all in front of it have left, whatever the stream has reported.
        let has_left = |entry: &Entry| matches!(queue.taken(entry.frame), Taken::Offered | Taken::All);
        let mut offered = self.unsent.iter().take_while(|entry| has_left(entry));
        let next = offered.find(|entry| entry.awaits_response && entry.state != State::Withdrawn);
        if next.is_none_or(|next| next.id != got && !is_quirk(next.api, got, body)) {
            return;
        }
        while self.awaiting.is_empty()
            && let Some(entry) = self.unsent.pop_front_if(|entry| has_left(entry))
        {
            self.move_on(entry, &mut written);
        }
    }

    /// Handles that a request was written. Returns whether the request has ended.
    fn move_on(&mut self, entry: Entry, written: &mut impl FnMut(CorrelationId)) -> bool {
        if entry.state == State::Withdrawn {
            self.withdrawn -= 1;
            return false;
        }
        if entry.awaits_response {
            self.awaiting.push_back(entry);
            return false;
        }
        self.deadlines.note_ended(entry.serial);
        self.server_wait -= entry.server_wait;
        // No answer will ever confirm it. What does is the answer to any later request.
        self.unconfirmed.push(entry.id, entry.frame);
        if entry.state == State::Live {
            self.live -= 1;
            written(entry.id);
        }
        true
    }

    /// Matches a response with the request that is to be answered next.
    pub(super) fn answer(&mut self, got: CorrelationId, body: &[u8]) -> Result<Entry, MatchError> {
        let Some(expected) = self.awaiting.front().map(|entry| entry.id) else {
            return Err(MatchError::Unsolicited { got });
        };
        #[cfg(kafka08_canary)]
        let got = crate::canary::SkipsIdCheck.pick(expected, got);
        match self.awaiting.pop_front_if(|entry| entry.id == got || is_quirk(entry.api, got, body)) {
            Some(entry) => {
                self.server_wait -= entry.server_wait;
                self.live -= usize::from(entry.state == State::Live);
                // A broker that refuses a produce with acks = 0 closes the connection, so an answer says that it refused none before.
                self.unconfirmed.confirm_before(entry.frame);
                self.deadlines.note_ended(entry.serial);
                self.tidy_deadlines();
                Ok(entry)
            }
            // An id that was sent and not yet answered: the peer has changed the order. Any other id was never sent.
            None if matches!(self.index(got), Some((Part::Awaiting, _))) => {
                Err(MatchError::OutOfOrder { got, expected })
            }
            None => Err(MatchError::Unknown { got, expected }),
        }
    }

    pub(super) fn cancel(&mut self, id: CorrelationId, queue: &mut SendQueue) -> Cancelled {
        let Some(place) = self.index(id) else { return Cancelled::NotOutstanding };
        if self.get(place).is_none_or(|entry| entry.state != State::Live) {
            return Cancelled::NotOutstanding;
        }
        if let Some(index) = self.withdrawable(place, queue) {
            self.withdraw(index, queue);
            self.tidy_deadlines();
            return Cancelled::Withdrawn;
        }
        self.forget(id);
        Cancelled::Abandoned
    }

    /// Whether [`Ledger::cancel`] would withdraw this request.
    pub(super) fn is_untouched(&self, id: CorrelationId, queue: &SendQueue) -> bool {
        self.index(id).and_then(|place| self.withdrawable(place, queue)).is_some()
    }

    /// The index in `unsent` of a live request that can be withdrawn.
    fn withdrawable(&self, place: (Part, usize), queue: &SendQueue) -> Option<usize> {
        let entry = self.get(place).filter(|entry| entry.state == State::Live)?;
        // Withdrawn requests cut the ranges of unconfirmed ones into pieces: there is a bound on those.
        let is_withdrawable =
            place.0 == Part::Unsent && queue.taken(entry.frame) == Taken::Nothing && !self.unconfirmed.is_full();
        is_withdrawable.then_some(place.1)
    }

    /// Withdraws an unsent request, of which no byte was written.
    fn withdraw(&mut self, index: usize, queue: &mut SendQueue) {
        if let Some(entry) = self.unsent.get_mut(index) {
            queue.withdraw(entry.frame);
            self.live -= usize::from(entry.state == State::Live);
            self.server_wait -= entry.server_wait;
            entry.state = State::Withdrawn;
            self.withdrawn += 1;
        }
        // At the back nothing refers to its place, so it goes at once. That is where a request lies that was just made.
        while self.unsent.pop_back_if(|entry| entry.state == State::Withdrawn).is_some() {
            self.withdrawn -= 1;
        }
        if self.withdrawn > UNTIDY && self.withdrawn > self.unsent.len() / 2 {
            self.unsent.retain(|entry| entry.state != State::Withdrawn);
            self.withdrawn = 0;
            // Rebuilt, because it may name requests that are gone now.
            self.silent.clear();
            let silent = self.unsent.iter().filter(|entry| !entry.awaits_response);
            self.silent.extend(silent.map(|entry| (entry.frame.end, entry.serial)));
        }
    }

    /// Ends the requests whose deadlines have passed, and reports each by `failed`. Returns why nothing may follow, if so.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        queue: &mut SendQueue,
        mut failed: impl FnMut(&Entry, Taken, Fate),
    ) -> Option<Blocked> {
        let mut blocked = None;
        let can_withdraw = !self.unconfirmed.is_full();
        while let Some(serial) = self.deadlines.pop_due(now) {
            let Some((part, index)) = self.locate(serial) else { continue };
            let Some(entry) = self.get_mut((part, index)).filter(|entry| entry.has_deadline()) else { continue };
            let is_live = entry.state == State::Live;
            let taken = queue.taken(entry.frame);
            if is_live {
                failed(entry, taken, entry.fate(taken));
            }
            // It is not written any more, so the connection is as if it had never been sent.
            if taken == Taken::Nothing && can_withdraw {
                self.withdraw(index, queue);
                continue;
            }
            // It keeps its place: its answer may still come, and must not be taken for that of the next one.
            entry.state = State::TimedOut;
            // The first such request is the one that the peer waits for.
            if part == Part::Unsent {
                let why = if taken == Taken::Nothing { Blocked::Full(entry.id) } else { Blocked::Torn(entry.id) };
                blocked.get_or_insert(why);
            }
            self.live -= usize::from(is_live);
        }
        self.tidy_deadlines();
        blocked
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    fn tidy_deadlines(&mut self) {
        let Self { deadlines, awaiting, unsent, .. } = self;
        let find = |serial: Serial| {
            let in_list = |list: &VecDeque<Entry>| match list.front() {
                Some(front) if front.serial == serial => Some(front.has_deadline()),
                _ => {
                    let index = list.binary_search_by_key(&serial, |entry| entry.serial).ok()?;
                    list.get(index).map(Entry::has_deadline)
                }
            };
            match in_list(awaiting).or_else(|| in_list(unsent)) {
                Some(true) => DeadlineOf::Waiting,
                _ => DeadlineOf::Ended,
            }
        };
        deadlines.tidy(awaiting.len() + unsent.len(), find);
    }

    /// Whether the request that is to be answered next has timed out.
    pub(super) fn is_stalled(&self) -> bool {
        self.awaiting.front().is_some_and(|entry| entry.state == State::TimedOut)
    }

    /// The request that is to be answered next, if it has timed out and no live request is left.
    pub(super) fn hopeless(&self) -> Option<&Entry> {
        self.awaiting.front().filter(|entry| entry.state == State::TimedOut && self.live == 0)
    }

    /// Removes every request that is not written, because none of them will be. Reports the live ones with their fates.
    pub(super) fn drain_unsent(&mut self, queue: &SendQueue, mut failed: impl FnMut(&Entry, Taken, Fate)) {
        for entry in std::mem::take(&mut self.unsent) {
            if entry.state == State::Withdrawn {
                continue;
            }
            self.server_wait -= entry.server_wait;
            if entry.state == State::Live {
                self.live -= 1;
                let taken = queue.taken(entry.frame);
                failed(&entry, taken, entry.fate(taken));
            }
        }
        self.withdrawn = 0;
        self.silent.clear();
        self.tidy_deadlines();
    }

    /// Removes every request. Reports the live ones with their fates.
    pub(super) fn drain(&mut self, queue: &SendQueue, mut failed: impl FnMut(&Entry, Taken, Fate)) {
        for entry in std::mem::take(&mut self.awaiting) {
            self.server_wait -= entry.server_wait;
            if entry.state == State::Live {
                self.live -= 1;
                failed(&entry, Taken::All, entry.fate_once_written());
            }
        }
        self.drain_unsent(queue, failed);
    }

    pub(super) fn unconfirmed(&self) -> &Unconfirmed {
        &self.unconfirmed
    }

    pub(super) fn take_unconfirmed(&mut self) -> Unconfirmed {
        std::mem::take(&mut self.unconfirmed)
    }

    /// Frees memory that is not in use.
    pub(super) fn release(&mut self) {
        if self.len() == 0 {
            let unconfirmed = std::mem::take(&mut self.unconfirmed);
            *self = Self { unconfirmed, ..Self::default() };
        }
    }
}
