//! Records arrive once, in order, and with true offsets.

use std::collections::BTreeMap;

use kafka08_async::{
    Record,
    proto::{
        ids::Acks,
        message::{Codec, MessageSet},
    },
};

use crate::{
    rig::{TOPIC, cluster, config, connect, send_all, stored},
    runtimes::On,
};

async fn records_are_stored_in_order_at_the_offsets_that_are_told<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config()).await;
    for partition in 0..3 {
        let delivered = send_all(&producer, partition, 0..500).await;
        let told: BTreeMap<i64, String> =
            (0..500).zip(&delivered).map(|(n, at)| (at.offset.expect("acks 1 tells it").0, n.to_string())).collect();
        assert!(delivered.iter().all(|at| at.to.partition.0 == partition && at.to.topic == TOPIC));
        assert_eq!(stored::<H>(&server, TOPIC, partition).await, told);
        assert!(told.keys().copied().eq(0..500), "the order is that of the calls");
    }
    producer.flush().await.expect("nothing has failed");
    let stats = producer.stats();
    assert_eq!((stats.delivered, stats.failed), (1500, 0));
    producer.close(std::time::Duration::from_secs(5)).await.expect("nothing has failed");
}

async fn each_codec_is_stored_and_the_offsets_are_true<H: On>() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let server = cluster();
        let producer = connect::<H>(&server, config().with_compression(Some(codec))).await;
        let delivered = send_all(&producer, 0, 0..200).await;
        let offsets: Vec<i64> = delivered.iter().map(|at| at.offset.expect("acks 1 tells it").0).collect();
        assert!(offsets.iter().copied().eq(0..200), "{codec:?}: {offsets:?}");
        let stored = stored::<H>(&server, TOPIC, 0).await;
        assert!(stored.values().cloned().eq((0..200).map(|n| n.to_string())), "{codec:?}");
    }
}

async fn with_acks_0_a_delivery_ends_when_written_and_a_flush_confirms<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config().with_acks(Acks::NONE)).await;
    let delivered = send_all(&producer, 1, 0..100).await;
    assert!(delivered.iter().all(|at| at.offset.is_none()));
    producer.flush().await.expect("all is confirmed");
    assert_eq!(stored::<H>(&server, TOPIC, 1).await.len(), 100);
    assert_eq!(producer.stats().written, 100);
}

async fn a_set_is_sent_as_it_is_behind_the_records_before_it<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config()).await;
    let before = producer.send(Record::to(TOPIC).value("before").partition(0)).await.expect("it is appended");
    let mut set = MessageSet::builder();
    for value in [b"one", b"two"] {
        set.push(None, Some(value)).expect("it is small");
    }
    let set = producer.send_set(TOPIC, 0, set.build()).await.expect("it is appended");
    let behind = producer.send(Record::to(TOPIC).value("behind").partition(0)).await.expect("it is appended");
    let mut offsets = Vec::new();
    for delivery in [before, set, behind] {
        offsets.push(delivery.await.expect("it is delivered").offset.expect("acks 1 tells it").0);
    }
    assert_eq!(offsets, [0, 1, 3]);
    let stored: Vec<_> = stored::<H>(&server, TOPIC, 0).await.into_values().collect();
    assert_eq!(stored, ["before", "one", "two", "behind"]);
}

async fn a_thousand_tasks_share_one_producer<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config()).await;
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let producer = producer.clone();
            H::spawn(async move {
                let value = n.to_string();
                let delivery =
                    producer.send(Record::to(TOPIC).key(&value).value(&value)).await.expect("it is appended");
                let at = delivery.await.expect("it is delivered");
                (at.to.partition.0, at.offset, value)
            })
        })
        .collect();
    let mut told: [BTreeMap<i64, String>; 3] = Default::default();
    for task in tasks {
        let (partition, offset, value) = task.await;
        let of = told.get_mut(usize::try_from(partition).expect("a partition")).expect("there are three");
        of.insert(offset.expect("acks 1 tells it").0, value);
    }
    for (partition, told) in (0..).zip(told) {
        assert_eq!(stored::<H>(&server, TOPIC, partition).await, told);
    }
}

on_each_runtime! {
    records_are_stored_in_order_at_the_offsets_that_are_told,
    each_codec_is_stored_and_the_offsets_are_true,
    with_acks_0_a_delivery_ends_when_written_and_a_flush_confirms,
    a_set_is_sent_as_it_is_behind_the_records_before_it,
    a_thousand_tasks_share_one_producer,
}
