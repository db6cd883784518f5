//! Requests as a broker reads them, and answers as it writes them.
//!
//! `kafka08_proto::api` has types for clients: a name is never null there. A broker of 0.8 serves null names, merges
//! what a request lists twice, and answers from the memory of its log. So it has types of its own.

mod answer;
mod request;

#[cfg(test)]
pub(crate) use answer::Group;
pub(crate) use answer::{
    Answer, BrokerView, CommittedOffset, CoordinatorAnswer, Fetched, Groups, Listed, MetadataAnswer, PartitionView,
    Produced, TopicView, frame, group,
};
pub(crate) use request::{Commit, FetchPart, Places, Request, Store, TimeQuery};

use kafka08_proto::ids::{PartitionId, Text};

/// A name as it is on the wire: `None` is null.
pub(crate) type Name = Option<Text>;

/// A partition of a request. The name may be null, and the partition need not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: Name,
    pub(crate) partition: PartitionId,
}
