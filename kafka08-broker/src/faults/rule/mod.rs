//! Rules: which requests, how often, and what goes wrong.

mod effects;

use std::{fmt, str::FromStr, sync::Arc};

use bytes::Bytes;
use kafka08_proto::{
    api::{AnyError, AnyRequest, RequestHeader},
    ids::{ApiKey, ConnectionId, NodeId, PartitionId, Text},
};

use super::{
    Incoming,
    effect::Effect,
    target::Target,
    text::{self, ParseRuleError},
    when::When,
};

/// One thing that goes wrong: which requests it concerns, how often it happens, and what happens.
///
/// A rule is built in this order: [`Rule::on`] or [`Rule::on_any`], then the filters, then how often, then the effects.
/// Each filter narrows the selection. Of several calls that say how often, the last one counts. The effects add up. Of
/// two effects that exclude each other, such as two cuts, the last one counts.
///
/// `Display` and `FromStr` convert a rule to text and back, except for [`Rule::matching`].
///
#[doc = include_str!("../../../docs/faults.md")]
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub(super) api: Option<ApiKey>,
    pub(super) target: Target,
    pub(super) node: Option<NodeId>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) client_id: Option<Text>,
    pub(super) predicate: Option<Predicate>,
    pub(super) when: When,
    pub(super) effects: Vec<Effect>,
}

/// A request that a rule may select.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestView<'a> {
    /// The broker that received the request.
    pub node: NodeId,
    /// The connection of the request.
    pub connection: ConnectionId,
    /// The number of the request on its connection, counted from 1.
    pub number: u64,
    /// The header of the request.
    pub header: &'a RequestHeader,
    /// The body of the request, still encoded.
    pub body: &'a Bytes,
}

impl RequestView<'_> {
    /// Decodes the body.
    ///
    /// # Errors
    /// The body is not one that the decoders of a client accept. The broker accepts more, such as null names.
    pub fn request(&self) -> Result<AnyRequest, AnyError> {
        AnyRequest::decode(self.header.api, self.body)
    }
}

/// A named function that selects requests.
#[derive(Clone)]
pub(super) struct Predicate {
    pub(super) name: String,
    /// Shared, so that a rule with a function can be cloned into a report.
    accepts: Arc<dyn Fn(&RequestView<'_>) -> bool + Send + Sync>,
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Predicate").field(&self.name).finish()
    }
}

/// Two predicates are equal if they are the same function under the same name.
impl PartialEq for Predicate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.accepts, &other.accepts)
    }
}

impl Rule {
    fn of(api: Option<ApiKey>) -> Self {
        Self {
            api,
            target: Target::default(),
            node: None,
            connection: None,
            client_id: None,
            predicate: None,
            when: When::Always,
            effects: Vec::new(),
        }
    }

    /// Selects the requests of one API.
    #[must_use]
    pub fn on(api: ApiKey) -> Self {
        Self::of(Some(api))
    }

    /// Selects the requests of every API.
    #[must_use]
    pub fn on_any() -> Self {
        Self::of(None)
    }

    /// A rule that lies in every answer. Each lie is drawn from those of [`Lie::ALL`](crate::Lie::ALL) that concern the API. Equal seeds
    /// draw equal lies. Large lies are drawn small: 10,000 partitions at most, and messages of 1 MiB at most.
    #[must_use]
    pub fn hostile(seed: u64) -> Self {
        Self::on_any().with(Effect::Hostile { seed })
    }

    /// Selects requests that name this topic, and Metadata requests for all topics.
    ///
    /// Codes and lies change only what the answer says of the topic.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<Text>) -> Self {
        self.target.topic = Some(topic.into());
        self
    }

    /// Selects requests that name a partition with this number. A Metadata request names no partitions and is always
    /// selected.
    ///
    /// Codes and lies change only what the answer says of the partition.
    #[must_use]
    pub fn partition(mut self, partition: impl Into<PartitionId>) -> Self {
        self.target.partition = Some(partition.into());
        self
    }

    /// Selects requests to this broker.
    #[must_use]
    pub fn node(mut self, node: impl Into<NodeId>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Selects requests of this connection.
    #[must_use]
    pub fn connection(mut self, connection: ConnectionId) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Selects requests whose header has this client id.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<Text>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Selects requests that a function accepts. The name stands for the function in the text form, which cannot be
    /// parsed. The function is called for each request that the filters select.
    #[must_use]
    pub fn matching(
        mut self,
        name: impl Into<String>,
        accepts: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicate = Some(Predicate { name: name.into(), accepts: Arc::new(accepts) });
        self
    }

    /// Applies the rule to every selected request. This is the default.
    #[must_use]
    pub fn always(self) -> Self {
        self.at(When::Always)
    }

    /// Applies the rule to the first selected request only.
    #[must_use]
    pub fn once(self) -> Self {
        self.first(1)
    }

    /// Applies the rule to the n-th selected request only, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        self.at(When::Nth(n))
    }

    /// Applies the rule to the first n selected requests.
    #[must_use]
    pub fn first(self, n: u64) -> Self {
        self.at(When::First(n))
    }

    /// Applies the rule to each n-th selected request: the n-th, the 2n-th and so on. If n is 0, to none.
    #[must_use]
    pub fn every(self, n: u64) -> Self {
        self.at(When::Every(n))
    }

    /// Applies the rule to a selected request with a probability. The seed of the broker decides the draws.
    #[must_use]
    pub fn with_chance(self, numerator: u64, denominator: u64) -> Self {
        self.at(When::Chance { numerator, denominator })
    }

    fn at(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// Whether the rule selects the request.
    pub(super) fn selects(&self, incoming: &Incoming<'_>) -> bool {
        let header = incoming.header;
        // The cheap comparisons come first: the predicate may decode the whole request.
        self.api.is_none_or(|api| api == header.api.key)
            && self.node.is_none_or(|node| node == incoming.node)
            && self.connection.is_none_or(|connection| connection == incoming.connection)
            && (self.client_id.is_none() || self.client_id == header.client_id)
            && self.target.is_in(incoming.request)
            && self.predicate.as_ref().is_none_or(|predicate| (predicate.accepts)(&incoming.view()))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_rule(self, f)
    }
}

impl FromStr for Rule {
    type Err = ParseRuleError;
    fn from_str(text: &str) -> Result<Self, ParseRuleError> {
        text::parse_rule(text)
    }
}
