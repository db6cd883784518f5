//! Producing by sets: 100 messages a request, five requests in flight.

use std::io::{IoSlice, Write as _};

use kafka08_blocking::{Client, Pending};
use kafka08_proto::{api::ProduceRequest, message::MessageSet};

use crate::{
    floor::Floor,
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    ours,
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
        let ratio = |of, to| Ratio { of, to, per: Per::CpuSecond, goal: Some(0.85) };
        Race::new(title, "messages")
            .lane("floor", Kind::Broker, 0, |address| {
                let set = wire::produced_set(value.len());
                floor(address, requests, |floor, id| send_set(floor, id, &set))
            })
            .lane("client", Kind::Broker, 0, |address| {
                let request = requests::produce(&value)?;
                client(address, requests, |client| Ok(client.send(&request)?))
            })
            .lane("floor that builds", Kind::Broker, 0, |address| {
                let (mut writer, mut set) = (EntryWriter::default(), wire::produced_set(value.len()));
                floor(address, requests, |floor, id| {
                    writer.fill(&mut set, &value);
                    send_set(floor, id, &set)
                })
            })
            .lane("client that builds", Kind::Broker, 0, |address| {
                let mut set = MessageSet::builder();
                client(address, requests, |client| Ok(client.send(&requests::produce_with(&mut set, &value)?)?))
            })
            .run(&[ratio("client", "floor"), ratio("client that builds", "floor that builds")])?;
    }
    Ok(())
}

/// Sends a set that is there already, without copying it.
fn send_set(floor: &mut Floor, id: i32, set: &[u8]) -> Result<()> {
    wire::put_produce_head(&mut floor.output, id, set.len());
    let mut slices = &mut [IoSlice::new(&floor.output), IoSlice::new(set)][..];
    while !slices.is_empty() {
        let written = floor.stream.write_vectored(slices)?;
        IoSlice::advance_slices(&mut slices, written);
    }
    floor.output.clear();
    Ok(())
}

fn floor(address: &str, requests: i32, mut send: impl FnMut(&mut Floor, i32) -> Result<()>) -> Result<Sample> {
    let mut floor = Floor::connect(address)?;
    let (mut sent, mut answered) = (0, 0);
    let meter = Meter::start();
    while answered < requests {
        while sent < requests.min(answered + IN_FLIGHT) {
            send(&mut floor, sent)?;
            sent += 1;
        }
        floor.wait()?;
        floor.inbox.take_answers(&mut answered, |_| Ok(()))?;
    }
    Ok(meter.stop(usize::try_from(requests)? * BATCH))
}

fn client(
    address: &str,
    requests: i32,
    send: impl FnMut(&mut Client) -> Result<Pending<ProduceRequest>>,
) -> Result<Sample> {
    let mut client = ours::connect(address)?;
    let requests = usize::try_from(requests)?;
    let meter = Meter::start();
    ours::pipeline(&mut client, requests, usize::try_from(IN_FLIGHT)?, send, requests::check_produced)?;
    Ok(meter.stop(requests * BATCH))
}
