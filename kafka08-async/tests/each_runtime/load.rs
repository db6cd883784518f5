//! Many tasks on one client: answers reach their callers, and a broker that stalls holds callers up.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kafka08_async::{
    Client,
    proto::{
        ClientConfig,
        api::{MetadataRequest, MetadataResponse},
        ids::Acks,
    },
};

use crate::{
    one_byte::OneByte,
    peers::{empty, produce, read_id, serve, write_all},
    pipe::pipe,
    runtimes::{On, sleep},
};

const TASKS: usize = 100;

/// Ten times what a test takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

fn assert_answers(response: &MetadataResponse, name: &str) {
    let [topic] = response.topics() else { panic!("{response:?}") };
    assert_eq!(topic.name.as_str(), name);
}

/// Sends requests for topics of their own, so many of them ahead of their answers, and compares the answers.
async fn call_ahead<H: On>(client: Client<OneByte<H>>, task: usize, calls: usize, ahead: usize) {
    let mut claims = VecDeque::new();
    for call in 0..calls {
        let name = format!("{task}-{call}");
        let claim = client.send(&MetadataRequest::of([name.clone()])).await.expect("there is room in time");
        claims.push_back((name, claim));
        if claims.len() == ahead {
            let (name, claim) = claims.pop_front().expect("it was pushed");
            assert_answers(&claim.await.expect("it is answered"), &name);
        }
    }
    for (name, claim) in claims {
        assert_answers(&claim.await.expect("it is answered"), &name);
    }
}

async fn call_from_all_tasks<H: On>(max_in_flight: usize, calls: usize, ahead: usize) {
    let (near, far) = pipe(64 << 10);
    let server = H::spawn(serve(far));
    let client = Client::<OneByte<H>>::new(near, ClientConfig::default().with_max_in_flight(max_in_flight));
    let tasks: Vec<_> = (0..TASKS).map(|task| H::spawn(call_ahead::<H>(client.clone(), task, calls, ahead))).collect();
    drop(client);
    let all = async {
        for task in tasks {
            task.await;
        }
    };
    H::timeout(LIMIT, all).await.expect("all are answered in time");
    assert_eq!(server.await.requests, TASKS * calls);
}

async fn a_hundred_tasks_pipeline_a_thousand_calls_each_and_each_gets_its_own_answers<H: On>() {
    // A claim keeps its place until its answer is taken, so there is a place for each claim that a task holds.
    const AHEAD: usize = 8;
    call_from_all_tasks::<H>(TASKS * AHEAD, 1000, AHEAD).await;
}

async fn a_hundred_tasks_share_three_places_and_each_gets_its_own_answers<H: On>() {
    call_from_all_tasks::<H>(3, 200, 1).await;
}

async fn callers_wait_while_as_many_requests_are_in_flight_as_may_be_and_go_on_with_the_broker<H: On>() {
    const PLACES: usize = 10;
    let (near, mut far) = pipe(64 << 10);
    let client = Client::<OneByte<H>>::new(near, ClientConfig::default().with_max_in_flight(PLACES));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let client = client.clone();
            H::spawn(async move { client.call(&MetadataRequest::all()).await })
        })
        .collect();
    // The broker reads, and answers nothing.
    let mut ids = Vec::new();
    for _ in 0..PLACES {
        ids.push(read_id(&mut far).await.expect("the client is there"));
    }
    let more = H::timeout(Duration::from_millis(30), read_id(&mut far)).await;
    assert!(more.is_none(), "more requests were sent than may be in flight");
    let answers: Vec<_> = ids.iter().flat_map(|id| empty(*id)).collect();
    write_all(&mut far, &answers).await.expect("the client is there");
    let server = H::spawn(serve(far));
    for task in tasks {
        task.await.expect("it is answered");
    }
    drop(client);
    assert_eq!(server.await.requests, TASKS - PLACES);
}

async fn callers_wait_while_as_many_answers_are_not_taken_as_may_be_in_flight<H: On>() {
    const PLACES: usize = 10;
    let (near, far) = pipe(64 << 10);
    let server = H::spawn(serve(far));
    let client = Client::<OneByte<H>>::new(near, ClientConfig::default().with_max_in_flight(PLACES));
    let request = MetadataRequest::all();
    let mut claims = VecDeque::new();
    for _ in 0..PLACES {
        claims.push_back(client.send(&request).await.expect("there is room"));
    }
    let more = H::timeout(Duration::from_millis(30), client.send(&request)).await;
    assert!(more.is_none(), "more answers are kept than requests may be in flight");
    let first = claims.pop_front().expect("it was pushed");
    first.await.expect("it is answered");
    let last = client.send(&request).await.expect("a place is free");
    last.await.expect("it is answered");
    drop((client, claims));
    assert_eq!(server.await.requests, PLACES + 1);
}

async fn callers_wait_while_as_many_bytes_are_staged_as_may_be_and_go_on_with_the_broker<H: On>() {
    const EACH: usize = 50;
    const PIPE: usize = 4096;
    const STAGED: usize = 64 << 10;
    const VALUE: usize = 1000;
    /// Of a request whose value has one byte.
    const REQUEST: usize = crate::peers::PRODUCE + VALUE - 1;
    let (near, far) = pipe(PIPE);
    let config = ClientConfig::default().with_max_staged(STAGED).with_max_in_flight(usize::MAX);
    let client = Client::<OneByte<H>>::new(near, config);
    let staged = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (client, staged) = (client.clone(), Arc::clone(&staged));
            H::spawn(async move {
                for _ in 0..EACH {
                    client.send_and_forget(&produce(Acks::NONE, VALUE)).await.expect("there is room in time");
                    staged.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // The broker reads nothing. What is in the pipe is not staged any more, and one request may exceed the limit.
    far.holds(PIPE).await;
    let expected = (PIPE + STAGED).div_ceil(REQUEST);
    let reached = async {
        while staged.load(Ordering::Relaxed) < expected {
            sleep::<H>(Duration::from_millis(1)).await;
        }
    };
    H::timeout(LIMIT, reached).await.expect("there is room for so many");
    sleep::<H>(Duration::from_millis(50)).await;
    assert_eq!(staged.load(Ordering::Relaxed), expected);
    let server = H::spawn(serve(far));
    for task in tasks {
        task.await;
    }
    client.flush().await.expect("the broker reads");
    drop(client);
    assert_eq!(server.await.requests, TASKS * EACH);
}

on_each_runtime! {
    a_hundred_tasks_pipeline_a_thousand_calls_each_and_each_gets_its_own_answers,
    a_hundred_tasks_share_three_places_and_each_gets_its_own_answers,
    callers_wait_while_as_many_requests_are_in_flight_as_may_be_and_go_on_with_the_broker,
    callers_wait_while_as_many_answers_are_not_taken_as_may_be_in_flight,
    callers_wait_while_as_many_bytes_are_staged_as_may_be_and_go_on_with_the_broker,
}
