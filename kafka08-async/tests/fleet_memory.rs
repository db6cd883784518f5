//! What a fleet allocates for an answer, beside its machine. The counter replaces the allocator of this binary, and counts what
//! the polls of the task allocate.

#![expect(dead_code, reason = "what the tests share is more than is used here")]

#[path = "fleet/echoes.rs"]
mod echoes;
#[path = "fleet/homes.rs"]
mod homes;
#[path = "fleet/peers.rs"]
mod peers;

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::mpsc,
    task::Poll,
    time::{Duration, Instant},
};

use allocation_counter::{measure, opt_out};
use kafka08_async::{
    fleet::{Caller, Fleet, Owner},
    proto::ClientConfig,
};

use crate::{
    echoes::{Echoes, Event},
    homes::{Home, ManyThreads, OnAsyncStd, OnSmol, OnThreads, OneThread},
};

const LINKS: usize = 10;

/// The owner of a machine that ends after so many answers. What the machine allocates is not counted.
struct Until {
    machine: Echoes,
    answers: usize,
}

impl Owner for Until {
    type Machine = Echoes;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Echoes) -> T) -> T {
        let mut result = None;
        opt_out(|| result = Some(work(&mut self.machine)));
        result.expect("it was done")
    }

    fn handle_event(&mut self, event: Event, _: Instant) {
        self.answers -= usize::from(matches!(event, Event::Answered(_)));
    }

    fn is_over(&mut self) -> bool {
        self.answers == 0
    }

    fn handle_end(&mut self) {}
}

/// Allocations of a fleet for so many answers on each link.
fn allocations<H: Home>(answers: usize) -> u64 {
    let (_server, address) = peers::server(Duration::ZERO);
    let mut machine = Echoes::new(ClientConfig::default());
    for _ in 0..LINKS {
        let to = address.to_string().parse().expect("an address is a host and a port");
        let link = machine.open(to, Duration::from_secs(10));
        machine.ask(Instant::now(), link, answers, 2);
    }
    let fleet = Fleet::<H::Rt, _>::new(Until { machine, answers: answers * LINKS }, &Caller::default());
    let (sender, counted) = mpsc::channel();
    H::start(async move {
        let (mut fleet, mut count) = (pin!(fleet.run()), 0);
        poll_fn(|cx| {
            let mut polled = Poll::Pending;
            count += measure(|| polled = fleet.as_mut().poll(cx)).count_total;
            polled
        })
        .await;
        sender.send(count).expect("the test waits");
    });
    counted.recv_timeout(Duration::from_secs(20)).expect("it ends")
}

/// Checks that ten times the answers take no more allocations. Some of what a runtime allocates comes late.
fn check<H: Home>() {
    let few = allocations::<H>(100);
    let many = allocations::<H>(1000);
    let answers = 900 * u64::try_from(LINKS).expect("small");
    assert!(many < few + answers / 50, "{few} allocations, and then {many}");
}

#[test]
fn an_answer_takes_no_allocation() {
    check::<OneThread>();
    check::<ManyThreads>();
    check::<OnAsyncStd>();
    check::<OnSmol>();
    check::<OnThreads>();
}
