//! What goes wrong with one request.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kafka08_proto::{error_code::ErrorCode, ids::Offset};

use super::{Lie, RuleId, effect::Ending, target::Target};
use crate::wire::Place;

/// What goes wrong with one request, after all rules were asked. The default plan does nothing and has no memory.
///
/// The broker executes a plan in this order:
/// 1. [`Plan::skips`]: it does not act, and [`deliver_skipped`](super::deliver_skipped) is all.
/// 2. [`Plan::split`] takes the refused partitions out of the request. The broker acts on the rest.
/// 3. [`merge`](super::merge) puts the refused partitions into the answer.
/// 4. [`apply`](super::apply) changes codes and tells lies, in the order of the rules and of the effects in a rule.
/// 5. [`deliver`](super::deliver) makes the steps of writing, or [`deliver_nothing`](super::deliver_nothing) if there
///    is no answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// The rules that are applied to the request, in the order in which they were added.
    pub(crate) rules: Vec<RuleId>,
    /// The partitions that are not acted on. The first that covers a partition counts.
    pub(super) refusals: Vec<(ErrorCode, Target)>,
    /// The end of a request that is not acted on.
    pub(super) skip: Option<Ending>,
    /// The changes of codes and values, in the order in which they are made.
    pub(super) edits: Vec<(Edit, Target)>,
    /// What the request asked for, if an edit must know it: the offset of a fetch, and 0 in a produce.
    pub(super) asked: BTreeMap<Place, Offset>,
    /// The changes of the bytes, after the answer is encoded.
    pub(super) frame: Vec<FrameEdit>,
    /// The sum of the delays of all rules.
    pub(super) delay: Duration,
    pub(super) copies: Copies,
    pub(super) order: Order,
    /// After how many bytes the answer ends, and how the connection ends then.
    pub(super) cut: Option<(usize, Ending)>,
    /// The size of a piece, and the pause after it.
    pub(super) trickle: Option<(usize, Duration)>,
    pub(super) stops_reading: bool,
    pub(super) answers_acks_0: bool,
    pub(super) keeps_open: bool,
}

/// A change of the values of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Code(ErrorCode),
    Lie(Lie),
}

/// A change of the bytes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FrameEdit {
    Id(i32),
    ShiftId(i32),
    /// The sign bit of the correlation id is changed.
    FlipId,
    Length(i32),
    Corrupt {
        at: usize,
        xor: u8,
    },
    Replace(Bytes),
}

/// How often an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Copies {
    #[default]
    One,
    Two,
}

/// Where an answer stands among those of its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    AsAsked,
    AfterNext,
}

impl Plan {
    /// Whether no rule is applied to the request.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the request is acted on, except for refused partitions.
    pub(crate) fn acts(&self) -> bool {
        self.skip.is_none()
    }

    /// Whether the answer waits until the next one has been written.
    pub(crate) fn holds_back(&self) -> bool {
        // After a cut the connection ends, and pieces are for the client to see one by one.
        self.order == Order::AfterNext && self.cut.is_none() && self.trickle.is_none()
    }

    /// Whether a failed produce with acks 0 leaves the connection open.
    pub(crate) fn keeps_open(&self) -> bool {
        self.keeps_open
    }

    /// The code for a partition that is not acted on.
    pub(super) fn refusal_of(&self, place: &Place) -> Option<ErrorCode> {
        self.refusals.iter().find(|(_, target)| target.covers_place(place)).map(|(code, _)| *code)
    }
}
