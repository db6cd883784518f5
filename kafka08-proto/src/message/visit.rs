//! All messages of a set, whether they are compressed or not.

use std::ops::ControlFlow;

use super::{
    Budget, Cursor, Entries, Entry, InflateProblem, Inflater, Message, MessageError, MessageProblem, MessageSet, Tail,
    Wrapper, inner::Inside,
};
use crate::{ids::Offset, limits::MAX_NESTING};

// `Cursor` keeps one opened wrapper.
const _: () = assert!(MAX_NESTING == 1);

/// How far a visit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// What to fetch next, as [`Cursor::position`].
    pub position: Offset,
    /// How the set ends; `None` if the visitor broke off, or the budget did not suffice for the next compressed entry.
    pub tail: Option<Tail>,
}

impl MessageSet {
    /// Calls `visitor` with each message of a set that was fetched from `from`, in order, and with what could not be read.
    ///
    /// A compressed entry is opened, as deep as 0.8 stores them ([`MAX_NESTING`]); in front of `from` it may hold messages,
    /// which are skipped. Whatever else cannot be used is told, once, and the visitor's answer is the policy: `Continue` goes
    /// on behind it, `Break` stops there.
    ///
    /// Two things end the visit by themselves: the end of the set, and a compressed entry that the budget does not suffice
    /// for. The latter is told too, and the position stays in front of it.
    pub fn for_each_message(
        &self,
        from: Offset,
        inflater: &mut Inflater,
        budget: &mut Budget,
        visitor: impl FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    ) -> Visit {
        self.visit(&mut Cursor::new(from), inflater, budget, visitor)
    }

    /// [`MessageSet::for_each_message`] from a cursor on, which is left where the visit ended: a visitor that breaks off at
    /// each message, and is called again, costs what one does that never breaks off. The cursor also takes an upper bound
    /// for the offsets.
    ///
    /// A visit that goes on behind an error at which the last one broke off does not tell it again.
    pub fn visit<F>(&self, cursor: &mut Cursor, inflater: &mut Inflater, budget: &mut Budget, mut visitor: F) -> Visit
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let tail = loop {
            if let Some(inside) = &mut cursor.inside {
                if inside.visit(cursor.asked, &mut cursor.position, &mut visitor).is_break() {
                    break None;
                }
                cursor.inside = None;
            }
            // Nothing behind an impossible size can be read, even if the visitor goes on.
            if cursor.tail.is_some() {
                cursor.position = cursor.next.max(cursor.position);
                break cursor.tail;
            }
            let mut entries = cursor.entries(self);
            let flow = plain(&mut entries, &mut visitor);
            cursor.stand(&entries);
            cursor.position = cursor.next.max(cursor.position);
            if flow.is_break() {
                break None;
            }
            let entry = entries.any();
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

/// Visits sound plain messages, up to anything else.
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
    /// Tells a message, or what is wrong with an entry, and moves behind it unless the visitor breaks off at an error.
    fn pass<F>(&mut self, found: Result<Message<'_>, MessageError>, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let flow = visitor(found);
        if flow.is_continue() || found.is_ok() {
            self.position = self.position.max(self.next);
        }
        flow
    }

    /// Opens a wrapper that `self.at` lies behind.
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
                // Nothing is wrong with it, so that it is to be opened again, with another budget.
                self.at = wrapper.at;
                self.next = self.position;
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
