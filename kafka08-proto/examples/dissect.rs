//! Prints what a captured byte stream says: one line for each request or response, payloads as lengths.
//!
//! ```sh
//! cargo run --example dissect -- requests captured.bin
//! cargo run --example dissect -- responses captured.bin
//! ```
//!
//! A response does not say what it answers. One whose correlation id lies in a range of this crate's clients is read by that;
//! for others give the stream of requests too: `dissect responses captured.bin requests.bin`.

use std::{collections::BTreeMap, env, error::Error, fs, process::ExitCode};

use bytes::Bytes;
use kafka08_proto::{
    api::{AnyRequest, AnyResponse, RequestHeader},
    frame::FrameDecoder,
    ids::{Api, CorrelationId},
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dissect: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["requests", file] => {
            for frame in frames(file)? {
                println!("{}", request(&frame));
            }
        }
        ["responses", file, requests @ ..] => {
            let known = asked(requests)?;
            for frame in frames(file)? {
                println!("{}", response(&frame, &known));
            }
        }
        _ => return Err("usage: dissect requests FILE, or dissect responses FILE [FILE OF REQUESTS]".into()),
    }
    Ok(())
}

/// The frames of a file; says so if it ends in the middle of one, or goes wrong.
fn frames(file: &str) -> Result<Vec<Bytes>, Box<dyn Error>> {
    let bytes = fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut decoder = FrameDecoder::new(bytes.len());
    decoder.extend(&bytes);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame()? {
        frames.push(frame);
    }
    if decoder.pending() > 0 {
        eprintln!("{file} ends {} bytes into a frame", decoder.pending());
    }
    Ok(frames)
}

fn request(frame: &Bytes) -> String {
    let (header, body) = match RequestHeader::split(frame) {
        Ok(split) => split,
        Err(error) => return format!("{} bytes: {error}", frame.len()),
    };
    let client = header.client_id.as_ref().map_or_else(|| "null".to_owned(), |id| format!("{id:?}"));
    let says = match AnyRequest::decode(header.api, &body) {
        Ok(request) => format!("{request:?}"),
        Err(error) => format!("{} bytes: {error}", body.len()),
    };
    format!("{} {} client {client}: {says}", header.correlation_id, header.api)
}

/// What each request of these files was, by its correlation id.
fn asked(files: &[&str]) -> Result<BTreeMap<CorrelationId, Api>, Box<dyn Error>> {
    let mut known = BTreeMap::new();
    for file in files {
        for frame in frames(file)? {
            let (header, _) = RequestHeader::split(&frame)?;
            known.insert(header.correlation_id, header.api);
        }
    }
    Ok(known)
}

fn response(frame: &Bytes, known: &BTreeMap<CorrelationId, Api>) -> String {
    let Some((id, body)) = frame.split_first_chunk::<4>() else { return format!("{} bytes", frame.len()) };
    let id = CorrelationId(i32::from_be_bytes(*id));
    let read = match known.get(&id) {
        Some(api) => AnyResponse::decode(*api, &frame.slice_ref(body)),
        None => AnyResponse::decode_alone(frame).map(|(_, response)| response),
    };
    match read {
        Ok(response) => format!("{id}: {response:?}"),
        Err(error) => format!("{id}: {} bytes: {error}", body.len()),
    }
}
