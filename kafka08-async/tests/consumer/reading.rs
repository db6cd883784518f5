//! Reading by sets and one by one.

use std::time::Duration;

use futures_util::{StreamExt as _, future::join};
use kafka08_async::{EndAt, OwnedMessage, StartAt};

use crate::{
    rig::{PARTITIONS, TOPIC, assert_whole, cluster, config, fill, number, numbers, read_all, reader},
    runtimes::{On, sleep},
};

async fn all_partitions_are_read_whole_and_in_order<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..1000).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    assert_whole(&read_all(&consumer).await, &(0..1000));
    assert!(consumer.is_finished() && !consumer.is_closed());
    assert!(consumer.next().await.expect("no failure").is_none(), "the end lasts");
    let (stats, assigned) = (consumer.stats(), consumer.assignment_stats());
    assert!(stats.fetches >= 3 && stats.bytes > 10_000, "{stats:?}");
    assert_eq!((assigned.partitions, assigned.finished, assigned.lag, assigned.undelivered), (3, 3, 0, 0));
}

async fn what_is_written_later_comes_to_who_waits<H: On>() {
    let server = cluster();
    let consumer = reader::<H>(&server, config(), EndAt::Never).await;
    let read = async {
        let mut all = Vec::new();
        while all.len() < 30 {
            let mut messages = consumer.next().await.expect("no failure").expect("it has no end");
            all.extend(numbers(&mut messages));
        }
        all
    };
    let write = async {
        sleep::<H>(Duration::from_millis(50)).await;
        fill::<H>(&server, 0..10).await;
    };
    let (all, ()) = join(read, write).await;
    assert_whole(&all, &(0..10));
}

async fn a_stream_gives_messages_that_own_their_bytes<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..300).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    let messages: Vec<OwnedMessage> =
        consumer.messages().map(|message| message.expect("all can be read")).collect().await;
    let read = |message: &OwnedMessage| (message.partition.partition.0, number(message.value.as_deref()));
    assert_whole(&messages.iter().map(read).collect::<Vec<_>>(), &(0..300));
    for message in &messages {
        assert_eq!(message.partition.topic, TOPIC);
        assert_eq!(message.offset.0, i64::from(number(message.value.as_deref())));
        assert_eq!(message.key.as_deref(), Some(message.partition.partition.to_string().as_bytes()));
        assert_eq!(&message.clone().detach(), message);
    }
}

async fn a_filter_leaves_out_what_is_not_wanted<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..300).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    let stream = consumer.messages_where(|key, value| key == Some(b"1") && number(value).is_multiple_of(100));
    let found: Vec<_> = stream.map(|message| message.expect("all can be read")).collect().await;
    let found: Vec<_> = found.iter().map(|at| (at.partition.partition.0, at.offset.0)).collect();
    assert_eq!(found, [(1, 0), (1, 100), (1, 200)]);
    // What was not wanted has passed too.
    let ends: Vec<_> = consumer.committable().iter().map(|(_, offset)| offset.0).collect();
    assert_eq!(ends, [300; PARTITIONS as usize]);
}

async fn a_small_room_slows_nothing_down_for_ever<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..2000).await;
    let small = config().with_partition_bytes(4096).with_room(8192);
    let consumer = reader::<H>(&server, small, EndAt::HighWatermark).await;
    assert_whole(&read_all(&consumer).await, &(0..2000));
}

async fn a_set_outlives_its_consumer<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    let mut messages = consumer.next().await.expect("no failure").expect("a set");
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::Never).expect("a sound name");
    drop(consumer);
    assert_eq!(numbers(&mut messages).len(), 10);
}

on_each_runtime! {
    all_partitions_are_read_whole_and_in_order,
    what_is_written_later_comes_to_who_waits,
    a_stream_gives_messages_that_own_their_bytes,
    a_filter_leaves_out_what_is_not_wanted,
    a_small_room_slows_nothing_down_for_ever,
    a_set_outlives_its_consumer,
}
