//! Flushing, closing, dropping, and tasks that are gone.

use std::time::{Duration, Instant};

use futures_util::future::{join, join5};
use kafka08_async::{
    AppendError, ProduceCause, Producer, Record, SendError,
    proto::{error_code::ErrorCode, fate::Fate, ids::Acks},
};
use kafka08_broker::{BrokerConfig, Server};

use crate::{
    cut::{Cut, abort_all},
    rig::{TOPIC, brokers, cluster, config, connect, start, stored},
    runtimes::{On, sleep},
};

/// Brokers that accept no message of 2,000 bytes.
fn with_small_messages() -> Server {
    start(BrokerConfig::default().with_brokers(3).with_topic(TOPIC, 1).with_max_message(1000))
}

fn pause_all(server: &Server) {
    server.with(|cluster, now| {
        for node in [1, 2, 3] {
            cluster.pause(node.into(), now);
        }
    });
}

async fn closing_sends_what_was_appended_and_refuses_what_comes_later<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config().with_linger(Duration::from_secs(60))).await;
    let delivery = producer.send(Record::to(TOPIC).value("v").partition(0)).await.expect("it is appended");
    assert!(!producer.is_closed() && producer.buffered() > 0);
    producer.close(Duration::from_secs(20)).await.expect("nothing has failed");
    assert_eq!(delivery.peek().expect("it has ended").expect("it is delivered").offset, Some(0.into()));
    assert!(producer.is_closed());
    let refused = producer.send(Record::to(TOPIC).value("v")).await.expect_err("it is closed");
    assert!(matches!(refused, SendError::Ended | SendError::Refused(AppendError::Closed)), "{refused}");
    producer.flush().await.expect("nothing has failed");
    producer.close(Duration::ZERO).await.expect("it is closed");
}

async fn what_has_not_ended_when_the_time_for_closing_is_over_fails_with_its_record<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config()).await;
    producer.send(Record::to(TOPIC).value("v").partition(0)).await.expect("known").await.expect("it is delivered");
    pause_all(&server);
    let sent = Record::to(TOPIC).key("k").value("late").partition(0);
    let delivery = producer.send(sent).await.expect("it is appended");
    let other = Record::to(TOPIC).value("other").partition(0);
    let other = producer.send(other).await.expect("it is appended");
    let since = Instant::now();
    let error = producer.close(Duration::from_millis(200)).await.expect_err("no broker answers");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!((error.failed, error.is_cut), (2, false), "{error}");
    let error = delivery.await.expect_err("no broker answers");
    assert_eq!(error.error().map(|error| &error.cause), Some(&ProduceCause::Aborted));
    assert_eq!((error.record(), error.attempts()), (Some(sent), Some(1)));
    assert_eq!(error.fate(), Fate::MaybeApplied);
    let error = other.await.expect_err("no broker answers");
    assert_eq!(error.record().and_then(|record| record.value), Some(&b"other"[..]));
}

async fn dropping_the_last_handle_still_sends_what_was_appended<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config().with_linger(Duration::from_secs(60))).await;
    let other = producer.clone();
    let delivery = producer.send(Record::to(TOPIC).value("v").partition(0)).await.expect("it is appended");
    drop(producer);
    sleep::<H>(Duration::from_millis(50)).await;
    assert!(delivery.peek().is_none(), "there is another handle");
    drop(other);
    delivery.await.expect("it is delivered");
    assert_eq!(stored::<H>(&server, TOPIC, 0).await.len(), 1);
}

async fn a_flush_counts_what_has_failed_since_the_last_one<H: On>() {
    let server = with_small_messages();
    let producer = connect::<H>(&server, config()).await;
    let value = [b'v'; 2000];
    let delivery = producer.send(Record::to(TOPIC).value(&value).partition(0)).await.expect("it is appended");
    let error = producer.flush().await.expect_err("it is too large");
    assert_eq!((error.failed, error.unconfirmed), (1, 0), "{error}");
    producer.flush().await.expect("it was counted");
    let error = delivery.await.expect_err("it is too large");
    let cause = error.error().map(|error| error.cause.clone());
    assert!(matches!(cause, Some(ProduceCause::Refused { code: ErrorCode::MESSAGE_SIZE_TOO_LARGE, .. })), "{error}");
    assert_eq!(error.fate(), Fate::NotApplied);
    assert_eq!(error.record().and_then(|record| record.value).map(<[u8]>::len), Some(value.len()));
    let text = error.to_string();
    assert!(text.contains("events/0") && text.contains("1 attempt") && text.contains("message.max.bytes"), "{text}");
}

async fn everything_that_waits_ends_when_the_task_is_aborted<H: On + Send + Sync>() {
    let server = cluster();
    let producer = Producer::<Cut<H>>::connect(brokers(&server), config().with_buffer(100)).await.expect("it answers");
    producer.send(Record::to(TOPIC).value("v").partition(0)).await.expect("known").await.expect("it is delivered");
    pause_all(&server);
    let value = "v".repeat(60);
    let delivery = producer.send(Record::to(TOPIC).value(&value).partition(0)).await.expect("there is room");
    let waits_for_room = producer.send(Record::to(TOPIC).value(&value).partition(0));
    let waits_for_topic = producer.send(Record::to("unknown").value("v"));
    let abort = async {
        sleep::<H>(Duration::from_millis(100)).await;
        abort_all();
    };
    let flush_later = async {
        sleep::<H>(Duration::from_millis(50)).await;
        producer.clone().flush().await
    };
    let flushes = join(producer.flush(), flush_later);
    let (room, topic, flushes, delivery, ()) = join5(waits_for_room, waits_for_topic, flushes, delivery, abort).await;
    assert!(matches!(room, Err(SendError::Ended)), "{room:?}");
    assert!(matches!(topic, Err(SendError::Ended)), "{topic:?}");
    let failed: u64 = [flushes.0, flushes.1].into_iter().filter_map(Result::err).map(|error| error.failed).sum();
    assert_eq!(failed, 1, "each failure is counted once");
    let error = delivery.expect_err("no broker answers");
    assert_eq!(error.record().and_then(|record| record.value), Some(value.as_bytes()));
    assert_eq!(error.fate(), Fate::MaybeApplied);
    assert!(producer.is_closed());
    producer.close(Duration::from_secs(60)).await.expect("it was counted");
}

async fn with_acks_0_a_flush_counts_what_no_broker_confirms<H: On>() {
    let server = with_small_messages();
    let producer = connect::<H>(&server, config().with_acks(Acks::NONE)).await;
    producer.send(Record::to(TOPIC).value("v").partition(0)).await.expect("known").await.expect("it is written");
    producer.flush().await.expect("it is confirmed");
    // With acks 0 a broker closes the connection over what it cannot store.
    let value = [b'v'; 2000];
    producer.send(Record::to(TOPIC).value(&value).partition(0)).await.expect("known").await.expect("it is written");
    let error = producer.flush().await.expect_err("the broker has refused it");
    assert_eq!((error.failed, error.unconfirmed), (0, 1), "{error}");
}

on_each_runtime! {
    closing_sends_what_was_appended_and_refuses_what_comes_later,
    what_has_not_ended_when_the_time_for_closing_is_over_fails_with_its_record,
    dropping_the_last_handle_still_sends_what_was_appended,
    a_flush_counts_what_has_failed_since_the_last_one,
    everything_that_waits_ends_when_the_task_is_aborted,
    with_acks_0_a_flush_counts_what_no_broker_confirms,
}
