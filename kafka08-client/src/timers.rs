//! Deadlines by name, the earliest first.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// Times at which something is due. Each key has at most one time.
#[derive(Clone, Debug)]
pub(crate) struct Timers<K> {
    in_order: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> Timers<K> {
    pub(crate) fn new() -> Self {
        Self { in_order: BTreeSet::new(), by_key: BTreeMap::new() }
    }

    /// Sets, moves or removes the time of a key.
    pub(crate) fn set(&mut self, key: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_key.insert(key.clone(), at),
            None => self.by_key.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.in_order.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.in_order.insert((at, key));
        }
    }

    /// Whether a key has a time.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// The earliest time.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Takes the earliest key whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.first()? > now {
            return None;
        }
        let (_, key) = self.in_order.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning; all later times are computed")]
    fn keys_are_due_in_the_order_of_their_times_and_each_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::new();
        timers.set("a", Some(at(3)));
        timers.set("b", Some(at(1)));
        timers.set("a", Some(at(2)));
        timers.set("c", Some(at(1)));
        timers.set("c", None);
        assert_eq!(timers.first(), Some(at(1)));
        assert_eq!(timers.pop_due(start), None);
        assert_eq!([timers.pop_due(at(5)), timers.pop_due(at(5)), timers.pop_due(at(5))], [Some("b"), Some("a"), None]);
        assert!(timers.is_empty());
    }
}
