//! A batch that was taken from the accumulator, and its pieces.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    fate::Fate,
    ids::{NodeId, TopicPartition},
    message::{MessageSet, Origin},
};

use crate::{
    accumulator::{Batch, Content, PartIndex},
    links::Token,
    producer::ProduceCause,
};

/// A batch on its way to a broker.
#[derive(Debug)]
pub(super) struct Flight<C> {
    pub(super) part: PartIndex,
    pub(super) to: TopicPartition,
    pub(super) completion: C,
    pub(super) content: Content,
    /// The bytes that the accumulator has charged.
    pub(super) charged: usize,
    /// What has not ended, in order. Only the first is sent; the others follow it.
    pub(super) pieces: VecDeque<Piece>,
    pub(super) place: Place,
    /// Its records have ended, and a broker may still read its bytes.
    pub(super) told: Told,
}

/// Whether the outcome of a batch was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    No,
    /// Before its request has ended.
    Yes,
}

/// Where a batch is.
//
//             ┌──────────────(leader known)──────────────┐
//             ▼                                          │
//   taken ──▶ Queued ──▶ Sent ──▶ (ended)     NoLeader ──┘
//             ▲           │
//             └── Pause ◀─┘ (failed, to be sent again)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its partition has no leader.
    NoLeader,
    /// It waits before it is sent again. It was sent to this broker last.
    Pause { failed_at: NodeId },
    /// It waits for a request to this broker.
    Queued(NodeId),
    /// It is part of this request.
    Sent(Token),
}

/// A range of a batch's records that is sent as one set. A batch is one piece, unless a broker has refused its size.
#[derive(Debug)]
pub(super) struct Piece {
    /// The position of the first record in the batch.
    pub(super) first: u32,
    pub(super) records: u32,
    pub(super) plain: Bytes,
    /// The set as it is sent. `None` until it was first put into a request.
    pub(super) wire: Option<Bytes>,
    /// How many times it was sent.
    pub(super) attempts: u32,
    /// How many attempts may have stored it.
    pub(super) maybe_applied: u32,
    /// Failures in a row, for the back-off.
    pub(super) failures: u32,
    /// Failures of which it is not known whether another attempt helps.
    pub(super) limited: u32,
    pub(super) last: Option<Arc<ProduceCause>>,
}

impl<C> Flight<C> {
    pub(super) fn new(batch: Batch<C>) -> Self {
        let Batch { part, to, completion, records, content, bytes, .. } = batch;
        let piece = Piece {
            first: 0,
            records,
            plain: bytes,
            wire: None,
            attempts: 0,
            maybe_applied: 0,
            failures: 0,
            limited: 0,
            last: None,
        };
        let charged = piece.plain.len();
        let pieces = VecDeque::from([piece]);
        Self { part, to, completion, content, charged, pieces, place: Place::NoLeader, told: Told::No }
    }

    /// The piece that is being sent, or is sent next.
    pub(super) fn piece(&mut self) -> &mut Piece {
        self.pieces.front_mut().expect("a batch whose records have ended is not looked at")
    }
}

impl Piece {
    /// The worst fate of all attempts.
    pub(super) fn fate(&self) -> Fate {
        if self.maybe_applied == 0 { Fate::NotApplied } else { Fate::MaybeApplied }
    }

    pub(super) fn note_fate(&mut self, fate: Fate) {
        if fate == Fate::MaybeApplied {
            self.maybe_applied = self.maybe_applied.saturating_add(1);
        }
    }

    pub(super) fn set(&self) -> MessageSet {
        MessageSet::new(self.plain.clone(), Origin::Produced)
    }

    /// Both halves, or `None` if there is one entry.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let half = self.records / 2;
        let set = self.set();
        let mut entries = set.entries().without_crc();
        for _ in 0..half {
            entries.next()?.ok()?;
        }
        let at = entries.position();
        if at == 0 || at >= self.plain.len() {
            return None;
        }
        let piece = |first, records, plain| Self {
            first,
            records,
            plain,
            wire: None,
            attempts: self.attempts,
            maybe_applied: self.maybe_applied,
            failures: 0,
            limited: self.limited,
            last: self.last.clone(),
        };
        let (left, right) = (self.plain.slice(..at), self.plain.slice(at..));
        Some([piece(self.first, half, left), piece(self.first + half, self.records - half, right)])
    }
}

/// Whether a smaller batch may be accepted after this code.
pub(super) fn asks_for_less(code: ErrorCode) -> bool {
    // 18 compares the whole set with the size of a log segment.
    matches!(code, ErrorCode::MESSAGE_SIZE_TOO_LARGE | ErrorCode::MESSAGE_SET_SIZE_TOO_LARGE)
}
