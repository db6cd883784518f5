//! The least that a client can do. A producer writes the bytes of requests that are there already, and reads an answer to each. A
//! consumer reads into one buffer, and walks the messages. Nearly all of their time is that of the operating system, so they show
//! how much faster than librdkafka any client can be.

use std::{
    io::{IoSlice, Read as _, Write as _},
    net::TcpStream,
};

use kafka08_proto::{
    api::{Encode as _, FetchRequest, ProduceRequest},
    ids::{Acks, Millis, Offset},
    message::MessageSet,
};

use crate::{
    measure::{Meter, Result, Sample},
    peer::TOPIC,
    readers::stop,
};

/// The size of a fetch, which is our default.
const FETCH: i32 = 1 << 20;
/// Bytes of an answer with one partition of the topic, in front of its set.
const BEFORE_SET: usize = 4 + 4 + 2 + TOPIC.len() + 4 + 4 + 2 + 8 + 4;

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

/// Reads a log from its beginning. The next fetch is sent before the messages of an answer are walked and verified.
pub(crate) fn read(address: &str, all: usize) -> Result<Sample> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0; BEFORE_SET + usize::try_from(FETCH)?];
    let meter = Meter::start();
    let (mut read, mut offset) = (0, 0);
    fetch(&mut stream, offset)?;
    while read < all {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let answer = answer.get_mut(..usize::try_from(u32::from_be_bytes(length))?).ok_or("a large answer")?;
        stream.read_exact(answer)?;
        let set = answer.get(BEFORE_SET..).ok_or("a short answer")?;
        let mut rest = set;
        let mut entries = 0;
        // Where the next fetch begins is known once the entries were hopped over.
        while let Some((entry, behind)) = split(rest) {
            offset = i64::from_be_bytes(*entry.first_chunk().ok_or("no offset")?) + 1;
            (rest, entries) = (behind, entries + 1);
        }
        if read + entries < all {
            fetch(&mut stream, offset)?;
        }
        rest = set;
        while let Some((entry, behind)) = split(rest) {
            let told = u32::from_be_bytes(*entry.get(12..).and_then(<[u8]>::first_chunk).ok_or("no checksum")?);
            if crc32fast::hash(entry.get(16..).ok_or("no body")?) != told {
                return Err("a damaged message".into());
            }
            std::hint::black_box(entry.get(26..));
            rest = behind;
        }
        read += entries;
    }
    stop(meter, read, all)
}

/// The first entry of a set, if all of it is there.
fn split(set: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_be_bytes(*set.get(8..)?.first_chunk()?);
    set.split_at_checked(12 + usize::try_from(length).ok()?)
}

fn fetch(stream: &mut TcpStream, offset: i64) -> Result<()> {
    let request = FetchRequest::new(Millis(500), 1).with(TOPIC, 0, Offset(offset), FETCH).to_bytes()?;
    // Key, version, correlation id, and a null client id.
    let head = [0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    let length = u32::try_from(head.len() + request.len())?.to_be_bytes();
    Ok(stream.write_all(&[&length[..], &head, &request].concat())?)
}
