//! Commits, and going on from them.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{StreamExt as _, future::join_all};
use kafka08_async::{
    ConsumerEvent, EndAt, OffsetStore, StartAt,
    proto::ids::{Offset, TopicPartition},
};
use kafka08_broker::Server;

use crate::{
    rig::{
        GROUP, LONG, PARTITIONS, TOPIC, assert_whole, assign_all, cluster, committed, config, connect, fill, read_all,
        reader,
    },
    runtimes::{On, sleep},
};

async fn another_consumer_goes_on_where_one_has_committed<H: On>() {
    for store in [OffsetStore::Kafka, OffsetStore::ZooKeeper] {
        let server = cluster();
        fill::<H>(&server, 0..100).await;
        let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
        assert_whole(&read_all(&consumer).await, &(0..100));
        consumer.commit(GROUP, store).await.expect("it is stored");
        consumer.close(LONG).await.expect("it ends in time");
        fill::<H>(&server, 100..150).await;
        let consumer = connect::<H>(&server, config()).await;
        assign_all(&consumer, &committed(store), EndAt::HighWatermark).expect("a sound name");
        assert_whole(&read_all(&consumer).await, &(100..150));
        // The other store knows nothing of it.
        let other = if store == OffsetStore::Kafka { OffsetStore::ZooKeeper } else { OffsetStore::Kafka };
        assign_all(&consumer, &committed(other), EndAt::HighWatermark).expect("a sound name");
        assert_whole(&read_all(&consumer).await, &(0..150));
    }
}

async fn a_message_in_the_middle_of_which_a_task_panics_has_not_passed<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let consumer = connect::<H>(&server, config()).await;
    consumer.assign(TOPIC, 1, committed(OffsetStore::Kafka), EndAt::HighWatermark).expect("a sound name");
    let read = async {
        let mut messages = consumer.next().await.expect("no failure").expect("a set");
        while let Some(message) = messages.next_message() {
            assert_ne!(message.expect("it is sound").offset, Offset(40), "on purpose");
        }
    };
    smol::future::FutureExt::catch_unwind(AssertUnwindSafe(read)).await.expect_err("it panics");
    consumer.commit(GROUP, OffsetStore::Kafka).await.expect("it is stored");
    consumer.assign(TOPIC, 1, committed(OffsetStore::Kafka), EndAt::HighWatermark).expect("a sound name");
    let mut messages = consumer.next().await.expect("no failure").expect("a set");
    let first = messages.next_message().expect("there is one").expect("it is sound");
    assert_eq!(first.offset, Offset(40));
}

async fn a_stream_commits_all_but_the_last_message<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let consumer = connect::<H>(&server, config()).await;
    consumer.assign(TOPIC, 1, committed(OffsetStore::Kafka), EndAt::HighWatermark).expect("a sound name");
    let mut stream = consumer.messages();
    for offset in 0..10 {
        let message = stream.next().await.expect("there is one").expect("it is sound");
        assert_eq!(message.offset, Offset(offset));
    }
    stream.tell_passed();
    let of = TopicPartition::new(TOPIC, 1);
    assert_eq!(consumer.committable(), [(of.clone(), Offset(9))]);
    // Who has done with it says so.
    consumer.commit_offsets(GROUP, OffsetStore::Kafka, [(of, Offset(10))]).await.expect("it is stored");
    drop(stream);
    consumer.assign(TOPIC, 1, committed(OffsetStore::Kafka), EndAt::HighWatermark).expect("a sound name");
    let message = consumer.messages().next().await.expect("there is one").expect("it is sound");
    assert_eq!(message.offset, Offset(10));
}

async fn telling_after_each_message_does_not_hold_back_the_end_of_a_set<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let of = TopicPartition::new(TOPIC, 1);
    let consumer = connect::<H>(&server, config()).await;
    consumer.assign(TOPIC, 1, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    let mut messages = consumer.next().await.expect("no failure").expect("a set");
    let mut read = 0;
    while let Some(message) = messages.next_message() {
        assert_eq!(message.expect("it is sound").offset, Offset(read));
        // All but this one have passed.
        messages.tell_passed();
        assert_eq!(consumer.committable(), [(of.clone(), Offset(read))]);
        read += 1;
    }
    assert!(read > 2, "{read}");
    assert_eq!(consumer.committable(), [(of, Offset(read))]);
}

async fn many_commits_at_once_all_end<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    read_all(&consumer).await;
    let commits = (0..50).map(|n| {
        let (consumer, store) =
            (consumer.clone(), if n % 2 == 0 { OffsetStore::Kafka } else { OffsetStore::ZooKeeper });
        H::spawn(async move { consumer.commit(GROUP, store).await })
    });
    for committed in join_all(commits).await {
        committed.expect("it is stored");
    }
    assert_eq!(consumer.try_next_event().map(|event| matches!(event, ConsumerEvent::Started { .. })), Some(true));
}

async fn what_has_passed_is_committed_by_itself_and_a_last_time_at_the_end<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..100).await;
    for (round, every) in [(0, Duration::from_millis(20)), (1, LONG)] {
        let config = config().with_interval_commit(GROUP, OffsetStore::Kafka, every);
        let consumer = connect::<H>(&server, config).await;
        assign_all(&consumer, &committed(OffsetStore::Kafka), EndAt::HighWatermark).expect("a sound name");
        let from = if round == 0 { 0 } else { 100 };
        assert_whole(&read_all(&consumer).await, &(from..100 + 50 * round));
        if round == 0 {
            // Nobody commits, and nobody closes yet.
            while next_offset::<H>(&server).await < 100 {
                sleep::<H>(Duration::from_millis(10)).await;
            }
            fill::<H>(&server, 100..150).await;
        } else {
            consumer.close(LONG).await.expect("it is stored");
            assert_eq!(next_offset::<H>(&server).await, 150);
        }
    }
    server.add_rule("offset-commit: answer code=12".parse().expect("a rule"));
    let config = config().with_interval_commit(GROUP, OffsetStore::Kafka, LONG);
    let consumer = reader::<H>(&server, config, EndAt::HighWatermark).await;
    read_all(&consumer).await;
    let error = consumer.close(LONG).await.expect_err("it is refused");
    assert_eq!(error.failed.len(), 3, "{error}");
}

/// Where the group goes on in the last partition.
async fn next_offset<H: On>(server: &Server) -> i64 {
    let consumer = connect::<H>(server, config()).await;
    consumer.assign(TOPIC, PARTITIONS - 1, committed(OffsetStore::Kafka), EndAt::Never).expect("a sound name");
    loop {
        match consumer.next_event().await.expect("it has not ended") {
            ConsumerEvent::Started { at, .. } => return at.0,
            // Nothing is committed yet.
            ConsumerEvent::Reset { .. } => {}
            event => panic!("{event:?}"),
        }
    }
}

async fn what_a_broker_refuses_is_told_by_partition<H: On>() {
    let server = cluster();
    fill::<H>(&server, 0..10).await;
    let consumer = reader::<H>(&server, config(), EndAt::HighWatermark).await;
    read_all(&consumer).await;
    server.add_rule("offset-commit partition=1: answer code=12".parse().expect("a rule"));
    let error = consumer.commit(GROUP, OffsetStore::Kafka).await.expect_err("it is refused");
    let of = TopicPartition::new(TOPIC, 1);
    assert_eq!(error.failed.iter().map(|(of, _)| of).collect::<Vec<_>>(), [&of], "{error}");
    let text = error.to_string();
    assert!(text.contains("events/1") && text.contains("1 partitions"), "{text}");
    let others: Vec<_> = (0..PARTITIONS).filter(|partition| *partition != 1).collect();
    for partition in others {
        consumer.assign(TOPIC, partition, committed(OffsetStore::Kafka), EndAt::HighWatermark).expect("sound");
    }
    consumer.unassign(TOPIC, 1);
    assert_eq!(read_all(&consumer).await, [], "the others were stored");
}

on_each_runtime! {
    what_has_passed_is_committed_by_itself_and_a_last_time_at_the_end,
    another_consumer_goes_on_where_one_has_committed,
    a_message_in_the_middle_of_which_a_task_panics_has_not_passed,
    a_stream_commits_all_but_the_last_message,
    telling_after_each_message_does_not_hold_back_the_end_of_a_set,
    many_commits_at_once_all_end,
    what_a_broker_refuses_is_told_by_partition,
}
