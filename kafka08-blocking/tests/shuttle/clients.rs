//! Sending, waiting, forgetting, flushing, closing and dropping on several threads. A call that does not end is a deadlock, which
//! shuttle reports.

use std::sync::Arc;

use kafka08_async::Client;
use kafka08_blocking::{
    proto::{api::MetadataRequest, connection::Fate},
    threads::block_on,
};
use shuttle::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    check,
    model::{client, client_of_a_deaf_broker, produce},
    world::World,
};

#[test]
fn each_thread_gets_the_responses_to_its_own_requests() {
    check(|| {
        let (client, broker) = client(2, usize::MAX);
        let threads = ["a", "b", "c"].map(|topic| {
            let client = client.clone();
            thread::spawn(move || {
                let metadata = client.call(&MetadataRequest::of([topic])).expect("it is answered");
                assert!(metadata.topic(topic).is_some());
            })
        });
        drop(client);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(broker.join().expect("no panic"), 3);
    });
}

#[test]
fn a_thread_that_waits_for_room_gets_it_when_another_drops_its_claim() {
    check(|| {
        let (client, broker) = client(1, usize::MAX);
        let dropping = client.clone();
        let dropper = thread::spawn(move || {
            drop(dropping.send(&MetadataRequest::of(["dropped"])).expect("there is room in the end"));
        });
        let waiting = client.clone();
        let waiter = thread::spawn(move || {
            let pending = waiting.send(&MetadataRequest::of(["kept"])).expect("there is room in the end");
            assert!(pending.wait().expect("it is answered").topic("kept").is_some());
        });
        assert!(client.call(&MetadataRequest::of(["own"])).expect("it is answered").topic("own").is_some());
        drop(client);
        dropper.join().expect("no panic");
        waiter.join().expect("no panic");
        assert!((2..=3).contains(&broker.join().expect("no panic")));
    });
}

#[test]
fn a_thread_that_waits_for_room_gets_it_when_a_claim_is_dropped_while_nothing_moves() {
    check(|| {
        let (client, far) = client_of_a_deaf_broker(2);
        // The pipe takes a part of the first. It fills, and from then on only the handles have news.
        let send = |client: &Client<World>, topic: &'static str| {
            block_on(client.send(&MetadataRequest::of([topic]))).expect("there is room in the end")
        };
        let written = send(&client, "written");
        let staged = send(&client, "staged");
        let waiting = client.clone();
        let waiter = thread::spawn(move || drop(send(&waiting, "kept")));
        drop(staged);
        waiter.join().expect("no panic");
        drop(far);
        block_on(written).expect_err("the broker has left");
        drop(client);
        World::join_all();
    });
}

#[test]
fn what_was_forgotten_is_written_or_told_once() {
    check(|| {
        let (client, broker) = client(4, usize::MAX);
        let told = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::new(AtomicUsize::new(0));
        let threads = [(), ()].map(|()| {
            let (client, told, accepted) = (client.clone(), Arc::clone(&told), Arc::clone(&accepted));
            thread::spawn(move || {
                for _ in 0..2 {
                    // After the close, a request is refused.
                    let sent = client.send_and_forget(&produce()).is_ok();
                    accepted.fetch_add(usize::from(sent), Ordering::SeqCst);
                }
                if let Err(error) = client.flush() {
                    told.fetch_add(error.failed.len(), Ordering::SeqCst);
                }
            })
        });
        let report = client.close();
        told.fetch_add(report.failed.len(), Ordering::SeqCst);
        for thread in threads {
            thread.join().expect("no panic");
        }
        // What was told by nobody yet is told by another close.
        told.fetch_add(client.close().failed.len(), Ordering::SeqCst);
        let served = broker.join().expect("no panic");
        let (accepted, told) = (accepted.load(Ordering::SeqCst), told.load(Ordering::SeqCst));
        // A request that was written may reach a broker that serves it, or one that has seen the end first.
        assert!(served + told <= accepted, "{served} served and {told} told of {accepted}");
        let unconfirmed = client.closed().expect("it is closed").unconfirmed.len();
        assert_eq!(unconfirmed + told, accepted, "{served} served");
    });
}

#[test]
fn dropping_every_handle_and_claim_ends_the_connection_in_order() {
    check(|| {
        let (client, broker) = client(2, usize::MAX);
        let pending = client.send(&MetadataRequest::of(["a"])).expect("there is room");
        let other = client.clone();
        let dropper = thread::spawn(move || drop(pending));
        let sender = thread::spawn(move || {
            let pending = other.send(&MetadataRequest::of(["b"])).expect("there is room in the end");
            drop(other);
            // The claim outlives the handles.
            assert!(pending.wait().expect("it is answered").topic("b").is_some());
        });
        drop(client);
        dropper.join().expect("no panic");
        sender.join().expect("no panic");
        assert!((1..=2).contains(&broker.join().expect("no panic")));
    });
}

#[test]
fn all_who_close_or_wait_for_the_end_hear_of_it() {
    check(|| {
        let (client, broker) = client(2, usize::MAX);
        let closers = [(), ()].map(|()| {
            let client = client.clone();
            thread::spawn(move || drop(client.close()))
        });
        let waiting = client.clone();
        let waiter = thread::spawn(move || drop(waiting.wait_closed()));
        // It is answered, or ends with the connection.
        let _ = client.call(&MetadataRequest::of(["a"]));
        for closer in closers {
            closer.join().expect("no panic");
        }
        waiter.join().expect("no panic");
        broker.join().expect("no panic");
    });
}

#[test]
fn every_call_ends_when_the_broker_leaves() {
    check(|| {
        let (client, broker) = client(1, 1);
        let threads = ["a", "b", "c"].map(|topic| {
            let client = client.clone();
            thread::spawn(move || match client.call(&MetadataRequest::of([topic])) {
                Ok(_) => 1,
                Err(error) => {
                    // Metadata changes nothing, so it can be sent again.
                    assert_eq!(error.fate(), Fate::NotApplied, "{error}");
                    0
                }
            })
        });
        let answered: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
        assert!(answered <= 1, "{answered} answered");
        broker.join().expect("no panic");
    });
}
