//! One partition, as the machine reads it.

use std::time::Instant;

use kafka08_proto::ids::{NodeId, Offset, Text, TopicPartition};

use super::{
    event::{FetchCause, ResetCause},
    larger::Larger,
};
use crate::{
    assignment::Epoch,
    config::{EndAt, OffsetStore, StartAt},
    links::Token,
};

/// A partition from its assignment or a seek on, until the next.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) of: TopicPartition,
    pub(super) epoch: Epoch,
    pub(super) stage: Stage,
    pub(super) knows: Knows,
    /// Its user does not want anything of it at the moment.
    pub(super) is_idle: bool,
    /// The bytes that have come of it and were not taken.
    pub(super) waiting: usize,
    /// The broker that it is fetched from.
    pub(super) leader: Option<NodeId>,
    /// The fetch that it is in.
    pub(super) asked: Option<Token>,
    /// The least bytes that are of use: those of its next entry, as far as that is known.
    pub(super) need: usize,
    /// The position at which a set was doubtful.
    pub(super) doubt: Option<Offset>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Resets in a row, without a set in between.
    pub(super) resets: u32,
    /// It is not asked for until a timer says so.
    pub(super) is_pausing: bool,
    pub(super) trouble: Option<Trouble>,
    /// Since when the log has been shorter than the end that was set.
    pub(super) short_since: Option<Instant>,
}

/// How far a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its start and its end are looked up.
    Starting(Starting),
    /// It is fetched.
    Reading { position: Offset, until: Until },
    /// It is not fetched any more.
    Over,
}

/// What is known of where a partition starts and ends, and what is still asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Starting {
    pub(super) start: Known,
    pub(super) end: Known,
    pub(super) until: EndAt,
    /// What the two stores have said, if the larger of their offsets is the start.
    pub(super) larger: Larger,
}

/// An offset that is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes(Offset),
    /// Nobody was asked yet.
    No(StartAt),
    /// It is being asked for.
    Asked(StartAt),
}

/// Whether a broker knows the partition. What it says about groups in ZooKeeper counts only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knows {
    Unclear,
    /// This broker is to be asked.
    ToAsk(NodeId),
    Yes(NodeId),
}

/// Where reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Until {
    /// `i64::MAX` if it does not end.
    pub(super) offset: Offset,
    /// It was a high watermark, so the log had it once.
    pub(super) was_there: bool,
}

/// What keeps a partition from being read.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) cause: FetchCause,
    pub(super) since: Instant,
    pub(super) is_told: bool,
}

impl Track {
    /// Waits no longer for the broker that is asked whether it knows the partition, unless it is the leader: it may be gone for good.
    /// Returns whether the start has to be looked up again.
    pub(super) fn leave_asked(&mut self, leader: Option<NodeId>) -> bool {
        let (Knows::ToAsk(node) | Knows::Yes(node)) = self.knows else { return false };
        let Stage::Starting(starting) = &mut self.stage else { return false };
        if Some(node) == leader {
            return false;
        }
        self.knows = Knows::Unclear;
        starting.larger.forget(OffsetStore::ZooKeeper);
        if let Known::Asked(start) = &starting.start {
            starting.start = Known::No(start.clone());
        }
        true
    }

    pub(super) fn new(of: TopicPartition, epoch: Epoch, start: &StartAt, end: EndAt) -> Self {
        Self {
            of,
            epoch,
            stage: Stage::Starting(Starting::new(start.clone(), end)),
            knows: Knows::Unclear,
            is_idle: false,
            waiting: 0,
            leader: None,
            asked: None,
            need: 0,
            doubt: None,
            failures: 0,
            resets: 0,
            is_pausing: false,
            trouble: None,
            short_since: None,
        }
    }

    pub(super) fn position(&self) -> Option<Offset> {
        match self.stage {
            Stage::Reading { position, .. } => Some(position),
            Stage::Starting(_) | Stage::Over => None,
        }
    }

    /// Whether it could be asked for now, were there room.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.stage, Stage::Reading { .. }) && !self.is_idle && !self.is_pausing && self.asked.is_none()
    }

    /// Its start is looked up again.
    pub(super) fn restart(&mut self, start: StartAt) {
        // Only a partition that is read can lose its offset.
        let (end, until) = match self.stage {
            Stage::Reading { until: Until { offset, was_there: true }, .. } => (offset, EndAt::HighWatermark),
            Stage::Reading { until, .. } => (until.offset, EndAt::Offset(until.offset)),
            Stage::Starting(_) | Stage::Over => (Offset(i64::MAX), EndAt::Never),
        };
        let starting = Starting { start: Known::No(start), end: Known::Yes(end), until, larger: Larger::default() };
        self.stage = Stage::Starting(starting);
        (self.need, self.doubt, self.short_since) = (0, None, None);
    }
}

impl Starting {
    fn new(start: StartAt, until: EndAt) -> Self {
        let start = match start {
            StartAt::Offset(offset) => Known::Yes(offset),
            other => Known::No(other),
        };
        let end = match until {
            EndAt::Never => Known::Yes(Offset(i64::MAX)),
            EndAt::Offset(offset) => Known::Yes(offset),
            EndAt::HighWatermark => Known::No(StartAt::Latest),
        };
        Self { start, end, until, larger: Larger::default() }
    }

    /// The start and the end, if both are known.
    pub(super) fn done(&self) -> Option<(Offset, Until)> {
        match (&self.start, &self.end) {
            (Known::Yes(start), Known::Yes(end)) => {
                Some((*start, Until { offset: *end, was_there: self.until == EndAt::HighWatermark }))
            }
            _ => None,
        }
    }

    pub(super) fn at(&mut self, which: Which) -> &mut Known {
        match which {
            Which::Start => &mut self.start,
            Which::End => &mut self.end,
        }
    }
}

/// Which of the two offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Start,
    End,
}

/// What has come of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    At(Offset),
    /// There is no such offset.
    None(ResetCause),
    /// The group has committed nothing to ZooKeeper, or the broker does not know the partition. `node`: only this one was asked.
    Unclear {
        group: Text,
        node: Option<NodeId>,
    },
    /// This broker knows the partition.
    Known(NodeId),
    Failed(FetchCause),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_keeps_the_end_and_whether_the_log_had_it() {
        for (end, was_there) in [(EndAt::HighWatermark, true), (EndAt::Offset(Offset(7)), false), (EndAt::Never, false)]
        {
            let epoch = Epoch::default();
            let mut track = Track::new(TopicPartition::new("t", 0), epoch, &StartAt::Earliest, end);
            let until = Until { offset: Offset(7), was_there };
            track.stage = Stage::Reading { position: Offset(3), until };
            track.restart(StartAt::Latest);
            let Stage::Starting(starting) = &mut track.stage else { panic!("it starts again") };
            assert_eq!(starting.done(), None);
            *starting.at(Which::Start) = Known::Yes(Offset(5));
            assert_eq!(starting.done(), Some((Offset(5), until)));
        }
    }
}
