//! Orders of offsets.

/// How many elements must be left out so that the rest ascends.
pub(super) fn out_of_order(offsets: impl Iterator<Item = i64>) -> u64 {
    // The last element of the best ascending sequence of each length (patience sorting).
    let mut lasts: Vec<i64> = Vec::new();
    let mut count = 0;
    for offset in offsets {
        count += 1;
        let place = lasts.partition_point(|last| *last < offset);
        match lasts.get_mut(place) {
            Some(last) => *last = offset,
            None => lasts.push(offset),
        }
    }
    count - u64::try_from(lasts.len()).expect("a number of records")
}

/// An acknowledged record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) number: u64,
    pub(super) offset: i64,
    pub(super) is_lost: bool,
}

/// Judges the records of one submitter and partition that were acknowledged, in the order of submitting, where a leader may
/// die before the others have what it has acknowledged.
///
/// A leader's acknowledgements ascend in offset. The next leader begins at the first offset that is lost, so the offsets
/// fall there: that is how the end of a leader is seen. Lost are always the last acknowledgements of a leader. Returns how
/// many leaders have lost something, and each lost record that has a later one of the same leader that is there.
pub(super) fn losses(acks: &[Ack]) -> (usize, Vec<(Ack, Ack)>) {
    let mut leaders = 0;
    let mut wrong = Vec::new();
    for run in acks.chunk_by(|before, after| before.offset < after.offset) {
        let Some(first) = run.iter().position(|ack| ack.is_lost) else { continue };
        leaders += 1;
        let (lost, later) = (run.iter().skip(first), run.iter().skip(first));
        if let Some(there) = later.rev().find(|ack| !ack.is_lost) {
            wrong.extend(lost.filter(|ack| ack.is_lost && ack.offset < there.offset).map(|ack| (*ack, *there)));
        }
    }
    (leaders, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_that_are_out_of_order_are_counted() {
        for (offsets, count) in [(&[][..], 0), (&[1, 2, 3], 0), (&[3, 1, 2], 1), (&[1, 5, 2, 3, 4], 1), (&[3, 2, 1], 2)]
        {
            assert_eq!(out_of_order(offsets.iter().copied()), count, "{offsets:?}");
        }
    }
}
