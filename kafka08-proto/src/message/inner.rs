//! The messages of an opened wrapper, and the offsets that they have.

use std::ops::ControlFlow;

use super::{
    Entries, Entry, Message, MessageError, MessageProblem, MessageSet, Origin, SMALLEST_MESSAGE, Tail, Wrapper,
    entries::split_header,
};
use crate::ids::Offset;

/// An opened wrapper and how far it was read.
#[derive(Clone)]
pub(super) struct Inside {
    set: MessageSet,
    /// The wrapper's offset and where it begins, for what is wrong with the set as a whole.
    wrapper: Offset,
    wrapper_at: usize,
    numbering: Numbering,
    /// Whether all offsets were looked at, so that those in front of what was asked for can be skipped.
    is_known: bool,
    /// Where the next entry begins, in bytes from the inner set's start.
    at: usize,
    /// Entries that were read.
    read: i64,
    /// The lowest offset that the next message may have.
    next: Offset,
    is_over: bool,
}

/// How inner offsets become those of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    /// They are those of the log.
    Absolute,
    /// They count from 0: this is what to add.
    Relative(i64),
    /// They mean nothing: the messages are numbered from this on.
    Counted(i64),
}

/// Why a run of sound messages ended.
enum Run {
    /// The visitor broke off.
    Stopped,
    /// A message of this offset, whose entry begins at this byte, does not follow.
    OutOfOrder(Offset, usize),
    /// What stands next is no sound message.
    Other,
}

/// What the headers of an inner set say.
#[derive(Default)]
struct Headers {
    count: i64,
    first: i64,
    last: i64,
    ascend: bool,
}

impl Headers {
    fn of(set: &[u8]) -> Self {
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
    /// The offset in the log of the `nth` entry.
    #[inline(always)]
    fn place(self, inner: Offset, nth: i64) -> Offset {
        match self {
            Self::Absolute => inner,
            Self::Relative(base) => Offset(inner.0.saturating_add(base)),
            Self::Counted(base) => Offset(base.saturating_add(nth)),
        }
    }

    /// Brokers of 0.8 write absolute offsets, of which the last is the wrapper's, unless compaction took it away. Producers
    /// count from 0 or write zeros, and so does what later formats store; those end at the wrapper's.
    fn of(headers: &Headers, wrapper: Offset) -> Result<Self, MessageProblem> {
        let Headers { count, last, .. } = *headers;
        if count == 0 || headers.ascend && (last == wrapper.0 || headers.first != 0) {
            return Ok(Self::Absolute);
        }
        let base = wrapper.0.saturating_sub(if headers.ascend { last } else { count - 1 });
        match base {
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
    /// `next` is the lowest offset that may come: what has been read so far ends there.
    pub(super) fn new(wrapper: &Wrapper<'_>, set: MessageSet, next: Offset) -> Result<Self, MessageError> {
        // In a set that goes on where the last one ended, which nearly all do, each message shows by itself whether it is in
        // order. Only before others are skipped, or numbered anew, all headers have to be known.
        let first = split_header(set.bytes()).map_or(0, |(offset, ..)| offset.0);
        let is_known = set.origin() == Origin::Fetched && (first == 0 || first < next.0);
        let numbering =
            if is_known { Numbering::of(&Headers::of(set.bytes()), wrapper.offset) } else { Ok(Numbering::Absolute) };
        let fail = |problem| MessageError { offset: wrapper.offset, at: wrapper.at, problem };
        let numbering = numbering.map_err(fail)?;
        Ok(Self {
            set,
            wrapper: wrapper.offset,
            wrapper_at: wrapper.at,
            numbering,
            is_known,
            at: 0,
            read: 0,
            next,
            is_over: false,
        })
    }

    /// Calls the visitor with what lies inside from `asked` on, until it breaks off or the end is reached. `position` is
    /// left where the set would have to be fetched from again.
    pub(super) fn visit<F>(&mut self, asked: Offset, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        if self.is_over {
            // The visitor broke off at what ended the set.
            return self.end(None, position, visitor);
        }
        let set = self.set.clone();
        let mut entries = set.entries_at(self.at).unordered();
        let flow = loop {
            let run = self.run(&mut entries, visitor);
            if self.set.origin() == Origin::Fetched {
                *position = (*position).max(self.next);
            }
            let flow = match run {
                Run::Stopped => ControlFlow::Break(()),
                Run::OutOfOrder(offset, at) => self.out_of_order(offset, at, asked, visitor),
                Run::Other => {
                    let at = Entries::position(&entries);
                    match entries.any() {
                        // A sound one was seen by `run`.
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

    /// Visits sound messages in order, up to anything else.
    #[inline(always)]
    fn run<F>(&mut self, entries: &mut Entries<'_>, visitor: &mut F) -> Run
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let (numbering, is_ordered) = (self.numbering, self.set.origin() == Origin::Fetched);
        // Kept apart from `self`, so that they need not be written back for each message.
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

    /// In front of what was asked for it is skipped. Anywhere else it is told, and moves nothing.
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

    #[cold]
    fn bad<F>(&mut self, error: MessageError, asked: Offset, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        if matches!(error.problem, MessageProblem::Size(_)) || self.set.origin() == Origin::Produced {
            return visitor(Err(error));
        }
        let offset = self.numbering.place(error.offset, self.read);
        self.read = self.read.wrapping_add(1);
        let error = MessageError { offset, ..error };
        let is_placed = (self.next..=self.wrapper).contains(&offset);
        match error.problem {
            MessageProblem::Crc { .. } | MessageProblem::Magic(2..) | MessageProblem::Magic(..0) => {
                if self.is_known && (Offset(0)..asked).contains(&offset) {
                    return ControlFlow::Continue(());
                }
                self.next = self.next.next().min(self.wrapper.next().max(self.next));
            }
            _ if !is_placed => return self.out_of_order(offset, error.at, asked, visitor),
            _ => self.next = offset.next(),
        }
        visitor(Err(error))?;
        *position = self.next;
        ControlFlow::Continue(())
    }

    /// A compressed stream is complete, or it is not opened: what is cut in it was cut by its producer.
    fn end<F>(&self, tail: Option<Tail>, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        if matches!(tail, Some(Tail::Cut { .. })) {
            let (offset, at) = (self.wrapper, self.wrapper_at);
            visitor(Err(MessageError { offset, at, problem: MessageProblem::CutInside }))?;
        }
        if self.set.origin() == Origin::Fetched {
            // Its last messages may have been compacted away, and then its offset is beyond them.
            *position = (*position).max(self.wrapper.next());
        }
        ControlFlow::Continue(())
    }
}
