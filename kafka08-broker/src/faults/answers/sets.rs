//! Lies in the message sets of a fetch.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka08_proto::ids::Offset;

use super::offsets::NEGATIVE;
use crate::{
    faults::{
        Lie,
        messages::{Field, bomb, end_of, entry, nested, put, reseal, starts},
        target::Target,
    },
    wire::{Fetched, Groups, Place},
};

/// Lies about the partitions that have no error. An error has no message set to lie in.
pub(super) fn lie(groups: &mut Groups<Fetched>, lie: &Lie, target: &Target, asked: &BTreeMap<Place, Offset>) {
    if !lie.is_about_sets() {
        return;
    }
    for group in groups.iter_mut().filter(|group| target.covers_topic(&group.topic)) {
        for (partition, item) in &mut group.items {
            if target.covers_partition(*partition) && item.error.is_ok() {
                let place = Place { topic: group.topic.clone(), partition: *partition };
                lie_in(item, lie, asked.get(&place).copied().unwrap_or_default());
            }
        }
    }
}

fn lie_in(item: &mut Fetched, lie: &Lie, asked: Offset) {
    if *lie == Lie::HighWatermarkMissing {
        item.high_watermark = Offset::NONE;
        return;
    }
    // The slices of the log must not change: other answers share their memory.
    let mut set = item.set.concat();
    if starts(&set).is_empty() {
        set = entry(asked, 0, b"a lie");
    }
    let next_to_watermark = Offset(item.high_watermark.0.saturating_add(1));
    match lie {
        Lie::ZeroTail { length } => set.resize(set.len().saturating_add(usize::from(*length)), 0),
        Lie::SetCut { keep } => set.truncate(usize::try_from(*keep).unwrap_or(usize::MAX)),
        Lie::Nested { depth } => set = nested(asked, *depth),
        Lie::GzipBomb { inflated } => set = bomb(asked, *inflated),
        Lie::OffsetNegative => put(&mut set, 0, Field::Offset(NEGATIVE)),
        Lie::OffsetBelowRequest => put(&mut set, 0, Field::Offset(Offset(asked.0.saturating_sub(1)))),
        Lie::OffsetAboveHighWatermark => put_last(&mut set, next_to_watermark),
        Lie::OffsetHighest => put_last(&mut set, Offset(i64::MAX)),
        Lie::OffsetRepeated => repeat(&mut set),
        Lie::OffsetsDescending => descend(&mut set),
        Lie::EntrySize { size } => put(&mut set, 0, Field::Size(*size)),
        Lie::WrongCrc => put(&mut set, 0, Field::WrongCrc),
        // These three have a checksum that is right, or a client would report only the checksum.
        Lie::Magic { magic } => {
            put(&mut set, 0, Field::Magic(*magic));
            reseal(&mut set, 0);
        }
        Lie::Codec { codec } => {
            put(&mut set, 0, Field::Codec(*codec));
            reseal(&mut set, 0);
        }
        Lie::KeyLength { length } => {
            put(&mut set, 0, Field::KeyLength(*length));
            reseal(&mut set, 0);
        }
        _ => return,
    }
    item.set = vec![Bytes::from(set)];
}

fn put_last(set: &mut [u8], offset: Offset) {
    let last = starts(set).last().copied();
    put(set, last.unwrap_or_default(), Field::Offset(offset));
}

/// Puts the last whole entry behind itself. What was cut off is dropped, because nothing may follow it.
fn repeat(set: &mut Vec<u8>) {
    let whole = starts(set);
    let Some(&last) = whole.last() else { return };
    let Some(end) = end_of(set, last) else { return };
    set.truncate(end);
    set.extend_from_within(last..);
}

/// Gives the whole entries their offsets in reverse order.
fn descend(set: &mut Vec<u8>) {
    // A copy is the second message that descending needs.
    if starts(set).len() < 2 {
        repeat(set);
    }
    let whole = starts(set);
    let first = set.first_chunk::<8>().map_or(0, |offset| i64::from_be_bytes(*offset));
    let last = first.saturating_add(i64::try_from(whole.len()).unwrap_or(i64::MAX));
    for (start, offset) in whole.into_iter().zip((first..last).rev()) {
        put(set, start, Field::Offset(Offset(offset)));
    }
}
