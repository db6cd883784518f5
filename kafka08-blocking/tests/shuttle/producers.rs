//! The handle of a producer on several threads: a buffer that is full, flushes, the close, and the drop of the last handle.

use std::{pin::pin, sync::Arc, task::Poll, time::Duration};

use kafka08_async::{Delivery, Producer};
use kafka08_blocking::{AppendError, ProducerConfig, Record, SendError, proto::ids::Acks, threads::block_on};
use shuttle::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::{
    check,
    world::{BROKER, TOPIC, World, cluster},
};

/// The size of an entry with a value of one byte.
const ENTRY: usize = 27;

const LONG: Duration = Duration::from_secs(3600);

/// A producer with room for so many records.
fn connect(records: usize) -> Producer<World> {
    connect_with(records, Duration::ZERO)
}

fn connect_with(records: usize, linger: Duration) -> Producer<World> {
    World::begin();
    let config = ProducerConfig::default().with_cluster(cluster()).with_acks(Acks::LEADER);
    let config = config.with_linger(linger).with_buffer(records * ENTRY);
    block_on(Producer::connect([BROKER], config)).expect("the broker answers")
}

async fn send(producer: &Producer<World>, partition: i32) -> Result<Delivery, SendError> {
    producer.send(Record::to(TOPIC).partition(partition).value("v")).await
}

#[test]
fn threads_that_wait_for_room_all_get_it() {
    check(|| {
        let producer = connect(1);
        let threads = [0, 1, 0].map(|partition| {
            let producer = producer.clone();
            thread::spawn(move || {
                let delivery = block_on(send(&producer, partition)).expect("there is room in the end");
                block_on(delivery).expect("it is delivered");
            })
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        block_on(producer.close(LONG)).expect("nothing has failed");
        assert_eq!(producer.stats().delivered, 3);
        World::join_all();
    });
}

#[test]
fn a_buffer_that_is_full_is_sent_although_it_may_linger() {
    check(|| {
        let producer = connect_with(1, LONG);
        let threads = [0, 1].map(|partition| {
            let producer = producer.clone();
            thread::spawn(move || drop(block_on(send(&producer, partition)).expect("there is room in the end")))
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        drop(producer);
        World::join_all();
    });
}

#[test]
fn a_thread_that_gives_up_waiting_for_room_passes_its_turn_on() {
    check(|| {
        let producer = connect(1);
        // The topic is known then, and the buffer is full. This one is delivered although nobody waits for it.
        drop(block_on(send(&producer, 0)).expect("there is room"));
        let (giving_up, waiting) = (producer.clone(), producer.clone());
        let giver = thread::spawn(move || {
            let mut sending = pin!(send(&giving_up, 0));
            // Polled once, and dropped.
            block_on(std::future::poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_ready())));
        });
        let waiter = thread::spawn(move || {
            let delivery = block_on(send(&waiting, 1)).expect("there is room in the end");
            block_on(delivery).expect("it is delivered");
        });
        giver.join().expect("no panic");
        waiter.join().expect("no panic");
        block_on(producer.flush()).expect("nothing has failed");
        let delivered = producer.stats().delivered;
        assert!((2..=3).contains(&delivered), "{delivered}");
        drop(producer);
        World::join_all();
    });
}

#[test]
fn flushes_and_closes_end_while_others_append_and_what_was_taken_is_delivered() {
    check(|| {
        let producer = connect(2);
        let taken = Arc::new(AtomicU64::new(0));
        let senders = [0, 1].map(|partition| {
            let (producer, taken) = (producer.clone(), Arc::clone(&taken));
            thread::spawn(move || {
                for _ in 0..2 {
                    match block_on(send(&producer, partition)) {
                        Ok(delivery) => {
                            taken.fetch_add(1, Ordering::SeqCst);
                            block_on(delivery).expect("there is time for it");
                        }
                        Err(error) => {
                            let was_closed =
                                matches!(error, SendError::Refused(AppendError::Closed) | SendError::Ended);
                            assert!(was_closed, "{error}");
                        }
                    }
                }
            })
        });
        let flushing = producer.clone();
        let flusher = thread::spawn(move || block_on(flushing.flush()).expect("nothing fails"));
        block_on(producer.close(LONG)).expect("nothing fails");
        for sender in senders {
            sender.join().expect("no panic");
        }
        flusher.join().expect("no panic");
        assert_eq!(producer.stats().delivered, taken.load(Ordering::SeqCst));
        World::join_all();
    });
}

#[test]
fn deliveries_outlive_the_handles_and_the_task_ends_behind_them() {
    check(|| {
        let producer = connect(2);
        let other = producer.clone();
        let sender = thread::spawn(move || {
            let delivery = block_on(send(&other, 0)).expect("there is room");
            drop(other);
            block_on(delivery).expect("it is delivered");
        });
        let delivery = block_on(send(&producer, 1)).expect("there is room");
        drop(producer);
        block_on(delivery).expect("it is delivered");
        sender.join().expect("no panic");
        World::join_all();
    });
}
