//! How a consumer closes.

use std::time::Instant;

use super::{
    Consumer,
    state::{Life, Returns},
};
use crate::timers::Timers;

impl Consumer {
    /// Ends everything at once. Commits that have not ended are told as failed, though they may have been stored.
    pub fn close(&mut self, now: Instant) {
        self.cluster.close(now);
        self.leave_all();
        self.abandon_commits();
        self.life = Life::Closed;
    }

    /// Reads no more, waits for the commits that were asked for, and then ends everything; at the latest at this time.
    ///
    /// With [`ConsumerConfig::with_interval_commit`](crate::config::ConsumerConfig::with_interval_commit), the next exchange commits a
    /// last time what has passed by then. Note before that exchange how far callers have come. Commits that have not ended at the
    /// deadline are told as failed, though they may have been stored.
    pub fn close_by(&mut self, now: Instant, deadline: Instant) {
        match self.life {
            Life::Open => {
                self.leave_all();
                self.life = Life::Closing { until: deadline, is_last_asked: false };
                // The last commit is taken from the assignment.
                self.look_at = Some(now);
            }
            Life::Closing { until, is_last_asked } => {
                self.life = Life::Closing { until: until.min(deadline), is_last_asked };
            }
            Life::Closed => {}
        }
        self.close_when_over(now);
    }

    /// Closes if everything has ended that closing waits for.
    pub(super) fn close_when_over(&mut self, now: Instant) {
        let Life::Closing { is_last_asked: true, .. } = self.life else { return };
        if self.committing.is_empty() && self.groups.is_empty() {
            self.close(now);
        }
    }

    /// Closes if the time for it is over. Only when time is told: an answer that is here by then was read before.
    pub(super) fn close_when_late(&mut self, now: Instant) {
        if self.life.until().is_some_and(|until| until <= now) {
            self.close(now);
        }
    }

    /// Reads nothing any more.
    fn leave_all(&mut self) {
        // The ends of links would have partitions placed again.
        while self.cluster.poll_owner().is_some() {}
        self.tracks.clear();
        self.by_name.clear();
        self.topics.clear();
        self.wanted.clear();
        self.to_list.clear();
        self.nodes.clear();
        self.to_ask.clear();
        self.starved.clear();
        self.sent.clear();
        self.answers.clear();
        self.returns = Returns::default();
        self.tells_starved = false;
        self.to_look.clear();
        self.looks.clear();
        self.timers = Timers::new();
        self.look_at = None;
    }
}
