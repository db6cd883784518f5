//! The memory of the process while clients read nothing.

use std::{thread, time::Duration};

use crate::{alone, config, crowd::Crowd, crowd::fetch, fill, honest, process::resident};
use kafka08_broker::Server;

#[test]
fn clients_that_do_not_read_take_no_more_memory_than_the_limit_allows() {
    let _alone = alone();
    let server = Server::start(config().with_max_unsent(16 << 20)).expect("a free port");
    fill(&server);
    let before = resident();
    let request = fetch("large", 0, 0, 3_000_000);
    let crowd = Crowd::default().saying(server.address(), 200, &request.repeat(10));
    thread::sleep(Duration::from_millis(300));
    let grown = resident().saturating_sub(before);
    let stats = server.with(|cluster, _| cluster.limit_stats());
    println!("200 clients that ask for 3 MB ten times and read nothing: {} KiB more memory, {stats:?}", grown >> 10);
    // The answers share the memory of the log, so there are only the connections.
    assert!(grown < 64 << 20, "{grown}");
    honest::measure(&server);
    drop(crowd);
}

#[test]
fn half_requests_take_only_the_memory_of_what_has_come() {
    let _alone = alone();
    let server = Server::start(config()).expect("a free port");
    let before = resident();
    // The length says 8 MiB, and 1,000 bytes come.
    let half = [&(8i32 << 20).to_be_bytes()[..], &[0; 1000]].concat();
    let crowd = Crowd::default().saying(server.address(), 200, &half);
    thread::sleep(Duration::from_millis(300));
    let grown = resident().saturating_sub(before);
    println!("200 half requests: {} KiB more memory", grown >> 10);
    assert!(grown < 64 << 20, "{grown}");
    drop(crowd);
}
