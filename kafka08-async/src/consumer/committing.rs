//! Committing offsets.

use std::future::poll_fn;

use kafka08_client::{
    assignment::{Assignment, CommitId},
    config::OffsetStore,
};
use kafka08_proto::ids::{Offset, Text, TopicPartition};

use super::{
    CommitError, Consumer,
    shared::{Desk, Shared},
};
use crate::sharing::News;

impl<Rt> Consumer<Rt> {
    /// The offsets up to which everything has passed, of the partitions of which something has.
    #[must_use]
    pub fn committable(&self) -> Vec<(TopicPartition, Offset)> {
        let of = |(of, offset): (&TopicPartition, Offset)| (of.clone(), offset);
        self.shared().command(|desk, _| desk.assignment.committable().map(of).collect())
    }

    /// Commits what has passed, as [`Consumer::committable`] is now. The two stores do not know of each other.
    ///
    /// A commit that a broker refuses for a time is sent again. One commit of a group is in flight, later ones become one with the
    /// next. It ends within [`ClusterConfig::with_call_timeout`](kafka08_client::config::ClusterConfig::with_call_timeout), after
    /// the one that is in flight.
    ///
    /// # Errors
    /// The offsets of some partitions were not stored, or perhaps not. The error lists them. The others were.
    ///
    /// # Cancel safety
    /// The commit goes on if this future is dropped after it was polled. If it fails, an event tells so.
    pub async fn commit(&self, group: impl Into<Text>, store: OffsetStore) -> Result<(), CommitError> {
        let of = |(of, offset): (&TopicPartition, Offset)| (of.clone(), offset);
        // Under one lock, so that no seek comes between looking and committing.
        self.begin(group.into(), store, |assignment| assignment.committable().map(of).collect()).await
    }

    /// Commits offsets by name, also of partitions that are not read here. Each is that of the next message to read. See
    /// [`Consumer::commit`].
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    ///
    /// # Cancel safety
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(
        &self,
        group: impl Into<Text>,
        store: OffsetStore,
        offsets: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Result<(), CommitError> {
        let offsets = offsets.into_iter().collect();
        self.begin(group.into(), store, |_| offsets).await
    }

    async fn begin(
        &self,
        group: Text,
        store: OffsetStore,
        offsets: impl FnOnce(&Assignment) -> Vec<(TopicPartition, Offset)>,
    ) -> Result<(), CommitError> {
        let shared = &**self.shared();
        let begin = |desk: &mut Desk, news: &mut News| {
            let offsets = offsets(&desk.assignment);
            desk.begin_commit(group, store, offsets, news)
        };
        let Some(id) = shared.command(begin)? else { return Ok(()) };
        let committing = Committing { shared, id };
        poll_fn(|cx| committing.shared.command(|desk, news| desk.poll_commit(committing.id, cx, news))).await
    }
}

/// A wait for a commit. Dropping it forgets the wait, not the commit.
struct Committing<'a> {
    shared: &'a Shared,
    id: CommitId,
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.shared.command(|desk, news| desk.forget_commit(self.id, news));
    }
}
