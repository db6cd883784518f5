//! Records that a producer sends and a consumer reads, beside each other.
//!
//! The user of the consumer takes sets now and then, reads them in any order, one message or more at a time, seeks, pauses, lets
//! partitions end, and commits. A client that is created anew goes on from what was committed.

mod assigning;
mod checking;
mod playing;
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use assigning::{End, Habits};
use kafka08_broker::Cluster;
use kafka08_client::{
    assignment::{Assignment, CommitId, Messages, Wake},
    config::{ConsumerConfig, OffsetStore, Reset, StartAt},
    consumer::{Consumer, ConsumerEvent},
};
use kafka08_proto::{
    ids::{PartitionId, Text, TopicPartition},
    message::Inflater,
};

use super::{
    Leftovers, Producing, Promises, Stepped, Workload,
    both::{Both, BothEvent},
    calls::cluster_config,
    schedule::records,
};
use crate::{
    check::{Invariant, Trust},
    choices::{Choices as _, Stream},
    history::{History, OperationId, Place},
    logs::{Logs, topic_name, topic_number},
    plan::{FaultKind, Plan},
    record::{ChosenBy, Records},
};

const MILLIS: u64 = 1_000;
/// How long everything must have been read until nothing more is expected. A long poll takes half a second.
const QUIET: u64 = 2_000 * MILLIS;
const GROUP: Text = Text::from_static("sim");

/// A producer, a consumer and their user.
#[derive(Debug)]
pub struct Consuming {
    both: Both,
    config: ConsumerConfig,
    habits: Habits,
    records: Records,
    parts: BTreeMap<Place, Part>,
    /// Sets that the user has taken and not finished.
    held: Vec<Held>,
    /// The partitions of topics that this client has told as assigned.
    assigned: BTreeSet<Place>,
    /// The commits that have not ended.
    commits: BTreeMap<CommitId, Commit>,
    /// The greatest offset of each partition that may be stored, as far as the user had passed.
    stored: BTreeMap<Place, i64>,
    /// What is stored for certain.
    confirmed: BTreeMap<Place, i64>,
    /// Where a new client has started in front of that.
    too_low: Vec<(Place, i64, i64)>,
    /// Where each record was read.
    read: Vec<(OperationId, Place, i64)>,
    inflater: Inflater,
    stream: Stream,
    /// Where commits go. `None` if the brokers store none.
    store: Option<OffsetStore>,
    acts_at: u64,
    /// Since when everything has been read.
    quiet_since: Option<u64>,
    /// No byte is changed, so what is read can be believed.
    is_sound: bool,
    /// The answer to a fetch that waits for messages can come in time. Otherwise the client leaves its links again and again.
    has_time: bool,
    is_closed: bool,
}

/// What the user knows of a partition.
#[derive(Debug, Default)]
struct Part {
    /// The offset behind the last set that was taken. `None` if the next one may begin anywhere.
    behind: Option<i64>,
    /// The next set must not begin behind this offset.
    floor: Option<i64>,
    /// What was committed for certain: reading must not start in front of it.
    committed: Option<i64>,
    /// Counts seeks and clients.
    epoch: u32,
    /// Resets that were told, and of which no set was taken yet.
    resets: u32,
    /// It has failed, and nothing has to come of it any more.
    has_failed: bool,
    is_paused: bool,
    end: End,
}

/// A commit that has not ended.
#[derive(Debug)]
struct Commit {
    /// How far the user had passed.
    passed: BTreeMap<Place, i64>,
    /// What is stored if it succeeds.
    offsets: BTreeMap<Place, i64>,
}

#[derive(Debug)]
struct Held {
    place: Place,
    epoch: u32,
    messages: Messages,
    /// The offset of the next message.
    next: i64,
    behind: i64,
}

fn config(plan: &Plan) -> ConsumerConfig {
    // Small enough for partitions to share and to wait.
    let room = 1 << (12 + plan.settings.residual % 12);
    let reset = if plan.settings.residual.is_multiple_of(3) { Reset::Fail } else { Reset::Earliest };
    ConsumerConfig::default()
        .with_cluster(cluster_config(plan))
        .with_room(usize::try_from(room).unwrap_or(usize::MAX))
        .with_partition_bytes(usize::try_from(room / 2).unwrap_or(usize::MAX))
        .with_reset(reset)
}

/// How far the user has passed in a partition, as it knows without asking the client.
fn passed(held: &[Held], place: Place, part: &Part) -> Option<i64> {
    let held = held.iter().filter(|held| held.place == place && held.epoch == part.epoch);
    held.map(|held| held.messages.passed().offset().0).min().or(part.behind)
}

fn of(place: Place) -> TopicPartition {
    TopicPartition::new(topic_name(place.0), PartitionId(i32::from(place.1)))
}

fn place(of: &TopicPartition) -> Option<Place> {
    Some((topic_number(of.topic.as_str())?, u16::try_from(of.partition.0).ok()?))
}

impl Consuming {
    /// Creates the workload of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let store = match plan.settings.release {
            0 => Some(OffsetStore::Kafka),
            1 => Some(OffsetStore::ZooKeeper),
            _ => None,
        };
        let habits = Habits::of(plan);
        let config = habits.configure(config(plan), store);
        let records = records(plan, ChosenBy::Client);
        let both = Both {
            producing: Producing::new(plan),
            consumer: Consumer::new(&config),
            assignment: Assignment::new(&config),
        };
        let places = (0..records.topics).flat_map(|topic| (0..records.partitions).map(move |n| (topic, n)));
        let mut new = Self {
            both,
            config,
            habits,
            records,
            parts: places.map(|place| (place, Part::default())).collect(),
            held: Vec::new(),
            assigned: BTreeSet::new(),
            commits: BTreeMap::new(),
            stored: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            too_low: Vec::new(),
            read: Vec::new(),
            inflater: Inflater::new(),
            stream: Stream::of(plan.settings.residual, 5, 0),
            store,
            acts_at: 0,
            quiet_since: None,
            has_time: checking::has_time(plan),
            is_sound: plan.faults.iter().all(|fault| fault.kind != FaultKind::Corrupt),
            is_closed: false,
        };
        new.assign(&StartAt::Earliest);
        new
    }

    /// What the user does now and then.
    fn act(&mut self, at: u64, history: &mut History) -> Stepped {
        let mut stepped = Stepped::Idle;
        for _ in 0..self.stream.below(6) {
            if self.take(history) == Wake::Yes {
                stepped = Stepped::Acted;
            }
        }
        for _ in 0..self.stream.below(12) {
            if self.read_on(history) == Wake::Yes {
                stepped = Stepped::Acted;
            }
        }
        let is_playing = !self.both.producing.is_submitted();
        if is_playing && self.stream.chance(1, 24) {
            stepped = self.seek(history);
        }
        if is_playing && self.stream.chance(1, 24) {
            stepped = self.pause();
        }
        if is_playing && self.stream.chance(1, 24) {
            stepped = self.assign_up_to(history);
        }
        if !is_playing {
            stepped = self.resume_all(stepped);
            stepped = self.read_for_good(history, stepped);
        }
        if !is_playing || self.stream.chance(1, 4) {
            stepped = self.seek_failed(history, stepped);
        }
        if self.stream.chance(1, 10) && self.store.is_some() {
            stepped = self.commit(history);
        }
        self.note_quiet(at);
        let pause = if is_playing { self.stream.log_up_to(400 * MILLIS) } else { self.stream.log_up_to(20 * MILLIS) };
        self.acts_at = at.saturating_add(pause + 1);
        stepped
    }

    /// Whether nothing is left to read, as far as the client knows.
    fn has_read_all(&self) -> bool {
        let is_read =
            |(place, part): (&Place, &Part)| part.has_failed || self.both.assignment.lag(&of(*place)) == Some(0);
        self.held.is_empty() && self.both.assignment.undelivered() == 0 && self.parts.iter().all(is_read)
    }

    /// Whether the client waits for an answer of each leader, so that what is written is read soon. While a broker cannot be
    /// connected to, high watermarks are those of earlier times.
    fn is_listening(&self) -> bool {
        let stats = self.both.consumer.stats();
        let (view, parts) = (self.both.consumer.view(), self.parts.iter().filter(|(_, part)| !part.has_failed));
        let leader = |place: &Place| view.leader(topic_name(place.0), PartitionId(i32::from(place.1))).ok();
        let leaders: Option<BTreeSet<_>> = parts.map(|(place, _)| leader(place)).collect();
        self.both.consumer.troubled() == 0 && leaders.is_some_and(|leaders| stats.in_flight >= leaders.len())
    }

    fn note_quiet(&mut self, at: u64) {
        let has_read_all = self.both.producing.is_done() && self.has_read_all();
        // A changed byte may have listed a partition that does not exist, which is looked for as long as its topic is read.
        let is_quiet = has_read_all && (self.is_listening() || !self.has_time || !self.is_sound);
        self.quiet_since = if is_quiet { self.quiet_since.or(Some(at)) } else { None };
    }

    fn take_event(&mut self, event: &ConsumerEvent, history: &mut History) {
        history.note(|| format!("the consumer tells {event:?}"));
        match event {
            ConsumerEvent::Started { partition, at } => {
                let Some(place) = place(partition) else { return };
                let committed = self.parts.get_mut(&place).and_then(|part| part.committed.take());
                self.too_low
                    .extend(committed.filter(|committed| at.0 < *committed).map(|committed| (place, at.0, committed)));
            }
            ConsumerEvent::Reset { partition, .. } => {
                if let Some(part) = place(partition).and_then(|place| self.parts.get_mut(&place)) {
                    part.resets += 1;
                    (part.floor, part.committed) = (None, None);
                }
            }
            ConsumerEvent::Failed { partition, .. } | ConsumerEvent::Corrupt { partition, .. } => {
                let Some(place) = place(partition) else { return };
                let was_told = self.parts.get(&place).is_some_and(|part| part.has_failed);
                if was_told {
                    self.broken(history, Invariant::C2, || format!("{place:?} has failed twice"));
                }
                if let Some(part) = self.parts.get_mut(&place) {
                    part.has_failed = true;
                }
            }
            ConsumerEvent::Committed { id, failed } => self.take_committed(*id, failed),
            ConsumerEvent::Ended { partition, at, expected } => {
                let Some(place) = place(partition) else { return };
                self.take_end(place, at.0, expected.0, history);
            }
            ConsumerEvent::Assigned { topic, partitions } => self.take_assigned(topic, partitions, history),
            _ => {}
        }
    }
}

impl Workload for Consuming {
    type Machine = Both;

    fn machine(&mut self) -> &mut Both {
        &mut self.both
    }

    fn machine_ref(&self) -> &Both {
        &self.both
    }

    fn step(&mut self, at: u64, now: Instant, history: &mut History) -> Stepped {
        let mut stepped = self.both.producing.step(at, now, history);
        if self.acts_at <= at && !self.is_closed && self.act(at, history) == Stepped::Acted {
            stepped = Stepped::Acted;
        }
        stepped
    }

    fn exchange(&mut self, now: Instant) {
        self.both.exchange(now);
    }

    fn next_step(&self) -> Option<u64> {
        let acts_at = (!self.is_closed).then_some(self.acts_at);
        self.both.producing.next_step().into_iter().chain(acts_at).min()
    }

    fn handle_event(&mut self, now: Instant, event: BothEvent, history: &mut History) {
        match event {
            BothEvent::Producer(event) => self.both.producing.handle_event(now, event, history),
            BothEvent::Consumer(event) => self.take_event(&event, history),
        }
    }

    fn is_submitted(&self) -> bool {
        self.both.producing.is_submitted()
    }

    fn is_done(&self) -> bool {
        let is_quiet = self.quiet_since.is_some_and(|since| self.acts_at >= since.saturating_add(QUIET));
        // Behind a close, nothing more is read.
        self.both.producing.is_done() && (is_quiet || self.is_closed)
    }

    fn close(&mut self, now: Instant, within: Duration, history: &mut History) {
        self.is_closed = true;
        self.both.producing.close(now, within, history);
        self.both.consumer.close(now);
    }

    fn recreate(&mut self, now: Instant, history: &mut History) {
        self.both.producing.recreate(now, history);
        // Numbers of commits begin anew. What was on its way may still be stored.
        for commit in std::mem::take(&mut self.commits).into_values() {
            self.note_maybe_stored(commit);
        }
        self.note_stored_by_interval();
        for (place, part) in &mut self.parts {
            // What was not passed must come again, unless more was committed before the user went back.
            let floor = passed(&self.held, *place, part);
            let floor = floor.map(|floor| self.stored.get(place).map_or(floor, |stored| floor.max(*stored)));
            let committed = self.confirmed.get(place).copied();
            *part = Part { floor, committed, epoch: part.epoch + 1, ..Part::default() };
        }
        self.held.clear();
        self.assigned.clear();
        self.both.consumer = Consumer::new(&self.config);
        self.both.assignment = Assignment::new(&self.config);
        let start = match self.store {
            Some(store) => StartAt::Committed { group: GROUP, store, otherwise: Reset::Earliest },
            None => StartAt::Earliest,
        };
        self.assign(&start);
        self.quiet_since = None;
    }

    fn promises(&self) -> Promises {
        self.both.producing.promises()
    }

    fn problem(&self) -> Option<(Invariant, String)> {
        self.both.producing.problem()
    }

    fn most_produces(&self) -> Option<usize> {
        self.both.producing.most_produces()
    }

    fn leftovers(&self) -> Leftovers {
        // A long poll is always on its way.
        match self.both.assignment.undelivered() {
            bytes if bytes > 0 && !self.is_closed => {
                Leftovers::Forgotten(format!("everything was read, and {bytes} bytes are charged"))
            }
            _ => self.both.producing.leftovers(),
        }
    }

    fn handle_healed(&mut self) {
        // What was held back comes now.
        self.quiet_since = None;
    }

    fn check_reads(
        &self,
        history: &History,
        logs: &Logs,
        brokers: &Cluster,
        trust: Trust,
    ) -> Option<(Invariant, String)> {
        self.check(history, logs, brokers, trust)
    }
}
