//! The machines of `kafka08-client` in a loop of one's own, without an adapter.

#[path = "../../../kafka08-client/examples/mio_producer/sockets.rs"]
mod sockets;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use interop::ledger::{Outcome, Record};
use kafka08_client::{
    accumulator::{Accumulator, AppendError, BatchId},
    machine::{Machine as _, Output},
    producer::{Outcome as Ended, Producer, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::ids::{Acks, Offset, PartitionId};
use sockets::Sockets;

use crate::{
    adapter::{Adapter, FLUSH, Job},
    feed::{Feed, Next},
};

pub(crate) struct Machine;

impl Adapter for Machine {
    fn name(&self) -> &'static str {
        "machine"
    }

    fn produce(&self, job: &Job, feed: &Feed) {
        let bootstrap = job.bootstrap().into_iter().map(|broker| broker.parse().expect("an address"));
        let cluster = job.config().cluster().clone().with_bootstrap(bootstrap);
        let config = job.config().with_cluster(cluster);
        let mut producer = Producer::<()>::new(&config);
        let mut sockets = Sockets::new().expect("the system polls");
        let mut records = Records {
            job,
            feed,
            accumulator: Accumulator::new(&config),
            batches: BTreeMap::new(),
            next: None,
            may_append: false,
            closed: None,
            unflushed: 0,
        };
        let since = Instant::now();
        loop {
            let now = Instant::now();
            let wait = records.append(since);
            records.may_append = false;
            producer.exchange(&mut records.accumulator, now);
            while let Some(output) = producer.poll_output(now) {
                match output {
                    Output::Connect { link, to, within } => sockets.connect(link, &to, now + within),
                    Output::Drop(link) => sockets.drop_link(link),
                    Output::Write(link) => sockets.note_ready(link),
                    Output::Event(event) => records.take(event),
                }
            }
            if producer.is_over() {
                break;
            }
            // A machine that does not end is a failure that is to be seen.
            let closed = records.closed.map(|closed| now.saturating_duration_since(closed));
            let late = closed.is_some_and(|closed| closed > job.patience() + Duration::from_secs(15));
            assert!(!late, "not over {closed:?} after close: {:?}\n{:?}", producer.stats(), producer.poll_timeout());
            // What was announced just now is followed at once.
            let wait = if records.may_append { Some(Duration::ZERO) } else { wait };
            let until = producer.poll_timeout().into_iter().chain(wait.map(|wait| now + wait)).min();
            sockets.turn(&mut producer, until).expect("the system polls");
        }
    }
}

struct Records<'a> {
    job: &'a Job,
    feed: &'a Feed,
    accumulator: Accumulator<()>,
    /// The numbers of the records of each batch, and how many have ended.
    batches: BTreeMap<BatchId, (Vec<u64>, usize)>,
    /// A record that was refused for the time being.
    next: Option<Record>,
    /// There is room again, or a topic is known.
    may_append: bool,
    closed: Option<Instant>,
    /// Records since the last flush.
    unflushed: u64,
}

impl Records<'_> {
    /// Appends what there is, as far as it is taken. Returns when to look at the feed again.
    fn append(&mut self, since: Instant) -> Option<Duration> {
        loop {
            let record = match self.next.take().map_or_else(|| self.feed.next(since), Next::Record) {
                Next::Record(record) => record,
                Next::Wait(wait) => return Some(wait),
                Next::End if self.accumulator.is_closed() => return None,
                Next::End => {
                    self.accumulator.close(Instant::now() + self.job.patience());
                    self.closed = Some(Instant::now());
                    return Some(Duration::ZERO);
                }
            };
            let appended = self.accumulator.append(
                Instant::now,
                RecordRef {
                    topic: &self.job.topic,
                    partition: record.partition.map(|partition| PartitionId(partition.into())),
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                },
            );
            match appended {
                Ok(appended) => {
                    let (numbers, _) = self.batches.entry(appended.batch).or_default();
                    assert_eq!(usize::try_from(appended.index), Ok(numbers.len()), "the place in the batch");
                    numbers.push(record.number);
                    self.unflushed += 1;
                    // A flush proves what was written.
                    if self.job.acks == Acks::NONE && self.unflushed == FLUSH {
                        self.unflushed = 0;
                        self.accumulator.flush();
                    }
                }
                Err(AppendError::Full { .. } | AppendError::UnknownTopic { .. }) => {
                    // The producer announces when to try again, and that ends the wait.
                    self.next = Some(record);
                    return None;
                }
                Err(error) => panic!("{record:?}: {error}"),
            }
        }
    }

    fn take(&mut self, event: ProducerEvent<()>) {
        let (batch, range, outcome) = match event {
            ProducerEvent::Ended { batch, records, outcome, .. } => (batch, records, outcome),
            ProducerEvent::Unconfirmed { records, .. } => return self.feed.add_unconfirmed(records),
            ProducerEvent::Room | ProducerEvent::Topic { .. } => {
                self.may_append = true;
                return;
            }
            _ => return,
        };
        let (numbers, ended) = self.batches.get_mut(&batch).expect("a batch ends after its records were appended");
        for (place, index) in (0..).zip(range) {
            let number = numbers.get(usize::try_from(index).expect("an index")).expect("the record was appended");
            self.feed.decide(
                *number,
                match &outcome {
                    Ended::Delivered { base, maybe_applied, .. } => Outcome::Delivered {
                        offset: base.map(|Offset(base)| base + place),
                        maybe_applied: *maybe_applied,
                    },
                    Ended::Written { .. } => Outcome::Written,
                    Ended::Failed { error, .. } => {
                        Outcome::Failed { fate: error.fate, attempts: error.attempts, cause: error.cause.to_string() }
                    }
                    other => panic!("an outcome that the test does not know: {other:?}"),
                },
            );
            *ended += 1;
        }
        if *ended == numbers.len() {
            self.batches.remove(&batch);
        }
    }
}
