//! The server of this crate. What it shares with the async ones is tested there in virtual time.

use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use kafka08_blocking::{
    Client, ServeConfig, SharedClient,
    proto::{
        ClientConfig, ServerConfig,
        api::MetadataRequest,
        connection::{Prepared, Reply},
    },
};

use crate::{SECOND, connect, echo, serve, serve_at, within};

#[test]
fn calls_may_be_answered_on_other_threads_and_in_any_order() {
    within(10 * SECOND, || {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::clone(&kept);
        let config = ServeConfig::default().with_connection(ServerConfig::default().with_max_open_calls(3));
        let (_server, address) = serve(config, move |call| {
            let mut calls = calls.lock().expect("no panic");
            calls.push(call);
            if calls.len() == 3 {
                let mut calls = std::mem::take(&mut *calls);
                thread::spawn(move || {
                    while let Some(call) = calls.pop() {
                        echo(call);
                    }
                });
            }
        });
        let client = connect(address);
        let pending = ["a", "b", "c"].map(|topic| (topic, client.send(&MetadataRequest::of([topic]))));
        for (topic, pending) in pending {
            assert!(pending.expect("there is room").wait().expect("it is answered").topic(topic).is_some());
        }
    });
}

#[test]
fn a_proxy_is_a_handler_that_connects_to_another_server() {
    within(10 * SECOND, || {
        let (_server, address) = serve(ServeConfig::default(), echo);
        let (_proxy, proxied) = serve(ServeConfig::default(), move |call| {
            // A handler runs on the thread of a connection, which waits for something else meanwhile.
            let upstream = connect(address);
            let request = Prepared::forward(call.request());
            if request.reply() == Reply::None {
                upstream.send_prepared_and_forget(&request).expect("there is room");
                return call.finish();
            }
            let pending = upstream.send_prepared(&request).expect("there is room");
            call.respond_raw(pending.wait_undecoded().expect("it is answered").body).expect("the client waits");
        });
        let mut client = Client::connect(&proxied.to_string(), ClientConfig::default()).expect("it listens");
        for topic in ["one", "two"] {
            assert!(client.call(&MetadataRequest::of([topic])).expect("it is answered").topic(topic).is_some());
        }
    });
}

#[test]
fn a_handler_that_panics_ends_its_connection_and_no_other() {
    within(10 * SECOND, || {
        let (server, address) = serve(ServeConfig::default(), |call| {
            assert_ne!(call.decode(), Ok(MetadataRequest::of(["panic"])), "a panic on purpose");
            echo(call);
        });
        let (good, bad) = (connect(address), connect(address));
        bad.call(&MetadataRequest::of(["panic"])).expect_err("the handler panics");
        good.call(&MetadataRequest::all()).expect("it is answered");
        drop((good, bad));
        assert_eq!(server.stop().connections, 2);
    });
}

#[test]
fn a_server_that_stops_answers_open_calls_and_frees_its_port() {
    within(10 * SECOND, || {
        let started = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&started);
        // At an address of its own: a port of 127.0.0.1 that is free again may be the next one of another test.
        let (server, address) = serve_at("127.0.0.2", ServeConfig::default(), move |call| {
            count.fetch_add(1, Relaxed);
            thread::sleep(Duration::from_millis(300));
            echo(call);
        });
        let client = connect(address);
        let pending = client.send(&MetadataRequest::all()).expect("there is room");
        while started.load(Relaxed) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(server.stop().cut_off, 0);
        pending.wait().expect("an open call is answered");
        TcpListener::bind(address).expect("the port is free");
        SharedClient::connect(&address.to_string(), ClientConfig::default()).expect_err("nobody listens");
    });
}
