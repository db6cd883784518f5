//! The ways in which a stream can be cut up.

#[cfg(feature = "proptest")]
use proptest::{collection::vec, prelude::*};

/// How a stream arrives: the lengths of its pieces, in bytes. After the last one it begins again with the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts(pub(super) Vec<usize>);

impl Cuts {
    /// The stream in pieces. None is empty, and together they are the stream.
    #[must_use]
    pub fn pieces<'s>(&self, stream: &'s [u8]) -> Vec<&'s [u8]> {
        let mut pieces = Vec::new();
        let mut rest = stream;
        let mut lengths = self.0.iter().copied().cycle();
        while !rest.is_empty() {
            let len = lengths.next().unwrap_or(rest.len()).clamp(1, rest.len());
            let (piece, behind) = rest.split_at(len);
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }
}

/// A way to cut up a stream of any length: whole, byte by byte, in pieces around the four bytes of a frame's length, or in
/// pieces of any size up to what a socket's buffer holds.
#[cfg(feature = "proptest")]
pub fn cuts() -> impl Strategy<Value = Cuts> {
    let len = prop_oneof![4 => 1..9_usize, 3 => 1..64_usize, 2 => 64..4096_usize, 1 => 4096..200_000_usize];
    prop_oneof![
        1 => Just(vec![usize::MAX]),
        1 => Just(vec![1]),
        8 => vec(len, 1..12),
    ]
    .prop_map(Cuts)
}
