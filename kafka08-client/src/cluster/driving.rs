//! What the driver of a cluster tells it, and takes from it.

use std::{io, time::Instant};

use kafka08_proto::{ClientConnection, adapter::ConnectError};

use super::{
    Cluster, ClusterEvent,
    state::{Life, Timer},
};
use crate::{
    links::Action,
    machine::{LinkId, Machine, Output},
};

impl Machine for Cluster {
    type Event = ClusterEvent;

    fn poll_output(&mut self, now: Instant) -> Option<Output<ClusterEvent>> {
        self.take_news(now);
        // Behind the news, which may have staged requests; and before the events, so that who takes events slowly does not
        // keep bytes waiting.
        let action = self.links.poll_action(now).map(|action| match action {
            Action::Connect { link, to, within } => Output::Connect { link, to, within },
            Action::Drop(link) => Output::Drop(link),
            Action::Write(link) => Output::Write(link),
        });
        action.or_else(|| self.events.pop_front().map(Output::Event))
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.links.connection(link)
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.links.handle_connected(link, now);
        self.take_news(now);
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        self.links.handle_connect_failed(link, error, now);
        self.take_news(now);
    }

    fn handle_io_error(&mut self, link: LinkId, error: &io::Error) {
        self.links.handle_io_error(link, error);
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.links.handle_progress(link, now);
        self.take_news(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // After a close, the last news of the links may still have set a timer. Nothing is due any more.
        if self.life == Life::Closed {
            return self.links.poll_timeout();
        }
        match (self.links.poll_timeout(), self.timers.first()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        // Links come first: the reason why a request has timed out says more than the deadline of its call.
        self.links.handle_timeout(now);
        self.take_news(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Deadline(id) => self.deadline_passed(id),
                Timer::Retry(id) => self.dispatch(now, id),
                Timer::Refresh => self.drive_refresh(now),
                Timer::Seek => self.drive_seek(now),
                Timer::Coordinator(group) => {
                    for id in self.coordinators.resume(&group) {
                        self.dispatch(now, id);
                    }
                }
            }
            // What a timer has brought about comes before the next timer, which may be a deadline.
            self.take_news(now);
        }
    }

    fn is_over(&self) -> bool {
        self.life == Life::Closed && self.links.is_empty() && self.events.is_empty()
    }
}
