//! Topics that rest, and which of them are forgotten.

use std::collections::BTreeSet;

use kafka08_proto::ids::Text;

use super::*;

/// A record's topic, partition and value.
type Delivered = (Text, i32, Vec<u8>);

/// Appends a record to a topic, which metadata lists with these partitions if it is asked for.
fn append(accumulator: &mut Accumulator<()>, topic: &str, partitions: i32) -> BatchId {
    let record = RecordRef::new(topic, b"v").with_partition(PartitionId(partitions - 1));
    if let Ok(appended) = accumulator.append(start, record) {
        return appended.batch;
    }
    assert_eq!(accumulator.poll_wanted().as_deref(), Some(topic));
    list(accumulator, topic, partitions);
    accumulator.append(start, record).expect("it is listed").batch
}

fn list(accumulator: &mut Accumulator<()>, topic: &str, partitions: i32) {
    let listed = (0..partitions).map(|id| (PartitionId(id), Leads::Yes));
    assert_eq!(accumulator.handle_topic(topic, listed), Listing::First);
}

/// Takes what is ready, as a machine does whose batches are delivered at once. Returns the values, and what was forgotten.
fn deliver(accumulator: &mut Accumulator<()>) -> (Vec<Delivered>, Vec<Text>) {
    accumulator.flush();
    let mut delivered = Vec::new();
    while let Some(batch) = accumulator.poll_ready(start()) {
        let of = |value| (batch.to.topic.clone(), batch.to.partition.0, value);
        delivered.extend(values(&batch.bytes).into_iter().map(of));
        accumulator.handle_ended(batch.id);
        accumulator.handle_released(batch.part, batch.bytes.len());
    }
    while accumulator.poll_flush().is_some() {}
    let forgotten = std::iter::from_fn(|| accumulator.poll_forgotten()).collect();
    accumulator.asleep();
    (delivered, forgotten)
}

fn counts(accumulator: &Accumulator<()>) -> [usize; 5] {
    let Accumulator { topics, by_name, parts, resting, .. } = accumulator;
    [topics.len(), by_name.len(), parts.slots.len(), parts.len(), resting.len()]
}

#[test]
fn of_topics_that_are_used_once_ten_thousand_are_known() {
    let mut accumulator = Accumulator::new(&ProducerConfig::default());
    let mut forgotten = Vec::new();
    let name = |n: usize| format!("topic{n}");
    for n in 0..100_000 {
        append(&mut accumulator, &name(n), 2);
        let (delivered, gone) = deliver(&mut accumulator);
        assert_eq!(delivered, [(name(n).as_str().into(), 1, b"v".to_vec())]);
        forgotten.extend(gone);
    }
    // While the last one was in use, there was one more.
    assert_eq!(counts(&accumulator), [10_001, 10_000, 20_002, 20_000, 10_000]);
    assert!(forgotten.iter().enumerate().all(|(n, topic)| **topic == *name(n)), "those of the longest rest go first");
    // One that is known goes on; one that was forgotten is asked for, and works as before.
    accumulator.append(start, RecordRef::new(&name(99_999), b"w")).expect("it is known");
    let first = name(0);
    let first = RecordRef::new(&first, b"w").with_partition(PartitionId(0));
    let refused = accumulator.append(start, first).map(|_| ()).expect_err("it was forgotten");
    assert!(matches!(refused, AppendError::UnknownTopic { .. }), "{refused}");
    assert_eq!(accumulator.poll_wanted().as_deref(), Some("topic0"));
    list(&mut accumulator, &name(0), 2);
    accumulator.append(start, first).expect("it is listed");
    let mut delivered = deliver(&mut accumulator).0;
    delivered.sort_unstable();
    assert_eq!(delivered[0], (Text::from("topic0"), 0, b"w".to_vec()));
    assert_eq!((delivered[1].0.as_str(), delivered.len(), accumulator.buffered()), ("topic99999", 2, 0));
}

#[test]
fn topics_that_are_in_use_or_asked_for_are_not_forgotten() {
    let mut accumulator = Accumulator::new(&ProducerConfig::default());
    append(&mut accumulator, "asked-for", 1);
    deliver(&mut accumulator);
    // No answer has listed it for so long that its partitions were dropped, and then somebody has asked for it.
    accumulator.handle_topic("asked-for", std::iter::empty());
    let refused = accumulator.append(start, RecordRef::new("asked-for", b"")).map(|_| ());
    assert_eq!(refused, Err(AppendError::UnknownTopic { wake: true }));
    assert_eq!(accumulator.poll_wanted().as_deref(), Some("asked-for"));
    append(&mut accumulator, "sent", 1);
    accumulator.flush();
    let sent = accumulator.poll_ready(start()).expect("it was flushed");
    for n in 0..10_100 {
        append(&mut accumulator, &format!("topic{n}"), 1);
    }
    assert_eq!(accumulator.poll_forgotten(), None);
    let (delivered, forgotten) = deliver(&mut accumulator);
    assert_eq!((delivered.len(), forgotten.len()), (10_100, 102));
    assert_eq!(counts(&accumulator), [10_102, 10_000, 10_102, 10_000, 9_998]);
    accumulator.handle_ended(sent.id);
    accumulator.handle_released(sent.part, sent.bytes.len());
    assert_eq!((accumulator.buffered(), accumulator.oldest()), (0, None));
    list(&mut accumulator, "asked-for", 1);
    accumulator.append(start, RecordRef::new("asked-for", b"")).expect("it is back");
}

#[test]
fn partitions_count_too_and_the_topic_that_was_used_last_stays() {
    let mut accumulator = Accumulator::new(&ProducerConfig::default());
    append(&mut accumulator, "a", 60_000);
    assert_eq!(deliver(&mut accumulator).1, [] as [Text; 0]);
    append(&mut accumulator, "b", 40_001);
    assert_eq!(deliver(&mut accumulator).1, ["a"]);
    append(&mut accumulator, "c", 150_000);
    assert_eq!(deliver(&mut accumulator).1, ["b"]);
    assert_eq!(counts(&accumulator)[3..], [150_000, 1]);
}

#[test]
fn a_topic_that_nobody_has_is_forgotten_with_the_others() {
    let mut accumulator = Accumulator::<()>::new(&ProducerConfig::default());
    for n in 0..20_000 {
        let topic = format!("topic{n}");
        let refused = accumulator.append(start, RecordRef::new(&topic, b"")).map(|_| ());
        assert_eq!(refused, Err(AppendError::UnknownTopic { wake: true }));
        assert_eq!(accumulator.poll_wanted().as_deref(), Some(&*topic));
        assert_eq!([(); 2].map(|()| accumulator.handle_no_topic(&topic)), [Wanted::Yes, Wanted::No]);
        deliver(&mut accumulator);
    }
    assert_eq!(counts(&accumulator), [10_001, 10_000, 0, 0, 10_000]);
}

#[test]
fn no_partition_has_the_name_of_one_that_was_forgotten() {
    let mut accumulator = Accumulator::new(&ProducerConfig::default());
    let mut seen = BTreeSet::new();
    for n in 0..10_100 {
        append(&mut accumulator, &format!("topic{n}"), 1);
        let batch = accumulator.poll_expired(None).expect("it has a record");
        assert!(seen.insert(batch.part), "{batch:?}");
        // What has expired may stand among what is ready, until that is taken.
        assert!(accumulator.poll_ready(start()).is_none());
        accumulator.poll_forgotten();
    }
    assert!(accumulator.parts.len() < seen.len());
}
