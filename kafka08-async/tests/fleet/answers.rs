//! Requests of many links are answered, whoever owns the machine.

use std::{
    io::Write as _,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst, mpsc},
    time::{Duration, Instant},
};

use kafka08_async::{
    fleet::{Caller, Fleet},
    proto::ClientConfig,
};
use kafka08_client::machine::LinkId;

use crate::{
    echoes::{Echoes, Event},
    homes::Home,
    owners::{Desk, LIMIT, News, Owned, host_port, start},
    peers::{peer, read_id, refusing, server, silent, wait_closed},
};

at_each_home!(
    every_request_of_every_link_is_answered,
    an_owner_that_has_the_machine_meets_what_handles_share,
    links_that_cannot_be_connected_do_not_stop_others,
    a_link_that_is_dropped_while_it_connects_is_told_of_no_more,
    a_piece_of_an_answer_is_no_news,
);

fn every_request_of_every_link_is_answered<H: Home>() {
    let (_server, address) = server(Duration::ZERO);
    let handle = start::<H>(ClientConfig::default());
    let links: Vec<_> = (0..8).map(|_| handle.open(address, 100, 4)).collect();
    handle.wait_answered(800);
    // Also when all of them have rested.
    for link in links {
        handle.with(|machine, now| machine.ask(now, link, 10, 10));
    }
    handle.wait_answered(80);
    handle.with(|machine, _| machine.close());
    handle.wait_ended();
}

fn an_owner_that_has_the_machine_meets_what_handles_share<H: Home>() {
    let (_server, address) = server(Duration::ZERO);
    let desk = Arc::new(Mutex::new(Desk::default()));
    let (sender, news) = mpsc::channel();
    let mut machine = Echoes::new(ClientConfig::default());
    let link = machine.open(host_port(address), LIMIT);
    let caller = Caller::default();
    let owner = Owned { machine, desk: Arc::clone(&desk), answers: 0, news: sender };
    H::start(Fleet::<H::Rt, _>::new(owner, &caller).run());
    let with = |work: fn(&mut Desk, LinkId)| {
        work(&mut desk.lock().expect("no panic"), link);
        caller.call();
    };
    for _ in 0..100 {
        with(|desk, link| desk.asked.push_back(link));
    }
    let mut answers = 0;
    while answers < 100 {
        let news = news.recv_timeout(LIMIT).expect("it is answered");
        answers += usize::from(matches!(news, News::Event(Event::Answered(_))));
    }
    // The answers reach the desk in the turn in which they come, so no call is needed.
    let started = Instant::now();
    while desk.lock().expect("no panic").answered < 100 {
        assert!(started.elapsed() < LIMIT, "answers wait for a call");
        std::thread::yield_now();
    }
    with(|desk, _| desk.is_closed = true);
    assert_eq!(news.iter().find(|news| *news == News::End), Some(News::End));
}

fn links_that_cannot_be_connected_do_not_stop_others<H: Home>() {
    let ((_server, address), (silent, _kept)) = (server(Duration::ZERO), silent());
    let handle = start::<H>(ClientConfig::default());
    // The other link has all its answers before.
    let within = Duration::from_secs(3);
    let (slow, refused) = handle
        .with(|machine, _| (machine.open(host_port(silent), within), machine.open(host_port(refusing()), within)));
    let asking = handle.open(address, 50, 1);
    let mut answered = 0;
    let mut is_refused = false;
    loop {
        match handle.next_outcome() {
            Event::Answered(link) if link == asking => answered += 1,
            Event::NotConnected(link, error) if link == refused => is_refused = error.contains("refused"),
            Event::NotConnected(link, error) => {
                assert!(link == slow && error.contains("within 3"), "{error}");
                break;
            }
            event => panic!("{event:?}"),
        }
    }
    assert!(is_refused);
    assert_eq!(answered, 50, "the link waited for another that does not connect");
    // The fleet goes on.
    handle.with(|machine, now| machine.ask(now, asking, 5, 5));
    handle.wait_answered(5);
}

fn a_link_that_is_dropped_while_it_connects_is_told_of_no_more<H: Home>() {
    let ((_server, address), (silent, _kept)) = (server(Duration::ZERO), silent());
    let handle = start::<H>(ClientConfig::default());
    let within = Duration::from_secs(2);
    let slow = handle.with(|machine, _| machine.open(host_port(silent), within));
    let asking = handle.open(address, 1, 1);
    handle.wait_answered(1);
    handle.with(|machine, _| machine.drop_link(slow));
    std::thread::sleep(within + Duration::from_millis(100));
    handle.with(|machine, now| machine.ask(now, asking, 1, 1));
    // Nothing comes in front of the answer.
    handle.wait_answered(1);
}

fn a_piece_of_an_answer_is_no_news<H: Home>() {
    const PIECE: Duration = Duration::from_millis(10);
    let address = peer(|mut stream| {
        stream.set_nodelay(true).expect("a setting");
        let id = read_id(&mut stream);
        for byte in [&[0, 0, 0, 12][..], &id, &[0; 8]].concat() {
            std::thread::sleep(PIECE);
            stream.write_all(&[byte]).expect("the client is there");
        }
        wait_closed(stream);
    });
    let handle = start::<H>(ClientConfig::default());
    handle.open(address, 1, 1);
    handle.wait_answered(1);
    // The connection, what was written, and the answer, which has 16 pieces. Each may take a second turn.
    let (told, met) = (handle.with(|machine, _| machine.progresses), handle.shared.exchanges.load(SeqCst));
    assert!(told <= 6, "progress was told {told} times");
    assert!(met <= 12, "there were {met} exchanges");
}
