//! Consuming: fetches of 1 MiB, two in flight, each message looked at and its checksum verified.

use kafka08_proto::{api::FetchRequest, message::MessageSet};

use crate::{
    floor::Floor,
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    ours::{self, on_tokio},
    peer::Kind,
    requests,
    wire::{self, Crc},
};

/// Answers of one run.
const FETCHES: i32 = 960;
const IN_FLIGHT: i32 = 2;

pub(crate) fn run() -> Result<()> {
    for (title, value) in [("consume 100 B", 100), ("consume 1 KiB", 1024)] {
        let ratio = |of| Ratio { of, to: "floor", per: Per::CpuSecond, goal: Some(0.80) };
        Race::new(title, "messages")
            .lane("floor", Kind::Broker, value, |address| on_tokio(floor(address)))
            .lane("entries", Kind::Broker, value, |address| on_tokio(client(address, requests::see_entries)))
            .lane("visitor", Kind::Broker, value, |address| on_tokio(client(address, requests::see_visited)))
            .run(&[ratio("entries"), ratio("visitor")])?;
    }
    Ok(())
}

async fn floor(address: &str) -> Result<Sample> {
    let crc = Crc::default();
    let mut floor = Floor::connect(address).await?;
    let (mut sent, mut answered, mut messages) = (0, 0, 0);
    let meter = Meter::start();
    while answered < FETCHES {
        // At first two requests leave; later one leaves for each answer, before it is looked at.
        let answers_here = i32::from(sent > 0);
        if sent > 0 {
            floor.wait().await?;
        }
        while sent < FETCHES.min(answered + answers_here + IN_FLIGHT) {
            wire::put_fetch(&mut floor.output, sent, 0);
            sent += 1;
        }
        floor.write().await?;
        floor.inbox.take_answers(&mut answered, |rest| {
            let set = wire::read_set(rest).ok_or("no set")?;
            messages += wire::walk(set, &crc).ok_or("a damaged message")?;
            Ok(())
        })?;
    }
    Ok(meter.stop(messages))
}

async fn client(address: &str, see: impl Fn(&MessageSet) -> Result<usize>) -> Result<Sample> {
    let client = ours::connect(address).await?;
    let request = requests::fetch()?;
    let (fetches, in_flight) = (usize::try_from(FETCHES)?, usize::try_from(IN_FLIGHT)?);
    let mut messages = 0;
    let meter = Meter::start();
    ours::pipeline::<FetchRequest, _>(
        &client,
        fetches,
        in_flight,
        || Ok(&request),
        |answer| {
            messages += see(requests::fetched(answer)?)?;
            Ok(())
        },
    )
    .await?;
    Ok(meter.stop(messages))
}
