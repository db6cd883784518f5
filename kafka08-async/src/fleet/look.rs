//! When a deadline of the machine takes effect.

use std::time::Instant;

use crate::io::LAST_TURNS;

/// A last look at the sockets, before deadlines take effect.
///
/// An answer that is here beats its deadline, also if the process was stopped for longer than the time that was left. So when a
/// deadline has come, each link is read from that is ready or on which an answer is due, and then what was due when that began
/// takes effect. Links that become ready meanwhile stand behind them in the list. So a fleet that is always busy cannot delay
/// deadlines.
pub(super) struct Look {
    /// The time at which it began, which is told to the machine.
    at: Instant,
    /// The number of links at the front of the list that are still to be read.
    left: usize,
    /// Whether a link had more bytes than one turn may read.
    has_more: bool,
    rounds: usize,
}

/// What comes after a part of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Links at the front of the list are still to be read.
    Part,
    /// Everything that was here at this time was read.
    All(Instant),
}

impl Look {
    /// Begins to look at the `ready` links that are listed.
    pub(super) fn new(at: Instant, ready: usize) -> Self {
        Self { at, left: ready, has_more: false, rounds: 0 }
    }

    /// Notes that the first link of the list was read.
    pub(super) fn note_touched(&mut self, has_more: bool) {
        if self.left > 0 {
            // Only of links that the look waits for. Others may be touched in the same turn after the last of them.
            self.left -= 1;
            self.has_more |= has_more;
        }
    }

    /// Whether it is over, while so many links are listed. A link with more bytes is listed again, so it is waited for once
    /// more, but not for ever.
    pub(super) fn seen(&mut self, ready: usize) -> Seen {
        if self.left == 0 && self.has_more && self.rounds < LAST_TURNS {
            self.left = ready;
            self.has_more = false;
            self.rounds += 1;
        }
        // The machine is told the time at which the look began. An answer that has come after that may be unread, so a
        // deadline between then and now must not take effect yet.
        if self.left == 0 { Seen::All(self.at) } else { Seen::Part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_each_link_that_was_listed_has_been_read() {
        let at = Instant::now();
        let mut look = Look::new(at, 2);
        look.note_touched(false);
        assert_eq!(look.seen(5), Seen::Part);
        look.note_touched(false);
        // Four have come behind them.
        assert_eq!(look.seen(4), Seen::All(at));
    }

    #[test]
    fn a_link_that_always_has_more_is_waited_for_a_limited_time() {
        let at = Instant::now();
        let mut look = Look::new(at, 1);
        let mut touched = 0;
        while look.seen(1) == Seen::Part {
            look.note_touched(true);
            touched += 1;
        }
        assert_eq!(touched, 1 + LAST_TURNS);
    }

    #[test]
    fn without_links_it_is_over_at_once() {
        let at = Instant::now();
        assert_eq!(Look::new(at, 0).seen(0), Seen::All(at));
    }
}
