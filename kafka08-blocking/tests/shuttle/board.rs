//! What handles and the task of a fleet tell each other: each call of a handle leads to a turn, and the task ends.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
    time::Instant,
};

use kafka08_async::{
    fleet::{Caller, Fleet, Owner},
    kafka08_client::machine::{LinkId, Machine, Output},
};
use kafka08_blocking::{
    proto::{ClientConnection, adapter::ConnectError},
    threads::block_on,
};
use shuttle::{sync::Mutex, thread};

use crate::{check, world::World};

/// A machine without links. It counts what it is told.
#[derive(Default)]
struct Counter {
    told: usize,
    counted: usize,
    is_closed: bool,
}

impl Machine for Counter {
    type Event = usize;

    fn poll_output(&mut self, _: Instant) -> Option<Output<usize>> {
        if self.counted == self.told {
            return None;
        }
        self.counted += 1;
        Some(Output::Event(self.counted))
    }

    fn link(&mut self, _: LinkId) -> Option<&mut ClientConnection> {
        None
    }

    fn handle_connected(&mut self, _: LinkId, _: Instant) {}

    fn handle_connect_failed(&mut self, _: LinkId, _: &ConnectError, _: Instant) {}

    fn handle_progress(&mut self, _: LinkId, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn is_over(&self) -> bool {
        self.is_closed && self.counted == self.told
    }
}

#[derive(Default)]
struct Shared {
    machine: Mutex<Counter>,
    heard: Mutex<Heard>,
    caller: Caller,
}

/// What the task has told.
#[derive(Default)]
struct Heard {
    counted: usize,
    has_ended: bool,
    wakers: Vec<Waker>,
}

impl Shared {
    fn tell(&self, tell: impl FnOnce(&mut Heard)) {
        let mut heard = self.heard.lock().expect("no panic");
        tell(&mut heard);
        let wakers = std::mem::take(&mut heard.wakers);
        drop(heard);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wait(&self, mut holds: impl FnMut(&Heard) -> bool) {
        block_on(poll_fn(|cx| {
            let mut heard = self.heard.lock().expect("no panic");
            if holds(&heard) {
                return Poll::Ready(());
            }
            heard.wakers.push(cx.waker().clone());
            Poll::Pending
        }));
    }

    fn command(&self, command: impl FnOnce(&mut Counter)) {
        command(&mut self.machine.lock().expect("no panic"));
        self.caller.call();
    }
}

struct Task(Arc<Shared>);

impl Owner for Task {
    type Machine = Counter;

    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Counter) -> T) -> T {
        work(&mut self.0.machine.lock().expect("no panic"))
    }

    fn handle_event(&mut self, counted: usize, _: Instant) {
        self.0.tell(|heard| heard.counted = counted);
    }

    fn handle_end(&mut self) {
        self.0.tell(|heard| heard.has_ended = true);
    }
}

#[test]
fn each_call_of_a_handle_leads_to_a_turn_and_the_task_ends_when_its_machine_is_over() {
    check(|| {
        World::begin();
        let shared = Arc::new(Shared::default());
        let fleet = Fleet::<World, _>::new(Task(Arc::clone(&shared)), &shared.caller);
        let task = thread::spawn(move || block_on(fleet.run()));
        let handles = [(), ()].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for _ in 0..2 {
                    let mut number = 0;
                    shared.command(|counter| {
                        counter.told += 1;
                        number = counter.told;
                    });
                    // A call that leads to no turn leaves this thread asleep for ever.
                    shared.wait(|heard| heard.counted >= number);
                }
            })
        });
        for handle in handles {
            handle.join().expect("no panic");
        }
        shared.command(|counter| counter.is_closed = true);
        shared.wait(|heard| heard.has_ended);
        task.join().expect("no panic");
        assert_eq!(shared.machine.lock().expect("no panic").counted, 4);
    });
}
