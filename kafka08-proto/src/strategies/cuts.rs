//! Splits of a stream into pieces.

#[cfg(feature = "proptest")]
use proptest::{collection::vec, prelude::*};

/// The lengths, in bytes, of the pieces of a stream. After the last length, the list repeats from the first length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts(pub(super) Vec<usize>);

impl Cuts {
    /// Splits the stream into pieces. No piece is empty. The concatenation of all pieces is the stream.
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

/// A split of a stream of any length: one piece, single bytes, pieces of about the size of the four-byte length prefix,
/// or larger pieces up to the size of a socket buffer.
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
