//! The visitor of all messages of a set, compressed or not.

use std::ops::ControlFlow;

use super::{
    Budget, Cursor, Entries, Entry, InflateProblem, Inflater, Message, MessageError, MessageProblem, MessageSet, Tail,
    Wrapper, inner::Inside,
};
use crate::{ids::Offset, limits::MAX_NESTING};

// `Cursor` keeps one opened wrapper. More levels would need a stack of them.
const _: () = assert!(MAX_NESTING == 1);

/// The result of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The offset to fetch next, as [`Cursor::position`].
    pub position: Offset,
    /// The end of the set. `None` if the visitor broke off, or if the budget did not suffice for the next compressed
    /// entry.
    pub tail: Option<Tail>,
}

impl MessageSet {
    /// Calls `visitor` with each message of a set that was fetched from `from`, in order, and with each error.
    ///
    /// Compressed entries are opened ([`MAX_NESTING`] levels). Their messages in front of `from` are skipped. Every
    /// other entry that cannot be used is reported once. The visitor decides what follows: `Continue` reads on behind
    /// the message or error, `Break` ends the visit.
    ///
    /// The visit also ends at the end of the set, and at a compressed entry for which the budget does not suffice. Such
    /// an entry is reported, and the position stays in front of it.
    pub fn for_each_message(
        &self,
        from: Offset,
        inflater: &mut Inflater,
        budget: &mut Budget,
        visitor: impl FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    ) -> Visit {
        self.visit(&mut Cursor::new(from), inflater, budget, visitor)
    }

    /// Does the same as [`MessageSet::for_each_message`], from a cursor on. The cursor is left where the visit ended,
    /// and can have an upper bound for the offsets ([`Cursor::with_end`]).
    ///
    /// A visit that broke off can be continued with the same cursor. No entry is read twice, and an error at which the
    /// visitor broke off is not reported again.
    pub fn visit<F>(&self, cursor: &mut Cursor, inflater: &mut Inflater, budget: &mut Budget, mut visitor: F) -> Visit
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let tail = loop {
            // An opened wrapper comes before everything that is left of the set.
            if let Some(inside) = &mut cursor.inside {
                if inside.visit(cursor.asked, &mut cursor.position, &mut visitor).is_break() {
                    break None;
                }
                cursor.inside = None;
            }
            // This is asked after an error too. Behind an invalid size nothing can be read, even if the visitor wants
            // to continue.
            if cursor.tail.is_some() {
                cursor.position = cursor.next.max(cursor.position);
                break cursor.tail;
            }
            let mut entries = cursor.entries(self);
            let flow = plain(&mut entries, &mut visitor);
            // The cursor moves once for a run of messages and not for each, because this is the hot path. The visitor
            // has seen all of them, also the one at which it broke off, so the position lies behind them.
            cursor.stand(&entries);
            cursor.position = cursor.next.max(cursor.position);
            if flow.is_break() {
                break None;
            }
            let entry = entries.any();
            // The cursor moves before the visitor is called, so that an error at which it breaks off is not read again.
            // The position is moved later, by `pass` or by the messages of a wrapper.
            cursor.stand(&entries);
            let flow = match entry {
                None => continue,
                Some(Ok(Entry::Compressed(wrapper))) => cursor.open(&wrapper, inflater, budget, &mut visitor),
                Some(Ok(Entry::Plain(message))) => cursor.pass(Ok(message), &mut visitor),
                Some(Err(error)) => cursor.pass(Err(error), &mut visitor),
            };
            if flow.is_break() {
                break None;
            }
        };
        Visit { position: cursor.position, tail }
    }
}

/// Visits valid messages without compression, up to the first other entry.
#[inline(always)]
fn plain<F>(entries: &mut Entries<'_>, visitor: &mut F) -> ControlFlow<()>
where
    F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
{
    while let Some(message) = entries.sound() {
        visitor(Ok(message))?;
    }
    ControlFlow::Continue(())
}

impl Cursor {
    /// Passes a message or an error to the visitor, and moves behind the entry unless the visitor breaks off at an
    /// error.
    fn pass<F>(&mut self, found: Result<Message<'_>, MessageError>, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let flow = visitor(found);
        // A consumer that stops at an error has not used the entry. It fetches the entry again, perhaps from another
        // leader.
        if flow.is_continue() || found.is_ok() {
            self.position = self.position.max(self.next);
        }
        flow
    }

    /// Opens a wrapper. `self.at` is behind it already.
    fn open<F>(
        &mut self,
        wrapper: &Wrapper<'_>,
        inflater: &mut Inflater,
        budget: &mut Budget,
        visitor: &mut F,
    ) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let opened = inflater.open(wrapper, budget).and_then(|set| Inside::new(wrapper, set, self.position));
        match opened {
            Ok(inside) => {
                self.inside = Some(inside);
                ControlFlow::Continue(())
            }
            Err(error) if is_over_budget(&error) => {
                // The wrapper is valid, so the next visit opens it again, with another budget.
                self.at = wrapper.at;
                self.next = self.position;
                // The visitor's answer is ignored, because reading on behind the wrapper would skip its messages.
                let _ = visitor(Err(error));
                ControlFlow::Break(())
            }
            Err(error) => self.pass(Err(error), visitor),
        }
    }
}

fn is_over_budget(error: &MessageError) -> bool {
    matches!(error.problem, MessageProblem::Inflate { problem: InflateProblem::OverBudget { .. }, .. })
}
