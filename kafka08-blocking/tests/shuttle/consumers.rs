//! The handle of a consumer on several threads: sets that are shared, waits that are dropped, commits, the close, and the drop of
//! the last handle.

use std::{pin::pin, task::Poll, time::Duration};

use kafka08_async::Consumer;
use kafka08_blocking::{
    CommitCause, ConsumerConfig, EndAt, OffsetStore, Reset, StartAt, proto::ids::Offset, threads::block_on,
};
use shuttle::thread;

use crate::{
    check,
    world::{BROKER, END, TOPIC, World, cluster},
};

const LONG: Duration = Duration::from_secs(3600);

/// A consumer of both partitions.
fn connect(end: EndAt) -> Consumer<World> {
    World::begin();
    let config = ConsumerConfig::default().with_cluster(cluster());
    let consumer = block_on(Consumer::connect([BROKER], config)).expect("the broker answers");
    for partition in [0, 1] {
        consumer.assign(TOPIC, partition, StartAt::Offset(Offset(0)), end).expect("a sound name");
    }
    consumer
}

/// Reads what is left. Returns the number of messages.
fn read(consumer: &Consumer<World>) -> usize {
    let mut count = 0;
    while let Some(mut messages) = block_on(consumer.next()).expect("no failure") {
        while let Some(message) = messages.next_message() {
            message.expect("it is sound");
            count += 1;
        }
    }
    count
}

#[test]
fn a_failure_from_before_an_assignment_does_not_come_after_it() {
    check(|| {
        let consumer = connect(EndAt::Offset(END));
        // The group has committed nothing, which may be found out at any moment.
        let (store, otherwise) = (OffsetStore::ZooKeeper, Reset::Fail);
        let committed = StartAt::Committed { group: "g".into(), store, otherwise };
        consumer.assign(TOPIC, 0, committed, EndAt::Never).expect("a sound name");
        thread::yield_now();
        consumer.assign(TOPIC, 0, StartAt::Offset(Offset(0)), EndAt::Offset(END)).expect("a sound name");
        assert_eq!(read(&consumer), 4);
        drop(consumer);
        World::join_all();
    });
}

#[test]
fn threads_share_what_comes_and_all_learn_of_the_end() {
    check(|| {
        let consumer = connect(EndAt::Offset(END));
        let threads = [(), ()].map(|()| {
            let consumer = consumer.clone();
            thread::spawn(move || read(&consumer))
        });
        let here = read(&consumer);
        let there: usize = threads.map(|thread| thread.join().expect("no panic")).into_iter().sum();
        assert_eq!(here + there, 4);
        let committable: Vec<_> = consumer.committable().into_iter().map(|(_, offset)| offset).collect();
        assert_eq!(committable, [END, END]);
        drop(consumer);
        World::join_all();
    });
}

#[test]
fn a_thread_that_gives_up_waiting_lets_the_next_one_take() {
    check(|| {
        let consumer = connect(EndAt::Offset(END));
        let giving_up = consumer.clone();
        let giver = thread::spawn(move || {
            let mut next = pin!(giving_up.next());
            // Polled once, and dropped. A set that it has got by then is dropped too.
            block_on(std::future::poll_fn(|cx| match next.as_mut().poll(cx) {
                Poll::Ready(Ok(Some(_))) => Poll::Ready(1),
                _ => Poll::Ready(0),
            }))
        });
        let read = read(&consumer);
        assert_eq!(read + giver.join().expect("no panic"), 4);
        drop(consumer);
        World::join_all();
    });
}

#[test]
fn a_commit_that_is_dropped_disturbs_no_other() {
    check(|| {
        let consumer = connect(EndAt::Offset(END));
        read(&consumer);
        let dropping = consumer.clone();
        let dropper = thread::spawn(move || {
            let mut commit = pin!(dropping.commit("g", OffsetStore::ZooKeeper));
            let _ = block_on(std::future::poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx).is_ready())));
        });
        block_on(consumer.commit("g", OffsetStore::ZooKeeper)).expect("it is stored");
        dropper.join().expect("no panic");
        drop(consumer);
        World::join_all();
    });
}

#[test]
fn all_who_wait_hear_of_the_close() {
    check(|| {
        let consumer = connect(EndAt::Never);
        let (waiting, listening, committing) = (consumer.clone(), consumer.clone(), consumer.clone());
        let waiter = thread::spawn(move || read(&waiting));
        let listener = thread::spawn(move || while block_on(listening.next_event()).is_some() {});
        let committer = thread::spawn(move || {
            if let Err(error) = block_on(committing.commit("g", OffsetStore::ZooKeeper)) {
                assert!(error.failed.iter().all(|(_, cause)| matches!(cause, CommitCause::Attempt(_))), "{error}");
            }
        });
        block_on(consumer.close(LONG)).expect("nothing is committed by itself");
        assert!(waiter.join().expect("no panic") <= 4);
        listener.join().expect("no panic");
        committer.join().expect("no panic");
        World::join_all();
    });
}

#[test]
fn a_seek_takes_effect_before_it_returns() {
    check(|| {
        let consumer = connect(EndAt::Never);
        let seeking = consumer.clone();
        consumer.unassign(TOPIC, 1);
        let seeker = thread::spawn(move || {
            seeking.seek(TOPIC, 0, StartAt::Offset(Offset(1)));
            let mut messages = block_on(seeking.next()).expect("no failure").expect("a set");
            messages.next_message().expect("a message").expect("it is sound").offset
        });
        assert_eq!(seeker.join().expect("no panic"), Offset(1));
        drop(consumer);
        World::join_all();
    });
}
