//! Compressed sets: the codec's crate alone into a buffer that is kept, and the hand-written loop over what comes out.

use std::{hint::black_box, ops::ControlFlow, rc::Rc};

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};
use kafka08_proto::{
    ids::Offset,
    message::{Budget, Codec, Deflater, Entry, Inflater, MessageSet, MessageSetBuilder},
};

use crate::{Case, floor};

/// A set in the middle of a log.
const FIRST: Offset = Offset(1000);

pub(crate) fn cases() -> Vec<Case> {
    [("64 KiB", 64usize), ("1 MiB", 1024)]
        .into_iter()
        .flat_map(|(name, kib)| [Codec::Gzip, Codec::Snappy, Codec::Lz4].map(|codec| opening(name, kib, codec)))
        .flatten()
        .collect()
}

/// Lines that compress to about a third, as logs do.
fn set(kib: usize, codec: Codec) -> MessageSet {
    let mut builder = MessageSetBuilder::fetched_from(FIRST);
    let mut state = 7u32;
    while builder.len() < kib << 10 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let line = format!("GET /item/{state:x}/{:x} 200 {} some-agent/{}", state >> 5, state >> 20, state % 17);
        builder.push(None, Some(line.repeat(2).as_bytes())).expect("small");
    }
    builder.build_compressed(codec, &mut Deflater::new()).expect("every codec is in")
}

fn opening(name: &str, kib: usize, codec: Codec) -> Vec<Case> {
    let set = Rc::new(set(kib, codec));
    let plain = inflated(&set);
    let floor_name = format!("{codec} {name}: codec + loop");
    let (for_floor, for_visitor) = (set.clone(), set);
    let crc = Hasher::new();
    let mut buffer = vec![0; plain + 64];
    let mut codec_alone = Alone::new(codec);
    let mut inflater = Inflater::new();
    let units = kib as u64;
    vec![
        Case::new(&floor_name, units, move || {
            let Some(Ok(Entry::Compressed(wrapper))) = for_floor.entries().without_crc().next() else {
                panic!("it was built as a wrapper")
            };
            let mut outer = crc.clone();
            outer.update(for_floor.bytes().get(16..).unwrap_or_default());
            black_box(outer.finalize());
            let len = codec_alone.inflate(wrapper.value, &mut buffer);
            assert_eq!(len, plain);
            let mut sum = 0u64;
            assert!(floor::walk(buffer.get(..len).unwrap_or_default(), &crc, |(offset, key, value)| {
                sum = sum.wrapping_add(offset.unsigned_abs());
                black_box((key, value));
            }));
            sum
        }),
        Case::new(format!("{codec} {name}: for_each_message"), units, move || {
            let mut sum = 0u64;
            let visit = for_visitor.for_each_message(FIRST, &mut inflater, &mut Budget::new(4 << 20), |found| {
                let message = found.expect("a sound set");
                sum = sum.wrapping_add(message.offset.0.unsigned_abs());
                black_box((message.key, message.value));
                ControlFlow::Continue(())
            });
            sum.wrapping_add(visit.position.0.unsigned_abs())
        })
        .beside(&floor_name, 1.10),
    ]
}

/// Length of what a set of one wrapper holds.
fn inflated(set: &MessageSet) -> usize {
    match set.entries().next() {
        Some(Ok(Entry::Compressed(wrapper))) => {
            Inflater::new().open(&wrapper, &mut Budget::new(64 << 20)).expect("sound").len()
        }
        other => panic!("a wrapper was expected: {other:?}"),
    }
}

/// One codec's crate and the state that it wants kept.
enum Alone {
    Gzip(Decompress),
    Snappy(snap::raw::Decoder),
    Lz4,
}

impl Alone {
    fn new(codec: Codec) -> Self {
        match codec {
            Codec::Gzip => Self::Gzip(Decompress::new(false)),
            Codec::Snappy => Self::Snappy(snap::raw::Decoder::new()),
            _ => Self::Lz4,
        }
    }

    /// Inflates what this library has written; gives the length.
    fn inflate(&mut self, value: &[u8], to: &mut [u8]) -> usize {
        match self {
            Self::Gzip(raw) => {
                raw.reset(false);
                let body = value.get(10..).unwrap_or_default();
                let status = raw.decompress(body, to, FlushDecompress::Finish).expect("sound");
                assert_eq!(status, Status::StreamEnd);
                let len = usize::try_from(raw.total_out()).expect("small");
                black_box(crc32fast::hash(to.get(..len).unwrap_or_default()));
                len
            }
            Self::Snappy(decoder) => blocks(value.get(16..).unwrap_or_default(), u32::from_be_bytes, to, |data, to| {
                decoder.decompress(data, to).expect("sound")
            }),
            Self::Lz4 => blocks(value.get(7..).unwrap_or_default(), u32::from_le_bytes, to, |data, to| {
                lz4_flex::block::decompress_into(data, to).expect("sound")
            }),
        }
    }
}

/// Set in the length of an LZ4 block: it is stored, not compressed.
const STORED: u32 = 1 << 31;

/// Inflates blocks behind their lengths, up to one of length 0 or the end.
fn blocks(
    mut rest: &[u8],
    len: fn([u8; 4]) -> u32,
    to: &mut [u8],
    mut block: impl FnMut(&[u8], &mut [u8]) -> usize,
) -> usize {
    let mut at = 0;
    while let Some((prefix, behind)) = rest.split_first_chunk::<4>() {
        let prefix = len(*prefix);
        let size = (prefix & !STORED) as usize;
        let Some((data, behind)) = behind.split_at_checked(size).filter(|_| size > 0) else { break };
        let room = to.get_mut(at..).unwrap_or_default();
        at += if prefix & STORED == 0 {
            block(data, room)
        } else {
            room.get_mut(..size).unwrap_or_default().copy_from_slice(data);
            size
        };
        rest = behind;
    }
    at
}
