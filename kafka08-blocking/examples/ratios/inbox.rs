//! The floors' receive buffer: one piece of memory, used again.

use crate::{measure::Result, wire};

/// The size of a read while no large frame is on its way.
const READ: usize = 64 << 10;

pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Received, and not yet taken: `bytes[start..end]`.
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; READ], start: 0, end: 0 }
    }

    /// Where to read to. Moves what is here to the front and, when the first frame is larger than the buffer, makes it as
    /// large as that frame.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let needed = wire::frame_len(self.received()).unwrap_or(0);
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if needed > self.bytes.len() {
            self.bytes.resize(needed, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes of the space were filled.
    pub(crate) fn filled(&mut self, bytes: usize) -> Result<()> {
        self.end += bytes;
        if bytes == 0 { Err("the peer has gone".into()) } else { Ok(()) }
    }

    /// The first frame, without its length, if it is here. It stays until [`Inbox::skip`].
    pub(crate) fn frame(&self) -> Option<&[u8]> {
        wire::split_frame(self.received()).map(|(frame, _)| frame)
    }

    /// Goes past a frame of this length, not counting its prefix.
    pub(crate) fn skip(&mut self, frame: usize) {
        self.start += 4 + frame;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Takes the whole answers that are here, which must be those to `*next` and the following, and gives each to `take`
    /// from behind its error code.
    pub(crate) fn take_answers(&mut self, next: &mut i32, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while let Some(frame) = self.frame() {
            let (id, rest) = wire::read_answer(frame).ok_or("a bad answer")?;
            if id != *next {
                return Err("an answer out of turn".into());
            }
            take(rest)?;
            *next += 1;
            let len = frame.len();
            self.skip(len);
        }
        Ok(())
    }

    fn received(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }
}
