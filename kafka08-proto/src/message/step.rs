//! Reads one message at a time, and lends it.

use crc32fast::Hasher;

use super::{
    Budget, Cursor, Entry, Inflater, Message, MessageError, MessageProblem, MessageSet, Origin,
    entries::{sound, split_header},
    hop::later_batch,
};
use crate::ids::Offset;

impl Cursor {
    /// Reads the next message of a set, compressed or not. Returns `None` at the end of the set, and from then on. `set` must
    /// be the same set at each call.
    ///
    /// This reads what [`MessageSet::visit`] reads, in the same order, and moves the position in the same way. Unlike a visitor,
    /// the caller can return in the middle, and go on later. Each error is returned once. Reading continues after the invalid
    /// entry, unless it has an invalid size. The position stays before the invalid entry until the next message is asked
    /// for: see [`Cursor::pass_error`].
    ///
    /// Give a new budget for each call if it is the budget of one compressed entry. An entry for which it is too small is
    /// an error like any other.
    ///
    /// ```
    /// use kafka08_proto::{
    ///     ids::Offset,
    ///     message::{Budget, Cursor, Inflater, MessageSet},
    /// };
    ///
    /// let set = MessageSet::of_value(b"hello");
    /// let (mut cursor, mut inflater, mut budget) = (Cursor::new(Offset(0)), Inflater::new(), Budget::new(1 << 20));
    /// let message = cursor.next_message(&set, &mut inflater, &mut budget).expect("one message")?;
    /// assert_eq!(message.value, Some(&b"hello"[..]));
    /// assert!(cursor.next_message(&set, &mut inflater, &mut budget).is_none());
    /// # Ok::<(), kafka08_proto::message::MessageError>(())
    /// ```
    #[inline]
    pub fn next_message<'a>(
        &'a mut self,
        set: &'a MessageSet,
        inflater: &mut Inflater,
        budget: &mut Budget,
    ) -> Option<Result<Message<'a>, MessageError>> {
        match self.plain_message(set) {
            Some(message) => Some(Ok(message)),
            None => self.any_message(set, inflater, budget),
        }
    }

    /// Moves the position past the error that [`Cursor::next_message`] has returned last, if it is the error of an entry whose
    /// place in the log is known. A consumer that skips invalid entries calls this.
    pub fn pass_error(&mut self) {
        self.position = self.behind_error();
    }

    /// The position that [`Cursor::pass_error`] moves to.
    #[must_use]
    pub fn behind_error(&self) -> Offset {
        let next = self.inside.as_ref().map_or(self.next, super::inner::Inside::next_offset);
        self.position.max(next)
    }

    /// Reads the next entry if it is a valid uncompressed message of a fetched set. Otherwise changes nothing.
    #[inline(always)]
    fn plain_message<'a>(&mut self, set: &'a MessageSet) -> Option<Message<'a>> {
        if self.inside.is_some() || set.origin() == Origin::Produced {
            return None;
        }
        let rest = set.bytes().get(self.at..)?;
        let bounds = self.next.0.max(0)..self.end.map_or(i64::MAX, |end| end.0);
        let crc = self.crc.get_or_insert_with(Hasher::new);
        let (message, behind) = sound(rest, Some(bounds), Some(crc))?;
        self.at += rest.len() - behind.len();
        self.next = message.offset.next();
        self.position = self.next.max(self.position);
        Some(message)
    }

    /// Reads a message that is compressed, or behind one, or an error.
    #[inline(never)]
    fn any_message<'a>(
        &'a mut self,
        set: &'a MessageSet,
        inflater: &mut Inflater,
        budget: &mut Budget,
    ) -> Option<Result<Message<'a>, MessageError>> {
        let located = loop {
            if let Some(inside) = &mut self.inside {
                let crc = self.crc.get_or_insert_with(Hasher::new);
                match inside.locate_next(self.asked, &mut self.position, crc) {
                    Some(Ok(located)) => break located,
                    Some(Err(error)) => return Some(Err(error)),
                    None => self.inside = None,
                }
            }
            if self.tail.is_some() {
                self.position = self.next.max(self.position);
                return None;
            }
            // Who asks again has passed the error of before, as a visitor that goes on has.
            self.position = self.next.max(self.position);
            let mut entries = self.entries(set);
            let entry = entries.next();
            self.stand(&entries);
            match entry {
                None => {}
                Some(Ok(Entry::Plain(message))) => {
                    self.position = self.next.max(self.position);
                    return Some(Ok(message));
                }
                Some(Ok(Entry::Compressed(wrapper))) => {
                    if let Err(error) = self.open(&wrapper, inflater, budget) {
                        return Some(Err(error));
                    }
                }
                Some(Err(MessageError { problem: MessageProblem::Magic(2), at, .. }))
                    if self.skips_later && is_batch(set.bytes(), at) =>
                {
                    self.position = self.next.max(self.position);
                }
                Some(Err(error)) => return Some(Err(error)),
            }
        };
        self.inside.as_ref().map(|inside| Ok(inside.message(located)))
    }
}

/// Whether the entry at a byte position is a batch of format 2.
fn is_batch(set: &[u8], at: usize) -> bool {
    let entry = set.get(at..).and_then(split_header);
    entry.is_some_and(|(_, size, body)| {
        usize::try_from(size).ok().and_then(|size| later_batch(body.get(..size)?)).is_some()
    })
}
