//! Reads the messages of a decompressed wrapper, and computes their offsets in the log.

use std::ops::{ControlFlow, Range};

use crc32fast::Hasher;

use super::{
    Entries, Entry, Message, MessageError, MessageProblem, MessageSet, Origin, SMALLEST_MESSAGE, Tail, Wrapper,
    entries::{sound, split_header},
};
use crate::ids::Offset;

/// A decompressed wrapper and the reading position in it.
#[derive(Clone)]
pub(super) struct Inside {
    /// The decompressed set.
    set: MessageSet,
    reading: Reading,
}

/// The reading position in a decompressed wrapper. It does not borrow the set.
#[derive(Clone)]
struct Reading {
    /// The wrapper's offset.
    wrapper: Offset,
    /// The byte position of the wrapper in the outer set. Used in errors about the whole inner set.
    wrapper_at: usize,
    numbering: Numbering,
    /// Whether the headers of all entries were read. Only then messages below the requested offset are skipped.
    is_known: bool,
    /// The position of the next entry, in bytes from the start of the inner set.
    at: usize,
    /// The number of entries that were read.
    read: i64,
    /// The lowest offset that the next message may have.
    next: Offset,
    /// Whether the offsets are those of a log.
    is_ordered: bool,
    /// Whether the inner set has been read to its end.
    is_over: bool,
}

/// Where a message is in the decompressed set: its offset in the log, and the byte ranges of its key and its value.
#[derive(Clone)]
pub(super) struct Located {
    offset: Offset,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
}

/// The rule that converts inner offsets to offsets in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    /// The inner offsets are offsets in the log.
    Absolute,
    /// The inner offsets start at 0. This number is added to each of them.
    Relative(i64),
    /// The inner offsets have no meaning. The messages are numbered consecutively, starting at this offset.
    Counted(i64),
}

/// The reason why a run of valid messages ended.
enum Run {
    /// The visitor returned `Break`.
    Stopped,
    /// A message is out of order. The fields are its offset in the log and the byte position of its entry.
    OutOfOrder(Offset, usize),
    /// The next entry is not a valid uncompressed message, or there is no next entry.
    Other,
}

/// A summary of the headers of an inner set.
#[derive(Default)]
struct Headers {
    /// The number of complete entries.
    count: i64,
    /// The offset of the first entry.
    first: i64,
    /// The offset of the last entry.
    last: i64,
    /// Whether the offsets ascend.
    ascend: bool,
}

impl Headers {
    /// Reads the headers of a set.
    fn of(set: &[u8]) -> Self {
        // Checksums are verified later, when the messages are visited. A damaged message is counted, because it also
        // has an offset in the log.
        let mut found = Self { ascend: true, ..Self::default() };
        let mut rest = set;
        while let Some((offset, size, body)) = split_header(rest) {
            let size = usize::try_from(size).ok().filter(|&size| size >= SMALLEST_MESSAGE);
            let Some(behind) = size.and_then(|size| body.get(size..)) else { break };
            if found.count == 0 {
                found.first = offset.0;
            } else {
                found.ascend &= found.last < offset.0;
            }
            found.last = offset.0;
            found.count += 1;
            rest = behind;
        }
        found
    }
}

impl Numbering {
    /// Returns the offset in the log of the `nth` entry, whose inner offset is `inner`.
    #[inline(always)]
    fn place(self, inner: Offset, nth: i64) -> Offset {
        // The additions saturate, because the peer can send any offsets. An offset above the wrapper's is reported
        // later.
        match self {
            Self::Absolute => inner,
            Self::Relative(base) => Offset(inner.0.saturating_add(base)),
            Self::Counted(base) => Offset(base.saturating_add(nth)),
        }
    }

    /// Determines the rule for a set. `wrapper` is the wrapper's offset, which is the offset of the last message.
    fn of(headers: &Headers, wrapper: Offset) -> Result<Self, MessageProblem> {
        let Headers { count, last, .. } = *headers;
        // Brokers of 0.8 write absolute offsets. The last inner offset is then equal to the wrapper's offset, unless
        // compaction has removed the last message. In that case the first inner offset decides: relative offsets start
        // at 0. Producers write relative offsets or only zeros. Later formats store such sets unchanged.
        if count == 0 || headers.ascend && (last == wrapper.0 || headers.first != 0) {
            return Ok(Self::Absolute);
        }
        let base = wrapper.0.saturating_sub(if headers.ascend { last } else { count - 1 });
        match base {
            // The first message would have an offset below 0, so no rule fits.
            ..0 => {
                let messages = usize::try_from(count).unwrap_or(usize::MAX);
                Err(MessageProblem::InnerOffsets { messages, last: Offset(last) })
            }
            _ if headers.ascend => Ok(Self::Relative(base)),
            _ => Ok(Self::Counted(base)),
        }
    }
}

impl Inside {
    /// Creates a reader of a decompressed wrapper. `next` is the lowest offset that its messages may have, except those
    /// to skip.
    pub(super) fn new(wrapper: &Wrapper<'_>, set: MessageSet, next: Offset) -> Result<Self, MessageError> {
        // Nearly all sets start at `next` or above. Then the order is checked message by message. The headers are read
        // in advance only if messages may have to be skipped or numbered.
        let first = split_header(set.bytes()).map_or(0, |(offset, ..)| offset.0);
        let is_known = set.origin() == Origin::Fetched && (first == 0 || first < next.0);
        let numbering =
            if is_known { Numbering::of(&Headers::of(set.bytes()), wrapper.offset) } else { Ok(Numbering::Absolute) };
        let fail = |problem| MessageError { offset: wrapper.offset, at: wrapper.at, problem };
        let numbering = numbering.map_err(fail)?;
        let is_ordered = set.origin() == Origin::Fetched;
        let reading = Reading {
            wrapper: wrapper.offset,
            wrapper_at: wrapper.at,
            numbering,
            is_known,
            at: 0,
            read: 0,
            next,
            is_ordered,
            is_over: false,
        };
        Ok(Self { set, reading })
    }

    /// The lowest offset that the next message may have.
    pub(super) fn next_offset(&self) -> Offset {
        self.reading.next
    }

    /// Calls the visitor with the messages and errors from offset `asked` on, until the visitor stops or the set ends.
    /// Sets `position` to the offset to fetch next.
    pub(super) fn visit<F>(&mut self, asked: Offset, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        self.reading.visit(&self.set, asked, position, visitor)
    }

    /// Reads the next message or error. `None` at the end of the set. `crc` is an empty checksum.
    #[inline]
    pub(super) fn locate_next(
        &mut self,
        asked: Offset,
        position: &mut Offset,
        crc: &Hasher,
    ) -> Option<Result<Located, MessageError>> {
        let Self { set, reading } = self;
        let start = set.bytes().as_ptr().addr();
        if let Some(message) = reading.next_in_log(set, crc) {
            *position = reading.next.max(*position);
            return Some(Ok(Located::new(message, start)));
        }
        let mut found = None;
        // A visitor that stops at the first message. It gets slices of this very set.
        let _ = reading.visit(set, asked, position, &mut |result| {
            found = Some(result.map(|message| Located::new(message, start)));
            ControlFlow::Break(())
        });
        found
    }

    /// The message that was located in this set.
    pub(super) fn message(&self, located: Located) -> Message<'_> {
        let bytes = self.set.bytes();
        let part = |range: Option<Range<usize>>| range.map(|range| bytes.get(range).unwrap_or_default());
        Message { offset: located.offset, key: part(located.key), value: part(located.value) }
    }
}

impl Located {
    /// Locates a message whose key and value are slices of the set that begins at this address.
    fn new(message: Message<'_>, start: usize) -> Self {
        let locate = |part: &[u8]| {
            let from = part.as_ptr().addr().wrapping_sub(start);
            from..from.wrapping_add(part.len())
        };
        Self { offset: message.offset, key: message.key.map(locate), value: message.value.map(locate) }
    }
}

impl Reading {
    /// Reads the next entry if it is a valid uncompressed message and its offset is the one in the log. Otherwise changes
    /// nothing.
    fn next_in_log<'a>(&mut self, set: &'a MessageSet, crc: &Hasher) -> Option<Message<'a>> {
        if self.numbering != Numbering::Absolute || !self.is_ordered || self.is_over {
            return None;
        }
        let rest = set.bytes().get(self.at..)?;
        let (message, behind) = sound(rest, Some(self.next.0..self.wrapper.next().0), Some(crc))?;
        self.at += rest.len() - behind.len();
        self.read = self.read.wrapping_add(1);
        self.next = message.offset.next();
        Some(message)
    }

    /// See [`Inside::visit`].
    fn visit<F>(&mut self, set: &MessageSet, asked: Offset, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        if self.is_over {
            // The visitor stopped at the error that `end` reported. With `None`, `end` does not report the error again.
            return self.end(None, position, visitor);
        }
        // The reader does not check the order, because it reads inner offsets. `run` checks the order of the log
        // offsets.
        let mut entries = set.entries_at(self.at).unordered();
        let flow = loop {
            let run = self.run(&mut entries, visitor);
            if self.is_ordered {
                *position = (*position).max(self.next);
            }
            let flow = match run {
                Run::Stopped => ControlFlow::Break(()),
                Run::OutOfOrder(offset, at) => self.out_of_order(offset, at, asked, visitor),
                Run::Other => {
                    let at = Entries::position(&entries);
                    match entries.any() {
                        // This does not happen, because `run` has visited all valid messages.
                        Some(Ok(Entry::Plain(_))) => ControlFlow::Continue(()),
                        Some(Ok(Entry::Compressed(Wrapper { offset, .. }))) => {
                            let error = MessageError { offset, at, problem: MessageProblem::Nested };
                            self.bad(error, asked, position, visitor)
                        }
                        Some(Err(error)) => self.bad(error, asked, position, visitor),
                        None => break self.end(entries.tail(), position, visitor),
                    }
                }
            };
            if flow.is_break() {
                break flow;
            }
        };
        self.at = Entries::position(&entries);
        self.is_over = entries.tail().is_some();
        flow
    }

    /// Visits valid messages in order, until the next entry is not a valid uncompressed message.
    #[inline(always)]
    fn run<F>(&mut self, entries: &mut Entries<'_>, visitor: &mut F) -> Run
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let (numbering, is_ordered) = (self.numbering, self.is_ordered);
        // Local variables are used because fields of `self` would be written back to memory for each message.
        let (mut read, mut next, last) = (self.read, self.next, self.wrapper);
        let end = loop {
            let at = Entries::position(entries);
            let Some(message) = entries.sound() else { break Run::Other };
            let offset = numbering.place(message.offset, read);
            read = read.wrapping_add(1);
            if is_ordered {
                if offset < next || offset > last {
                    break Run::OutOfOrder(offset, at);
                }
                next = offset.next();
            }
            if visitor(Ok(Message { offset, ..message })).is_break() {
                break Run::Stopped;
            }
        };
        (self.read, self.next) = (read, next);
        end
    }

    /// Skips a message below the requested offset, or reports a message that is out of order. The position does not
    /// change in either case.
    #[cold]
    fn out_of_order<F>(&self, offset: Offset, at: usize, asked: Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let problem = if offset > self.wrapper {
            MessageProblem::AboveEnd { end: self.wrapper.next() }
        } else if self.is_known && (Offset(0)..asked).contains(&offset) {
            return ControlFlow::Continue(());
        } else {
            MessageProblem::NotAscending { after: Offset(self.next.0 - 1) }
        };
        visitor(Err(MessageError { offset, at, problem }))
    }

    /// Reports an invalid entry. Moves past the entry's offset if this offset can be trusted, and by one if it has no
    /// valid checksum.
    #[cold]
    fn bad<F>(&mut self, error: MessageError, asked: Offset, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        if matches!(error.problem, MessageProblem::Size(_)) || !self.is_ordered {
            return visitor(Err(error));
        }
        let offset = self.numbering.place(error.offset, self.read);
        // The entry is counted like a message. Otherwise the later messages would get too low numbers.
        self.read = self.read.wrapping_add(1);
        let error = MessageError { offset, ..error };
        let is_placed = (self.next..=self.wrapper).contains(&offset);
        match error.problem {
            // No checksum confirms the entry, so the position moves by one, and the entry's offset is ignored. Format 1
            // is handled below, because its checksum was verified.
            MessageProblem::Crc { .. } | MessageProblem::Magic(2..) | MessageProblem::Magic(..0) => {
                if self.is_known && (Offset(0)..asked).contains(&offset) {
                    return ControlFlow::Continue(());
                }
                self.next = self.next.next().min(self.wrapper.next().max(self.next));
            }
            _ if !is_placed => return self.out_of_order(offset, error.at, asked, visitor),
            _ => self.next = offset.next(),
        }
        // If the visitor stops at the error, `position` stays before the entry. `self.next` is after the entry, so
        // reading continues there.
        visitor(Err(error))?;
        *position = self.next;
        ControlFlow::Continue(())
    }

    /// Ends the set: reports an incomplete last message, and moves the position past the wrapper.
    fn end<F>(&self, tail: Option<Tail>, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        // A fetch cannot cause this: `max_bytes` cuts the wrapper, and a cut wrapper is not decompressed. Here the
        // producer has compressed an incomplete set.
        if matches!(tail, Some(Tail::Cut { .. })) {
            let (offset, at) = (self.wrapper, self.wrapper_at);
            visitor(Err(MessageError { offset, at, problem: MessageProblem::CutInside }))?;
        }
        if self.is_ordered {
            // Compaction may have removed the last messages. Then the wrapper's offset is higher than the offset of the
            // last remaining message.
            *position = (*position).max(self.wrapper.next());
        }
        ControlFlow::Continue(())
    }
}
