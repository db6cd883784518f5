//! A thousand links: what is touched for an answer, and in one turn.

use std::time::Duration;

use kafka08_async::proto::ClientConfig;

use crate::{homes::Home, owners::start, peers::server};

at_each_home!(only_links_with_news_are_touched, a_turn_touches_a_limited_number_of_links);

const LINKS: usize = 1000;

/// How often links may be touched for an answer: once to write and once to read, and now and then once in vain.
fn check_touches(touches: usize, answers: usize) {
    assert!(touches * 2 <= answers * 5, "{touches} touches for {answers} answers");
}

fn only_links_with_news_are_touched<H: Home>() {
    let (_server, address) = server(Duration::ZERO);
    let handle = start::<H>(ClientConfig::default());
    let links: Vec<_> = (0..LINKS).map(|_| handle.open(address, 0, 1)).collect();
    handle.wait_connected(LINKS);
    // The first touch of each socket may come after its link is connected.
    std::thread::sleep(Duration::from_millis(200));
    handle.take_touches();
    handle.with(|machine, now| {
        links.iter().step_by(LINKS / 4).for_each(|link| machine.ask(now, *link, 500, 1));
    });
    handle.wait_answered(4 * 500);
    let (touches, _) = handle.take_touches();
    check_touches(touches, 4 * 500);
}

fn a_turn_touches_a_limited_number_of_links<H: Home>() {
    let (_server, address) = server(Duration::ZERO);
    let handle = start::<H>(ClientConfig::default());
    let links: Vec<_> = (0..LINKS).map(|_| handle.open(address, 0, 1)).collect();
    handle.wait_connected(LINKS);
    std::thread::sleep(Duration::from_millis(200));
    handle.take_touches();
    handle.with(|machine, now| links.iter().for_each(|link| machine.ask(now, *link, 20, 2)));
    handle.wait_answered(LINKS * 20);
    let (touches, most) = handle.take_touches();
    check_touches(touches, LINKS * 20);
    assert!(most <= 64, "{most} touches in one turn");
}
