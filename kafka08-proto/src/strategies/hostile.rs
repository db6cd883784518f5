//! Bytes that no honest peer sends, and that are close enough to what one does to get far into a decoder.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{any_request, any_response};
use crate::{
    api::{Encode as _, RequestHeader},
    ids::CorrelationId,
    wire::Encoder,
};

/// Lengths and counts that decoders get wrong.
const EXTREMES: [i32; 10] = [-1, -2, 0, 1, i32::MAX, i32::MAX - 1, i32::MIN, i32::MIN + 1, 1 << 24, 0x0101_0101];

/// What happens to the bytes of a sound frame.
#[derive(Clone, Debug)]
enum Damage {
    /// A byte becomes another one.
    Byte(Index, u8),
    /// Four bytes become an extreme number: a length or a count, if they were one.
    Number(Index, i32),
    /// Two bytes do: the length of a string.
    Short(Index, i16),
    /// Bytes are missing from here on.
    Cut(Index),
    /// Bytes stand in between that do not belong there.
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

/// The payload of a frame, without its length: that of a request, of a response, or any bytes, and mostly damaged.
///
/// A decoder must read it or refuse it, and never panic.
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

/// A stream of frames whose lengths are mostly right, and whose payloads are mostly damaged.
///
/// A connection must take it, in whatever pieces it comes, and end at the latest where it is no stream of frames.
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
