//! Invalid frames that are similar to valid frames, so that the error occurs late in the decoder.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{any_request, any_response};
use crate::{
    api::{Encode as _, RequestHeader},
    ids::CorrelationId,
    wire::Encoder,
};

/// Lengths and counts that often reveal errors in decoders.
const EXTREMES: [i32; 10] = [-1, -2, 0, 1, i32::MAX, i32::MAX - 1, i32::MIN, i32::MIN + 1, 1 << 24, 0x0101_0101];

/// A change to the bytes of a valid frame.
#[derive(Clone, Debug)]
enum Damage {
    /// Replaces one byte.
    Byte(Index, u8),
    /// Replaces four bytes, which may be a length or a count, with an extreme number.
    Number(Index, i32),
    /// Replaces two bytes, which may be the length of a string, with an extreme number.
    Short(Index, i16),
    /// Removes all bytes from this position to the end.
    Cut(Index),
    /// Inserts bytes at this position.
    Insert(Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (at(), proptest::sample::select(&EXTREMES[..])).prop_map(|(at, number)| Damage::Number(at, number)),
        (at(), prop_oneof![Just(-1_i16), Just(-2), Just(i16::MAX), Just(i16::MIN)])
            .prop_map(|(at, number)| Damage::Short(at, number)),
        at().prop_map(Damage::Cut),
        (at(), vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

impl Damage {
    fn done_to(self, mut bytes: Vec<u8>) -> Vec<u8> {
        let overwrite = |bytes: &mut Vec<u8>, at: Index, with: &[u8]| {
            let at = at.index(bytes.len().max(1));
            for (to, from) in bytes.iter_mut().skip(at).zip(with) {
                *to = *from;
            }
        };
        match self {
            Self::Byte(at, byte) => overwrite(&mut bytes, at, &[byte]),
            Self::Number(at, number) => overwrite(&mut bytes, at, &number.to_be_bytes()),
            Self::Short(at, number) => overwrite(&mut bytes, at, &number.to_be_bytes()),
            Self::Cut(at) => bytes.truncate(at.index(bytes.len().max(1))),
            Self::Insert(at, more) => {
                let at = at.index(bytes.len() + 1);
                drop(bytes.splice(at..at, more));
            }
        }
        bytes
    }
}

/// The payload of a frame without its length: a request, a response, or random bytes. Most payloads are damaged.
///
/// A decoder must decode the payload or return an error. It must never panic.
pub fn hostile_frame() -> impl Strategy<Value = Vec<u8>> {
    let request = (any_request(), any::<i32>()).prop_map(|(request, id)| {
        let mut encoder = Encoder::new();
        let fits = RequestHeader::encode_parts(request.api(), CorrelationId(id), None, &mut encoder)
            .and_then(|()| request.encode(&mut encoder));
        fits.map(|()| encoder.into_bytes().to_vec()).unwrap_or_default()
    });
    let response = (any_response(), any::<i32>())
        .prop_map(|(response, id)| [&id.to_be_bytes()[..], &response.to_bytes().unwrap_or_default()].concat());
    let sound = prop_oneof![request, response];
    let damaged = (sound, vec(damage(), 0..4))
        .prop_map(|(bytes, damages)| damages.into_iter().fold(bytes, |bytes, damage| damage.done_to(bytes)));
    prop_oneof![6 => damaged, 1 => vec(any::<u8>(), 0..64)]
}

/// A stream of frames. Most lengths are correct, and most payloads are damaged.
///
/// A connection must handle the stream in pieces of any size. The connection must end at the first invalid frame length
/// or earlier.
pub fn hostile_stream() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![12 => Just(None), 1 => proptest::sample::select(&EXTREMES[..]).prop_map(Some)];
    vec((hostile_frame(), length), 0..6).prop_map(|frames| {
        let framed = frames.into_iter().flat_map(|(payload, length)| {
            let length = length.or_else(|| i32::try_from(payload.len()).ok()).unwrap_or(i32::MAX);
            [&length.to_be_bytes()[..], &payload].concat()
        });
        framed.collect()
    })
}
