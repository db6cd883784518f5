//! Consuming: fetches of 1 MiB, two in flight, each message looked at and its checksum verified.

use kafka08_proto::message::MessageSet;

use crate::{
    floor::Floor,
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    ours,
    peer::Kind,
    requests,
    wire::{self, Crc},
};

/// Answers of one run.
const FETCHES: usize = 960;
const IN_FLIGHT: usize = 2;

pub(crate) fn run() -> Result<()> {
    for (title, value) in [("consume 100 B", 100), ("consume 1 KiB", 1024)] {
        let ratio = |of| Ratio { of, to: "floor", per: Per::CpuSecond, goal: Some(0.85) };
        Race::new(title, "messages")
            .lane("floor", Kind::Broker, value, floor)
            .lane("entries", Kind::Broker, value, |address| client(address, requests::see_entries))
            .lane("visitor", Kind::Broker, value, |address| client(address, requests::see_visited))
            .run(&[ratio("entries"), ratio("visitor")])?;
    }
    Ok(())
}

fn floor(address: &str) -> Result<Sample> {
    let crc = Crc::default();
    let mut floor = Floor::connect(address)?;
    let (mut sent, mut messages) = (0, 0);
    let mut send = |floor: &mut Floor| {
        wire::put_fetch(&mut floor.output, sent, 0);
        sent += 1;
        floor.write()
    };
    let meter = Meter::start();
    for _ in 0..IN_FLIGHT {
        send(&mut floor)?;
    }
    let mut answered = 0;
    for fetch in 0..FETCHES {
        floor.wait()?;
        if fetch + IN_FLIGHT < FETCHES {
            send(&mut floor)?;
        }
        floor.inbox.take_answers(&mut answered, |rest| {
            let set = wire::read_set(rest).ok_or("no set")?;
            messages += wire::walk(set, &crc).ok_or("a damaged message")?;
            Ok(())
        })?;
    }
    Ok(meter.stop(messages))
}

fn client(address: &str, see: impl Fn(&MessageSet) -> Result<usize>) -> Result<Sample> {
    let mut client = ours::connect(address)?;
    let request = requests::fetch()?;
    let mut messages = 0;
    let meter = Meter::start();
    ours::pipeline(
        &mut client,
        FETCHES,
        IN_FLIGHT,
        |client| {
            let pending = client.send(&request)?;
            // The messages of the answer before come first now, and the request is not to wait for that.
            client.write();
            Ok(pending)
        },
        |answer| {
            messages += see(requests::fetched(answer)?)?;
            Ok(())
        },
    )?;
    Ok(meter.stop(messages))
}
