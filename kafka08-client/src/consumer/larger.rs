//! Starts at the larger of the offsets that a group has in the two stores.

use std::time::Instant;

use kafka08_proto::{
    api::RequestProblem,
    connection::{PrepareError, SendError},
    ids::Offset,
    profile::Profile,
};

use super::{
    Consumer,
    event::FetchCause,
    track::{Known, Knows, Looked, Stage},
};
use crate::{assignment::PartitionIndex, config::OffsetStore, error::Cause};

/// What the two stores have said of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Larger {
    kafka: Said,
    zookeeper: Said,
}

/// What one store has said.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
enum Said {
    /// It was not asked, or has failed.
    #[default]
    Nothing,
    /// It is being asked.
    Asked,
    /// Its offset, if the group has committed there.
    Answered(Option<Offset>),
}

impl Larger {
    /// The stores that have to be asked. They count as asked from now on.
    pub(super) fn ask(&mut self) -> impl Iterator<Item = OffsetStore> + use<> {
        let mut stores = Vec::new();
        for store in [OffsetStore::Kafka, OffsetStore::ZooKeeper] {
            // One that was asked before a pause may answer behind it.
            let said = self.said(store);
            if *said == Said::Nothing {
                *said = Said::Asked;
                stores.push(store);
            }
        }
        stores.into_iter()
    }

    /// A store has to be asked again.
    pub(super) fn forget(&mut self, store: OffsetStore) {
        *self.said(store) = Said::Nothing;
    }

    /// The larger of the two. `None` as long as one of them has not answered.
    fn both(&self) -> Option<Option<Offset>> {
        match (&self.kafka, &self.zookeeper) {
            (Said::Answered(kafka), Said::Answered(zookeeper)) => Some((*kafka).max(*zookeeper)),
            _ => None,
        }
    }

    fn said(&mut self, store: OffsetStore) -> &mut Said {
        match store {
            OffsetStore::Kafka => &mut self.kafka,
            OffsetStore::ZooKeeper => &mut self.zookeeper,
        }
    }
}

impl Consumer {
    /// Takes what one store has said of a partition. Returns the larger offset if both have answered, which is `None` if the group
    /// has committed nothing in either.
    pub(super) fn take_of_store(
        &mut self,
        now: Instant,
        since: Instant,
        at: PartitionIndex,
        store: OffsetStore,
        looked: Looked,
    ) -> Option<Option<Offset>> {
        let is_unknown = store == OffsetStore::Kafka && is_not_known(&looked);
        // A cluster that has no such store has no offset in it. One that cannot be asked now may have one.
        let has_no_store = is_unknown && self.is_before_0_8_2(now);
        let track = self.tracks.get_mut(&at)?;
        let Stage::Starting(starting) = &mut track.stage else { return None };
        let said = starting.larger.said(store);
        *said = match looked {
            Looked::At(offset) => Said::Answered(Some(offset)),
            Looked::None(_) => Said::Answered(None),
            Looked::Failed(_) if has_no_store => Said::Answered(None),
            // What is unclear was made clear before.
            Looked::Unclear { .. } | Looked::Known(_) => return None,
            Looked::Failed(cause) => {
                // Only this one is asked again. What the other one has said, or will say, stays.
                *said = Said::Nothing;
                if store == OffsetStore::ZooKeeper {
                    // The broker that knew the partition may have been started anew.
                    track.knows = Knows::Unclear;
                }
                if let Known::Asked(start) = &starting.start {
                    starting.start = Known::No(start.clone());
                }
                self.set_trouble(now, since, at, cause.clone());
                match is_unknown {
                    // Only some brokers lack the store: that passes when their upgrade is complete.
                    true => self.pause_part(now, at, cause),
                    false => self.note_trouble(now, at, cause),
                }
                return None;
            }
        };
        starting.larger.both()
    }

    /// Whether each broker is known to be of a release that has no offsets in Kafka. Finds out what is not known.
    fn is_before_0_8_2(&mut self, now: Instant) -> bool {
        let releases = self.cluster.view().brokers().map(|node| (node, self.cluster.profile(node)));
        let (unknown, known): (Vec<_>, Vec<_>) = releases.partition(|(_, profile)| profile.is_none());
        // A broker may have been asked under its address in the settings only.
        for (node, _) in &unknown {
            self.cluster.find_profile(now, *node);
        }
        let mut known = known.into_iter().filter_map(|(_, profile)| profile).peekable();
        unknown.is_empty() && known.peek().is_some() && known.all(|profile| profile < Profile::V0_8_2)
    }
}

/// Whether no broker that was asked knows the request.
fn is_not_known(looked: &Looked) -> bool {
    let Looked::Failed(FetchCause::Attempt(cause)) = looked else { return false };
    match cause {
        Cause::Release { .. } => true,
        Cause::NotSent(SendError::Prepare(PrepareError::Problem(problem))) => {
            matches!(problem, RequestProblem::NotKnown { .. })
        }
        _ => false,
    }
}
