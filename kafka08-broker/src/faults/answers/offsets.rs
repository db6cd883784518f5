//! Lies about offsets, except for those of a fetch.

use kafka08_proto::{error_code::ErrorCode, ids::Offset};

use super::codes::each;
use crate::{
    faults::{Lie, target::Target},
    wire::{CommittedOffset, Groups, Listed, Produced},
};

/// A negative offset that has no meaning of its own, unlike -1 and -2.
pub(super) const NEGATIVE: Offset = Offset(-5);

/// The offset that the lie is about.
fn false_offset(lie: &Lie) -> Option<Offset> {
    match lie {
        Lie::OffsetMissing => Some(Offset::NONE),
        Lie::OffsetNegative => Some(NEGATIVE),
        _ => None,
    }
}

pub(super) fn lie_in_produce(groups: &mut Groups<Produced>, lie: &Lie, target: &Target) {
    // The code is 0 even if the produce failed: a failure with a false offset would be true in its main point.
    if let Some(offset) = false_offset(lie) {
        each(groups, target, |item| *item = Produced { error: ErrorCode::NONE, offset });
    }
}

pub(super) fn lie_in_list(groups: &mut Groups<Listed>, lie: &Lie, target: &Target) {
    let offsets = match lie {
        Lie::OffsetsEmpty => Vec::new(),
        lie => match false_offset(lie) {
            Some(offset) => vec![offset],
            None => return,
        },
    };
    each(groups, target, |item| *item = Listed { error: ErrorCode::NONE, offsets: offsets.clone() });
}

pub(super) fn lie_in_committed(groups: &mut Groups<CommittedOffset>, lie: &Lie, target: &Target) {
    if let Some(offset) = false_offset(lie) {
        // The metadata stays, so that a client cannot tell the lie by it.
        each(groups, target, |item| (item.error, item.offset) = (ErrorCode::NONE, offset));
    }
}
