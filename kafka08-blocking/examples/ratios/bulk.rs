//! Bulk fetching: answers of 1 MiB of which nothing but the length is looked at, beside the same bytes without a protocol.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::{
    measure::{Meter, Per, Race, Ratio, Result, Sample},
    ours,
    peer::Kind,
    requests, wire,
};

/// Answers of one run.
const FETCHES: usize = 400;
const IN_FLIGHT: usize = 2;
const VALUE: usize = 1024;

pub(crate) fn run() -> Result<()> {
    Race::new("bulk fetch", "bytes")
        .lane("raw", Kind::Stream, VALUE, raw)
        .lane("client", Kind::Broker, VALUE, client)
        .run(&[
            Ratio { of: "client", to: "raw", per: Per::WallSecond, goal: Some(0.80) },
            Ratio { of: "client", to: "raw", per: Per::CpuSecond, goal: None },
        ])
}

/// Reads as many bytes as the fetches have, into one buffer of the size of an answer.
fn raw(address: &str) -> Result<Sample> {
    let mut stream = TcpStream::connect(address)?;
    let mut buffer = vec![0; wire::fetch_answer_len(VALUE)];
    let total = FETCHES * buffer.len();
    let (mut received, mut filled) = (0, 0);
    let meter = Meter::start();
    stream.write_all(&(FETCHES as u64).to_be_bytes())?;
    while received < total {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Err("the peer has gone".into());
        }
        received += read;
        filled = (filled + read) % buffer.len();
    }
    Ok(meter.stop(received))
}

fn client(address: &str) -> Result<Sample> {
    let mut client = ours::connect(address)?;
    let request = requests::fetch()?;
    let mut received = 0;
    let meter = Meter::start();
    ours::pipeline(
        &mut client,
        FETCHES,
        IN_FLIGHT,
        |client| Ok(client.send(&request)?),
        |answer| {
            received += requests::fetched(answer)?.len();
            Ok(())
        },
    )?;
    let sample = meter.stop(FETCHES * wire::fetch_answer_len(VALUE));
    if received == FETCHES * wire::fetched_set_len(VALUE) { Ok(sample) } else { Err("not all bytes have come".into()) }
}
