//! How links and the task end.

use std::{net::Shutdown, sync::mpsc, time::Duration};

use kafka08_async::proto::{ClientConfig, connection::CloseReason};

use crate::{
    echoes::Event,
    homes::{Home, OnThreads, OneThread},
    owners::{LIMIT, start, start_on},
    peers::{answer, peer, read_id, server, wait_closed},
};

at_each_home!(
    a_link_whose_peer_closes_is_told_and_its_socket_is_closed,
    a_task_that_is_dropped_tells_its_owner_and_closes_its_sockets,
    the_task_ends_when_the_machine_is_over,
);

fn a_link_whose_peer_closes_is_told_and_its_socket_is_closed<H: Home>() {
    let (sender, closed) = mpsc::channel();
    let leaving = peer(move |mut stream| {
        let id = read_id(&mut stream);
        answer(&mut stream, id);
        stream.shutdown(Shutdown::Write).expect("it is connected");
        wait_closed(stream);
        sender.send(()).expect("the test waits");
    });
    let (_server, address) = server(Duration::ZERO);
    let handle = start::<H>(ClientConfig::default());
    let staying = handle.open(address, 1, 1);
    handle.wait_answered(1);
    let link = handle.open(leaving, 1, 1);
    assert_eq!(handle.next_outcome(), Event::Answered(link));
    match handle.next_outcome() {
        Event::Ended(ended, CloseReason::Disconnected { .. }) => assert_eq!(ended, link),
        event => panic!("{event:?}"),
    }
    closed.recv_timeout(LIMIT).expect("the socket is closed");
    handle.with(|machine, now| machine.ask(now, staying, 5, 1));
    handle.wait_answered(5);
}

fn a_task_that_is_dropped_tells_its_owner_and_closes_its_sockets<H: Home>() {
    let (sender, closed) = mpsc::channel();
    let address = peer(move |stream| {
        wait_closed(stream);
        sender.send(()).expect("the test waits");
    });
    let handle = start::<H>(ClientConfig::default());
    handle.open(address, 0, 1);
    handle.wait_connected(1);
    handle.abort();
    handle.wait_ended();
    closed.recv_timeout(LIMIT).expect("the socket is closed");
    // A call after the end does nothing.
    handle.with(|machine, _| machine.close());
}

fn the_task_ends_when_the_machine_is_over<H: Home>() {
    let (sender, closed) = mpsc::channel();
    let address = peer(move |stream| {
        wait_closed(stream);
        sender.send(()).expect("the test waits");
    });
    let handle = start::<H>(ClientConfig::default());
    handle.open(address, 0, 1);
    handle.wait_connected(1);
    handle.with(|machine, _| machine.close());
    handle.wait_ended();
    closed.recv_timeout(LIMIT).expect("the socket is closed");
}

/// What the owner is told when its task panics.
fn a_task_that_panics_tells_its_owner<H: Home>() {
    let address = peer(wait_closed);
    let handle = start_on::<H, H::Rt>(ClientConfig::default(), |_| panic!("on purpose"));
    handle.open(address, 0, 1);
    handle.wait_ended();
}

// What a panic of a task does to the other runtimes is theirs.
mod panics {
    #[test]
    fn on_tokio_a_task_that_panics_tells_its_owner() {
        super::a_task_that_panics_tells_its_owner::<super::OneThread>();
    }

    #[test]
    fn on_threads_a_task_that_panics_tells_its_owner() {
        super::a_task_that_panics_tells_its_owner::<super::OnThreads>();
    }
}
