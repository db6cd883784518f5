//! Producing by sets: 100 messages a request, five requests in flight.

use std::{borrow::Borrow, io::IoSlice};

use kafka08_proto::{api::ProduceRequest, message::MessageSet};
use tokio::io::AsyncWriteExt as _;

use crate::{
    floor::Floor,
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    ours::{self, on_tokio},
    peer::Kind,
    requests,
    wire::{self, BATCH, EntryWriter},
};

/// As the Java client of 0.8.2 keeps.
const IN_FLIGHT: i32 = 5;
/// Title, size of a value, requests of one run.
const CASES: [(&str, usize, i32); 2] = [("produce 100 B", 100, 4000), ("produce 1 KiB", 1024, 1200)];

pub(crate) fn run() -> Result<()> {
    for (title, value, requests) in CASES {
        let value = vec![b'v'; value];
        let ratio = |of, to| Ratio { of, to, per: Per::CpuSecond, goal: Some(0.80) };
        Race::new(title, "messages")
            .lane("floor", Kind::Broker, 0, |address| {
                let set = wire::produced_set(value.len());
                on_tokio(floor(address, requests, async |floor, id| send_set(floor, id, &set).await))
            })
            .lane("client", Kind::Broker, 0, |address| {
                let request = requests::produce(&value)?;
                on_tokio(client(address, requests, || Ok(&request)))
            })
            .lane("floor that builds", Kind::Broker, 0, |address| {
                let (mut writer, mut set) = (EntryWriter::default(), wire::produced_set(value.len()));
                let send = async |floor: &mut Floor, id| {
                    writer.fill(&mut set, &value);
                    send_set(floor, id, &set).await
                };
                on_tokio(floor(address, requests, send))
            })
            .lane("client that builds", Kind::Broker, 0, |address| {
                let mut set = MessageSet::builder();
                on_tokio(client(address, requests, || requests::produce_with(&mut set, &value)))
            })
            .run(&[ratio("client", "floor"), ratio("client that builds", "floor that builds")])?;
    }
    Ok(())
}

/// Sends a set that is there already, without copying it.
async fn send_set(floor: &mut Floor, id: i32, set: &[u8]) -> Result<()> {
    wire::put_produce_head(&mut floor.output, id, set.len());
    let mut slices = &mut [IoSlice::new(&floor.output), IoSlice::new(set)][..];
    while !slices.is_empty() {
        let written = floor.stream.write_vectored(slices).await?;
        IoSlice::advance_slices(&mut slices, written);
    }
    floor.output.clear();
    Ok(())
}

async fn floor(
    address: &str,
    requests: i32,
    mut send: impl AsyncFnMut(&mut Floor, i32) -> Result<()>,
) -> Result<Sample> {
    let mut floor = Floor::connect(address).await?;
    let (mut sent, mut answered) = (0, 0);
    let meter = Meter::start();
    while answered < requests {
        while sent < requests.min(answered + IN_FLIGHT) {
            send(&mut floor, sent).await?;
            sent += 1;
        }
        floor.wait().await?;
        floor.inbox.take_answers(&mut answered, |_| Ok(()))?;
    }
    Ok(meter.stop(usize::try_from(requests)? * BATCH))
}

async fn client<B: Borrow<ProduceRequest>>(
    address: &str,
    requests: i32,
    make: impl FnMut() -> Result<B>,
) -> Result<Sample> {
    let client = ours::connect(address).await?;
    let requests = usize::try_from(requests)?;
    let meter = Meter::start();
    ours::pipeline(&client, requests, usize::try_from(IN_FLIGHT)?, make, requests::check_produced).await?;
    Ok(meter.stop(requests * BATCH))
}
