//! All messages of a set, whether they are compressed or not.

use std::ops::ControlFlow;

use super::{Budget, Entry, Inflater, Message, MessageError, MessageProblem, MessageSet, Origin, Tail, Wrapper};
use crate::{ids::Offset, limits::MAX_NESTING};

/// How far a visit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// What to fetch next: past everything that was visited or skipped, compaction gaps included. It never lies before
    /// where the visit began. A visitor that breaks on a message has had it; one that breaks on an error has the position
    /// stay at it.
    pub position: Offset,
    /// How the set ends; `None` if the visitor broke off.
    pub tail: Option<Tail>,
}

impl MessageSet {
    /// Calls `visitor` with each message from `from` on, in order, and with what could not be read.
    ///
    /// A compressed entry is opened, as deep as brokers store them ([`MAX_NESTING`]); in front of `from` it may hold messages, which
    /// are skipped. Each bad message or wrapper is told once, and the visitor's answer is the policy: `Continue` goes on
    /// behind it, `Break` stops there. The position to go on from is exact either way.
    pub fn for_each_message(
        &self,
        from: Offset,
        inflater: &mut Inflater,
        budget: &mut Budget,
        mut visitor: impl FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    ) -> Visit {
        let absolute = self.origin() == Origin::Fetched;
        let mut walk = Walk { position: from, absolute, visitor: &mut visitor };
        let mut entries = self.entries();
        for entry in entries.by_ref() {
            let flow = match entry {
                Ok(Entry::Plain(message)) => walk.message(message),
                Ok(Entry::Compressed(wrapper)) => walk.wrapper(&wrapper, 1, inflater, budget),
                Err(error) => walk.bad(error),
            };
            if flow.is_break() {
                return Visit { position: walk.position, tail: None };
            }
        }
        Visit { position: walk.position, tail: entries.tail() }
    }
}

struct Walk<'v> {
    position: Offset,
    /// Whether offsets mean something.
    absolute: bool,
    visitor: &'v mut dyn FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn message(&mut self, message: Message<'_>) -> ControlFlow<()> {
        if self.absolute && message.offset < self.position {
            return ControlFlow::Continue(());
        }
        self.pass(message.offset);
        (self.visitor)(Ok(message))
    }

    /// `depth` counts the wrappers that the walk is in, this one included.
    fn wrapper(
        &mut self,
        wrapper: &Wrapper<'_>,
        depth: usize,
        inflater: &mut Inflater,
        budget: &mut Budget,
    ) -> ControlFlow<()> {
        if self.absolute && wrapper.offset < self.position {
            return ControlFlow::Continue(());
        }
        if depth > MAX_NESTING {
            let (offset, at) = (wrapper.offset, wrapper.at);
            return self.bad(MessageError { offset, at, problem: MessageProblem::Nested });
        }
        let set = match inflater.open(wrapper, budget) {
            Ok(set) => set,
            Err(error) => return self.bad(error),
        };
        for entry in set.entries() {
            match entry {
                Ok(Entry::Plain(message)) => self.message(message),
                Ok(Entry::Compressed(inner)) => self.wrapper(&inner, depth + 1, inflater, budget),
                Err(error) => self.bad(error),
            }?;
        }
        // Its last messages may have been compacted away, and then its offset is beyond them.
        self.pass(wrapper.offset);
        ControlFlow::Continue(())
    }

    fn bad(&mut self, error: MessageError) -> ControlFlow<()> {
        if self.absolute && error.offset < self.position && !matches!(error.problem, MessageProblem::Size(_)) {
            return ControlFlow::Continue(());
        }
        (self.visitor)(Err(error))?;
        // Behind an impossible size nothing can be read, so there is nothing to go on behind.
        if !matches!(error.problem, MessageProblem::Size(_) | MessageProblem::NotAscending { .. }) {
            self.pass(error.offset);
        }
        ControlFlow::Continue(())
    }

    fn pass(&mut self, offset: Offset) {
        if self.absolute {
            self.position = self.position.max(offset.next());
        }
    }
}
