//! Several tasks that share what one consumer reads.

use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all};
use kafka08_async::{EndAt, OffsetStore};

use crate::{
    rig::{GROUP, PARTITIONS, assert_whole, cluster, config, fill, numbers, read_all, reader},
    runtimes::{On, sleep},
};

async fn each_message_goes_to_one_of_several_tasks<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..2000).await;
    // Small sets, so that there are many.
    let consumer = reader::<H>(&server, config().with_partition_bytes(4096), EndAt::HighWatermark).await;
    let workers = (0..4).map(|_| {
        let consumer = consumer.clone();
        H::spawn(async move { read_all(&consumer).await })
    });
    let mut all: Vec<_> = join_all(workers).await.concat();
    // Each task has read its sets in order; which task had which is left open.
    all.sort_unstable();
    assert_whole(&all, &(0..2000));
}

async fn tasks_that_finish_out_of_order_commit_what_has_passed_without_a_gap<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..2000).await;
    let consumer = reader::<H>(&server, config().with_partition_bytes(4096), EndAt::HighWatermark).await;
    let mut first = consumer.next().await.expect("no failure").expect("a set");
    let held = first.partition().clone();
    // In the middle of its second message.
    assert!(first.next_message().is_some() && first.next_message().is_some());
    // Another one reads the rest.
    let rest = read_all(&consumer).await;
    assert!(rest.len() > 3000, "{}", rest.len());
    first.tell_passed();
    for (of, offset) in consumer.committable() {
        assert_eq!(offset.0, if of == held { 1 } else { 2000 }, "{of}");
    }
    consumer.commit(GROUP, OffsetStore::Kafka).await.expect("it is stored");
    numbers(&mut first);
    // Without a drop: whoever commits next finds it.
    assert!(consumer.committable().iter().all(|(_, offset)| offset.0 == 2000));
}

async fn a_task_that_holds_its_sets_does_not_stop_the_others<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..2000).await;
    let small = config().with_partition_bytes(4096).with_room(16 * 1024);
    let consumer = reader::<H>(&server, small, EndAt::HighWatermark).await;
    let mut held = Vec::new();
    while let Some(messages) = consumer.next().await.expect("no failure") {
        held.push(messages);
    }
    let mut all: Vec<_> = held.iter_mut().flat_map(numbers).collect();
    all.sort_unstable();
    assert_whole(&all, &(0..2000));
}

async fn all_tasks_learn_of_the_end<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    consumer.pause("events", 0);
    let workers: Vec<_> = (0..20)
        .map(|_| {
            let consumer = consumer.clone();
            H::spawn(async move { read_all(&consumer).await.len() })
        })
        .collect();
    sleep::<H>(Duration::from_millis(100)).await;
    // All of them wait for one partition, whose last set goes to one.
    consumer.resume("events", 0);
    let read: usize = join_all(workers).await.into_iter().sum();
    assert_eq!(read, 10 * usize::try_from(PARTITIONS).expect("a few"));
}

async fn streams_share_what_comes<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..500).await;
    let consumer = reader::<H>(&server, config().with_partition_bytes(4096), EndAt::HighWatermark).await;
    let streams = (0..3).map(|_| {
        let stream = consumer.messages();
        H::spawn(async move {
            let read = stream.map(|message| message.expect("all can be read"));
            read.map(|at| (at.partition.partition.0, u32::try_from(at.offset.0).expect("few")))
                .collect::<Vec<_>>()
                .await
        })
    });
    let mut all: Vec<_> = join_all(streams).await.concat();
    all.sort_unstable();
    assert_whole(&all, &(0..500));
}

on_each_runtime! {
    each_message_goes_to_one_of_several_tasks,
    tasks_that_finish_out_of_order_commit_what_has_passed_without_a_gap,
    a_task_that_holds_its_sets_does_not_stop_the_others,
    all_tasks_learn_of_the_end,
    streams_share_what_comes,
}
