//! What many threads do with one client.

use std::{
    os::unix::net::UnixStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    ServeConfig, Server, SharedClient, SharedPending, Undecoded,
    proto::{
        ClientConfig, ServerConfig,
        api::{MetadataRequest, ProduceRequest},
        connection::Prepared,
        ids::{Acks, Millis},
        message::MessageSet,
    },
};

use crate::{SECOND, connect, connect_with, echo, serve, within};

#[test]
fn responses_reach_the_threads_that_asked_for_them() {
    const THREADS: usize = 100;
    const CALLS: usize = if cfg!(debug_assertions) { 100 } else { 1000 };
    within(60 * SECOND, || {
        let (_server, address) = serve(ServeConfig::default(), echo);
        // A thread that holds one response while it waits for room for another must find room.
        let client = connect_with(address, ClientConfig::default().with_max_in_flight(2 * THREADS));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let client = client.clone();
                scope.spawn(move || {
                    let names: Vec<_> = (0..CALLS).map(|call| format!("topic-{thread}-{call}")).collect();
                    // Each thread keeps two requests in flight.
                    let mut before: Option<(&str, SharedPending<MetadataRequest>)> = None;
                    for name in &names {
                        let pending =
                            client.send(&MetadataRequest::of([name.as_str()])).expect("there is room in time");
                        if let Some((name, pending)) = before.replace((name, pending)) {
                            assert!(pending.wait().expect("it is answered").topic(name).is_some());
                        }
                    }
                    drop(before);
                });
            }
        });
        client.flush().expect("nothing has failed");
    });
}

#[test]
fn a_thread_that_waits_for_room_goes_on_when_a_response_is_taken() {
    within(10 * SECOND, || {
        let (_server, address) = serve(ServeConfig::default(), echo);
        let client = connect_with(address, ClientConfig::default().with_max_in_flight(1));
        let first = client.send(&MetadataRequest::all()).expect("there is room");
        thread::scope(|scope| {
            let second = scope.spawn(|| client.call(&MetadataRequest::of(["second"])));
            thread::sleep(Duration::from_millis(50));
            assert!(!second.is_finished(), "the first response was not taken");
            first.wait().expect("it is answered");
            assert!(second.join().expect("no panic").expect("it is answered").topic("second").is_some());
        });
    });
}

#[test]
fn a_response_can_be_looked_for_without_waiting() {
    within(10 * SECOND, || {
        let (_server, address) = serve(ServeConfig::default(), echo);
        let client = connect(address);
        let mut pending = client.send(&MetadataRequest::of(["topic"])).expect("there is room");
        let metadata = loop {
            match client.try_wait(pending) {
                Ok(outcome) => break outcome.expect("it is answered"),
                Err(still_pending) => pending = still_pending,
            }
            thread::yield_now();
        };
        assert!(metadata.topic("topic").is_some());
    });
}

#[test]
fn a_prepared_request_is_answered_undecoded_or_typed() {
    within(10 * SECOND, || {
        let (_server, address) = serve(ServeConfig::default(), echo);
        let client = connect(address);
        let prepared = Prepared::checked(&MetadataRequest::of(["topic"]), client.config()).expect("a sound request");
        let pending: SharedPending<Undecoded> = client.send_prepared(&prepared).expect("there is room");
        assert!(!pending.wait_undecoded().expect("it is answered").body.is_empty());
        let mut pending = client.send_prepared(&prepared).expect("there is room");
        let frame = loop {
            match client.try_wait_undecoded(pending) {
                Ok(outcome) => break outcome.expect("it is answered"),
                Err(still_pending) => pending = still_pending,
            }
            thread::yield_now();
        };
        assert!(!frame.body.is_empty());
        let pending = client.send_prepared(&prepared).expect("there is room");
        let pending = pending.typed::<ProduceRequest>().expect_err("it is no produce");
        let pending = pending.typed::<MetadataRequest>().expect("it is metadata");
        assert!(client.wait(pending).expect("it is answered").topic("topic").is_some());
    });
}

#[test]
fn small_requests_of_many_threads_are_written_together() {
    within(20 * SECOND, || {
        let most = Arc::new(AtomicUsize::new(0));
        let (server, address) =
            serve(ServeConfig::default().with_connection(ServerConfig::default().with_max_open_calls(64)), echo);
        let client = connect(address);
        let barrier = Barrier::new(16);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    barrier.wait();
                    client.call(&MetadataRequest::all()).expect("it is answered");
                    most.fetch_add(1, Relaxed);
                });
            }
        });
        assert_eq!(most.load(Relaxed), 16);
        drop(client);
        assert_eq!(server.stop().connections, 1);
    });
}

#[test]
fn a_client_works_over_any_stream_that_can_be_polled() {
    within(10 * SECOND, || {
        let (near, far) = UnixStream::pair().expect("a pair");
        for end in [&near, &far] {
            end.set_nonblocking(true).expect("a setting");
        }
        let server = Server::serve_stream(far, ServeConfig::default(), echo);
        let client = SharedClient::new(near, ClientConfig::default());
        // More than the socket's buffers hold, in both directions.
        let long = "t".repeat(200);
        let names: Vec<_> = (0..5000).map(|n| format!("{long}-{n}")).collect();
        let metadata = client.call(&MetadataRequest::of(names.iter().map(String::as_str))).expect("it is answered");
        assert_eq!(metadata.topics().len(), 5000);
        drop(client);
        server.wait_ended();
    });
}

#[test]
fn requests_without_a_response_are_written_in_the_background() {
    within(10 * SECOND, || {
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        let (_server, address) = serve(ServeConfig::default(), move |call| {
            count.fetch_add(1, Relaxed);
            call.finish();
        });
        let client = connect(address);
        let request = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"value"));
        for _ in 0..10 {
            client.send_and_forget(&request).expect("there is room");
        }
        // No method of the client runs meanwhile.
        let until = Instant::now() + 5 * SECOND;
        while came.load(Relaxed) < 10 && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(came.load(Relaxed), 10);
    });
}
