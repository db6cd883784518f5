//! Records that a producer sends.
//!
//! The user behaves as the handles of the adapters do: a record that is refused because there is no room, or because the topic
//! is not known yet, waits, and those behind it in the same partition wait with it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use kafka08_client::{
    accumulator::{Accumulator, AppendError, FlushId},
    config::{ProducerConfig, RetryPolicy},
    producer::{Outcome, ProduceCause, Producer, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::{
    fate::Fate,
    ids::{Acks, PartitionId},
    message::Codec,
};

use super::{
    Counts, Leftovers, Order, Promises, Stepped, Workload,
    calls::cluster_config,
    schedule::{acks, records, times},
};
use crate::{
    check::Invariant,
    history::{Ending, History, OperationId, Place},
    logs::{topic_name, topic_number},
    plan::Plan,
    record::{ANY_PARTITION, ChosenBy, Records},
};

/// After how many records the user flushes.
pub(crate) const FLUSH_EVERY: u32 = 50;

/// A producer and its user.
#[derive(Debug)]
pub struct Producing {
    producer: Producer<()>,
    accumulator: Accumulator<()>,
    config: ProducerConfig,
    records: Records,
    acks: i16,
    times: Vec<u64>,
    next: OperationId,
    /// Records that wait, by the place that they name.
    waiting: BTreeMap<Place, VecDeque<Waiting>>,
    /// Records that were taken and have not ended, by batch and position.
    open: BTreeMap<(u64, u32), OperationId>,
    /// When each batch was opened, by the client's clock.
    opened: BTreeMap<u64, Instant>,
    /// When the client has begun its turn.
    turn: Option<Instant>,
    /// For each flush that is not over, the batches before it.
    flushes: VecDeque<(FlushId, u64)>,
    /// The number behind that of the last batch that was told.
    batches: u64,
    max_wait: u64,
    /// How often a record may have been applied that a client has taken, and of which nothing is known.
    most_attempts: u32,
    /// The most bytes of all records that are held.
    buffer: usize,
    most_produces: usize,
}

#[derive(Debug)]
struct Waiting {
    id: OperationId,
    until: u64,
}

/// What a record has come to.
enum Appended {
    /// It was taken, ended, or refused for good.
    Gone(Stepped),
    /// It waits.
    Waits(Stepped),
}

fn config(plan: &Plan) -> ProducerConfig {
    let settings = &plan.settings;
    let bytes = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut config = ProducerConfig::default()
        .with_cluster(cluster_config(plan))
        .with_acks(Acks(acks(plan)))
        .with_replica_wait(Duration::from_micros(settings.replica_wait))
        .with_linger(Duration::from_micros(settings.linger))
        .with_delivery_timeout(Duration::from_micros(settings.delivery_timeout))
        .with_compression(match settings.codec {
            1 => Some(Codec::Gzip),
            2 => Some(Codec::Snappy),
            _ => None,
        })
        .with_retry(match settings.retries {
            1 => RetryPolicy::OnlyNotApplied,
            2 => RetryPolicy::Never,
            _ => RetryPolicy::AtLeastOnce,
        });
    if settings.batch_bytes > 0 {
        config = config.with_batch_size(bytes(settings.batch_bytes));
    }
    if settings.buffer_bytes > 0 {
        config = config.with_buffer(bytes(settings.buffer_bytes));
    }
    if settings.max_in_flight > 0 {
        config = config.with_max_requests_per_link(bytes(settings.max_in_flight));
    }
    config
}

impl Producing {
    /// Creates the workload of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let config = config(plan);
        Self {
            producer: Producer::new(&config),
            accumulator: Accumulator::new(&config),
            records: records(plan, ChosenBy::Client),
            acks: acks(plan),
            times: times(plan),
            next: 0,
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            opened: BTreeMap::new(),
            turn: None,
            flushes: VecDeque::new(),
            batches: 0,
            max_wait: plan.settings.delivery_timeout,
            most_attempts: if plan.settings.retries == 0 { u32::MAX } else { 1 },
            buffer: config.buffer(),
            most_produces: config.max_requests_per_link(),
            config,
        }
    }

    /// Appends a record, or tells why it waits.
    fn append(&mut self, now: Instant, id: OperationId, history: &mut History) -> Appended {
        let record = self.records.record(id);
        let partition = (record.place.1 != ANY_PARTITION).then(|| PartitionId(i32::from(record.place.1)));
        let topic = topic_name(record.place.0);
        let record = RecordRef { topic, partition, key: record.key.as_deref(), value: record.value.as_deref() };
        let stepped = |wake| if wake { Stepped::Acted } else { Stepped::Idle };
        match self.accumulator.append(|| now, record) {
            Ok(appended) => {
                let (batch, wake) = (appended.batch.get(), appended.wake);
                self.batches = self.batches.max(batch.saturating_add(1));
                self.opened.entry(batch).or_insert(now);
                let before = self.open.insert((batch, appended.index), id);
                if before.is_some() {
                    history.broken(Invariant::S3, || format!("batch {batch} has two records at one position"));
                }
                history.taken(id);
                Appended::Gone(stepped(wake))
            }
            Err(AppendError::Full { wake, .. } | AppendError::UnknownTopic { wake }) => Appended::Waits(stepped(wake)),
            Err(error) => {
                history.note(|| format!("record {id} was refused: {error}"));
                history.ended(id, Ending::Refused);
                Appended::Gone(Stepped::Idle)
            }
        }
    }

    /// Appends what waits, as far as there is room.
    fn append_waiting(&mut self, now: Instant, history: &mut History) -> Stepped {
        let mut stepped = Stepped::Idle;
        for place in self.waiting.keys().copied().collect::<Vec<_>>() {
            while let Some(id) = self.waiting.get(&place).and_then(|queue| queue.front()).map(|first| first.id) {
                let (acted, is_gone) = match self.append(now, id, history) {
                    Appended::Gone(acted) => (acted, true),
                    Appended::Waits(acted) => (acted, false),
                };
                if acted == Stepped::Acted {
                    stepped = Stepped::Acted;
                }
                if !is_gone {
                    break;
                }
                self.waiting.get_mut(&place).map(VecDeque::pop_front);
            }
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
        stepped
    }

    /// Ends what has waited too long.
    fn expire_waiting(&mut self, at: u64, history: &mut History) {
        for queue in self.waiting.values_mut() {
            while let Some(first) = queue.pop_front_if(|first| first.until <= at) {
                history.ended(first.id, Ending::Refused);
            }
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
    }

    fn submit(&mut self, at: u64, now: Instant, history: &mut History) -> Stepped {
        let id = self.next;
        self.next += 1;
        history.submitted(id);
        let place = self.records.record(id).place;
        let until = at.saturating_add(self.max_wait);
        // Nobody overtakes those that wait for the same place.
        if self.waiting.contains_key(&place) {
            self.waiting.entry(place).or_default().push_back(Waiting { id, until });
            return Stepped::Idle;
        }
        let stepped = match self.append(now, id, history) {
            Appended::Gone(stepped) => stepped,
            Appended::Waits(stepped) => {
                self.waiting.entry(place).or_default().push_back(Waiting { id, until });
                stepped
            }
        };
        if id % FLUSH_EVERY == FLUSH_EVERY - 1 && !self.accumulator.is_closed() {
            let flush = self.accumulator.flush();
            self.flushes.push_back((flush, self.batches));
            return Stepped::Acted;
        }
        stepped
    }

    fn end(&mut self, batch: u64, index: u32, ending: Ending, history: &mut History) {
        match self.open.remove(&(batch, index)) {
            Some(id) => history.ended(id, ending),
            None => history.broken(Invariant::S3, || format!("record {index} of batch {batch} ended and was not open")),
        }
    }

    /// L2. The clock may go back within a turn, behind the end of a batch.
    fn check_expiry(&self, batch: u64, now: Instant, history: &mut History) {
        let now = self.turn.map_or(now, |turn| turn.max(now));
        let Some(opened) = self.opened.get(&batch) else { return };
        let (waited, least) = (now.saturating_duration_since(*opened), Duration::from_micros(self.max_wait));
        if waited < least {
            history.broken(Invariant::L2, || format!("batch {batch} has expired after {waited:?}, and not {least:?}"));
        }
    }

    fn ended(&mut self, batch: u64, range: std::ops::Range<u32>, outcome: &Outcome, history: &mut History) {
        for index in range.clone() {
            let ending = match outcome {
                Outcome::Delivered { to, base, maybe_applied } => {
                    let topic = topic_number(to.topic.as_str()).unwrap_or(u16::MAX);
                    let place = (topic, u16::try_from(to.partition.0).unwrap_or(u16::MAX));
                    let offset = base.map(|base| base.0 + i64::from(index - range.start));
                    Ending::Delivered { place, offset, maybe_applied: *maybe_applied }
                }
                Outcome::Written { .. } => Ending::Written,
                Outcome::Failed { error, .. } => {
                    let maybe_applied = if error.fate == Fate::MaybeApplied { error.attempts } else { 0 };
                    Ending::Failed { fate: error.fate, maybe_applied }
                }
                other => {
                    history.broken(Invariant::S3, || format!("the outcome {other:?} is unknown"));
                    Ending::Over
                }
            };
            self.end(batch, index, ending, history);
        }
    }

    fn flushed(&mut self, id: FlushId, history: &mut History) {
        match self.flushes.pop_front() {
            Some((expected, before)) if expected == id => {
                if let Some(((batch, index), _)) = self.open.first_key_value().filter(|((batch, _), _)| *batch < before)
                {
                    history.broken(Invariant::S3, || {
                        format!("{id:?} is over, and record {index} of batch {batch} before it has not ended")
                    });
                }
            }
            other => history.broken(Invariant::S3, || format!("{id:?} is over, and {other:?} was next")),
        }
    }
}

impl Workload for Producing {
    type Machine = Producer<()>;

    fn machine(&mut self) -> &mut Producer<()> {
        &mut self.producer
    }

    fn machine_ref(&self) -> &Producer<()> {
        &self.producer
    }

    fn step(&mut self, at: u64, now: Instant, history: &mut History) -> Stepped {
        self.turn = Some(now);
        self.expire_waiting(at, history);
        let mut stepped = Stepped::Idle;
        while self.times.last().is_some_and(|due| *due <= at) {
            self.times.pop();
            if self.submit(at, now, history) == Stepped::Acted {
                stepped = Stepped::Acted;
            }
            if self.times.is_empty() && !self.accumulator.is_closed() {
                // The last records must not wait for their linger alone.
                let flush = self.accumulator.flush();
                self.flushes.push_back((flush, self.batches));
                stepped = Stepped::Acted;
            }
        }
        stepped
    }

    fn exchange(&mut self, now: Instant) {
        self.producer.exchange(&mut self.accumulator, now);
    }

    fn next_step(&self) -> Option<u64> {
        let waits = self.waiting.values().filter_map(|queue| queue.front()).map(|first| first.until);
        waits.chain(self.times.last().copied()).min()
    }

    fn handle_event(&mut self, now: Instant, event: ProducerEvent<()>, history: &mut History) {
        match event {
            ProducerEvent::Ended { batch, records, outcome, .. } => {
                if let Outcome::Failed { error, .. } = &outcome
                    && matches!(error.cause, ProduceCause::Expired { .. })
                {
                    self.check_expiry(batch.get(), now, history);
                }
                self.ended(batch.get(), records, &outcome, history);
            }
            ProducerEvent::Flushed { id, .. } => self.flushed(id, history),
            ProducerEvent::Room | ProducerEvent::Topic { .. } => {
                // A wake that this asks for is taken in the turn that goes on.
                let _ = self.append_waiting(now, history);
            }
            _ => {}
        }
    }

    fn is_submitted(&self) -> bool {
        self.times.is_empty()
    }

    fn is_done(&self) -> bool {
        // Records that have expired are charged until their request has ended.
        let has_ended = self.waiting.is_empty() && self.open.is_empty() && self.flushes.is_empty();
        self.times.is_empty() && has_ended && self.producer.stats().batches == 0
    }

    fn close(&mut self, now: Instant, within: Duration, history: &mut History) {
        self.accumulator.close(now + within);
        // They are refused now.
        let _ = self.append_waiting(now, history);
    }

    fn recreate(&mut self, now: Instant, history: &mut History) {
        self.producer = Producer::new(&self.config);
        self.accumulator = Accumulator::new(&self.config);
        for id in std::mem::take(&mut self.open).into_values() {
            history.ended(id, Ending::Lost { most: self.most_attempts });
        }
        self.opened.clear();
        self.flushes.clear();
        self.batches = 0;
        // What was not taken is the user's.
        let _ = self.append_waiting(now, history);
    }

    fn promises(&self) -> Promises {
        // Nothing that has no answer keeps an order over connections: what a slow one holds arrives behind what was sent later.
        let order = if self.acks == 0 { Order::Free } else { Order::Kept };
        Promises { records: self.records, order, acks: self.acks, counts: Counts::Careful }
    }

    fn problem(&self) -> Option<(Invariant, String)> {
        let (held, most) = (self.accumulator.buffered(), self.buffer);
        (held > most).then(|| (Invariant::R2, format!("the producer holds {held} bytes of records, of at most {most}")))
    }

    fn most_produces(&self) -> Option<usize> {
        Some(self.most_produces)
    }

    fn leftovers(&self) -> Leftovers {
        let stats = self.producer.stats();
        let buffered = self.accumulator.buffered();
        let what = || format!("everything has ended, {buffered} bytes are charged, and the producer has {stats:?}");
        if stats.batches > 0 || buffered > 0 {
            Leftovers::Forgotten(what())
        } else if stats.in_flight == 0 {
            Leftovers::None
        } else if stats.cluster.links.draining > 0 {
            Leftovers::Owed(what())
        } else {
            Leftovers::Forgotten(what())
        }
    }
}
