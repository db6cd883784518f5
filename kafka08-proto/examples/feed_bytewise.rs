//! Feeds one frame of as many MiB as the argument says, a byte at a time: `.ci/linear` counts its instructions.

use std::error::Error;

use kafka08_proto::frame::FrameDecoder;

fn main() -> Result<(), Box<dyn Error>> {
    let mebibytes: usize = std::env::args().nth(1).ok_or("usage: feed_bytewise MEBIBYTES")?.parse()?;
    let len = mebibytes << 20;
    let mut decoder = FrameDecoder::new(len);
    decoder.extend(&u32::try_from(len)?.to_be_bytes());
    for _ in 0..len {
        decoder.extend(&[7]);
        if let Some(frame) = decoder.next_frame()? {
            println!("a frame of {} bytes", frame.len());
        }
    }
    Ok(())
}
