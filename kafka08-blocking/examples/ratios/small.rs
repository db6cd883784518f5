//! Pipelined small requests: 64 bytes each, 64 in flight, one write and one read for all of them where the lane can.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use kafka08_blocking::{Driver, SharedClient};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, api::ListOffsetsRequest, connection::Ticket,
};

use crate::{
    floor::Floor,
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    ours,
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
        .lane("raw echo", Kind::Echo, 0, raw)
        .lane("floor", Kind::Broker, 0, floor)
        .lane("core + driver", Kind::Broker, 0, core_and_driver)
        .lane("client", Kind::Broker, 0, client)
        .lane("client, one by one", Kind::Broker, 0, client_one_by_one)
        .lane("shared client", Kind::Broker, 0, shared)
        .lane("shared client, one by one", Kind::Broker, 0, shared_one_by_one)
        .run(&[
            ratio("core + driver", "floor", Per::CpuSecond, Some(0.85)),
            ratio("core + driver", "floor", Per::WallSecond, Some(0.85)),
            ratio("client", "raw echo", Per::CpuSecond, Some(0.5)),
            ratio("client", "raw echo", Per::WallSecond, Some(0.5)),
            ratio("client, one by one", "raw echo", Per::CpuSecond, None),
            ratio("client, one by one", "raw echo", Per::WallSecond, None),
            ratio("shared client", "raw echo", Per::CpuSecond, Some(0.5)),
            ratio("shared client", "raw echo", Per::WallSecond, Some(0.5)),
            ratio("shared client, one by one", "raw echo", Per::CpuSecond, None),
            ratio("shared client, one by one", "raw echo", Per::WallSecond, None),
            ratio("floor", "raw echo", Per::CpuSecond, None),
            ratio("floor", "raw echo", Per::WallSecond, None),
        ])
}

fn raw(address: &str) -> Result<Sample> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let output = [7; REQUEST * IN_FLIGHT];
    let mut input = [0; REQUEST * IN_FLIGHT];
    let meter = Meter::start();
    for _ in 0..BATCHES {
        stream.write_all(&output)?;
        stream.read_exact(&mut input)?;
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

fn floor(address: &str) -> Result<Sample> {
    let mut floor = Floor::connect(address)?;
    let (mut sent, mut answered) = (0, 0);
    let meter = Meter::start();
    for _ in 0..BATCHES {
        for _ in 0..IN_FLIGHT {
            wire::put_list_offsets(&mut floor.output, sent);
            sent += 1;
        }
        floor.write()?;
        while answered < sent {
            floor.wait()?;
            floor.inbox.take_answers(&mut answered, wire::check_offset)?;
        }
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

fn core_and_driver(address: &str) -> Result<Sample> {
    let (mut connection, mut driver) = ours::connection_and_driver(address)?;
    let request = requests::small();
    let mut tickets = VecDeque::new();
    let meter = Meter::start();
    for _ in 0..BATCHES {
        let now = Instant::now();
        for _ in 0..IN_FLIGHT {
            tickets.push_back(connection.request(now, &request)?);
        }
        while !tickets.is_empty() {
            turn(&mut connection, &mut driver, &mut tickets)?;
        }
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

/// Moves bytes and takes answers; waits if nothing moves.
fn turn(
    connection: &mut ClientConnection,
    driver: &mut Driver<TcpStream>,
    tickets: &mut VecDeque<Ticket<ListOffsetsRequest>>,
) -> Result<()> {
    let moved = driver.pump(Instant::now(), connection);
    while let Some(event) = connection.poll_event() {
        match event {
            ClientEvent::Response(frame) => {
                let ticket = tickets.pop_front().ok_or("an answer that nobody awaits")?;
                requests::check_small(&ticket.redeem(frame)?)?;
            }
            ClientEvent::Closed(closed) => return Err(closed.into()),
            _ => {}
        }
    }
    if !moved {
        let until = connection.poll_timeout();
        driver.wait(connection, until);
    }
    Ok(())
}

/// 64 requests are sent, then their answers are taken, and so on.
fn client(address: &str) -> Result<Sample> {
    let mut client = ours::connect(address)?;
    let request = requests::small();
    let mut pending = Vec::new();
    let meter = Meter::start();
    for _ in 0..BATCHES {
        for _ in 0..IN_FLIGHT {
            pending.push(client.send(&request)?);
        }
        for pending in pending.drain(..) {
            requests::check_small(&client.wait(pending)?)?;
        }
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

/// One request is sent for each answer that is taken.
fn client_one_by_one(address: &str) -> Result<Sample> {
    let mut client = ours::connect(address)?;
    let request = requests::small();
    let requests = BATCHES * IN_FLIGHT;
    let meter = Meter::start();
    ours::pipeline(&mut client, requests, IN_FLIGHT, |client| Ok(client.send(&request)?), requests::check_small)?;
    Ok(meter.stop(requests))
}

/// 64 requests are sent, then their answers are taken, and so on. A thread of the client's own moves the bytes.
fn shared(address: &str) -> Result<Sample> {
    let client = SharedClient::connect(address, ClientConfig::default())?;
    let request = requests::small();
    let mut pending = Vec::new();
    let meter = Meter::start();
    for _ in 0..BATCHES {
        for _ in 0..IN_FLIGHT {
            pending.push(client.send(&request)?);
        }
        for pending in pending.drain(..) {
            requests::check_small(&pending.wait()?)?;
        }
    }
    Ok(meter.stop(BATCHES * IN_FLIGHT))
}

/// One request is sent for each answer that is taken.
fn shared_one_by_one(address: &str) -> Result<Sample> {
    let client = SharedClient::connect(address, ClientConfig::default())?;
    let request = requests::small();
    let requests = BATCHES * IN_FLIGHT;
    let mut pending = VecDeque::new();
    let meter = Meter::start();
    for sent in 0..requests + IN_FLIGHT {
        if sent < requests {
            pending.push_back(client.send(&request)?);
        }
        if pending.len() == IN_FLIGHT || sent >= requests {
            let oldest = pending.pop_front().ok_or("nothing is in flight")?;
            requests::check_small(&oldest.wait()?)?;
        }
        if pending.is_empty() {
            break;
        }
    }
    Ok(meter.stop(requests))
}
