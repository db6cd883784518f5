//! A thread that sleeps is woken for each piece of work, and rung only if it sleeps.

use std::{sync::Arc, task::Waker};

use kafka08_blocking::threads::{Bell, Ring};
use shuttle::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A pipe: the number of bytes in it.
#[derive(Default)]
struct Pipe {
    bytes: Mutex<usize>,
    is_readable: Condvar,
}

#[derive(Clone, Default)]
struct Writer(Arc<Pipe>);

impl Ring for Writer {
    fn ring(&self) {
        *self.0.bytes.lock().expect("no panic") += 1;
        self.0.is_readable.notify_one();
    }
}

const WORKERS: usize = 2;
const PIECES: usize = 2;

#[test]
fn no_wake_up_is_lost_and_the_pipe_never_fills() {
    crate::check(|| {
        let writer = Writer::default();
        let bell = Arc::new(Bell::new(writer.clone()));
        let work = Arc::new(AtomicUsize::new(0));
        for _ in 0..WORKERS {
            let (waker, work) = (Waker::from(Arc::clone(&bell)), Arc::clone(&work));
            thread::spawn(move || {
                for _ in 0..PIECES {
                    work.fetch_add(1, Ordering::SeqCst);
                    waker.wake_by_ref();
                }
            });
        }
        // What a thread does in `run`. A wake-up that is lost leaves it asleep for ever, and shuttle reports a deadlock.
        while work.load(Ordering::SeqCst) < WORKERS * PIECES {
            let sleeps = bell.may_sleep();
            let mut bytes = writer.0.bytes.lock().expect("no panic");
            while sleeps && *bytes == 0 {
                bytes = writer.0.is_readable.wait(bytes).expect("no panic");
            }
            assert!(*bytes <= 1, "one byte for each sleep");
            *bytes = 0;
            drop(bytes);
            bell.note_awake();
        }
    });
}
