//! What the caller was told, and the judgement of it beside what the peer has received.

use std::{collections::BTreeMap, io::ErrorKind, time::Duration};

use kafka08_proto::{
    Disconnect, Fate,
    adapter::{CallError, CloseReport, FlushError},
    connection::{CloseReason, Closed, RequestError},
    ids::{ApiKey, CorrelationId},
};

use super::{promise::Promise, requests::Ask, script::Kind, wire::Wire};

/// The low bits of a correlation id, which count the requests of a connection.
const SEQUENCE: i32 = (1 << 27) - 1;

/// How a request ended, as its caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With an answer that repeats this id, if it repeats any.
    Answered(Option<i64>),
    Malformed,
    Failed(Fate),
    NotSent,
}

/// What is known of one request.
#[derive(Debug)]
pub(super) struct Record {
    ask: Ask,
    body: Vec<u8>,
    called_at: Duration,
    timeout: Duration,
    id: Option<CorrelationId>,
    end: Option<End>,
    /// Sent by `send_and_forget`, accepted, and without an answer: the account must name it.
    is_accounted: bool,
}

/// What the caller knows.
#[derive(Debug)]
pub(super) struct Account {
    unit: Duration,
    /// How far the clock of the harness can be off.
    slack: Duration,
    /// Whether the harness's clock is the client's own, so that a timeout can be told to be early.
    has_exact_clock: bool,
    pub(super) request_timeout: Duration,
    records: Vec<Record>,
    /// The sum of what the broker may wait for all requests.
    waits: Duration,
    /// Failures that `flush` and `close` told, of requests that nobody waits for.
    told: BTreeMap<CorrelationId, Fate>,
}

impl Account {
    pub(super) fn new(unit: Duration, slack: Duration, has_exact_clock: bool, request_timeout: Duration) -> Self {
        let (records, told) = (Vec::new(), BTreeMap::new());
        Self { unit, slack, has_exact_clock, request_timeout, records, waits: Duration::ZERO, told }
    }

    /// Notes a request that is about to be sent; gives its number.
    pub(super) fn begin(&mut self, now: Duration, kind: Kind, timeout: Option<Duration>) -> (usize, Ask) {
        let ask = Ask::new(kind, self.records.len(), self.unit);
        self.waits += ask.server_wait();
        let timeout = timeout.unwrap_or(self.request_timeout);
        let body = ask.body();
        let record =
            Record { ask: ask.clone(), body, called_at: now, timeout, id: None, end: None, is_accounted: false };
        self.records.push(record);
        (self.records.len() - 1, ask)
    }

    /// When a request has ended at the latest.
    pub(super) fn deadline(&self, number: usize) -> Duration {
        let record = &self.records[number];
        record.called_at + record.timeout + self.waits
    }

    /// When `flush` and `close` have returned at the latest: when every request that has not left by now has ended, and
    /// then what the stream keeps to itself has the time of one request.
    pub(super) fn drained_by(&self, now: Duration, wire: &Wire) -> Duration {
        let has_left =
            |record: &Record| record.id.is_some_and(|id| wire.parser.requests.iter().any(|one| one.id == id.0));
        let is_staged = |number: &usize| {
            let record = &self.records[*number];
            record.end.is_none() && !has_left(record)
        };
        let deadlines = (0..self.records.len()).filter(is_staged).map(|number| self.deadline(number));
        deadlines.fold(now, Duration::max) + self.request_timeout
    }

    /// When every request so far has ended at the latest, and the stream has let go of everything.
    pub(super) fn ended_by(&self, now: Duration) -> Duration {
        let deadlines = (0..self.records.len()).map(|number| self.deadline(number));
        deadlines.fold(now, Duration::max) + self.request_timeout
    }

    /// A request has its id.
    pub(super) fn sent(&mut self, number: usize, id: CorrelationId) {
        self.records[number].id = Some(id);
    }

    /// `send_and_forget` has accepted a request.
    pub(super) fn accepted(&mut self, number: usize, id: CorrelationId) {
        let record = &mut self.records[number];
        record.id = Some(id);
        record.is_accounted = !record.ask.expects_answer();
    }

    /// A request ends with what a call returned.
    pub(super) fn end(&mut self, now: Duration, number: usize, result: Result<Option<i64>, CallError>) {
        let record = &mut self.records[number];
        assert_eq!(record.end, None, "request {number} ends twice");
        if let Err(CallError::Failed { error: RequestError::TimedOut { .. }, .. }) = &result {
            let due = record.called_at + record.timeout;
            let is_early = self.has_exact_clock && now + self.slack < due;
            Promise::InTime
                .check(!is_early, || format!("request {number} timed out at {now:?}, it was due at {due:?}"));
        }
        record.end = Some(match result {
            Ok(echo) => End::Answered(echo),
            Err(CallError::NotSent(_)) => End::NotSent,
            Err(CallError::Malformed { .. }) => End::Malformed,
            Err(CallError::Failed { fate, .. }) => End::Failed(fate),
            Err(CallError::NoResponseExpected) if !record.ask.expects_answer() => End::NotSent,
            Err(error) => panic!("Answer: request {number} ended with {error:?}"),
        });
    }

    /// What a flush told.
    pub(super) fn flushed(&mut self, result: Result<(), FlushError>) {
        if let Err(error) = result {
            self.tell(&error.failed);
        }
    }

    /// Notes failures of requests that nobody waits for.
    pub(super) fn tell(&mut self, failed: &[CallError]) {
        for error in failed {
            let CallError::Failed { id, fate, .. } = error else { panic!("Account: told {error:?}") };
            let is_first = self.told.insert(*id, *fate).is_none();
            Promise::Account.check(is_first, || format!("{id:?} is told a second time"));
        }
    }

    /// Judges everything at the end of a run. `closed` is what `close` returned.
    pub(super) fn judge(&mut self, wire: &Wire, report: Option<&CloseReport>) {
        let received = self.match_received(wire);
        for (number, record) in self.records.iter().enumerate() {
            self.judge_end(wire, number, record, received.get(&number).copied());
        }
        if let Some(CloseReport { closed, failed, .. }) = report {
            self.tell(failed);
            self.judge_reason(wire, &closed.reason);
            self.judge_account(wire, closed, &received);
        }
    }

    /// The requests that the peer has whole, by their number: their places among those received.
    fn match_received(&self, wire: &Wire) -> BTreeMap<usize, usize> {
        let mut received = BTreeMap::new();
        let mut before = -1;
        for (place, request) in wire.parser.requests.iter().enumerate() {
            let sequence = request.id & SEQUENCE;
            Promise::Frames.check(before < sequence, || format!("request {sequence} came after {before}"));
            before = sequence;
            let sent = |record: &Record| record.body == request.body && record.ask.api_key() == request.api_key;
            let Some(number) = self.records.iter().position(sent) else {
                Promise::Frames.check(false, || format!("the peer received what nobody sent: {request:02x?}"));
                continue;
            };
            let id = self.records[number].id;
            Promise::Frames.check(id.is_none_or(|id| id.0 == request.id), || format!("{request:?} is {id:?}"));
            let is_first = received.insert(number, place).is_none();
            Promise::Frames.check(is_first, || format!("request {number} came twice"));
            let deadline = self.deadline(number) + self.slack;
            Promise::InTime.check(request.began_at <= deadline, || {
                format!("request {number} was written at {:?}, its deadline was {deadline:?}", request.began_at)
            });
        }
        received
    }

    fn judge_end(&self, wire: &Wire, number: usize, record: &Record, received: Option<usize>) {
        let answer = received.and_then(|place| wire.answered.iter().find(|answer| answer.request == place));
        match record.end {
            Some(End::Answered(echo)) => {
                let is_mine = record.id.is_some_and(|id| echo == Some(id.0.into()))
                    && answer.is_some_and(|answer| !answer.is_malformed);
                Promise::Answer
                    .check(is_mine || wire.has_lied, || format!("{number} got the answer of {echo:?}: {record:?}"));
            }
            Some(End::Malformed) => {
                let is_malformed = answer.is_some_and(|answer| answer.is_malformed) || wire.has_lied;
                Promise::Answer.check(is_malformed, || format!("the answer to {number} was sound: {record:?}"));
            }
            Some(End::NotSent) => {
                Promise::Fate
                    .check(received.is_none(), || format!("{number} was not sent, and came whole: {record:?}"));
            }
            Some(End::Failed(Fate::NotApplied)) if record.ask.changes_state() => {
                Promise::Fate
                    .check(received.is_none(), || format!("{number} is NotApplied, and came whole: {record:?}"));
            }
            _ => {}
        }
    }

    /// Each acks = 0 request that was accepted is in one place.
    fn judge_account(&self, wire: &Wire, closed: &Closed, received: &BTreeMap<usize, usize>) {
        let last_answered =
            wire.answered.iter().filter(|answer| wire.has_delivered(**answer)).map(|one| one.request).max();
        for (number, record) in self.records.iter().enumerate().filter(|(_, record)| record.is_accounted) {
            let Some(id) = record.id else { continue };
            let place = received.get(&number);
            let is_unconfirmed = closed.unconfirmed.contains(id);
            let told = self.told.get(&id);
            let may_be_confirmed = place.is_some_and(|place| last_answered.is_some_and(|last| *place < last));
            Promise::Account.check(is_unconfirmed || told.is_some() || may_be_confirmed || wire.has_lied, || {
                format!("{id:?} was accepted and is named nowhere: {closed:?}, told {:?}", self.told)
            });
            Promise::Account.check(!(is_unconfirmed && told.is_some()), || format!("{id:?} is failed and unconfirmed"));
            Promise::Account.check(!is_unconfirmed || place.is_some(), || {
                format!("{id:?} counts as written, and the peer did not receive it")
            });
            Promise::Fate.check(told != Some(&Fate::NotApplied) || place.is_none(), || {
                format!("{id:?} was told NotApplied, and came whole")
            });
        }
    }

    fn judge_reason(&self, wire: &Wire, reason: &CloseReason) {
        let is_true = match reason {
            CloseReason::Disconnected { how: Disconnect::Eof, .. } => wire.has_shown_eof(),
            // What the stream does not let go in time ends the connection, too.
            CloseReason::Disconnected { how: Disconnect::Error(ErrorKind::TimedOut), .. } => true,
            CloseReason::Disconnected { how: Disconnect::Error(kind), .. } => wire.has_shown(*kind),
            CloseReason::Frame(_) | CloseReason::Match(_) => wire.has_lied,
            _ => true,
        };
        Promise::Reason.check(is_true, || format!("{reason:?} did not happen"));
        if let CloseReason::Disconnected { waiting_for: Some(api), .. } = reason {
            let waits = |record: &Record| ApiKey(record.ask.api_key()) == api.key && record.ask.expects_answer();
            let is_waiting = self
                .records
                .iter()
                .any(|record| waits(record) && record.end.is_none_or(|end| matches!(end, End::Failed(_))));
            Promise::Reason.check(is_waiting, || format!("{reason:?}, and no such request waited for an answer"));
        }
    }
}
