//! The least that a client can do: it writes the bytes of requests that are there already, and reads an answer to each. Nearly
//! all of its time is that of the operating system, so it shows how much faster than librdkafka any client can be.

use std::{
    io::{IoSlice, Read as _, Write as _},
    net::TcpStream,
};

use kafka08_proto::{
    api::{Encode as _, ProduceRequest},
    ids::{Acks, Millis},
    message::MessageSet,
};

use crate::{
    measure::{Meter, Result, Sample},
    peer::TOPIC,
};

pub(crate) fn sets(address: &str, sets: usize, each: usize, set: &MessageSet) -> Result<Sample> {
    let request = ProduceRequest::new(Acks::LEADER, Millis(10_000)).with(TOPIC, 0, set.clone()).to_bytes()?;
    // Key, version, correlation id, and a null client id.
    let head = [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    let length = u32::try_from(head.len() + request.len())?.to_be_bytes();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; 64 << 10];
    let meter = Meter::start();
    for _ in 0..sets {
        let mut slices = &mut [IoSlice::new(&length), IoSlice::new(&head), IoSlice::new(&request)][..];
        while !slices.is_empty() {
            let written = stream.write_vectored(slices)?;
            IoSlice::advance_slices(&mut slices, written);
        }
        stream.read_exact(answer.get_mut(..4).ok_or("no room")?)?;
        let length = u32::from_be_bytes(*answer.first_chunk().ok_or("no length")?);
        stream.read_exact(answer.get_mut(..usize::try_from(length)?).ok_or("a large answer")?)?;
    }
    Ok(meter.stop(sets * each))
}
