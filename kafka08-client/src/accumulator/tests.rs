//! What single calls do. The model is in `model`, and topics that rest are in `resting`.

mod model;
mod resting;

use std::time::Duration;

use kafka08_proto::{
    api::NameProblem,
    ids::{PartitionId, TopicPartition},
    message::{Entry, MessageSet, SetProblem},
    partitioner::{KeyHash, ScalaRule},
};

use super::*;

#[expect(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
pub(super) fn start() -> Instant {
    Instant::now()
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An accumulator that knows partitions 0 to `count` - 1 of the topic "t". All have leaders.
pub(super) fn listed(config: &ProducerConfig, count: i32) -> Accumulator<()> {
    let mut accumulator = Accumulator::new(config);
    let refused = accumulator.append(start, RecordRef::new("t", b"")).map(|_| ()).unwrap_err();
    assert_eq!(refused, AppendError::UnknownTopic { wake: true });
    assert_eq!(accumulator.poll_wanted().as_deref(), Some("t"));
    accumulator.handle_topic("t", (0..count).map(|id| (PartitionId(id), Leads::Yes)));
    accumulator.asleep();
    accumulator
}

pub(super) fn values(bytes: &bytes::Bytes) -> Vec<Vec<u8>> {
    let set = MessageSet::new(bytes.clone(), kafka08_proto::message::Origin::Produced);
    let mut found = Vec::new();
    for entry in set.entries() {
        let Ok(Entry::Plain(message)) = entry else { panic!("{entry:?}") };
        found.push(message.value.unwrap_or_default().to_vec());
    }
    found
}

fn partition_of(accumulator: &mut Accumulator<()>, now: Instant, record: RecordRef<'_>) -> i32 {
    let id = accumulator.append(|| now, record).expect("there is room").batch;
    let part = accumulator.parts.slots.iter().find(|part| part.open.as_ref().is_some_and(|open| open.id == id));
    part.expect("its batch is open").id.0
}

#[test]
fn a_record_costs_no_allocation_once_its_batch_has_grown() {
    let mut accumulator = listed(&ProducerConfig::default(), 1);
    let now = start();
    let append = |accumulator: &mut Accumulator<()>| {
        for _ in 0..1000 {
            accumulator.append(|| now, RecordRef::new("t", &[7; 100]).with_key(b"key")).expect("there is room");
        }
    };
    append(&mut accumulator);
    let first = accumulator.poll_ready(now + ms(5)).expect("its linger is over");
    accumulator.handle_released(first.part, first.bytes.len());
    // The first record opens the batch, which allocates.
    accumulator.append(|| now, RecordRef::new("t", &[7; 100]).with_key(b"key")).expect("there is room");
    let next = RecordRef::new("t", &[7; 100]).with_key(b"key");
    let counted = allocation_counter::measure(|| {
        for _ in 0..999 {
            accumulator.append(|| unreachable!("no batch opens"), next).expect("there is room");
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn the_clock_is_read_only_when_a_batch_opens() {
    let mut accumulator = listed(&ProducerConfig::default(), 1);
    let mut reads = 0;
    for _ in 0..10 {
        let clock = || {
            reads += 1;
            start()
        };
        accumulator.append(clock, RecordRef::new("t", b"v")).expect("there is room");
    }
    assert_eq!(reads, 1);
}

#[test]
fn a_topic_is_asked_for_once_and_forgotten_if_nobody_asks_again() {
    let mut accumulator = Accumulator::<()>::new(&ProducerConfig::default());
    let append = |accumulator: &mut Accumulator<()>| accumulator.append(start, RecordRef::new("t", b"")).map(|_| ());
    assert_eq!(append(&mut accumulator), Err(AppendError::UnknownTopic { wake: true }));
    assert_eq!(append(&mut accumulator), Err(AppendError::UnknownTopic { wake: false }));
    assert_eq!(accumulator.poll_wanted().as_deref(), Some("t"));
    assert_eq!(accumulator.poll_wanted(), None);
    accumulator.asleep();
    // It was appended to before the first answer, then again, then no more.
    assert_eq!(accumulator.handle_no_topic("t"), Wanted::Yes);
    assert_eq!(append(&mut accumulator), Err(AppendError::UnknownTopic { wake: false }));
    assert_eq!(accumulator.handle_no_topic("t"), Wanted::Yes);
    assert_eq!(accumulator.handle_no_topic("t"), Wanted::No);
    assert_eq!(append(&mut accumulator), Err(AppendError::UnknownTopic { wake: true }));
    let bad = accumulator.append(start, RecordRef::new("a b", b"")).map(|_| ());
    assert_eq!(bad, Err(AppendError::Topic(NameProblem::Character(' '))));
}

#[test]
fn what_cannot_be_sent_is_refused_at_its_limit() {
    let config = ProducerConfig::default().with_buffer(126).with_batch_size(50);
    let mut accumulator = listed(&config, 2);
    // 100 bytes of value and 26 of the entry are the whole buffer.
    let large = accumulator.append(start, RecordRef::new("t", &[0; 101])).map(|_| ());
    assert_eq!(large, Err(AppendError::TooLarge { entry: 127, max: 126 }));
    let absent = accumulator.append(start, RecordRef::new("t", b"").with_partition(PartitionId(2))).map(|_| ());
    assert_eq!(absent, Err(AppendError::NoSuchPartition));
    let appended = accumulator.append(start, RecordRef::new("t", &[0; 100])).expect("it fits");
    assert!(appended.wake, "it is larger than a batch, so it does not linger");
    let full = accumulator.append(start, RecordRef::new("t", b"")).map(|_| ());
    assert_eq!(full, Err(AppendError::Full { stuck: false, wake: false }));
    accumulator.close(start());
    assert_eq!(accumulator.append(start, RecordRef::new("t", b"")).map(|_| ()), Err(AppendError::Closed));
}

#[test]
fn partitions_that_cannot_be_sent_to_share_half_of_the_buffer() {
    let mut accumulator = listed(&ProducerConfig::default().with_buffer(400), 2);
    let to = |partition| RecordRef::new("t", &[0; 74]).with_partition(PartitionId(partition));
    accumulator.append(start, to(0)).expect("there is room");
    accumulator.set_stuck(PartIndex::first(0), Stuck::Yes);
    accumulator.append(start, to(0)).expect("two records are half of the buffer");
    let refused = accumulator.append(start, to(0)).map(|_| ());
    assert_eq!(refused, Err(AppendError::Full { stuck: true, wake: false }));
    assert_eq!(accumulator.refused_at(), Some(PartIndex::first(0)));
    accumulator.append(start, to(1)).expect("the other partition has room");
    accumulator.set_stuck(PartIndex::first(0), Stuck::No);
    assert!(accumulator.poll_room() && !accumulator.poll_room());
    accumulator.append(start, to(0)).expect("it can be sent to again");
    let refused = accumulator.append(start, to(1)).map(|_| ());
    assert!(matches!(refused, Err(AppendError::Full { stuck: false, .. })));
}

#[test]
fn a_refused_record_makes_every_open_batch_ready() {
    let config = ProducerConfig::default().with_buffer(200).with_linger(ms(1000));
    let mut accumulator = listed(&config, 2);
    let now = start();
    for partition in [0, 1] {
        let record = RecordRef::new("t", &[0; 74]).with_partition(PartitionId(partition));
        accumulator.append(|| now, record).expect("there is room");
    }
    accumulator.asleep();
    assert!(accumulator.poll_ready(now).is_none());
    let refused = accumulator.append(|| now, RecordRef::new("t", b"")).map(|_| ());
    assert_eq!(refused, Err(AppendError::Full { stuck: false, wake: true }));
    assert!(accumulator.poll_ready(now).is_some() && accumulator.poll_ready(now).is_some());
}

#[test]
fn a_batch_takes_records_until_it_is_taken_also_after_its_linger() {
    let mut accumulator = listed(&ProducerConfig::default(), 1);
    let now = start();
    accumulator.append(|| now, RecordRef::new("t", b"a")).expect("there is room");
    let first = accumulator.poll_ready(now + ms(5)).expect("its linger is over");
    assert_eq!(values(&first.bytes), [b"a"]);
    for (at, value) in [(6, b"b"), (500, b"c")] {
        accumulator.append(|| now + ms(at), RecordRef::new("t", value)).expect("there is room");
        assert!(accumulator.poll_ready(now + ms(at)).is_none(), "the partition has a batch in flight");
    }
    accumulator.handle_released(first.part, first.bytes.len());
    let second = accumulator.poll_ready(now + ms(500)).expect("its linger was over long ago");
    assert_eq!(values(&second.bytes), [b"b", b"c"]);
    assert_eq!((second.id, second.records, second.opened), (BatchId(1), 2, now + ms(6)));
}

#[test]
fn a_set_is_sent_behind_what_was_appended_before_it() {
    let mut accumulator = listed(&ProducerConfig::default(), 1);
    let now = start();
    let to = TopicPartition::new("t", 0);
    accumulator.append(|| now, RecordRef::new("t", b"a")).expect("there is room");
    let mut builder = MessageSet::builder();
    builder.push(None, Some(b"b")).unwrap();
    builder.push(None, Some(b"c")).unwrap();
    let set = builder.build();
    accumulator.asleep();
    let appended = accumulator.append_set(|| now, &to, set.clone()).expect("there is room");
    assert_eq!((appended.index, appended.wake), (0, true));
    for (expected, records) in [(vec![b"a"], 1), (vec![b"b", b"c"], 2)] {
        let batch = accumulator.poll_ready(now).expect("the set closes the batch before it");
        assert_eq!((values(&batch.bytes), batch.records), (expected.iter().map(|v| v.to_vec()).collect(), records));
        accumulator.handle_released(batch.part, batch.bytes.len());
    }
    let cut = MessageSet::new(set.bytes().slice(..set.len() - 1), kafka08_proto::message::Origin::Produced);
    let (back, error) = accumulator.append_set(|| now, &to, cut.clone()).expect_err("it is cut");
    assert_eq!((back, error), (cut, AppendError::Set(SetProblem::Cut)));
    let empty = MessageSet::builder().build();
    let refused = accumulator.append_set(|| now, &to, empty).map(|_| ()).map_err(|(_, error)| error);
    assert_eq!(refused, Err(AppendError::Set(SetProblem::Empty)));
    assert_eq!(accumulator.buffered(), 0);
}

#[test]
fn a_hash_looks_at_all_partitions_and_never_at_leaders() {
    let mut accumulator = listed(&ProducerConfig::default(), 10)
        .with_partitioner(Partitioner::Hash(KeyHash::ScalaString(ScalaRule::Masked)));
    accumulator.handle_topic("t", (0..10).map(|id| (PartitionId(id), Leads::No)));
    // `user42` of ten partitions: `protocol.md`, section 6.1.
    assert_eq!(partition_of(&mut accumulator, start(), RecordRef::new("t", b"").with_key(b"user42")), 1);
    let refused = accumulator.append(start, RecordRef::new("t", b"").with_key(&[0xe9])).map(|_| ());
    assert_eq!(refused, Err(AppendError::KeyNotUtf8));
    // A hash yields a position: with the partitions 10 to 19, the second is 11.
    accumulator.handle_topic("t", (10..20).map(|id| (PartitionId(id), Leads::No)));
    assert_eq!(partition_of(&mut accumulator, start(), RecordRef::new("t", b"").with_key(b"user42")), 11);
}

#[test]
fn round_robin_goes_over_the_partitions_that_have_a_leader() {
    let mut accumulator = listed(&ProducerConfig::default(), 4).with_partitioner(Partitioner::RoundRobin);
    let leads = |id| if id == 2 { Leads::No } else { Leads::Yes };
    accumulator.handle_topic("t", (0..4).map(|id| (PartitionId(id), leads(id))));
    let now = start();
    let mut turns: Vec<_> = (0..6).map(|_| partition_of(&mut accumulator, now, RecordRef::new("t", b""))).collect();
    assert_eq!(turns[..3], turns[3..]);
    turns.truncate(3);
    turns.sort_unstable();
    assert_eq!(turns, [0, 1, 3]);
}

#[test]
fn sticky_keeps_a_partition_until_its_batch_is_taken_or_full() {
    let config = ProducerConfig::default().with_batch_size(300);
    let mut accumulator = listed(&config, 3).with_partitioner(Partitioner::Sticky);
    let now = start();
    let next = |accumulator: &mut Accumulator<()>| partition_of(accumulator, now, RecordRef::new("t", &[0; 74]));
    let first = next(&mut accumulator);
    assert_eq!(next(&mut accumulator), first);
    accumulator.poll_ready(now + ms(5)).expect("its linger is over");
    let second = next(&mut accumulator);
    assert_ne!(second, first);
    assert_eq!([next(&mut accumulator), next(&mut accumulator)], [second, second]);
    // The batch is full: the record that does not fit opens the next one there, and later ones go on.
    next(&mut accumulator);
    assert_ne!(next(&mut accumulator), second);
}

#[test]
fn fixed_and_custom_partitioners_are_obeyed_or_refused() {
    let mut accumulator = listed(&ProducerConfig::default(), 3).with_partitioner(Partitioner::Fixed(PartitionId(2)));
    assert_eq!(partition_of(&mut accumulator, start(), RecordRef::new("t", b"")), 2);
    let choose = |record: &RecordRef<'_>, ids: &[PartitionId]| {
        if record.key.is_some() { PartitionId(9) } else { *ids.last().expect("there is one") }
    };
    let mut accumulator = accumulator.with_partitioner(Partitioner::Custom(Box::new(choose)));
    assert_eq!(partition_of(&mut accumulator, start(), RecordRef::new("t", b"")), 2);
    let refused = accumulator.append(start, RecordRef::new("t", b"").with_key(b"k")).map(|_| ());
    assert_eq!(refused, Err(AppendError::NoSuchPartition));
}

#[test]
fn a_partition_that_comes_back_keeps_its_batches() {
    let mut accumulator = listed(&ProducerConfig::default(), 2);
    let now = start();
    let to_1 = RecordRef::new("t", b"a").with_partition(PartitionId(1));
    accumulator.append(|| now, to_1).expect("there is room");
    accumulator.handle_topic("t", [(PartitionId(0), Leads::Yes)].into_iter());
    assert_eq!(accumulator.append(|| now, to_1).map(|_| ()), Err(AppendError::NoSuchPartition));
    accumulator.handle_topic("t", (0..2).map(|id| (PartitionId(id), Leads::Yes)));
    assert_eq!(accumulator.append(|| now, to_1).expect("it is back").index, 1);
}

#[test]
fn a_topic_that_is_gone_is_asked_for_as_long_as_records_wait_for_it() {
    let mut accumulator = listed(&ProducerConfig::default(), 1);
    let now = start();
    accumulator.append(|| now, RecordRef::new("t", b"a")).expect("there is room");
    // No answer has listed it for so long that its partitions were dropped.
    accumulator.handle_topic("t", std::iter::empty());
    assert_eq!(accumulator.handle_no_topic("t"), Wanted::Known);
    let batch = accumulator.poll_ready(now + ms(5)).expect("its linger is over");
    assert_eq!(accumulator.handle_no_topic("t"), Wanted::Known);
    accumulator.handle_released(batch.part, batch.bytes.len());
    assert_eq!(accumulator.handle_no_topic("t"), Wanted::No);
}

#[test]
fn a_batch_expires_whether_or_not_its_partition_is_busy() {
    let mut accumulator = listed(&ProducerConfig::default().with_delivery_timeout(ms(1000)), 1);
    let now = start();
    accumulator.append(|| now, RecordRef::new("t", b"a")).expect("there is room");
    let first = accumulator.poll_ready(now + ms(5)).expect("its linger is over");
    accumulator.append(|| now + ms(10), RecordRef::new("t", b"b")).expect("there is room");
    assert_eq!(accumulator.asleep(), Some(now + ms(1010)));
    assert!(accumulator.poll_expired(Some(now + ms(1009))).is_none());
    let expired = accumulator.poll_expired(Some(now + ms(1010))).expect("its time is over");
    assert_eq!(values(&expired.bytes), [b"b"]);
    assert_eq!(accumulator.buffered(), first.bytes.len());
}

#[test]
fn records_without_keys_pass_over_partitions_that_cannot_be_sent_to() {
    for partitioner in [Partitioner::Sticky, Partitioner::RoundRobin, Partitioner::default()] {
        let config = ProducerConfig::default().with_buffer(1000);
        let mut accumulator = listed(&config, 3).with_partitioner(partitioner);
        let record = RecordRef::new("t", &[0; 74]);
        accumulator.append(start, record).expect("there is room");
        accumulator.set_stuck(PartIndex::first(0), Stuck::Yes);
        accumulator.set_stuck(PartIndex::first(1), Stuck::Yes);
        // More than the half of the buffer, which partitions that are stuck may fill together.
        for _ in 0..8 {
            assert_eq!(partition_of(&mut accumulator, start(), record), 2);
        }
    }
}

#[test]
fn records_without_keys_stay_together_if_no_partition_can_be_sent_to() {
    let mut accumulator = listed(&ProducerConfig::default(), 20).with_partitioner(Partitioner::Sticky);
    for partition in 0..20 {
        accumulator.append(start, RecordRef::new("t", b"").with_partition(PartitionId(partition))).expect("room");
        accumulator.set_stuck(PartIndex::first(u32::try_from(partition).expect("small")), Stuck::Yes);
    }
    let record = RecordRef::new("t", b"v");
    let batches: Vec<_> = (0..5).map(|_| accumulator.append(start, record).expect("there is room").batch).collect();
    assert!(batches.iter().all(|batch| *batch == batches[0]), "{batches:?}");
}
