//! What a client allocates while its broker stalls. The counter replaces the allocator of this binary, and counts one
//! thread, so client and callers run on the thread of the test.

#![expect(dead_code, reason = "what the tests share is more than is used here")]

#[path = "support/one_byte.rs"]
mod one_byte;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/pipe.rs"]
mod pipe;
#[path = "support/runtimes.rs"]
mod runtimes;

use std::{cell::Cell, rc::Rc, time::Duration};

use kafka08_async::{
    Client,
    proto::{ClientConfig, ids::Acks},
};

use crate::{
    one_byte::OneByte,
    peers::{PRODUCE, produce},
    pipe::{Pipe, pipe},
    runtimes::{ManyThreads, On, OnAsyncStd, OnSmol, OneThread, run, sleep},
};

const TASKS: usize = 100;
/// All together would be 100 MB.
const CALLS: usize = 1000;
const VALUE: usize = 1000;
const REQUEST: usize = PRODUCE + VALUE - 1;
const PIPE: usize = 4096;
const STAGED: usize = 64 << 10;
/// How many requests are staged when all callers wait.
const EXPECTED: usize = (PIPE + STAGED).div_ceil(REQUEST);

/// How long it may take until they wait.
const LIMIT: Duration = Duration::from_secs(20);

/// What the client holds of a request beside its bytes: in the line, in the ledger, in the task that waits.
const OVERHEAD: usize = 3072;

/// Runs callers and the connection's task on this thread until the broker, which reads nothing, has stalled them.
async fn stall<H: On>(client: Client<OneByte<H>>, task: impl Future<Output = ()>, far: &Pipe) -> usize {
    let executor = smol::LocalExecutor::new();
    let staged = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (client, staged) = (client.clone(), Rc::clone(&staged));
            executor.spawn(async move {
                for _ in 0..CALLS {
                    client.send_and_forget(&produce(Acks::NONE, VALUE)).await.expect("there is room in time");
                    staged.set(staged.get() + 1);
                }
            })
        })
        .collect();
    let task = executor.spawn(task);
    executor
        .run(async {
            far.holds(PIPE).await;
            let reached = async {
                while staged.get() < EXPECTED {
                    sleep::<H>(Duration::from_millis(1)).await;
                }
            };
            H::timeout(LIMIT, reached).await.expect("there is room for so many");
            sleep::<H>(Duration::from_millis(50)).await;
        })
        .await;
    assert!(!task.is_finished() && tasks.iter().all(|task| !task.is_finished()));
    staged.get()
}

/// A client holds what is staged, one request that exceeds that, and one for each caller that waits.
fn assert_bounded<H: On>() {
    let mut staged = 0;
    let counted = allocation_counter::measure(|| {
        run::<H>(async {
            let (near, far) = pipe(PIPE);
            let config = ClientConfig::default().with_max_staged(STAGED).with_max_in_flight(usize::MAX);
            let (client, task) = Client::<OneByte<H>>::with_task(near, config);
            staged = stall::<H>(client, task, &far).await;
        });
    });
    assert_eq!(staged, EXPECTED);
    // The pipe is of the test. Buffers grow by doubling.
    let bound = 2 * (PIPE + STAGED + REQUEST) + (staged + TASKS) * (REQUEST + OVERHEAD);
    let most = usize::try_from(counted.bytes_max).expect("not negative");
    assert!(most < bound, "{most} bytes of at most {bound}");
    // The bound is far below what callers want to send.
    assert!(bound < TASKS * CALLS * REQUEST / 100);
}

#[test]
fn a_broker_that_stalls_bounds_what_a_client_holds_on_tokio_with_one_thread() {
    assert_bounded::<OneThread>();
}

#[test]
fn a_broker_that_stalls_bounds_what_a_client_holds_on_tokio_with_many_threads() {
    assert_bounded::<ManyThreads>();
}

#[test]
fn a_broker_that_stalls_bounds_what_a_client_holds_on_async_std() {
    assert_bounded::<OnAsyncStd>();
}

#[test]
fn a_broker_that_stalls_bounds_what_a_client_holds_on_smol() {
    assert_bounded::<OnSmol>();
}
