//! What was told about each record, and whether the log agrees.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use interop::Seed;
use kafka08_proto::{
    Fate,
    adapter::CallError,
    api::{ProduceRequest, ProduceResponse},
    ids::{Acks, CorrelationId, Millis, Offset},
    message::MessageSet,
};

use crate::link::Told;

/// The records of one adapter. Each is sent in one request, once.
pub(crate) struct Account {
    topic: &'static str,
    records: Vec<Record>,
    next: usize,
}

struct Record {
    acks: Acks,
    value: Vec<u8>,
    /// Everything that was told about it: one thing, if the client is right.
    told: Vec<Verdict>,
}

/// What a client tells about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Verdict {
    /// Answered with code 0 and this offset.
    Delivered(Offset),
    /// Acks = 0, and a later request of the connection was answered.
    Confirmed,
    /// Refused when it was to be sent, with this claim about its fate.
    Refused(Claimed),
    /// Accepted, and failed later.
    Failed(Claimed),
    /// Acks = 0, and among the unconfirmed at the end of the connection.
    Unconfirmed,
    /// Answered with an error code, which this broker has no reason for.
    Code(i16),
}

/// A [`Fate`] that can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Claimed {
    NotApplied,
    MaybeApplied,
}

impl From<Fate> for Claimed {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::NotApplied => Self::NotApplied,
            Fate::MaybeApplied => Self::MaybeApplied,
        }
    }
}

impl Account {
    /// `count` records for `topic`, whose acks and sizes the seed chooses.
    pub(crate) fn new(topic: &'static str, mut seed: Seed, count: u64) -> Self {
        let record = |number| {
            let (acks, name) = match seed.below(3) {
                0 => (Acks::NONE, "none"),
                1 => (Acks::LEADER, "leader"),
                _ => (Acks::ALL, "all"),
            };
            let mut value = format!("{topic}/{name}/{number}/").into_bytes();
            // Mostly small, some of a few kilobytes.
            let padding = usize::try_from(seed.up_to(2048)).expect("a small number");
            value.resize(value.len() + padding, b'.');
            Record { acks, value, told: Vec::new() }
        };
        Self { topic, records: (0..count).map(record).collect(), next: 0 }
    }

    pub(crate) fn topic(&self) -> &'static str {
        self.topic
    }

    pub(crate) fn has_more(&self) -> bool {
        self.next < self.records.len()
    }

    /// The next record's number, and the request that produces it.
    pub(crate) fn next(&mut self) -> Option<(usize, ProduceRequest)> {
        let record = self.records.get(self.next)?;
        let set = MessageSet::of_value(&record.value);
        let request = ProduceRequest::new(record.acks, Millis(5000)).with(self.topic, 0, set);
        self.next += 1;
        Some((self.next - 1, request))
    }

    /// A record's request was refused when it was to be sent.
    pub(crate) fn refuse(&mut self, record: usize, error: &CallError) {
        self.tell(record, Verdict::Refused(error.fate().into()));
    }

    fn tell(&mut self, record: usize, verdict: Verdict) {
        self.records.get_mut(record).expect("the number is that of a record").told.push(verdict);
    }

    /// Prints a table of what was told, and returns every contradiction with the log, whose index is the offset.
    pub(crate) fn compare(&self, log: &[Vec<u8>]) -> Vec<String> {
        let mut offsets: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (offset, value) in log.iter().enumerate() {
            offsets.entry(value).or_default().push(offset);
        }
        let mut faults = Vec::new();
        let mut table: BTreeMap<(i16, &str), [usize; 2]> = BTreeMap::new();
        for record in &self.records {
            let found = offsets.remove(record.value.as_slice()).unwrap_or_default();
            let row = table.entry((record.acks.0, record.row())).or_default();
            row[0] += 1;
            row[1] += found.len();
            faults.extend(record.fault(&found).map(|fault| format!("{}: {fault}", record.name())));
        }
        faults.extend(offsets.keys().map(|value| format!("{}: was never sent", String::from_utf8_lossy(value))));
        println!("{}", self.text(&table));
        faults
    }

    fn text(&self, table: &BTreeMap<(i16, &str), [usize; 2]>) -> String {
        let mut text = format!("{:9} {:>4}  {:42} {:>8} {:>11}\n", "adapter", "acks", "told", "requests", "in the log");
        for ((acks, told), [requests, found]) in table {
            writeln!(text, "{:9} {acks:>4}  {told:42} {requests:>8} {found:>11}", self.topic).expect("a String");
        }
        text
    }
}

impl Record {
    /// The row of the table that it is counted in.
    fn row(&self) -> &'static str {
        match self.told[..] {
            [] => "nothing: unaccounted",
            [Verdict::Delivered(_)] => "delivered at an offset",
            [Verdict::Confirmed] => "confirmed by a later answer",
            [Verdict::Refused(Claimed::NotApplied)] => "refused: not applied",
            [Verdict::Refused(Claimed::MaybeApplied)] => "refused: maybe applied",
            [Verdict::Failed(Claimed::NotApplied)] => "failed: not applied",
            [Verdict::Failed(Claimed::MaybeApplied)] => "failed: maybe applied",
            [Verdict::Unconfirmed] => "unconfirmed at the connection's end",
            [Verdict::Code(_)] => "an error code",
            _ => "more than one thing",
        }
    }

    /// What is wrong with what was told, given the offsets at which the log has it.
    fn fault(&self, found: &[usize]) -> Option<String> {
        let [told] = self.told[..] else {
            return Some(format!("told {:?}, in the log at {found:?}", self.told));
        };
        let is_true = match told {
            Verdict::Delivered(Offset(offset)) => *found == [usize::try_from(offset).unwrap_or(usize::MAX)],
            Verdict::Confirmed => found.len() == 1,
            Verdict::Refused(Claimed::NotApplied) | Verdict::Failed(Claimed::NotApplied) => found.is_empty(),
            Verdict::Failed(Claimed::MaybeApplied) | Verdict::Unconfirmed => found.len() <= 1,
            // Nothing is sent of a request that is refused, and this broker refuses nothing.
            Verdict::Refused(Claimed::MaybeApplied) | Verdict::Code(_) => false,
        };
        (!is_true).then(|| format!("told {told:?}, in the log at {found:?}"))
    }

    fn name(&self) -> String {
        let text = String::from_utf8_lossy(&self.value);
        text.trim_end_matches('.').to_owned()
    }
}

/// The requests that one connection has accepted.
#[derive(Default)]
pub(crate) struct Session {
    accepted: BTreeMap<CorrelationId, usize>,
    /// Those with acks = 0 that no answer has confirmed yet.
    silent: BTreeMap<CorrelationId, usize>,
}

impl Session {
    /// A request was accepted, and its answer can be waited for.
    pub(crate) fn accept(&mut self, record: usize, id: CorrelationId) {
        assert_eq!(self.accepted.insert(id, record), None, "an id is given once");
    }

    /// A request with acks = 0 was accepted.
    pub(crate) fn accept_silent(&mut self, record: usize, id: CorrelationId) {
        self.accept(record, id);
        self.silent.insert(id, record);
    }

    /// The answer to a request has come, or the reason why it does not.
    pub(crate) fn answer(
        &mut self,
        account: &mut Account,
        record: usize,
        id: CorrelationId,
        answer: Result<ProduceResponse, CallError>,
    ) {
        let verdict = match answer {
            Err(error) => Verdict::Failed(error.fate().into()),
            Ok(response) => {
                // Ids of one API ascend in the order of sending, and the broker works in that order.
                let behind = self.silent.split_off(&id);
                for confirmed in std::mem::replace(&mut self.silent, behind).into_values() {
                    account.tell(confirmed, Verdict::Confirmed);
                }
                let told = response.topics.find(account.topic, 0).expect("the answer names the partition");
                if told.error.is_ok() { Verdict::Delivered(told.offset) } else { Verdict::Code(told.error.0) }
            }
        };
        account.tell(record, verdict);
    }

    /// The connection is over, and this is what it said about requests without a claim.
    pub(crate) fn finish(self, account: &mut Account, told: &Told) {
        let record = |id| *self.accepted.get(&id).unwrap_or_else(|| panic!("{id:?} was never given"));
        for (id, fate) in &told.failed {
            account.tell(record(*id), Verdict::Failed((*fate).into()));
        }
        for id in &told.unconfirmed {
            account.tell(record(*id), Verdict::Unconfirmed);
        }
    }
}
