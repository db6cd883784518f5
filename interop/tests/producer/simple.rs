//! A producer of a hundred lines, one request at a time: it shows that the faults, the ledger and the brokers are as the
//! tests take them to be.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    thread,
    time::{Duration, Instant},
};

use interop::ledger::{Outcome, Record};
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    api::{MetadataRequest, ProduceRequest},
    fate::Fate,
    ids::{Acks, CorrelationId, Millis, Offset, PartitionId},
    message::MessageSet,
    partitioner::KeyHash,
};

use crate::{
    adapter::{Adapter, Job},
    feed::{Feed, Next},
};

/// The most records of one request.
const BATCH: usize = 200;
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Simple;

impl Adapter for Simple {
    fn name(&self) -> &'static str {
        "simple"
    }

    fn probes(&self) -> bool {
        false
    }

    fn produce(&self, job: &Job, feed: &Feed) {
        let mut producer = Producer { job, feed, links: BTreeMap::new() };
        let since = Instant::now();
        loop {
            let mut batches: BTreeMap<u16, Vec<Record>> = BTreeMap::new();
            let mut count = 0;
            let next = loop {
                match feed.next(since) {
                    Next::Record(record) if count < BATCH => {
                        batches.entry(job.partition(&record)).or_default().push(record);
                        count += 1;
                    }
                    Next::Record(record) => {
                        batches.entry(job.partition(&record)).or_default().push(record);
                        break Next::Wait(Duration::ZERO);
                    }
                    other => break other,
                }
            };
            for (partition, records) in &batches {
                producer.deliver(*partition, records);
            }
            match next {
                Next::End => break,
                Next::Wait(time) => thread::sleep(time),
                Next::Record(_) => {}
            }
        }
        producer.finish();
    }
}

impl Job {
    fn partition(&self, record: &Record) -> u16 {
        let by_key = || KeyHash::Murmur2.partition(record.key.as_deref()?, usize::from(self.partitions));
        let by_key = || by_key().and_then(|partition| u16::try_from(partition.0).ok());
        record.partition.or_else(by_key).expect("it names a partition, or has a key")
    }
}

struct Producer<'a> {
    job: &'a Job,
    feed: &'a Feed,
    links: BTreeMap<String, Link>,
}

struct Link {
    client: Client,
    /// Requests with acks = 0, and how many records each has.
    silent: BTreeMap<CorrelationId, u64>,
}

/// One attempt that has failed.
struct Failure {
    fate: Fate,
    cause: String,
}

impl Failure {
    fn before(cause: impl ToString) -> Self {
        Self { fate: Fate::NotApplied, cause: cause.to_string() }
    }
}

impl Producer<'_> {
    /// Sends a batch until it is acknowledged, or the deadline has passed.
    fn deliver(&mut self, partition: u16, records: &[Record]) {
        let mut set = MessageSet::builder();
        for record in records {
            set.push(record.key.as_deref(), record.value.as_deref()).expect("there is room");
        }
        let partition = PartitionId(partition.into());
        let request = ProduceRequest::new(self.job.acks, Millis(2000));
        let request = request.with(self.job.topic.as_str(), partition, set.build());
        let (mut attempts, mut maybe_applied) = (0, 0);
        let started = Instant::now();
        let cause = loop {
            match self.attempt(partition, &request, records.len()) {
                Ok(base) => {
                    for (place, record) in (0..).zip(records) {
                        let offset = base.map(|Offset(base)| base + place);
                        self.feed.decide(
                            record.number,
                            match self.job.acks {
                                Acks::NONE => Outcome::Written,
                                _ => Outcome::Delivered { offset, maybe_applied },
                            },
                        );
                    }
                    return;
                }
                Err(Failure { fate, cause }) => {
                    attempts += 1;
                    maybe_applied += u32::from(fate == Fate::MaybeApplied);
                    if started.elapsed() > DEADLINE {
                        break cause;
                    }
                    thread::sleep(Duration::from_millis(100));
                }
            }
        };
        let fate = if maybe_applied > 0 { Fate::MaybeApplied } else { Fate::NotApplied };
        for record in records {
            self.feed.decide(record.number, Outcome::Failed { fate, attempts, cause: cause.clone() });
        }
    }

    fn attempt(
        &mut self,
        partition: PartitionId,
        request: &ProduceRequest,
        records: usize,
    ) -> Result<Option<Offset>, Failure> {
        let leader = self.leader(partition)?;
        let link = self.link(&leader)?;
        let answer = if request.acks == Acks::NONE {
            let sent = link.client.send_and_forget(request);
            let sent = sent.map_err(|error| Failure { fate: error.fate(), cause: error.to_string() });
            sent.and_then(|id| {
                link.silent.insert(id, u64::try_from(records).expect("a number"));
                // With acks = 0, what was written whole does not fail.
                link.client.flush().map(|()| None).map_err(Failure::before)
            })
        } else {
            let answer = link.client.call(request);
            answer.map(Some).map_err(|error| Failure { fate: error.fate(), cause: error.to_string() })
        };
        match answer {
            Ok(None) => Ok(None),
            Ok(Some(answer)) => {
                let told = answer.topics.find(&self.job.topic, partition).expect("the answer has the partition");
                match told.error.produce_fate(request.acks) {
                    None => Ok(Some(told.offset).filter(|_| self.job.tells_offsets())),
                    Some(fate) => Err(Failure { fate, cause: told.error.to_string() }),
                }
            }
            Err(failure) => {
                self.leave(&leader);
                Err(failure)
            }
        }
    }

    /// Asks all brokers in turn.
    fn leader(&mut self, partition: PartitionId) -> Result<String, Failure> {
        let mut last = Failure::before("there are no brokers");
        let job = self.job;
        let live: Vec<String> = self.links.keys().cloned().collect();
        for broker in live.into_iter().chain(job.brokers.iter().cloned()) {
            let asked = self.link(&broker).and_then(|link| {
                let metadata = link.client.call(&MetadataRequest::of([job.topic.as_str()]));
                metadata.map_err(Failure::before)
            });
            match asked {
                Ok(metadata) => match metadata.leader_of(&job.topic, partition) {
                    Ok(leader) => return Ok(leader.host_port().expect("it has an address").to_string()),
                    Err(error) => last = Failure::before(error),
                },
                Err(failure) => {
                    self.leave(&broker);
                    last = failure;
                }
            }
        }
        Err(last)
    }

    fn link(&mut self, broker: &str) -> Result<&mut Link, Failure> {
        match self.links.entry(broker.to_owned()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let config = ClientConfig::default().with_request_timeout(Duration::from_secs(3));
                let address = self.job.route(broker.parse().expect("an address"));
                let client = Client::connect_to(address, config).map_err(Failure::before)?;
                Ok(entry.insert(Link { client, silent: BTreeMap::new() }))
            }
        }
    }

    fn leave(&mut self, broker: &str) {
        let Some(Link { client, silent }) = self.links.remove(broker) else { return };
        let report = client.close();
        let records = report.closed.unconfirmed.iter().map(|id| silent.get(&id).expect("it was sent"));
        self.feed.add_unconfirmed(records.sum());
    }

    /// Proves what was written with acks = 0, by a request behind it.
    fn finish(mut self) {
        let brokers: Vec<String> = self.links.keys().cloned().collect();
        for broker in brokers {
            if let Some(link) = self.links.get_mut(&broker) {
                // If it fails, the connection's end tells what is not proved.
                let _ = link.client.call(&MetadataRequest::of([self.job.topic.as_str()]));
            }
            self.leave(&broker);
        }
    }
}
