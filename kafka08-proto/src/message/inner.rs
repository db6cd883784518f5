//! The messages of an opened wrapper, and their offsets in the log.

use std::ops::ControlFlow;

use super::{
    Entries, Entry, Message, MessageError, MessageProblem, MessageSet, Origin, SMALLEST_MESSAGE, Tail, Wrapper,
    entries::split_header,
};
use crate::ids::Offset;

/// An opened wrapper, and the position of its reader.
#[derive(Clone)]
pub(super) struct Inside {
    /// The decompressed set.
    set: MessageSet,
    /// The wrapper's offset.
    wrapper: Offset,
    /// The position of the wrapper in the set around it, for errors about the inner set as a whole.
    wrapper_at: usize,
    numbering: Numbering,
    /// Whether the headers of all entries were read, so that the messages in front of the fetched offset can be
    /// skipped.
    is_known: bool,
    /// The position of the next entry, in bytes from the start of the inner set.
    at: usize,
    /// The number of entries that were read.
    read: i64,
    /// The lowest offset that the next message may have.
    next: Offset,
    /// Whether the inner set has been read to its end.
    is_over: bool,
}

/// The rule by which inner offsets become offsets in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    /// The inner offsets are those of the log.
    Absolute,
    /// The inner offsets count from 0. This number is added to each.
    Relative(i64),
    /// The inner offsets have no meaning. The messages are numbered from this offset on.
    Counted(i64),
}

/// The end of a run of valid messages.
enum Run {
    /// The visitor broke off.
    Stopped,
    /// A message is out of order. It has this offset, and its entry begins at this byte.
    OutOfOrder(Offset, usize),
    /// The next entry is not a valid message without compression, or there is none.
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
        // Checksums are compared later, when the messages are visited. A damaged message counts, because it has an
        // offset in the log too.
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
    /// The offset in the log of the `nth` entry, whose own offset is `inner`.
    #[inline(always)]
    fn place(self, inner: Offset, nth: i64) -> Offset {
        // The sums saturate, because a peer chooses the offsets. An offset above the wrapper's is reported later.
        match self {
            Self::Absolute => inner,
            Self::Relative(base) => Offset(inner.0.saturating_add(base)),
            Self::Counted(base) => Offset(base.saturating_add(nth)),
        }
    }

    /// Finds the rule for a set. The wrapper's offset is that of the last message.
    fn of(headers: &Headers, wrapper: Offset) -> Result<Self, MessageProblem> {
        let Headers { count, last, .. } = *headers;
        // Brokers of 0.8 write absolute offsets. The last one is the wrapper's, unless compaction has removed that
        // message, and then the first one shows it: a set that counts from 0 begins at 0. Producers count from 0 or
        // write only zeros. Later formats store such sets as they come.
        if count == 0 || headers.ascend && (last == wrapper.0 || headers.first != 0) {
            return Ok(Self::Absolute);
        }
        let base = wrapper.0.saturating_sub(if headers.ascend { last } else { count - 1 });
        match base {
            // The set would begin below offset 0, so none of the rules can be right.
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
    /// Creates a reader of an opened wrapper. `next` is the lowest offset that its messages may have, except those to
    /// skip.
    pub(super) fn new(wrapper: &Wrapper<'_>, set: MessageSet, next: Offset) -> Result<Self, MessageError> {
        // Nearly all sets begin at `next` or above, and then each message shows by itself whether it is in order. The
        // headers are read in advance only if messages may have to be skipped or numbered.
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

    /// Calls the visitor with the messages and errors from `asked` on, until it breaks off or the set ends. Moves
    /// `position` to the offset to fetch next.
    pub(super) fn visit<F>(&mut self, asked: Offset, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        if self.is_over {
            // The visitor broke off at the error that `end` reported. `None` does not report it again.
            return self.end(None, position, visitor);
        }
        let set = self.set.clone();
        // The reader does not check the order, because it sees inner offsets. `run` checks the order of those in the
        // log.
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
                        // `run` has visited all valid messages, so this does not happen.
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

    /// Visits valid messages in order, up to the first other entry.
    #[inline(always)]
    fn run<F>(&mut self, entries: &mut Entries<'_>, visitor: &mut F) -> Run
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let (numbering, is_ordered) = (self.numbering, self.set.origin() == Origin::Fetched);
        // These are local variables, because fields of `self` would be written back for each message.
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

    /// Skips a message in front of the fetched offset, and reports one that is out of order. Neither moves the
    /// position.
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

    /// Reports an entry that cannot be used, and moves behind it if its offset can be trusted.
    #[cold]
    fn bad<F>(&mut self, error: MessageError, asked: Offset, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        if matches!(error.problem, MessageProblem::Size(_)) || self.set.origin() == Origin::Produced {
            return visitor(Err(error));
        }
        let offset = self.numbering.place(error.offset, self.read);
        // The entry counts like a message. Otherwise the messages behind it would be numbered too low.
        self.read = self.read.wrapping_add(1);
        let error = MessageError { offset, ..error };
        let is_placed = (self.next..=self.wrapper).contains(&offset);
        match error.problem {
            // No checksum confirms the entry, so it moves the position by one, whatever offset it claims. Format 1 is
            // treated below, because its checksum was compared.
            MessageProblem::Crc { .. } | MessageProblem::Magic(2..) | MessageProblem::Magic(..0) => {
                if self.is_known && (Offset(0)..asked).contains(&offset) {
                    return ControlFlow::Continue(());
                }
                self.next = self.next.next().min(self.wrapper.next().max(self.next));
            }
            _ if !is_placed => return self.out_of_order(offset, error.at, asked, visitor),
            _ => self.next = offset.next(),
        }
        // The position stays in front of an error at which the visitor breaks off. `self.next` is behind it, so that
        // reading continues there.
        visitor(Err(error))?;
        *position = self.next;
        ControlFlow::Continue(())
    }

    /// Ends the set: reports a message that is cut, and moves the position behind the wrapper.
    fn end<F>(&self, tail: Option<Tail>, position: &mut Offset, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        // This is not the cut of a fetch, which cuts the wrapper, so that it cannot be opened. The producer has
        // compressed an incomplete set.
        if matches!(tail, Some(Tail::Cut { .. })) {
            let (offset, at) = (self.wrapper, self.wrapper_at);
            visitor(Err(MessageError { offset, at, problem: MessageProblem::CutInside }))?;
        }
        if self.set.origin() == Origin::Fetched {
            // Compaction may have removed the last messages. The wrapper's offset is then above those that are left.
            *position = (*position).max(self.wrapper.next());
        }
        ControlFlow::Continue(())
    }
}
