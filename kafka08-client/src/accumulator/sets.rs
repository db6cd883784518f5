//! Message sets that are appended as they are.

use std::time::Instant;

use kafka08_proto::{ids::TopicPartition, message::MessageSet};

use super::{Accumulator, AppendError, Appended, PartIndex, batch, batch::Closed};

impl<C: Default> Accumulator<C> {
    /// Appends a message set as a batch of its own, behind all records of its partition that were appended before. The
    /// set is sent as it is, and is not copied. This serves mirrors, which pass on what they have fetched.
    ///
    /// Compressed entries are not opened. A set with compressed entries counts as one record for each entry. An
    /// incomplete entry at the end is refused; see [`MessageSet::whole_entries`].
    ///
    /// # Errors
    /// The errors of [`Accumulator::append`], and [`AppendError::Set`]. The error returns the set.
    pub fn append_set(
        &mut self,
        now: impl FnOnce() -> Instant,
        to: &TopicPartition,
        set: MessageSet,
    ) -> Result<Appended<'_, C>, (MessageSet, AppendError)> {
        let (at, walked) = match self.examine(to, &set) {
            Ok(found) => found,
            Err(error) => return Err((set, error)),
        };
        let id = self.next_id();
        let batch = Closed {
            id,
            opened: now(),
            completion: C::default(),
            records: walked.entries,
            content: walked.content,
            bytes: set.bytes().clone(),
        };
        let part = self.parts.get_mut(at).expect("a topic lists places that exist");
        // What was appended before must be sent before.
        part.close();
        part.closed.push_back(batch);
        if part.bytes == 0 {
            let topic = self.topics.get_mut(part.topic).expect("a partition has a topic");
            topic.busy += 1;
            self.resting.renew(part.topic, topic);
        }
        part.bytes += set.len();
        self.charged += set.len();
        self.stuck += if part.stuck { set.len() } else { 0 };
        self.schedule.renew(at, part);
        let wake = self.wakes();
        let part = self.parts.get(at).expect("a topic lists places that exist");
        let completion = &part.closed.back().expect("it was pushed above").completion;
        Ok(Appended { completion, batch: id, index: 0, wake })
    }

    /// Finds out whether a set can be appended, and where.
    fn examine(&mut self, to: &TopicPartition, set: &MessageSet) -> Result<(PartIndex, batch::Walked), AppendError> {
        let topic = self.topic(&to.topic)?;
        // Walked before room is made: a set that is refused must not make other batches ready.
        let walked = batch::walk(set).map_err(AppendError::Set)?;
        let found = self.topics.get(topic).and_then(|topic| topic.part(topic.position(to.partition)?));
        let at = found.ok_or(AppendError::NoSuchPartition)?;
        if walked.largest > self.max_entry {
            return Err(AppendError::TooLarge { entry: walked.largest, max: self.max_entry });
        }
        if set.len() > self.buffer {
            return Err(AppendError::TooLarge { entry: set.len(), max: self.buffer });
        }
        self.make_room(at, set.len())?;
        Ok((at, walked))
    }
}
