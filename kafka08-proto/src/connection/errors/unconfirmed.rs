//! Written requests with acks = 0 of which it is not known whether the broker has applied them.

use std::{collections::VecDeque, fmt};

use crate::{frame::Span, ids::CorrelationId};

/// The most ranges of [`Unconfirmed`]. Withdrawn requests are what splits ranges, so when there are as many as this,
/// requests are not withdrawn any more: `cancel` gives up their responses, and an unsent one that times out ends the connection.
const MAX_SPANS: usize = 1024;

/// The written requests with acks = 0 of which it is not known whether the broker has applied them.
///
/// A broker does not answer such a request, and closes the connection if one fails. So a response to a later request shows that
/// those before it were applied. The requests are kept as ranges: a client that sends only acks = 0 needs hardly any memory
/// for them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Unconfirmed {
    ranges: VecDeque<Range>,
}

/// Requests sent directly one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    first: CorrelationId,
    last: CorrelationId,
    /// Where the last one's frame ended in the stream.
    end: u64,
}

impl Unconfirmed {
    pub(in crate::connection) fn push(&mut self, id: CorrelationId, frame: Span) {
        match self.ranges.back_mut() {
            // Ids also follow each other where other requests, or withdrawn ones, lay between. Frames that touch leave no room
            // for those.
            Some(range) if frame.start == range.end && range.last.0.checked_add(1) == Some(id.0) => {
                range.last = id;
                range.end = frame.end;
            }
            _ => self.ranges.push_back(Range { first: id, last: id, end: frame.end }),
        }
    }

    /// An answer to the request of `frame` has come.
    pub(in crate::connection) fn confirm_before(&mut self, frame: Span) {
        while self.ranges.pop_front_if(|range| range.end <= frame.start).is_some() {}
    }

    /// Whether no request may be withdrawn any more, because there are as many ranges as allowed.
    pub(in crate::connection) fn is_full(&self) -> bool {
        self.ranges.len() >= MAX_SPANS
    }

    /// The correlation ids of the requests, in the order of sending.
    pub fn iter(&self) -> impl Iterator<Item = CorrelationId> {
        self.ranges.iter().flat_map(|range| (range.first.0..=range.last.0).map(CorrelationId))
    }

    /// Whether this request is unconfirmed.
    #[must_use]
    pub fn contains(&self, id: CorrelationId) -> bool {
        self.ranges.iter().any(|range| (range.first..=range.last).contains(&id))
    }

    /// The number of unconfirmed requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|range| usize::try_from(range.last.0 - range.first.0 + 1).unwrap_or(0)).sum()
    }

    /// Whether no request is unconfirmed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl fmt::Debug for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges.iter().map(|range| range.first..=range.last)).finish()
    }
}
