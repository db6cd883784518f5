//! Visits all messages of a set, compressed and uncompressed.

use std::ops::ControlFlow;

use super::{
    Budget, Cursor, Entries, Entry, InflateProblem, Inflater, Message, MessageError, MessageProblem, MessageSet, Tail,
    Wrapper, inner::Inside,
};
use crate::{ids::Offset, limits::MAX_NESTING};

// `Cursor` stores one decompressed wrapper. More levels would need a stack of wrappers.
const _: () = assert!(MAX_NESTING == 1);

/// The result of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The offset to fetch next. The same as [`Cursor::position`].
    pub position: Offset,
    /// How the set ends. `None` if the visitor stopped, or if the budget was too small for the next compressed entry.
    pub tail: Option<Tail>,
}

impl MessageSet {
    /// Calls `visitor` with each message and each error of the set, in order. `from` is the offset that was requested
    /// in the fetch.
    ///
    /// Compressed entries are decompressed ([`MAX_NESTING`] levels). Their messages below `from` are skipped. Every
    /// other invalid entry is reported once. If the visitor returns `Continue`, the visit continues after the message
    /// or error. `Break` ends the visit.
    ///
    /// The visit also ends at the end of the set, and at a compressed entry for which the budget is too small. Such an
    /// entry is reported, and the position stays before the entry.
    pub fn for_each_message(
        &self,
        from: Offset,
        inflater: &mut Inflater,
        budget: &mut Budget,
        visitor: impl FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    ) -> Visit {
        self.visit(&mut Cursor::new(from), inflater, budget, visitor)
    }

    /// Does the same as [`MessageSet::for_each_message`], but starts at a cursor and moves the cursor to where the
    /// visit ends. The cursor can have an upper bound for the offsets ([`Cursor::with_end`]).
    ///
    /// A visit that the visitor stopped can be continued with the same cursor. No entry is visited twice, and the error
    /// at which the visitor stopped is not reported again.
    pub fn visit<F>(&self, cursor: &mut Cursor, inflater: &mut Inflater, budget: &mut Budget, mut visitor: F) -> Visit
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let tail = loop {
            // A decompressed wrapper is finished before later entries of the set are read.
            if let Some(inside) = &mut cursor.inside {
                if inside.visit(cursor.asked, &mut cursor.position, &mut visitor).is_break() {
                    break None;
                }
                cursor.inside = None;
            }
            // This check also runs after an error. After an invalid size nothing can be read, even if the visitor
            // returned `Continue`.
            if cursor.tail.is_some() {
                cursor.position = cursor.next.max(cursor.position);
                break cursor.tail;
            }
            let mut entries = cursor.entries(self);
            let flow = plain(&mut entries, &mut visitor);
            // The cursor moves once for a run of messages, not once for each message, because this is the hot path. The
            // visitor has received all these messages, including the message at which the visitor stopped. So the
            // position is after all of them.
            cursor.stand(&entries);
            cursor.position = cursor.next.max(cursor.position);
            if flow.is_break() {
                break None;
            }
            let entry = entries.any();
            // The cursor moves before the visitor is called. So if the visitor stops at an error, the entry is not read
            // again. `position` is updated later, by `pass` or while the messages of a wrapper are visited.
            cursor.stand(&entries);
            let flow = match entry {
                None => continue,
                Some(Ok(Entry::Compressed(wrapper))) => match cursor.open(&wrapper, inflater, budget) {
                    Ok(()) => continue,
                    Err(error) if is_over_budget(&error) => {
                        // More budget may be enough, so the next visit decompresses the wrapper again.
                        cursor.at = wrapper.at;
                        cursor.next = cursor.position;
                        // The return value of the visitor is ignored, because continuing after the wrapper would skip its
                        // messages.
                        let _ = visitor(Err(error));
                        break None;
                    }
                    Err(error) => cursor.pass(Err(error), &mut visitor),
                },
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

/// Visits valid uncompressed messages, until the next entry is not such a message.
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
    /// Passes a message or an error to the visitor. Then moves `position` past the entry, unless the visitor stops at
    /// an error.
    fn pass<F>(&mut self, found: Result<Message<'_>, MessageError>, visitor: &mut F) -> ControlFlow<()>
    where
        F: FnMut(Result<Message<'_>, MessageError>) -> ControlFlow<()>,
    {
        let flow = visitor(found);
        // A consumer that stops at an error has not processed the entry. The consumer fetches the entry again, perhaps
        // from another leader.
        if flow.is_continue() || found.is_ok() {
            self.position = self.position.max(self.next);
        }
        flow
    }

    /// Decompresses a wrapper, whose messages are the next. `self.at` is already after the wrapper.
    pub(super) fn open(
        &mut self,
        wrapper: &Wrapper<'_>,
        inflater: &mut Inflater,
        budget: &mut Budget,
    ) -> Result<(), MessageError> {
        let set = inflater.open(wrapper, budget)?;
        self.inside = Some(Inside::new(wrapper, set, self.position)?);
        Ok(())
    }
}

fn is_over_budget(error: &MessageError) -> bool {
    matches!(error.problem, MessageProblem::Inflate { problem: InflateProblem::OverBudget { .. }, .. })
}
