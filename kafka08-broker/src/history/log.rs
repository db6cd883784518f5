//! The bounded list of what was seen.
//!
//! Entries have consecutive numbers, so an entry is found by its number without a search. Everything that changes the size of
//! an entry goes through one place, which keeps the sum of bytes right.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use kafka08_proto::{
    api::RequestHeader,
    ids::{ApiKey, ConnectionId, CorrelationId, NodeId},
};

use super::{Outcome, Responded, Seen};
use crate::faults::RuleId;

/// What an entry takes beside its bodies and its client id, in bytes. A round number above the size of [`Seen`].
const ENTRY: usize = 512;

/// The requests that a cluster received, and what became of each, in the order in which they were served.
///
/// The history is bounded: the oldest entries are dropped when there are more than the limit, or when their bytes are.
/// [`History::dropped`] counts them. A body longer than a 64th of the byte limit is not kept, only its length.
#[derive(Clone, Debug)]
pub struct History {
    max_entries: usize,
    max_bytes: usize,
    entries: VecDeque<Seen>,
    /// The sum of the sizes of all entries.
    bytes: usize,
    /// The number of the next request.
    next: u64,
    /// How many entries were dropped because of a limit.
    dropped: u64,
}

impl History {
    /// Creates an empty history that keeps at most so many entries and bytes.
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { max_entries, max_bytes, entries: VecDeque::new(), bytes: 0, next: 1, dropped: 0 }
    }

    /// All entries that are kept, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Seen> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The entries of one API, oldest first.
    pub fn of(&self, api: ApiKey) -> impl DoubleEndedIterator<Item = &Seen> {
        self.iter().filter(move |seen| seen.header.api.key == api)
    }

    /// The entries of one connection, oldest first.
    pub fn on(&self, connection: ConnectionId) -> impl DoubleEndedIterator<Item = &Seen> {
        self.iter().filter(move |seen| seen.connection == connection)
    }

    /// The entries whose number is this one or a later one, oldest first. Pass [`History::next_number`] of an earlier
    /// moment to get what was seen since.
    pub fn since(&self, number: u64) -> impl DoubleEndedIterator<Item = &Seen> {
        self.entries.range(self.position(number)..)
    }

    /// The entry with this number, unless it was dropped.
    #[must_use]
    pub fn entry(&self, number: u64) -> Option<&Seen> {
        self.entries.get(self.position(number)).filter(|seen| seen.number == number)
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<&Seen> {
        self.entries.back()
    }

    /// The number that the next request will have.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// The number of entries that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no entry is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of entries that were dropped because of the limits.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets all entries. The numbers go on, and nothing counts as dropped.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
        self.dropped = 0;
    }

    /// The position of the first entry whose number is not below this one. Numbers have no gaps.
    fn position(&self, number: u64) -> usize {
        let first = self.entries.front().map_or(self.next, |seen| seen.number);
        // A request that was dropped is in front of all that are kept. Callers compare the number.
        let position = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        position.min(self.entries.len())
    }

    /// The longest body that is kept. With a larger share, a few produces would push all else out.
    fn max_body(&self) -> usize {
        self.max_bytes / 64
    }

    /// Adds a request, and returns its number.
    pub(crate) fn note(
        &mut self,
        at: Instant,
        node: NodeId,
        connection: ConnectionId,
        header: &RequestHeader,
        body: &Bytes,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        // The client id and the body are copied: slices would keep all that was received with them.
        let mut header = header.clone();
        header.client_id = header.client_id.map(|id| id.detached());
        let seen = Seen {
            number,
            at,
            node,
            connection,
            header,
            len: body.len(),
            body: (body.len() <= self.max_body()).then(|| Bytes::copy_from_slice(body)),
            outcome: Outcome::Pending,
            response: None,
            faults: Vec::new(),
        };
        self.bytes = self.bytes.saturating_add(size_of(&seen));
        self.entries.push_back(seen);
        self.drop_oldest();
        number
    }

    /// Notes the rules that are applied to a request.
    pub(crate) fn faulted(&mut self, number: u64, rules: &[RuleId]) {
        if !rules.is_empty() {
            self.change(number, |seen| seen.faults = rules.to_vec());
        }
    }

    /// Notes the answer to a request. The body is not kept if it is too long.
    pub(crate) fn answered(
        &mut self,
        number: u64,
        at: Instant,
        correlation_id: CorrelationId,
        len: usize,
        body: Option<Bytes>,
    ) {
        let body = body.filter(|body| body.len() <= self.max_body());
        self.change(number, |seen| {
            seen.outcome = Outcome::Answered;
            seen.response = Some(Responded { at, correlation_id, len, body });
        });
    }

    /// Notes that a request owes no answer.
    pub(crate) fn ended_without_answer(&mut self, number: u64) {
        self.change(number, |seen| seen.outcome = Outcome::NoAnswer);
    }

    /// Notes that the connection of a request ended. A request that was answered stays so.
    pub(crate) fn closed(&mut self, number: u64) {
        self.change(number, |seen| {
            // A connection that ends later says nothing about requests that were answered before.
            if seen.outcome == Outcome::Pending {
                seen.outcome = Outcome::Closed;
            }
        });
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Seen)) {
        let at = self.position(number);
        let Some(seen) = self.entries.get_mut(at).filter(|seen| seen.number == number) else { return };
        // The change may add an answer, so that the entry counts anew.
        let before = size_of(seen);
        change(seen);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(size_of(seen));
        self.drop_oldest();
    }

    fn drop_oldest(&mut self) {
        while self.entries.len() > self.max_entries || self.bytes > self.max_bytes {
            let Some(seen) = self.entries.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(size_of(&seen));
            self.dropped += 1;
        }
    }
}

fn size_of(seen: &Seen) -> usize {
    let response = seen.response.as_ref().and_then(|response| response.body.as_ref());
    let client_id = seen.header.client_id.as_ref().map_or(0, |id| id.len());
    let bodies = seen.body.as_ref().map_or(0, Bytes::len).saturating_add(response.map_or(0, Bytes::len));
    ENTRY.saturating_add(bodies).saturating_add(client_id)
}

#[cfg(test)]
mod tests {
    use kafka08_proto::api::{AnyRequest, AnyResponse};

    use super::*;
    use crate::history::NotDecoded;

    /// Metadata for t, and its answer: no brokers, no topics.
    const REQUEST: [u8; 18] = *b"\0\x03\0\0\0\0\0\x01\0\x01c\0\0\0\x01\0\x01t";
    const ANSWER: Bytes = Bytes::from_static(&[0; 8]);

    fn note(history: &mut History, connection: u64, body: &Bytes) -> u64 {
        let (header, _) = RequestHeader::split(&Bytes::from_static(&REQUEST)).unwrap();
        history.note(Instant::now(), NodeId(1), ConnectionId(connection), &header, body)
    }

    fn body() -> Bytes {
        RequestHeader::split(&Bytes::from_static(&REQUEST)).unwrap().1
    }

    fn numbers<'h>(seen: impl Iterator<Item = &'h Seen>) -> Vec<u64> {
        seen.map(|seen| seen.number).collect()
    }

    #[test]
    fn a_request_is_kept_with_what_became_of_it() {
        let mut history = History::new(10, 1 << 20);
        let [answered, silent, closed, pending] = [1, 1, 2, 2].map(|id| note(&mut history, id, &body()));
        history.answered(answered, Instant::now(), CorrelationId(1), 8, Some(ANSWER));
        history.ended_without_answer(silent);
        history.closed(closed);
        history.closed(answered);
        let outcomes = [answered, silent, closed, pending].map(|number| history.entry(number).unwrap().outcome);
        assert_eq!(outcomes, [Outcome::Answered, Outcome::NoAnswer, Outcome::Closed, Outcome::Pending]);
        let seen = history.entry(answered).unwrap();
        assert!(matches!(seen.request(), Ok(AnyRequest::Metadata(_))), "{:?}", seen.request());
        assert!(matches!(seen.response(), Ok(AnyResponse::Metadata(_))), "{:?}", seen.response());
        assert_eq!(history.entry(pending).unwrap().response(), Err(NotDecoded::NoResponse));
    }

    #[test]
    fn entries_are_found_by_api_connection_and_number() {
        let mut history = History::new(10, 1 << 20);
        for id in [1, 2, 1] {
            note(&mut history, id, &body());
        }
        let then = history.next_number();
        note(&mut history, 2, &body());
        assert_eq!(numbers(history.iter()), [1, 2, 3, 4]);
        assert_eq!(numbers(history.on(ConnectionId(1))), [1, 3]);
        assert_eq!(numbers(history.of(ApiKey::METADATA)), [1, 2, 3, 4]);
        assert_eq!(numbers(history.of(ApiKey::FETCH)), [0; 0]);
        assert_eq!(numbers(history.since(then)), [4]);
        assert_eq!(numbers(history.since(0)), [1, 2, 3, 4]);
        assert_eq!(numbers(history.since(9)), [0; 0]);
        assert_eq!(history.last().unwrap().number, 4);
    }

    #[test]
    fn the_oldest_entries_are_dropped_and_counted() {
        let mut history = History::new(2, 1 << 20);
        for _ in 0..3 {
            note(&mut history, 1, &body());
        }
        assert_eq!(numbers(history.iter()), [2, 3]);
        assert_eq!(history.dropped(), 1);
        assert!(history.entry(1).is_none());
        // What is said of a dropped entry is lost, and harms no other.
        history.closed(1);
        assert!(history.iter().all(|seen| seen.outcome == Outcome::Pending));
        history.clear();
        assert_eq!((history.len(), history.dropped(), note(&mut history, 1, &body())), (0, 0, 4));
    }

    #[test]
    fn the_bytes_of_requests_and_answers_are_bounded() {
        let limit = 64 * 1024;
        let mut history = History::new(1000, limit);
        for _ in 0..100 {
            let number = note(&mut history, 1, &Bytes::from(vec![0; 1024]));
            history.answered(number, Instant::now(), CorrelationId(1), 1024, Some(Bytes::from(vec![0; 1024])));
            assert!(history.bytes <= limit);
        }
        // Each entry has 2048 bytes of bodies, 512 of its own, and one of its client id.
        assert_eq!(history.len(), limit / (2048 + 512 + 1));
        assert_eq!(history.dropped(), 100 - 25);
    }

    #[test]
    fn of_a_long_body_only_the_length_is_kept() {
        let mut history = History::new(10, 64 * 1024);
        let [at_limit, above] = [1024, 1025].map(|len| note(&mut history, 1, &Bytes::from(vec![0; len])));
        history.answered(above, Instant::now(), CorrelationId(1), 1025, Some(Bytes::from(vec![0; 1025])));
        assert!(history.entry(at_limit).unwrap().body.is_some());
        let seen = history.entry(above).unwrap();
        assert_eq!((seen.len, seen.request().err()), (1025, Some(NotDecoded::NotKept)));
        assert_eq!(seen.response(), Err(NotDecoded::NotKept));
        assert_eq!(seen.response.as_ref().map(|response| response.len), Some(1025));
    }
}
