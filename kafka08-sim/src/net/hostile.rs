//! Answers that no broker gives.

use bytes::{Bytes, BytesMut};

/// What a client receives instead of an answer, or besides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostileAnswer {
    /// The answer twice. The second one is to a request that was never sent, or to another one.
    Twice,
    /// An answer with a correlation id that no client issues.
    IdNeverIssued,
    /// An answer with the correlation id of the one before.
    IdOld,
    /// An answer with the correlation id of the next request.
    IdNext,
    /// A frame with a negative length.
    LengthNegative,
    /// A frame with a length that nobody can hold.
    LengthHuge,
    /// A frame that is too short for a correlation id.
    LengthShort,
    /// A frame that is sound, and whose body cannot be decoded.
    Undecodable,
    /// An answer with bytes behind it, in the same frame. Clients of 0.8 do not look at them.
    Trailing,
    /// An answer to no request at all.
    Unasked,
}

impl HostileAnswer {
    /// How many there are.
    pub const COUNT: u64 = 10;

    /// The one with this number in plans.
    #[must_use]
    pub fn of_number(number: u64) -> Self {
        match number % Self::COUNT {
            0 => Self::Twice,
            1 => Self::IdNeverIssued,
            2 => Self::IdOld,
            3 => Self::IdNext,
            4 => Self::LengthNegative,
            5 => Self::LengthHuge,
            6 => Self::LengthShort,
            7 => Self::Undecodable,
            8 => Self::Trailing,
            _ => Self::Unasked,
        }
    }
}

/// Puts bytes behind an answer, inside of its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Nothing is put anywhere.
    #[default]
    No,
    /// The next frame is made longer.
    Wanted,
    /// So many bytes are left of the frame that is made longer.
    Within(usize),
}

/// The bytes that are put behind an answer.
const TAIL: [u8; 7] = [0, 0, 0, 1, 0xff, 0xff, 7];

impl Padding {
    /// Takes bytes of a broker, and returns what is sent instead. `is_at_start` says whether they begin with a frame.
    pub fn apply(&mut self, bytes: Bytes, is_at_start: bool) -> Bytes {
        let mut bytes = bytes;
        let left = match *self {
            Self::No => return bytes,
            Self::Within(left) => left,
            Self::Wanted => {
                let length = bytes.first_chunk().copied().map(i32::from_be_bytes).filter(|_| is_at_start);
                let Some(length) = length else { return bytes };
                let longer = length.saturating_add(i32::try_from(TAIL.len()).unwrap_or(0));
                let rest = bytes.slice(4..);
                bytes = [&longer.to_be_bytes()[..], &rest].concat().into();
                4_usize.saturating_add(usize::try_from(length).unwrap_or(0))
            }
        };
        if bytes.len() < left {
            *self = Self::Within(left - bytes.len());
            return bytes;
        }
        *self = Self::No;
        let behind = bytes.split_off(left);
        let mut all = BytesMut::from(bytes.as_ref());
        all.extend_from_slice(&TAIL);
        all.extend_from_slice(&behind);
        all.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = b"\0\0\0\x05\0\0\0\x07x";
    const LONGER: &[u8] = b"\0\0\0\x0c\0\0\0\x07x\0\0\0\x01\xff\xff\x07";

    #[test]
    fn bytes_are_put_behind_one_answer_however_it_is_cut() {
        for cut in 4..=FRAME.len() {
            let mut padding = Padding::Wanted;
            let (first, second) = FRAME.split_at(cut);
            let mut all = padding.apply(Bytes::copy_from_slice(first), true).to_vec();
            all.extend(padding.apply(Bytes::copy_from_slice(second), false));
            all.extend(padding.apply(Bytes::from_static(FRAME), true));
            assert_eq!(all, [LONGER, FRAME].concat(), "{cut}");
        }
    }

    #[test]
    fn a_frame_that_has_begun_is_left_as_it_is() {
        let mut padding = Padding::Wanted;
        assert_eq!(padding.apply(Bytes::from_static(FRAME), false), FRAME);
        assert_eq!(padding, Padding::Wanted);
    }
}
