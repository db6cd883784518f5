//! Which topics are to be looked up, and when.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use kafka08_proto::{api::Topics, ids::Text};

use super::CallId;
use crate::{backoff::Backoff, seed::Seed};

/// The most names in one request. A broker reads the state of each from ZooKeeper or its cache.
const MOST_NAMES: usize = 1000;

/// How many answers a topic is waited for that is wanted once. With the default pauses, that takes some seconds.
const MOST_ANSWERS: u32 = 10;

/// Who wants to know about a topic.
#[derive(Debug, Default)]
struct Interest {
    /// Whether it is asked for by name, which creates it.
    wish: Wish,
    /// Whether the owner wants to know of its changes, and only reads.
    is_watched: bool,
    /// Calls that wait for it. They only read, so they must not create it.
    calls: BTreeSet<CallId>,
    /// Answers in a row in which it could not be used.
    failures: u32,
    /// When it is to be asked for. `None` if what is known of it will do.
    due: Option<Instant>,
    /// With how many names in one request it may be asked for, itself included. `None` if with any number.
    most_names: Option<usize>,
}

impl Interest {
    fn most_names(&self) -> usize {
        self.most_names.unwrap_or(MOST_NAMES)
    }
}

/// For how long a topic is asked for by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Wish {
    #[default]
    None,
    /// Until it can be used, or [`MOST_ANSWERS`] answers have said that it cannot.
    Once,
    /// Until the owner forgets it.
    Lasting,
}

/// Decides what to ask for. One request is in flight at a time, with a pause between two.
#[derive(Debug)]
pub(super) struct Refresh {
    /// Every topic that somebody is interested in.
    topics: BTreeMap<Text, Interest>,
    /// The same topics, as far as they are due, the earliest first.
    due: BTreeSet<(Instant, Text)>,
    /// When all topics are to be asked for, for the list of brokers or for a topic that must not be created.
    all_due: Option<Instant>,
    /// When the last request was sent.
    last: Option<Instant>,
    /// The shortest time between two requests.
    pause: Duration,
    /// For topics that cannot be used yet.
    backoff: Backoff,
}

impl Refresh {
    pub(super) fn new(pause: Duration, backoff: Backoff) -> Self {
        Self { topics: BTreeMap::new(), due: BTreeSet::new(), all_due: None, last: None, pause, backoff }
    }

    fn set_due(&mut self, name: &Text, at: Option<Instant>) {
        let Some(interest) = self.topics.get_mut(name) else { return };
        if interest.due == at {
            return;
        }
        if let Some(before) = interest.due {
            self.due.remove(&(before, name.clone()));
        }
        interest.due = at;
        if let Some(at) = at {
            self.due.insert((at, name.clone()));
        }
    }

    /// Brings the time of a topic forward to `at`, unless it is backing off.
    fn hasten(&mut self, name: &Text, at: Instant) {
        // A topic that cannot be used is asked for at its own pace. Else each call that waits would ask at once.
        let is_pausing = self.topics.get(name).is_some_and(|interest| interest.failures > 0 && interest.due.is_some());
        let is_earlier = self.topics.get(name).is_some_and(|interest| interest.due.is_none_or(|due| at < due));
        if is_earlier && !is_pausing {
            self.set_due(name, Some(at));
        }
    }

    /// The owner wants a topic, by its name.
    pub(super) fn want(&mut self, now: Instant, name: &Text) {
        let interest = self.topics.entry(name.clone()).or_default();
        if interest.wish != Wish::Lasting {
            interest.wish = Wish::Lasting;
            self.hasten(name, now);
        }
    }

    /// A topic is looked up by its name, until it can be used.
    pub(super) fn want_once(&mut self, now: Instant, name: &Text) {
        let interest = self.topics.entry(name.clone()).or_default();
        interest.wish = interest.wish.max(Wish::Once);
        self.hasten(name, now);
    }

    /// The owner wants to know of a topic, and must not create it.
    pub(super) fn watch(&mut self, now: Instant, name: &Text) {
        self.topics.entry(name.clone()).or_default().is_watched = true;
        self.hasten(name, now);
    }

    /// The owner wants a topic no more.
    pub(super) fn forget(&mut self, name: &str) {
        let name = Text::from(name);
        if let Some(interest) = self.topics.get_mut(&name) {
            interest.wish = Wish::None;
            interest.is_watched = false;
        }
        self.tidy(&name);
    }

    /// A call waits for a topic. It is looked up at this time at the latest.
    pub(super) fn wait(&mut self, at: Instant, name: &Text, call: CallId) {
        self.topics.entry(name.clone()).or_default().calls.insert(call);
        self.hasten(name, at);
    }

    /// A call waits for a topic no more.
    pub(super) fn leave(&mut self, name: &Text, call: CallId) {
        if let Some(interest) = self.topics.get_mut(name) {
            interest.calls.remove(&call);
        }
        self.tidy(name);
    }

    /// A call that waited for a topic is placed again. [`Refresh::tidy_all`] forgets the topic if it does not wait again.
    pub(super) fn leave_gently(&mut self, name: &Text, call: CallId) {
        if let Some(interest) = self.topics.get_mut(name) {
            interest.calls.remove(&call);
        }
    }

    /// Forgets those of these topics in which nobody is interested.
    pub(super) fn tidy_all(&mut self, names: &BTreeSet<Text>) {
        for name in names {
            self.tidy(name);
        }
    }

    fn tidy(&mut self, name: &Text) {
        let is_wanted = |interest: &Interest| interest.wish != Wish::None || interest.is_watched;
        if self.topics.get(name).is_some_and(|interest| !is_wanted(interest) && interest.calls.is_empty()) {
            self.set_due(name, None);
            self.topics.remove(name);
        }
    }

    /// What is known of a topic has turned out to be wrong.
    pub(super) fn note_stale(&mut self, now: Instant, name: &Text) {
        self.hasten(name, now);
    }

    /// Asks for all topics, which tells the brokers and creates nothing.
    pub(super) fn ask_for_all(&mut self, at: Instant) {
        self.all_due = Some(self.all_due.map_or(at, |due| due.min(at)));
    }

    /// The calls that wait for a topic.
    pub(super) fn waiting(&self, name: &Text) -> impl Iterator<Item = CallId> {
        self.topics.get(name).into_iter().flat_map(|interest| interest.calls.iter().copied())
    }

    /// The names in which somebody is interested.
    pub(super) fn names(&self) -> impl Iterator<Item = &Text> {
        self.topics.keys()
    }

    /// The topics that the owner wants.
    pub(super) fn wanted(&self, name: &Text) -> bool {
        self.topics.get(name).is_some_and(|interest| interest.wish != Wish::None || interest.is_watched)
    }

    /// When the next request is to be sent, if none is in flight.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let due = self.due.first().map(|(at, _)| *at);
        let at = match (due, self.all_due) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        // Counted from the sending, so that a slow broker is not asked more often than a fast one answers.
        let earliest = self.last.and_then(|last| last.checked_add(self.pause));
        Some(earliest.map_or(at, |earliest| at.max(earliest)))
    }

    /// What to ask for now. `exists` says whether a topic is known to exist, so that naming it creates nothing.
    pub(super) fn request(&mut self, now: Instant, exists: impl Fn(&Text) -> bool) -> Option<Topics> {
        if self.next_at()? > now {
            return None;
        }
        let mut names = Vec::new();
        let mut most = MOST_NAMES;
        let mut needs_all = self.all_due.is_some_and(|due| due <= now);
        // In the order of their times, so that names that are refused again and again keep no other waiting for long.
        for (_, name) in self.due.iter().take_while(|(due, _)| *due <= now).take(MOST_NAMES) {
            let Some(interest) = self.topics.get(name) else { continue };
            if interest.wish == Wish::None && !exists(name) {
                needs_all = true;
                continue;
            }
            // One bad name spoils a whole request, so a suspect is asked for among few.
            most = most.min(interest.most_names());
            if names.len() >= most {
                break;
            }
            names.push(name.clone());
        }
        // A request for all topics tells about those with names too, except for topics that it would have to create.
        if needs_all && names.iter().all(&exists) {
            return Some(Topics::All);
        }
        if names.is_empty() { needs_all.then_some(Topics::All) } else { Some(Topics::Named(names)) }
    }

    /// Notes that a request was sent.
    pub(super) fn note_asked(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// Notes that an answer has listed all topics.
    pub(super) fn note_all_answered(&mut self) {
        self.all_due = None;
    }

    /// Notes that a topic was answered and can be used. It is due again at `next`.
    pub(super) fn note_settled(&mut self, name: &Text, next: Option<Instant>) {
        let Some(interest) = self.topics.get_mut(name) else { return };
        interest.failures = 0;
        if interest.wish == Wish::Once {
            interest.wish = Wish::None;
        }
        // Calls ask again when they need it. Only the owner wants to know of changes by itself.
        let next = next.filter(|_| interest.wish == Wish::Lasting || interest.is_watched);
        interest.most_names = None;
        self.set_due(name, next);
        self.tidy(name);
    }

    /// Notes that a topic was answered and cannot be used yet. It is asked for again after a pause.
    pub(super) fn note_unsettled(&mut self, now: Instant, name: &Text, seed: &mut Seed) {
        let backoff = self.backoff;
        let Some(interest) = self.topics.get_mut(name) else { return };
        interest.failures = interest.failures.saturating_add(1);
        if interest.wish == Wish::Once && interest.failures >= MOST_ANSWERS {
            // Nobody can take this wish back, so it must end by itself.
            interest.wish = Wish::None;
            self.tidy(name);
        }
        let Some(interest) = self.topics.get(name) else { return };
        // Half of the wait is fixed: with full jitter, a topic that was just created would be asked for many times.
        let wait = backoff.wait_half(interest.failures, seed);
        self.set_due(name, now.checked_add(wait));
    }

    /// Notes that an answer has refused all of these names with the same code, so that one of them may be the cause. Half as
    /// many are asked for together next time, so the cause is alone after a few answers.
    pub(super) fn note_spoilt(&mut self, names: &[Text]) {
        let half = (names.len() / 2).max(1);
        for name in names {
            if let Some(interest) = self.topics.get_mut(name) {
                interest.most_names = Some(interest.most_names().min(half));
            }
        }
    }

    /// Notes that a request has failed. Everything stays due after a pause.
    pub(super) fn note_failed(&mut self, now: Instant, asked: &Topics, seed: &mut Seed) {
        match asked {
            Topics::All => {
                // Only if it was asked for as such. Otherwise nobody may be interested any more, and it would be asked for
                // again for ever.
                if self.all_due.is_some() {
                    let wait = self.pause + seed.up_to(self.pause);
                    self.all_due = now.checked_add(wait);
                }
                let due = self.due.iter().take_while(|(due, _)| *due <= now);
                for name in due.map(|(_, name)| name.clone()).collect::<Vec<_>>() {
                    self.note_unsettled(now, &name, seed);
                }
            }
            Topics::Named(names) => {
                for name in names {
                    self.note_unsettled(now, name, seed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
