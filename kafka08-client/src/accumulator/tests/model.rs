//! An accumulator beside a simple model, and a machine that looks only when it is woken or when it said it would.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::*;

const PARTS: i32 = 4;
const LINGER: u64 = 5;
const BATCH: usize = 200;
const BUFFER: usize = 1500;

#[derive(Clone, Debug)]
enum Step {
    Append {
        part: i32,
        value: usize,
    },
    Set {
        part: i32,
        values: Vec<usize>,
    },
    Advance(u64),
    /// The machine ends one of the batches that it has taken.
    Release(usize),
    Stuck(i32, Stuck),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (0..PARTS, 0..120usize).prop_map(|(part, value)| Step::Append { part, value }),
        1 => (0..PARTS, prop::collection::vec(0..60usize, 1..4)).prop_map(|(part, values)| Step::Set { part, values }),
        3 => (0..8u64).prop_map(Step::Advance),
        4 => (0..16usize).prop_map(Step::Release),
        1 => (0..PARTS, any::<bool>())
            .prop_map(|(part, stuck)| Step::Stuck(part, if stuck { Stuck::Yes } else { Stuck::No })),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..120)
}

/// What the model knows of a batch that was not taken.
#[derive(Debug)]
struct Waiting {
    id: BatchId,
    opened: Instant,
    bytes: usize,
    values: Vec<Vec<u8>>,
    is_set: bool,
}

struct World {
    accumulator: Accumulator<()>,
    now: Instant,
    max_taken: usize,
    // The model.
    waiting: BTreeMap<i32, Vec<Waiting>>,
    stuck: BTreeMap<i32, bool>,
    forced: Option<BatchId>,
    serial: u32,
    // The machine.
    held: Vec<Batch<()>>,
    until: Option<Instant>,
    woken: bool,
}

impl World {
    fn new(max_taken: usize) -> Self {
        let config = ProducerConfig::default()
            .with_linger(Duration::from_millis(LINGER))
            .with_batch_size(BATCH)
            .with_buffer(BUFFER)
            .with_max_in_flight_per_partition(max_taken);
        let mut accumulator = listed(&config, PARTS);
        let until = accumulator.asleep();
        let (waiting, stuck) = (BTreeMap::new(), BTreeMap::new());
        let (forced, serial, held) = (None, 0, Vec::new());
        Self { accumulator, now: start(), max_taken, waiting, stuck, forced, serial, held, until, woken: false }
    }

    fn value(&mut self, len: usize) -> Vec<u8> {
        self.serial += 1;
        let mut value = self.serial.to_be_bytes().to_vec();
        value.resize(4 + len, 0);
        value
    }

    fn bytes_of(&self, part: i32) -> usize {
        let held: usize = self.held.iter().filter(|b| b.to.partition.0 == part).map(|b| b.bytes.len()).sum();
        held + self.waiting.get(&part).into_iter().flatten().map(|b| b.bytes).sum::<usize>()
    }

    fn is_stuck(&self, part: i32) -> bool {
        self.stuck.get(&part).copied().unwrap_or(false)
    }

    /// What the model says to an append.
    fn refusal(&self, part: i32, bytes: usize) -> Option<bool> {
        let stuck: usize = (0..PARTS).filter(|&p| self.is_stuck(p)).map(|p| self.bytes_of(p)).sum();
        let all: usize = (0..PARTS).map(|p| self.bytes_of(p)).sum();
        if self.is_stuck(part) && stuck + bytes > BUFFER / 2 {
            Some(true)
        } else if all + bytes > BUFFER {
            Some(false)
        } else {
            None
        }
    }

    fn append(&mut self, part: i32, len: usize) {
        let value = self.value(len);
        let bytes = value.len() + ENTRY_OVERHEAD;
        let expected = self.refusal(part, bytes);
        let now = self.now;
        let record = RecordRef::new("t", &value).with_partition(PartitionId(part));
        match self.accumulator.append(|| now, record) {
            Ok(Appended { batch, index, wake, .. }) => {
                assert_eq!(expected, None);
                self.woken |= wake;
                let waiting = self.waiting.entry(part).or_default();
                if index == 0 {
                    let is_set = false;
                    waiting.push(Waiting { id: batch, opened: now, bytes: 0, values: Vec::new(), is_set });
                }
                let last = waiting.last_mut().expect("a batch is open");
                assert_eq!((last.id, last.values.len()), (batch, index as usize));
                last.bytes += bytes;
                last.values.push(value);
                assert!(last.bytes <= BATCH || last.values.len() == 1, "{last:?}");
            }
            Err(error) => self.refused(expected, error),
        }
    }

    fn append_set(&mut self, part: i32, lens: &[usize]) {
        let values: Vec<_> = lens.iter().map(|&len| self.value(len)).collect();
        let mut builder = MessageSet::builder();
        for value in &values {
            builder.push(None, Some(value)).expect("it is small");
        }
        let set = builder.build();
        let (bytes, now) = (set.len(), self.now);
        let expected = self.refusal(part, bytes);
        match self.accumulator.append_set(|| now, &TopicPartition::new("t", part), set) {
            Ok(Appended { batch, wake, .. }) => {
                assert_eq!(expected, None);
                self.woken |= wake;
                let set = Waiting { id: batch, opened: now, bytes, values, is_set: true };
                self.waiting.entry(part).or_default().push(set);
            }
            Err((_, error)) => self.refused(expected, error),
        }
    }

    fn refused(&mut self, expected: Option<bool>, error: AppendError) {
        let AppendError::Full { stuck, wake } = error else { panic!("{error:?}") };
        assert_eq!(Some(stuck), expected);
        self.woken |= wake;
        if !stuck {
            self.force();
        }
    }

    fn force(&mut self) {
        self.forced = self.waiting.values().flatten().map(|batch| batch.id).max().max(self.forced);
    }

    /// Whether the machine has something to take now.
    fn may_take(&self, part: i32) -> bool {
        let taken = self.held.iter().filter(|batch| batch.to.partition.0 == part).count();
        let Some([first, rest @ ..]) = self.waiting.get(&part).map(Vec::as_slice) else { return false };
        let lingered = self.now >= first.opened + Duration::from_millis(LINGER);
        let ready = first.is_set || first.bytes >= BATCH || Some(first.id) <= self.forced;
        taken < self.max_taken && (lingered || ready || !rest.is_empty())
    }

    fn turn(&mut self) {
        self.woken = false;
        assert!(self.accumulator.poll_expired(Some(self.now)).is_none());
        while let Some(batch) = self.accumulator.poll_ready(self.now) {
            let waiting = self.waiting.get_mut(&batch.to.partition.0).expect("something waits there");
            let first = waiting.remove(0);
            assert_eq!((first.id, first.opened, first.bytes), (batch.id, batch.opened, batch.bytes.len()));
            assert_eq!(first.values, values(&batch.bytes), "records are in the order of their calls");
            assert_eq!(first.values.len(), batch.records as usize);
            self.held.push(batch);
        }
        self.until = self.accumulator.asleep();
        assert!(self.until.is_none_or(|until| until > self.now), "it would look again at once");
    }

    fn release(&mut self, which: usize) {
        if !self.held.is_empty() {
            let batch = self.held.remove(which % self.held.len());
            self.accumulator.handle_ended(batch.id);
            self.accumulator.handle_released(batch.part, batch.bytes.len());
            self.turn();
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append { part, value } => self.append(*part, *value),
            Step::Set { part, values } => self.append_set(*part, values),
            Step::Advance(millis) => {
                for _ in 0..*millis {
                    self.now += Duration::from_millis(1);
                    if self.until.is_some_and(|until| until <= self.now) {
                        self.turn();
                    }
                    self.check();
                }
            }
            Step::Release(which) => self.release(*which),
            Step::Stuck(part, stuck) => {
                let at = u32::try_from(*part).expect("it is small");
                self.accumulator.set_stuck(PartIndex::first(at), *stuck);
                self.stuck.insert(*part, *stuck == Stuck::Yes);
            }
            Step::Flush => {
                self.accumulator.flush();
                self.force();
                self.woken = true;
            }
        }
        if self.woken {
            self.turn();
        }
        self.check();
    }

    fn check(&self) {
        assert_eq!(self.accumulator.buffered(), (0..PARTS).map(|part| self.bytes_of(part)).sum::<usize>());
        let ids = self.waiting.values().flatten().map(|batch| batch.id);
        assert_eq!(self.accumulator.oldest(), ids.chain(self.held.iter().map(|batch| batch.id)).min());
        for part in 0..PARTS {
            assert!(!self.may_take(part), "the machine sleeps, and partition {part} could be sent");
            let taken = self.held.iter().filter(|batch| batch.to.partition.0 == part).count();
            assert!(taken <= self.max_taken);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn every_record_leaves_once_in_order_and_nothing_sleeps_for_ever(steps in steps(), max_taken in 1..3usize) {
        let mut world = World::new(max_taken);
        for step in &steps {
            world.step(step);
        }
        world.accumulator.close(world.now);
        world.force();
        world.turn();
        while !world.held.is_empty() {
            world.release(0);
            world.check();
        }
        prop_assert!(world.waiting.values().all(Vec::is_empty), "{:?}", world.waiting);
        prop_assert_eq!((world.accumulator.buffered(), world.accumulator.stuck), (0, 0));
        prop_assert_eq!(world.accumulator.oldest(), None);
    }
}
