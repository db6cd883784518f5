//! The incremental decoder.

use std::{collections::VecDeque, fmt};

use bytes::{Bytes, BytesMut};

use super::{FrameError, LENGTH_PREFIX, front::Front, spares::Spares};

/// The size of a read while no large frame is on its way, in bytes: a power of two that holds some hundred small
/// answers.
const READ: usize = 32 << 10;
/// The size of a read at the beginning and after a rest, in bytes. The first read that fills it makes the next one
/// [`READ`].
const READ_AFTER_REST: usize = 512;
/// Small frames that are here together are copied out together, up to this many bytes: one allocation for the run. A
/// frame that is kept keeps at most this much alive.
const RUN: usize = 4 << 10;

/// Cuts a byte stream into frames, however the stream arrives.
///
/// Bytes go in by [`FrameDecoder::space`] and [`FrameDecoder::filled`], or by [`FrameDecoder::extend`]; frames come out
/// of [`FrameDecoder::next_frame`], without their length. Each read costs O(1) besides moving its bytes.
///
/// Frames of up to 32 KiB are copied out of the read buffer, so that they do not keep it alive. A larger frame is read
/// into memory of its own and handed out as it is. When nobody holds that memory any more, the next large frame uses it
/// again: it is read there from its first byte on, because large frames come in rows.
///
/// Memory is at most twice the bytes received of the frame that is not complete, plus 64 KiB, plus what is kept of
/// earlier large frames: two at most, each no larger than the largest that has arrived, and none after
/// [`FrameDecoder::release`]. What a length claims is reserved only as far as a frame of that size has arrived before.
///
/// An error is final: it is returned again and again, and further bytes are ignored.
pub struct FrameDecoder {
    /// Initialised all the way: zeroed once when allocated, and never shorter than `end`.
    buffer: BytesMut,
    /// Received and not yet cut: `buffer[start..end]`.
    start: usize,
    end: usize,
    role: Role,
    /// The read buffer, while `buffer` is something else.
    parked: BytesMut,
    /// Small frames that are copied out, length prefixes included. They come before `ready`. Empty when all of them are
    /// handed out.
    run: Bytes,
    /// Where the first one of `run` begins that is not handed out.
    run_at: usize,
    /// Large frames that were complete when more bytes came, without their length prefixes. They come before `buffer`.
    ready: VecDeque<Bytes>,
    spares: Spares,
    /// How long the last frame was, prefix included, if it was large and nothing has come since.
    last_large: Option<usize>,
    max_frame: usize,
    error: Option<FrameError>,
}

/// What the buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The read buffer. Frames are copied out of it.
    Reads,
    /// Memory of an earlier large frame, in which one of this many bytes is expected: nothing is read beyond them.
    /// Fewer than four bytes are here.
    Expects(usize),
    /// A large frame's own: nothing is read beyond this many bytes, which is where the frame ends.
    Large(usize),
    /// Memory in which a large frame was expected, and which holds something else besides or instead.
    Mixed,
}

impl FrameDecoder {
    /// A decoder that takes frames of at most `max_frame` bytes, not counting their length.
    #[must_use]
    pub fn new(max_frame: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            start: 0,
            end: 0,
            role: Role::Reads,
            parked: BytesMut::new(),
            run: Bytes::new(),
            run_at: 0,
            ready: VecDeque::new(),
            spares: Spares::default(),
            last_large: None,
            max_frame,
            error: None,
        }
    }

    /// Where to read to: initialised, and never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.role == Role::Large(self.end) {
            // It is complete, and nobody has asked for it yet.
            let frame = self.cut_large(self.end);
            self.ready.push_back(frame);
        }
        self.expect_large();
        if self.end == self.limit() {
            self.make_room();
        }
        let limit = self.limit();
        self.buffer.get_mut(self.end..limit).expect("make_room leaves the limit beyond the end")
    }

    /// How far `buffer` is read into.
    fn limit(&self) -> usize {
        match self.role {
            Role::Reads | Role::Mixed => self.buffer.len(),
            Role::Expects(end) | Role::Large(end) => end.min(self.buffer.len()),
        }
    }

    /// `n` bytes of [`FrameDecoder::space`] were filled.
    ///
    /// # Panics
    /// If `n` is more than the space had: that is a bug of the caller, who would have read past the slice.
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.limit() - self.end, "more bytes filled than there was space for");
        if self.error.is_some() {
            return;
        }
        self.end += n;
        if let Role::Expects(_) = self.role {
            self.role = match self.front() {
                Front::Nothing => return,
                Front::Frame(len) if self.end <= len && self.is_large_here(len) => Role::Large(len),
                Front::Frame(_) | Front::Bad(_) => Role::Mixed,
            };
        }
    }

    /// Takes bytes from a transport that has buffers of its own. Copies.
    pub fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            let space = self.space();
            let (now, later) = bytes.split_at(bytes.len().min(space.len()));
            space.split_at_mut(now.len()).0.copy_from_slice(now);
            self.filled(now.len());
            bytes = later;
        }
    }

    /// Whether [`FrameDecoder::next_frame`] has something to say: a whole frame, or an error.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        if !self.run.is_empty() || !self.ready.is_empty() || self.error.is_some() {
            return true;
        }
        match self.front() {
            Front::Nothing => false,
            Front::Frame(len) => len <= self.end - self.start,
            Front::Bad(_) => true,
        }
    }

    /// The next whole frame, if it is here.
    ///
    /// # Errors
    /// The stream is not one of frames. Close the connection.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if !self.run.is_empty() {
            return Ok(Some(self.next_of_run()));
        }
        if let Some(frame) = self.ready.pop_front() {
            return Ok(Some(frame));
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.front() {
            Front::Frame(len) if len <= self.end - self.start => Ok(Some(self.cut(len))),
            Front::Frame(_) | Front::Nothing => Ok(None),
            Front::Bad(error) => {
                *self = Self { error: Some(error), ..Self::new(self.max_frame) };
                Err(error)
            }
        }
    }

    /// Bytes received that were not handed out in frames yet. Once [`FrameDecoder::next_frame`] has returned `None`:
    /// those of the frame that is not complete.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.run.len() - self.run_at + self.ready.iter().map(Bytes::len).sum::<usize>() + self.end - self.start
    }

    /// How many bytes of the frame that is arriving are here, and how many it has, not counting its length. `None`
    /// while its length is not known, or if it is complete.
    pub(crate) fn arriving(&self) -> Option<(usize, usize)> {
        let received = self.end - self.start;
        match self.front() {
            Front::Frame(len) if received < len => Some((received - LENGTH_PREFIX, len - LENGTH_PREFIX)),
            _ => None,
        }
    }

    /// Whether [`FrameDecoder::release`] would give memory back.
    pub(crate) fn can_release(&self) -> bool {
        self.run.is_empty()
            && (!self.spares.is_empty()
                || matches!(self.role, Role::Expects(_) | Role::Mixed)
                || self.parked.len() > READ_AFTER_REST
                || (self.start == self.end && self.buffer.len() > READ_AFTER_REST))
    }

    /// Gives back the memory that is kept to be used again: for a connection that has nothing to do.
    pub fn release(&mut self) {
        self.spares.clear();
        self.ready.shrink_to_fit();
        if self.start == self.end {
            (self.buffer, self.role) = (BytesMut::new(), Role::Reads);
            (self.start, self.end) = (0, 0);
        } else if let Role::Expects(_) | Role::Mixed = self.role {
            self.use_read_buffer(self.end - self.start);
        }
        self.parked = BytesMut::new();
    }

    fn front(&self) -> Front {
        Front::of(self.buffer.get(self.start..self.end).unwrap_or_default(), self.max_frame)
    }

    /// Takes a frame of `len` bytes, prefix included, off the front.
    fn cut(&mut self, len: usize) -> Bytes {
        match self.role {
            Role::Large(_) => return self.cut_large(len),
            Role::Mixed if self.start == 0 && self.is_large_here(len) => return self.cut_large(len),
            Role::Reads | Role::Expects(_) | Role::Mixed => {}
        }
        let run = self.run_from(len);
        let received = self.buffer.get(self.start..self.start + run).expect("frames that are here in full");
        // A frame that is alone needs no reference count.
        let alone = if run == len { received.get(LENGTH_PREFIX..).map(Bytes::copy_from_slice) } else { None };
        if alone.is_none() {
            self.run = Bytes::copy_from_slice(received);
            self.run_at = 0;
        }
        self.start += run;
        self.last_large = None;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.role == Role::Mixed {
                let before = self.use_read_buffer(0);
                self.spares.give_back(before.freeze());
            }
        }
        alone.unwrap_or_else(|| self.next_of_run())
    }

    /// Whether a frame of `len` bytes may have the buffer, which is that of an earlier large frame, to itself. Not if
    /// it would keep much more memory than it needs.
    fn is_large_here(&self, len: usize) -> bool {
        len > READ && len <= self.buffer.len() && self.buffer.len() / 2 <= len
    }

    /// Takes the frame at the start of the buffer together with the buffer.
    fn cut_large(&mut self, len: usize) -> Bytes {
        self.start = len;
        let pending = self.end - len;
        let memory = self.change_buffer(self.large_in_front(pending), pending).freeze();
        let frame = memory.slice(LENGTH_PREFIX..len);
        self.spares.keep(memory);
        self.last_large = Some(len);
        frame
    }

    /// How many bytes the frame of `len` bytes at the front takes together with those behind it that are copied with
    /// it.
    fn run_from(&self, len: usize) -> usize {
        let received = self.buffer.get(self.start..self.end).unwrap_or_default();
        let mut run = len;
        while let Front::Frame(next) = Front::of(received.get(run..).unwrap_or_default(), self.max_frame)
            && run.saturating_add(next) <= received.len().min(RUN)
        {
            run += next;
        }
        run
    }

    /// The next frame of `run`, which has one.
    fn next_of_run(&mut self) -> Bytes {
        let prefix = self.run.get(self.run_at..).and_then(|rest| rest.first_chunk::<LENGTH_PREFIX>());
        let len = prefix.map_or(0, |prefix| u32::from_be_bytes(*prefix));
        let from = self.run_at + LENGTH_PREFIX;
        let to = from + usize::try_from(len).unwrap_or(0);
        let frame = self.run.slice(from..to);
        self.run_at = to;
        if to == self.run.len() {
            (self.run, self.run_at) = (Bytes::new(), 0);
        }
        frame
    }

    /// Reads into the memory of an earlier large frame if nobody holds it any more and another one is likely to come
    /// next. Otherwise its first bytes would come in a read of their own and then be moved, which costs a quarter of
    /// consuming.
    fn expect_large(&mut self) {
        if self.end == 0
            && let Some(len) = self.last_large
            && let Some(memory) = self.spares.take(len)
        {
            self.last_large = None;
            let before = self.move_to(memory, 0);
            self.park(before);
            self.role = Role::Expects(len);
        }
    }

    /// Makes the limit lie beyond the end.
    fn make_room(&mut self) {
        let pending = self.end - self.start;
        let large = self.large_in_front(pending);
        // At most once a frame: the frame at the front fits the buffer from its start. More than one read buffer is
        // pending only if a caller feeds without taking frames, and then moving must free as much as it moves.
        if large.is_none() && self.start > 0 && self.buffer.len() >= READ && pending <= READ.max(self.start) {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, pending);
            return;
        }
        let role = self.role;
        let before = self.change_buffer(large, pending);
        match role {
            Role::Reads if large.is_some() => self.park(before),
            Role::Expects(_) | Role::Mixed => self.spares.give_back(before.freeze()),
            Role::Reads | Role::Large(_) => {}
        }
    }

    /// The length of the frame at the front if it is to have memory of its own: it is too long for a read buffer, and
    /// not here in full.
    fn large_in_front(&self, pending: usize) -> Option<usize> {
        match self.front() {
            Front::Frame(len) if len > READ.max(pending) => Some(len),
            _ => None,
        }
    }

    /// Goes on in memory for the `large` frame at the front, or in a read buffer. Returns the buffer before.
    fn change_buffer(&mut self, large: Option<usize>, pending: usize) -> BytesMut {
        match large {
            Some(len) => self.use_memory_for(len, pending),
            None => self.use_read_buffer(pending),
        }
    }

    /// Gives a frame of `len` bytes memory of its own, or more of it. Returns the buffer before.
    fn use_memory_for(&mut self, len: usize, pending: usize) -> BytesMut {
        let memory = match self.spares.take(len) {
            Some(memory) => memory,
            None => {
                // As much at once as this peer has filled before; beyond that never more than doubling. Rounded up, so
                // that the memory also fits the next frame if that is a little larger.
                let most = len.checked_next_multiple_of(READ).unwrap_or(len);
                BytesMut::zeroed(most.min(self.spares.largest().max(READ.max(2 * pending))))
            }
        };
        self.role = Role::Large(len);
        self.move_to(memory, pending)
    }

    /// Goes on with a read buffer that has room for twice as much as is pending. Returns the buffer before.
    fn use_read_buffer(&mut self, pending: usize) -> BytesMut {
        let parked = std::mem::take(&mut self.parked);
        let memory = if self.role != Role::Reads && 2 * pending <= parked.len() {
            parked
        } else {
            let size = if self.buffer.is_empty() { READ_AFTER_REST } else { READ };
            BytesMut::zeroed(size.max(2 * pending))
        };
        self.role = Role::Reads;
        self.move_to(memory, pending)
    }

    /// Keeps a read buffer for when large frames have passed.
    fn park(&mut self, buffer: BytesMut) {
        if buffer.len() == READ {
            self.parked = buffer;
        }
    }

    /// Makes `memory` the buffer, with what is pending at its start. Returns the buffer before.
    fn move_to(&mut self, mut memory: BytesMut, pending: usize) -> BytesMut {
        let received = self.buffer.get(self.start..self.end).unwrap_or_default();
        memory.split_at_mut(pending).0.copy_from_slice(received);
        (self.start, self.end) = (0, pending);
        std::mem::replace(&mut self.buffer, memory)
    }
}

impl fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameDecoder")
            .field("pending", &self.pending())
            .field("buffer", &self.buffer.len())
            .field("max_frame", &self.max_frame)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
