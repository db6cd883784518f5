//! The incremental frame decoder.

mod memory;

use std::{collections::VecDeque, fmt};

use bytes::{Bytes, BytesMut};

use super::{FrameError, LENGTH_PREFIX, front::Front, spares::Spares};

/// The size of the read buffer, in bytes. It holds some hundred small responses. A longer frame has memory of its own.
const READ: usize = 32 << 10;
/// The size of the read buffer at the beginning and after [`FrameDecoder::release`], in bytes.
// An idle connection then holds less than 1 KiB. The buffer grows to `READ` when a read has filled it.
const READ_AFTER_REST: usize = 512;
/// The most bytes of several small frames that are copied out in one allocation.
// A caller that keeps one of these frames keeps the memory of all of them alive.
const RUN: usize = 4 << 10;

/// Splits a byte stream into frames, whatever pieces the stream arrives in.
///
/// Bytes go in by [`FrameDecoder::space`] and [`FrameDecoder::filled`], or by [`FrameDecoder::extend`]; frames come out
/// of [`FrameDecoder::next_frame`], without their length. Each read costs O(1) besides moving its bytes.
///
/// Frames of up to 32 KiB are copied out of the read buffer, so that they do not keep it alive. A larger frame is read
/// into memory of its own and handed out without a copy. A later large frame uses this memory again once the caller has
/// dropped the earlier one.
///
/// The memory in use is at most twice the bytes received of the incomplete frame, plus 64 KiB, plus the memory of two
/// earlier large frames, which [`FrameDecoder::release`] frees. The length that a frame claims is allocated in advance
/// only up to the size of the largest frame that has arrived before.
///
/// An error is final: it is returned by each call, and further bytes are ignored.
// The frames that were received and not handed out are, from the oldest to the newest:
//
//     run[run_at..]    ready    buffer:  | handed out | not handed out | next read goes here | not read into |
//                                        0            start            end                   limit     buffer.len()
//
// `role` says what the buffer is and where its limit lies. A read never goes beyond the limit, so a large frame that is
// complete ends where the received bytes end, and its memory can be handed out with nothing of the next frame in it.
//
//     Reads ---- a frame above 32 KiB begins --------------------> Large --- it is complete ---> Reads
//       '------- large one handed out, its memory is free --> Expects --- another one comes ---> Large
//                                                                '------- another size comes --> Mixed --> Reads
pub struct FrameDecoder {
    /// Initialised in full, because a driver reads into it without `unsafe`.
    buffer: BytesMut,
    /// The position in `buffer` of the first byte that was not handed out.
    start: usize,
    /// The position in `buffer` behind the last byte that was received.
    end: usize,
    role: Role,
    /// The read buffer, while `buffer` is the memory of a large frame.
    parked: BytesMut,
    /// Small frames that were copied out together, with their length prefixes. Empty once all of them are handed out.
    run: Bytes,
    /// The position in `run` of the first frame that was not handed out.
    run_at: usize,
    /// Large frames that were complete when more bytes were read, without their length prefixes.
    ready: VecDeque<Bytes>,
    spares: Spares,
    /// The size of the last frame, prefix included, if that frame was large and nothing was received since.
    last_large: Option<usize>,
    max_frame: usize,
    error: Option<FrameError>,
}

/// The use of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The read buffer. Frames are copied out of it.
    Reads,
    /// The memory of an earlier large frame. A frame of this many bytes is expected, and fewer than four are received.
    /// The limit lies behind the expected frame.
    Expects(usize),
    /// The memory of a large frame of this many bytes. The limit lies behind the frame.
    Large(usize),
    /// The memory of an earlier large frame, with a frame that was not expected, or with bytes behind the expected one.
    Mixed,
}

impl FrameDecoder {
    /// Creates a decoder that accepts frames of at most `max_frame` bytes, without the length prefix.
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

    /// The memory to read into. It is initialised and never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.role == Role::Large(self.end) {
            // The frame is complete, and the caller has not taken it. Its memory has no room for what comes next.
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

    /// The position in `buffer` up to which bytes may be read.
    fn limit(&self) -> usize {
        match self.role {
            Role::Reads | Role::Mixed => self.buffer.len(),
            Role::Expects(end) | Role::Large(end) => end.min(self.buffer.len()),
        }
    }

    /// Notes that `n` bytes were read into [`FrameDecoder::space`].
    ///
    /// # Panics
    /// If `n` is larger than the space. No reader can have read more than the slice holds.
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.limit() - self.end, "more bytes filled than there was space for");
        if self.error.is_some() {
            return;
        }
        self.end += n;
        if let Role::Expects(_) = self.role {
            // The role is decided as soon as the length is known, because `make_room` must not read beyond the end of a
            // large frame.
            self.role = match self.front() {
                Front::Nothing => return,
                Front::Frame(len) if self.end <= len && self.is_large_here(len) => Role::Large(len),
                Front::Frame(_) | Front::Bad(_) => Role::Mixed,
            };
        }
    }

    /// Copies bytes in, from a transport that has its own buffers.
    pub fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            let space = self.space();
            let (now, later) = bytes.split_at(bytes.len().min(space.len()));
            space.split_at_mut(now.len()).0.copy_from_slice(now);
            self.filled(now.len());
            bytes = later;
        }
    }

    /// Whether [`FrameDecoder::next_frame`] would return a frame or an error.
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

    /// Takes the next complete frame; `None` if none was received.
    ///
    /// # Errors
    /// The stream does not consist of frames. Close the connection.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        // The order of the three places is the order in which their bytes arrived.
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
                // All memory is freed, because the connection may be kept until its queued events are taken.
                *self = Self { error: Some(error), ..Self::new(self.max_frame) };
                Err(error)
            }
        }
    }

    /// The number of bytes that were received and not handed out. Once [`FrameDecoder::next_frame`] has returned
    /// `None`, these are the bytes of the incomplete frame.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.run.len() - self.run_at + self.ready.iter().map(Bytes::len).sum::<usize>() + self.end - self.start
    }

    /// The number of bytes received of the incomplete frame, and its size, both without the length prefix. `None` while
    /// the length is not known, and if the frame is complete.
    pub(crate) fn arriving(&self) -> Option<(usize, usize)> {
        let received = self.end - self.start;
        match self.front() {
            Front::Frame(len) if received < len => Some((received - LENGTH_PREFIX, len - LENGTH_PREFIX)),
            _ => None,
        }
    }

    /// Whether [`FrameDecoder::release`] would free memory.
    pub(crate) fn can_release(&self) -> bool {
        self.run.is_empty()
            && (!self.spares.is_empty()
                || matches!(self.role, Role::Expects(_) | Role::Mixed)
                || self.parked.len() > READ_AFTER_REST
                || (self.start == self.end && self.buffer.len() > READ_AFTER_REST))
    }

    /// Frees the memory that is kept for later frames. Call it for an idle connection.
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

    /// Takes the frame of `len` bytes, prefix included, out of the buffer.
    fn cut(&mut self, len: usize) -> Bytes {
        match self.role {
            Role::Large(_) => return self.cut_large(len),
            Role::Mixed if self.start == 0 && self.is_large_here(len) => return self.cut_large(len),
            Role::Reads | Role::Expects(_) | Role::Mixed => {}
        }
        let run = self.run_from(len);
        let received = self.buffer.get(self.start..self.start + run).expect("frames that are here in full");
        // A single frame is copied without its prefix: a slice of `run` would allocate a reference count besides.
        let alone = if run == len { received.get(LENGTH_PREFIX..).map(Bytes::copy_from_slice) } else { None };
        if alone.is_none() {
            self.run = Bytes::copy_from_slice(received);
            self.run_at = 0;
        }
        self.start += run;
        self.last_large = None;
        // An empty buffer starts over, so most reads have all of it, and nothing has to be moved.
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.role == Role::Mixed {
                let before = self.use_read_buffer(0);
                self.spares.give_back(before.freeze());
            }
        }
        alone.unwrap_or_else(|| self.next_of_run())
    }

    /// Whether a frame of `len` bytes is handed out together with the buffer, which is that of an earlier large frame.
    fn is_large_here(&self, len: usize) -> bool {
        // A caller that keeps the frame keeps the buffer, so the frame has to fill at least half of it.
        len > READ && len <= self.buffer.len() && self.buffer.len() / 2 <= len
    }

    /// Takes the frame of `len` bytes at the start of the buffer together with the buffer.
    fn cut_large(&mut self, len: usize) -> Bytes {
        // This comes first, because the next lines look at the frame behind this one and move its bytes.
        self.start = len;
        let pending = self.end - len;
        let memory = self.change_buffer(self.large_in_front(pending), pending).freeze();
        let frame = memory.slice(LENGTH_PREFIX..len);
        // The spare holds all of the memory, because a slice of it could not become mutable again in its full size.
        self.spares.keep(memory);
        self.last_large = Some(len);
        frame
    }

    /// The number of bytes of the frame of `len` bytes at the front and of the frames behind it that are copied with
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

    /// Takes the next frame of `run`, which is not empty.
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
