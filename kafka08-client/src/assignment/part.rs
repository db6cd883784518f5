//! One assigned partition.

use std::collections::VecDeque;

use kafka08_proto::{
    ids::{Offset, TopicPartition},
    message::{MessageError, MessageSet},
};

use super::{Epoch, FrameId, frames::Is, out::Out};
use crate::config::{EndAt, StartAt};

/// A partition from its assignment or a seek on, until the next.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) of: TopicPartition,
    pub(super) epoch: Epoch,
    pub(super) start: StartAt,
    pub(super) end: EndAt,
    pub(super) is_paused: bool,
    pub(super) stage: Stage,
    /// Sets that were not taken, in order.
    pub(super) waiting: VecDeque<Waiting>,
    /// The bytes of these sets.
    pub(super) waiting_bytes: usize,
    /// It stands in the list of partitions with something to take.
    pub(super) is_ready: bool,
    pub(super) out: Out,
    /// Where the next set that is taken begins. `None` until the start is known.
    pub(super) position: Option<Offset>,
    pub(super) high_watermark: Option<Offset>,
}

/// How far a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is read.
    Reading,
    /// No more sets will come: its end has come, or it has failed.
    Ended,
    /// Its user has stopped at a message that could not be read, behind which this offset is.
    Halted(MessageError, Offset),
}

/// A set that was not taken.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) set: MessageSet,
    pub(super) frame: FrameId,
    pub(super) from: Offset,
    pub(super) behind: Offset,
    pub(super) until: Offset,
    pub(super) high_watermark: Offset,
    pub(super) is_doubtful: bool,
    /// No more than this may be committed because of the set: `behind`, unless the log was reset to an earlier offset since.
    pub(super) commits: Offset,
}

impl Part {
    pub(super) fn new(of: TopicPartition, epoch: Epoch, start: StartAt, end: EndAt) -> Self {
        Self {
            of,
            epoch,
            start,
            end,
            is_paused: false,
            stage: Stage::Reading,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            is_ready: false,
            out: Out::default(),
            position: None,
            high_watermark: None,
        }
    }

    /// Whether its sets can be taken.
    pub(super) fn is(&self) -> Is {
        if self.is_paused { Is::Paused } else { Is::Deliverable }
    }

    /// Whether a set can be taken.
    pub(super) fn has_something(&self) -> bool {
        !self.is_paused && !self.waiting.is_empty()
    }

    /// What is fetched next begins at `offset`, which may be before what has come, after a reset.
    pub(super) fn start(&mut self, offset: Offset) {
        self.out.rewind(offset);
        for waiting in &mut self.waiting {
            waiting.commits = waiting.commits.min(offset);
        }
        self.position = Some(offset);
    }

    /// How many offsets the position is behind the high watermark.
    pub(super) fn lag(&self) -> Option<u64> {
        let lag = self.high_watermark?.0.saturating_sub(self.position?.0);
        Some(u64::try_from(lag).unwrap_or(0))
    }

    /// Whether nothing will come any more.
    pub(super) fn is_finished(&self) -> bool {
        self.stage != Stage::Reading && self.waiting.is_empty()
    }
}
