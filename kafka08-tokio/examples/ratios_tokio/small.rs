//! Pipelined small requests: 64 bytes each, 64 in flight, one write and one read for all of them where the lane can.

use std::sync::Arc;

use kafka08_proto::api::ListOffsetsRequest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    floor::Floor,
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    ours::{self, on_tokio},
    peer::Kind,
    requests, wire,
};

const REQUEST: usize = 64;
const IN_FLIGHT: usize = 64;
/// Rounds of [`IN_FLIGHT`] requests in one run.
const BATCHES: usize = 500;

pub(crate) fn run() -> Result<()> {
    let ratio = |of, to, per, goal| Ratio { of, to, per, goal };
    Race::new("64 small requests in flight", "requests")
        .lane("raw echo", Kind::Echo, 0, |address| on_tokio(raw(address)))
        .lane("floor", Kind::Broker, 0, |address| on_tokio(floor(address)))
        .lane("64 tasks that call", Kind::Broker, 0, |address| on_tokio(tasks(address)))
        .lane("one task that sends", Kind::Broker, 0, |address| on_tokio(one_task(address)))
        .run(&[
            ratio("64 tasks that call", "raw echo", Per::CpuSecond, Some(0.5)),
            ratio("64 tasks that call", "raw echo", Per::WallSecond, Some(0.5)),
            ratio("one task that sends", "raw echo", Per::CpuSecond, None),
            ratio("one task that sends", "raw echo", Per::WallSecond, None),
            ratio("floor", "raw echo", Per::CpuSecond, None),
            ratio("floor", "raw echo", Per::WallSecond, None),
        ])
}

async fn raw(address: &str) -> Result<Sample> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let output = [7; REQUEST * IN_FLIGHT];
    let mut input = [0; REQUEST * IN_FLIGHT];
    let meter = Meter::start();
    for _ in 0..BATCHES {
        stream.write_all(&output).await?;
        stream.read_exact(&mut input).await?;
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

async fn floor(address: &str) -> Result<Sample> {
    let mut floor = Floor::connect(address).await?;
    let (mut sent, mut answered) = (0, 0);
    let meter = Meter::start();
    for _ in 0..BATCHES {
        for _ in 0..IN_FLIGHT {
            wire::put_list_offsets(&mut floor.output, sent);
            sent += 1;
        }
        floor.write().await?;
        while answered < sent {
            floor.wait().await?;
            floor.inbox.take_answers(&mut answered, wire::check_offset)?;
        }
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

/// As a service uses a client: each of 64 tasks has one request in flight.
async fn tasks(address: &str) -> Result<Sample> {
    let client = ours::connect(address).await?;
    let request = Arc::new(requests::small());
    let mut tasks = JoinSet::new();
    let meter = Meter::start();
    for _ in 0..IN_FLIGHT {
        let (client, request) = (client.clone(), Arc::clone(&request));
        tasks.spawn(async move {
            for _ in 0..BATCHES {
                let answer = client.call(&*request).await.map_err(|error| error.to_string())?;
                requests::check_small(&answer).map_err(|error| error.to_string())?;
            }
            Ok::<(), String>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

/// One task sends a request for each answer that it takes.
async fn one_task(address: &str) -> Result<Sample> {
    let client = ours::connect(address).await?;
    let request = requests::small();
    let meter = Meter::start();
    ours::pipeline::<ListOffsetsRequest, _>(
        &client,
        BATCHES * IN_FLIGHT,
        IN_FLIGHT,
        || Ok(&request),
        requests::check_small,
    )
    .await?;
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}
