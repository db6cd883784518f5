//! Reads the bodies of requests from a table of layouts, independently of the code under test.
//!
//! The table is that of the protocol's description. Everything that the broker would read by a length is read, and nothing may
//! be left over.

use std::fmt;

/// The layouts of all requests that a client writes. `h`, `w` and `q` are numbers of 2, 4 and 8 bytes, `t` is a string, `n` one that
/// may be null, `M` a message set behind its size, and brackets an array.
const LAYOUTS: &[(i16, i16, &str)] = &[
    (0, 0, "hw[t[wM]]"),
    (1, 0, "www[t[wqw]]"),
    (2, 0, "w[t[wqw]]"),
    (3, 0, "[t]"),
    (8, 0, "t[t[wqn]]"),
    (8, 1, "twt[t[wqqn]]"),
    (9, 0, "t[t[w]]"),
    (9, 1, "t[t[w]]"),
    (10, 0, "t"),
    // What a probe asks to tell releases apart.
    (12, 0, "twt"),
    (18, 0, ""),
];

/// The size of a message with a null key and a null value.
const LEAST_MESSAGE: i32 = 14;
/// The size of an offset and a size, which are in front of each message.
const ENTRY: usize = 12;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyProblem {
    /// The body ends before its last field does.
    Short,
    /// So many bytes are left behind the last field.
    Rest(usize),
    /// A length, a size or a count is negative, or too small, where none may be.
    Length(i32),
    /// A string is not UTF-8.
    Text,
    /// A name is empty.
    NoName,
    /// A number has a value that a client never sends.
    Value(i32),
    /// A message's sum is another than that of its bytes.
    Crc,
    /// A message has a format or attributes that 0.8 does not have.
    Format(u8, u8),
    /// A compressed message has a key, or no value.
    Wrapper,
    /// A message set has no message.
    Empty,
}

impl fmt::Display for BodyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Whether a client ever writes requests of this key and version.
pub(super) fn is_known(key: i16, version: i16) -> bool {
    layout(key, version).is_some()
}

fn layout(key: i16, version: i16) -> Option<&'static str> {
    LAYOUTS.iter().find(|(k, v, _)| (*k, *v) == (key, version)).map(|(_, _, layout)| *layout)
}

/// Reads the body of a request. Returns the number of messages in it, compressed ones counted as one.
pub(super) fn read(key: i16, version: i16, body: &[u8]) -> Result<u32, BodyProblem> {
    let mut reader = Reader { rest: body, messages: 0 };
    reader.fields(layout(key, version).unwrap_or_default())?;
    if !reader.rest.is_empty() {
        return Err(BodyProblem::Rest(reader.rest.len()));
    }
    values(key, body)?;
    Ok(reader.messages)
}

/// What clients write into the first fields: acks and a time to wait, or that they are no replica.
fn values(key: i16, body: &[u8]) -> Result<(), BodyProblem> {
    let mut reader = Reader { rest: body, messages: 0 };
    match key {
        0 => {
            let (acks, timeout) = (i32::from(reader.int16()?), reader.int32()?);
            let wrong = [(acks, (-1..=1).contains(&acks)), (timeout, timeout >= 0)].into_iter().find(|(_, ok)| !ok);
            wrong.map_or(Ok(()), |(value, _)| Err(BodyProblem::Value(value)))
        }
        1 | 2 => match reader.int32()? {
            -1 => Ok(()),
            replica => Err(BodyProblem::Value(replica)),
        },
        _ => Ok(()),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    messages: u32,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BodyProblem> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(BodyProblem::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn int16(&mut self) -> Result<i16, BodyProblem> {
        self.take(2)?.try_into().map(i16::from_be_bytes).map_err(|_| BodyProblem::Short)
    }

    fn int32(&mut self) -> Result<i32, BodyProblem> {
        self.take(4)?.try_into().map(i32::from_be_bytes).map_err(|_| BodyProblem::Short)
    }

    /// A length or a count that is not null.
    fn length(&mut self) -> Result<usize, BodyProblem> {
        let length = self.int32()?;
        usize::try_from(length).map_err(|_| BodyProblem::Length(length))
    }

    fn fields(&mut self, fields: &str) -> Result<(), BodyProblem> {
        let mut rest = fields;
        while let Some(field) = rest.chars().next() {
            rest = rest.get(1..).unwrap_or_default();
            match field {
                'h' => self.take(2).map(drop)?,
                'w' => self.take(4).map(drop)?,
                'q' => self.take(8).map(drop)?,
                't' | 'n' => self.text(field == 'n')?,
                'M' => self.message_set()?,
                _ => {
                    let (element, behind) = rest.split_at(closing(rest));
                    rest = behind.get(1..).unwrap_or_default();
                    for _ in 0..self.length()? {
                        // Names of topics and nothing else begin the elements of arrays with a string.
                        if element.starts_with('t') && self.rest.starts_with(&[0, 0]) {
                            return Err(BodyProblem::NoName);
                        }
                        self.fields(element)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, may_be_null: bool) -> Result<(), BodyProblem> {
        let length = self.int16()?;
        match usize::try_from(length) {
            Ok(length) => std::str::from_utf8(self.take(length)?).map(drop).map_err(|_| BodyProblem::Text),
            Err(_) if may_be_null && length == -1 => Ok(()),
            Err(_) => Err(BodyProblem::Length(i32::from(length))),
        }
    }

    fn message_set(&mut self) -> Result<(), BodyProblem> {
        let size = self.length()?;
        let mut set = Reader { rest: self.take(size)?, messages: 0 };
        if size == 0 {
            return Err(BodyProblem::Empty);
        }
        while !set.rest.is_empty() {
            set.message()?;
        }
        self.messages += set.messages;
        Ok(())
    }

    fn message(&mut self) -> Result<(), BodyProblem> {
        self.take(ENTRY - 4)?;
        let size = self.int32()?;
        let whole = usize::try_from(size).ok().filter(|_| size >= LEAST_MESSAGE).ok_or(BodyProblem::Length(size))?;
        let mut message = Reader { rest: self.take(whole)?, messages: 0 };
        let sum = message.int32()?.to_be_bytes();
        if sum != crc(message.rest).to_be_bytes() {
            return Err(BodyProblem::Crc);
        }
        let &[magic, attributes] = message.take(2)? else { return Err(BodyProblem::Short) };
        // Codecs: none, gzip, snappy, lz4.
        if magic != 0 || attributes > 3 {
            return Err(BodyProblem::Format(magic, attributes));
        }
        let key = message.bytes()?;
        let value = message.bytes()?;
        if attributes != 0 && (key.is_some() || value.is_none_or(<[u8]>::is_empty)) {
            return Err(BodyProblem::Wrapper);
        }
        if !message.rest.is_empty() {
            return Err(BodyProblem::Rest(message.rest.len()));
        }
        self.messages += 1;
        Ok(())
    }

    /// Bytes that may be null.
    fn bytes(&mut self) -> Result<Option<&'a [u8]>, BodyProblem> {
        let length = self.int32()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length).map(Some),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(BodyProblem::Length(length)),
        }
    }
}

/// Where the bracket closes that was open before `fields`.
fn closing(fields: &str) -> usize {
    let mut depth = 0;
    let end = fields.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        depth < 0
    });
    end.expect("brackets are closed")
}

/// The polynomial of CRC-32, its bits in reverse.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// The sums of all single bytes.
const SUMS: [u32; 256] = {
    let mut sums = [0; 256];
    let mut byte = 0;
    while byte < 256_u32 {
        let mut sum = byte;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "below 256")]
        {
            sums[byte as usize] = sum;
        }
        byte += 1;
    }
    sums
};

fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let [low, ..] = (sum ^ u32::from(*byte)).to_le_bytes();
        (sum >> 8) ^ SUMS.get(usize::from(low)).copied().unwrap_or(0)
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// acks 1, timeout 1000, topic "t", partition 0, a message with the null key and the value "v".
    fn produce() -> Vec<u8> {
        let message = b"\0\0\xff\xff\xff\xff\0\0\0\x01v";
        let mut body = b"\0\x01\0\0\x03\xe8\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\x1b".to_vec();
        body.extend(b"\0\0\0\0\0\0\0\0\0\0\0\x0f");
        body.extend(crc(message).to_be_bytes());
        body.extend(message);
        body
    }

    #[test]
    fn the_sum_is_that_of_the_published_check() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_sound_produce_is_read_and_each_of_its_prefixes_is_not() {
        let body = produce();
        assert_eq!(read(0, 0, &body), Ok(1));
        for len in 0..body.len() {
            assert!(read(0, 0, &body[..len]).is_err(), "{len}");
        }
        assert_eq!(read(0, 0, &[body.as_slice(), b"x"].concat()), Err(BodyProblem::Rest(1)));
    }

    #[test]
    fn a_bit_that_was_flipped_in_a_message_is_noticed() {
        let body = produce();
        // From the sum on: offsets of produces mean nothing.
        for bit in (body.len() - 15) * 8..body.len() * 8 {
            let mut flipped = body.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(0, 0, &flipped), Err(BodyProblem::Crc), "{bit}");
        }
    }

    #[test]
    fn what_a_client_never_writes_is_a_problem() {
        let with = |at: usize, byte: u8| {
            let mut body = produce();
            body[at] = byte;
            read(0, 0, &body)
        };
        assert_eq!(with(1, 2), Err(BodyProblem::Value(2)));
        assert_eq!(with(2, 0x80), Err(BodyProblem::Value(i32::MIN + 1000)));
        assert_eq!(with(12, 0xff), Err(BodyProblem::Text));
        assert_eq!(with(6, 0xff), Err(BodyProblem::Length(-0x00ff_ffff)));
        assert_eq!(read(3, 0, b"\0\0\0\x01\0\0"), Err(BodyProblem::NoName));
        assert_eq!(read(3, 0, b"\0\0\0\x01\xff\xff"), Err(BodyProblem::Length(-1)));
        assert_eq!(read(2, 0, b"\0\0\0\x05\0\0\0\0"), Err(BodyProblem::Value(5)));
    }

    #[test]
    fn only_metadata_of_commits_may_be_null() {
        // group "g", topic "t", partition 0, offset 1, metadata null.
        let commit = b"\0\x01g\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\xff\xff";
        assert_eq!(read(8, 0, commit), Ok(0));
        assert_eq!(read(10, 0, b"\xff\xff"), Err(BodyProblem::Length(-1)));
        assert_eq!(read(10, 0, b"\0\x01g"), Ok(0));
        assert!(!is_known(8, 2) && !is_known(11, 0) && is_known(9, 1));
    }
}
