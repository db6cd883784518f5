//! The handle of a cluster on several threads: calls, calls that are dropped, the close, and the drop of the last handle.

use std::{pin::pin, task::Poll};

use kafka08_async::{Cluster, kafka08_client::error::Cause};
use kafka08_blocking::{
    ClusterCallError,
    proto::{api::ListOffsetsRequest, ids::Offset},
    threads::block_on,
};
use shuttle::thread;

use crate::{
    check,
    world::{BROKER, TOPIC, World, cluster},
};

fn connect() -> Cluster<World> {
    World::begin();
    block_on(Cluster::connect([BROKER], cluster())).expect("the broker answers")
}

fn ends() -> ListOffsetsRequest {
    ListOffsetsRequest::latest([(TOPIC, 0), (TOPIC, 1)])
}

#[test]
fn each_thread_gets_its_answer_and_the_last_handle_ends_the_task() {
    check(|| {
        let cluster = connect();
        let threads = [(), ()].map(|()| {
            let cluster = cluster.clone();
            thread::spawn(move || {
                let answer = block_on(cluster.call(&ends())).expect("it is answered");
                assert_eq!(answer.partition(TOPIC, 1).expect("it is listed").offsets, [Offset(7)]);
            })
        });
        drop(cluster);
        for thread in threads {
            thread.join().expect("no panic");
        }
        World::join_all();
    });
}

#[test]
fn a_call_that_is_dropped_disturbs_no_other() {
    check(|| {
        let cluster = connect();
        let dropping = cluster.clone();
        let dropper = thread::spawn(move || {
            let request = ends();
            let mut call = pin!(dropping.call(&request));
            // Once. What has come by then counts.
            let _ = block_on(std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())));
        });
        block_on(cluster.call(&ends())).expect("it is answered");
        dropper.join().expect("no panic");
        assert_eq!(cluster.stats().calls, 0);
        drop(cluster);
        World::join_all();
    });
}

#[test]
fn all_who_call_and_all_who_close_hear_of_the_end() {
    check(|| {
        let cluster = connect();
        let calling = cluster.clone();
        let caller = thread::spawn(move || match block_on(calling.call(&ends())) {
            Ok(_) => {}
            Err(ClusterCallError::Failed(failure)) => assert_eq!(failure.cause, Cause::Closed),
            Err(ClusterCallError::Partial { failed, .. }) => {
                assert!(failed.iter().all(|(_, failure)| failure.cause == Cause::Closed), "{failed:?}");
            }
            Err(error) => panic!("{error}"),
        });
        let closing = cluster.clone();
        let closer = thread::spawn(move || block_on(closing.close()));
        block_on(cluster.close());
        assert!(cluster.is_closed());
        closer.join().expect("no panic");
        caller.join().expect("no panic");
        World::join_all();
    });
}
