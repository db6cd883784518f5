//! Deadlines, and answers that are here when a deadline has passed.

use std::{
    sync::atomic::Ordering::SeqCst,
    thread,
    time::{Duration, Instant},
};

use kafka08_async::proto::{ClientConfig, connection::RequestError};

use crate::{
    echoes::Event,
    homes::{Here, Home},
    owners::{LIMIT, start, start_on},
    peers::{Answered, peer, server, wait_closed},
};

at_each_home!(
    a_request_that_is_not_answered_fails_at_its_deadline,
    an_answer_that_is_here_beats_its_deadline,
    the_answers_of_many_links_beat_their_deadlines,
    a_fleet_that_is_always_busy_does_not_delay_deadlines,
);

const TIMEOUT: Duration = Duration::from_millis(300);
/// Of many links: a busy machine takes a while until all have asked.
const LONG_TIMEOUT: Duration = Duration::from_secs(3);

fn config(timeout: Duration) -> ClientConfig {
    ClientConfig::default().with_request_timeout(timeout)
}

fn a_request_that_is_not_answered_fails_at_its_deadline<H: Home>() {
    let handle = start::<H>(config(TIMEOUT));
    let started = Instant::now();
    let link = handle.open(peer(wait_closed), 1, 1);
    let outcome = handle.next_outcome();
    let taken = started.elapsed();
    match outcome {
        Event::Failed(failed, RequestError::TimedOut { .. }) => assert_eq!(failed, link),
        event => panic!("{event:?}"),
    }
    assert!((TIMEOUT..LIMIT).contains(&taken), "{taken:?}");
}

/// Blocks the thread of the task until the deadline has passed, and the answers have come.
fn block(timeout: Duration, answered: &Answered, answers: usize) {
    let started = Instant::now();
    thread::sleep(timeout);
    while answered.load(SeqCst) < answers {
        assert!(started.elapsed() < LIMIT, "the server does not answer");
        thread::sleep(TIMEOUT / 10);
    }
    // They were given to the server's tasks, which write them now.
    thread::sleep(TIMEOUT);
}

fn an_answer_that_is_here_beats_its_deadline<H: Home>() {
    let (answered, address) = server(TIMEOUT / 6);
    let handle = start_on::<H, H::Rt>(config(TIMEOUT), move |event| {
        if matches!(event, Event::Sent(_)) {
            block(TIMEOUT, &answered, 1);
        }
    });
    let link = handle.open(address, 1, 1);
    assert_eq!(handle.next_outcome(), Event::Answered(link));
}

/// More than one turn touches.
const MANY: usize = 200;

fn the_answers_of_many_links_beat_their_deadlines<H: Home>() {
    let (answered, address) = server(LONG_TIMEOUT / 2);
    let mut sent = 0;
    let handle = start_on::<H, H::Rt>(config(LONG_TIMEOUT), move |event| {
        sent += usize::from(matches!(event, Event::Sent(_)));
        if sent == MANY {
            sent = 0;
            block(LONG_TIMEOUT, &answered, MANY);
        }
    });
    let links: Vec<_> = (0..MANY).map(|_| handle.open(address, 0, 1)).collect();
    handle.wait_connected(MANY);
    handle.with(|machine, now| links.iter().for_each(|link| machine.ask(now, *link, 1, 1)));
    handle.wait_answered(MANY);
}

/// A handle lets the task run before tokio has looked at the sockets. Only a timer of tokio tells that it has.
#[test]
fn on_tokio_a_deadline_waits_until_the_sockets_were_looked_at() {
    let (answered, address) = server(TIMEOUT / 2);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(async {
        let handle = start::<Here>(config(TIMEOUT));
        let link = handle.open(address, 1, 1);
        // The task runs on this thread, so this lets it connect and write.
        tokio::time::sleep(TIMEOUT / 4).await;
        block(TIMEOUT, &answered, 1);
        handle.with(|_, _| ());
        tokio::time::sleep(TIMEOUT / 4).await;
        (handle.next_outcome(), link)
    });
    assert_eq!(outcome.0, Event::Answered(outcome.1));
}

fn a_fleet_that_is_always_busy_does_not_delay_deadlines<H: Home>() {
    let (answered, address) = server(Duration::ZERO);
    // Only the silent link is to meet its deadline.
    let handle = start::<H>(config(LIMIT));
    for _ in 0..100 {
        handle.open(address, usize::MAX, 4);
    }
    handle.with(|machine, _| machine.config = config(TIMEOUT));
    let started = Instant::now();
    let silent = handle.open(peer(wait_closed), 1, 1);
    let failed = loop {
        match handle.next_outcome() {
            Event::Answered(_) => {}
            Event::Failed(failed, RequestError::TimedOut { .. }) => break failed,
            event => panic!("{event:?}"),
        }
        // Here, because the others never end.
        assert!(started.elapsed() < TIMEOUT * 10, "{:?}", started.elapsed());
    };
    assert_eq!(failed, silent);
    assert!(answered.load(SeqCst) > 1000, "it was not busy");
}
