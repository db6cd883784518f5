//! The rules of a broker, and the plan for each request.
//!
//! The engine counts and draws, and the plan that it returns is plain data. Nothing that happens to the request later changes
//! what a rule has counted.

use std::{collections::BTreeMap, fmt};

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    api::RequestHeader,
    ids::{ConnectionId, CorrelationId, NodeId, Offset},
    wire::Encoder,
};

use super::{
    Lie, Plan, RequestView, Rule,
    effect::Effect,
    plan::{Copies, Edit, FrameEdit, Order},
};
use crate::{
    seed::Seed,
    wire::{Place, Request},
};

/// Identifies a rule of a broker. An id is not used again after its rule was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A request that a broker is about to act on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) node: NodeId,
    pub(crate) connection: ConnectionId,
    /// The number of the request on its connection, counted from 1.
    pub(crate) number: u64,
    pub(crate) header: &'a RequestHeader,
    pub(crate) request: &'a Request,
    pub(crate) body: &'a Bytes,
}

impl Incoming<'_> {
    pub(super) fn view(&self) -> RequestView<'_> {
        RequestView {
            node: self.node,
            connection: self.connection,
            number: self.number,
            header: self.header,
            body: self.body,
        }
    }

    fn has_answer(&self) -> bool {
        !matches!(self.request, Request::Produce { acks: 0, .. })
    }

    /// The frame of the request.
    fn frame(&self) -> Bytes {
        let mut encoder = Encoder::new();
        // The header was decoded, so that its client id fits.
        let _ = self.header.encode(&mut encoder);
        encoder.blob(self.body);
        let payload = encoder.into_bytes();
        let mut frame = BytesMut::with_capacity(payload.len().saturating_add(4));
        frame.extend_from_slice(&i32::try_from(payload.len()).unwrap_or(i32::MAX).to_be_bytes());
        frame.extend_from_slice(&payload);
        frame.freeze()
    }
}

/// The rules of a broker.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    /// The number of rules that were ever added.
    added: u64,
    rules: Vec<Active>,
    /// The id of the last answer of each connection, while a rule uses it.
    last_ids: BTreeMap<ConnectionId, CorrelationId>,
}

/// The number of connections whose last correlation id is remembered.
const REMEMBERED_IDS: usize = 1024;

/// A rule, and what it has done.
#[derive(Debug)]
struct Active {
    id: RuleId,
    rule: Rule,
    /// The number of requests that the rule has selected.
    selected: u64,
    /// The number of requests that the rule was applied to.
    fired: u64,
    /// Decides chances. Each rule has its own generator, so that a rule that is added does not change the others.
    chances: Seed,
    /// Draws the lies of a hostile rule.
    lies: Seed,
}

impl Faults {
    /// Creates an engine without rules. Equal seeds and equal requests give equal plans.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, added: 0, rules: Vec::new(), last_ids: BTreeMap::new() }
    }

    /// Adds a rule. It is asked after those that were added before.
    pub(crate) fn add(&mut self, rule: Rule) -> RuleId {
        self.added += 1;
        let id = RuleId(self.added);
        let drawn = rule.effects.iter().find_map(|effect| match effect {
            Effect::Hostile { seed } => Some(*seed),
            _ => None,
        });
        self.rules.push(Active {
            id,
            rule,
            selected: 0,
            fired: 0,
            chances: Seed::new(self.seed ^ self.added.rotate_left(32)),
            lies: Seed::new(drawn.unwrap_or(self.seed)),
        });
        id
    }

    /// Removes a rule, and returns it. Plans that were made stay as they are.
    pub(crate) fn remove(&mut self, id: RuleId) -> Option<Rule> {
        let at = self.rules.iter().position(|active| active.id == id)?;
        Some(self.rules.remove(at).rule)
    }

    /// Removes all rules.
    pub(crate) fn clear(&mut self) {
        self.rules.clear();
        self.last_ids.clear();
    }

    /// How many requests the rule was applied to. A rule that was removed has 0.
    pub(crate) fn fired(&self, id: RuleId) -> u64 {
        self.rules.iter().find(|active| active.id == id).map_or(0, |active| active.fired)
    }

    /// All rules in the order in which they were added, each with the number of requests it was applied to.
    pub(crate) fn report(&self) -> Vec<(RuleId, Rule, u64)> {
        self.rules.iter().map(|active| (active.id, active.rule.clone(), active.fired)).collect()
    }

    /// Decides what goes wrong with a request.
    pub(crate) fn decide(&mut self, incoming: &Incoming<'_>) -> Plan {
        let mut plan = Plan::default();
        // Most tests have no rules, and then a request must cost nothing here.
        if self.rules.is_empty() {
            return plan;
        }
        // Read before the request itself is remembered below: its own id is not an old one.
        let last = self.last_ids.get(&incoming.connection).copied();
        for active in &mut self.rules {
            if !active.rule.selects(incoming) {
                continue;
            }
            // Requests are counted by each rule, so that `nth` does not depend on the other rules.
            active.selected += 1;
            if active.rule.when.applies_to(active.selected, &mut active.chances) {
                active.fired += 1;
                plan.rules.push(active.id);
                let Active { rule, lies, .. } = active;
                rule.effects.iter().for_each(|effect| add_effect(&mut plan, effect, rule, incoming, last, lies));
            }
        }
        if incoming.has_answer() {
            self.remember(incoming);
        }
        plan
    }

    fn remember(&mut self, incoming: &Incoming<'_>) {
        self.last_ids.insert(incoming.connection, incoming.header.correlation_id);
        // Connections have ascending ids, so the first is the oldest.
        if self.last_ids.len() > REMEMBERED_IDS {
            self.last_ids.pop_first();
        }
    }
}

fn add_effect(
    plan: &mut Plan,
    effect: &Effect,
    rule: &Rule,
    incoming: &Incoming<'_>,
    last: Option<CorrelationId>,
    seed: &mut Seed,
) {
    let target = || rule.target.clone();
    match effect {
        // Which topics and partitions the answer to this Metadata request has is not known before it is made.
        Effect::Refuse(code) if asks_for_more_than_topics(rule, incoming.request) => {
            plan.edits.push((Edit::Code(*code), target()));
        }
        Effect::Refuse(code) => plan.refusals.push((*code, target())),
        Effect::Answer(code) => plan.edits.push((Edit::Code(*code), target())),
        Effect::Skip(ending) => plan.skip = Some(*ending),
        Effect::Cut { after, then } => plan.cut = Some((*after, *then)),
        Effect::Delay(by) => plan.delay = plan.delay.saturating_add(*by),
        Effect::Trickle { bytes, every } => plan.trickle = Some((*bytes, *every)),
        Effect::Corrupt { at, xor } => plan.frame.push(FrameEdit::Corrupt { at: *at, xor: *xor }),
        Effect::OutOfOrder => plan.order = Order::AfterNext,
        Effect::Twice => plan.copies = Copies::Two,
        Effect::WrongId(id) => plan.frame.push(FrameEdit::Id(*id)),
        Effect::ShiftId(by) => plan.frame.push(FrameEdit::ShiftId(*by)),
        Effect::Raw(bytes) => plan.frame.push(FrameEdit::Replace(bytes.clone())),
        Effect::StopReading => plan.stops_reading = true,
        // A second answer to a request that has one is `twice`.
        Effect::AnswerAcks0 if incoming.has_answer() => {}
        Effect::AnswerAcks0 => {
            plan.answers_acks_0 = true;
            note_asked(plan, incoming.request);
        }
        Effect::KeepOpenOnAcks0 => plan.keeps_open = true,
        Effect::Lie(lie) => add_lie(plan, lie.clone(), rule, incoming, last),
        Effect::Hostile { .. } if incoming.has_answer() => {
            add_lie(plan, draw(seed, incoming), rule, incoming, last);
        }
        // An answer where none is owed is not a lie that a broker of 0.8 could tell.
        Effect::Hostile { .. } => {}
    }
}

fn asks_for_more_than_topics(rule: &Rule, request: &Request) -> bool {
    let Request::Metadata { names } = request else { return false };
    rule.target.partition.is_some() || (names.is_empty() && rule.target.topic.is_some())
}

fn add_lie(plan: &mut Plan, lie: Lie, rule: &Rule, incoming: &Incoming<'_>, last: Option<CorrelationId>) {
    if !lie.concerns(incoming.header.api.key) {
        return;
    }
    match lie {
        Lie::FrameLength { length } => plan.frame.push(FrameEdit::Length(length)),
        Lie::IdNeverIssued => plan.frame.push(FrameEdit::FlipId),
        Lie::IdOld => plan.frame.push(last.map_or(FrameEdit::ShiftId(-1), |last| FrameEdit::Id(last.0))),
        Lie::IdNext => plan.frame.push(FrameEdit::ShiftId(1)),
        Lie::IdZero => plan.frame.push(FrameEdit::Id(0)),
        Lie::Echo => plan.frame.push(FrameEdit::Replace(incoming.frame())),
        Lie::Http => plan.frame.push(FrameEdit::Replace(Bytes::from_static(HTTP))),
        Lie::Tls => plan.frame.push(FrameEdit::Replace(Bytes::from_static(TLS))),
        Lie::Ssh => plan.frame.push(FrameEdit::Replace(Bytes::from_static(SSH))),
        lie => {
            // The only lie of which one part is in the body and the other in the header.
            if lie == Lie::CoordinatorIdZero {
                plan.frame.push(FrameEdit::Id(0));
            }
            if lie.is_about_sets() {
                note_asked(plan, incoming.request);
            }
            plan.edits.push((Edit::Lie(lie), rule.target.clone()));
        }
    }
}

const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// A fatal alert of TLS 1.2: unexpected_message.
const TLS: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a];
const SSH: &[u8] = b"SSH-2.0-OpenSSH_9.6\r\n";

fn note_asked(plan: &mut Plan, request: &Request) {
    match request {
        Request::Fetch { parts, .. } => {
            plan.asked.extend(parts.iter().map(|(place, part)| (place.clone(), part.offset)));
        }
        Request::Produce { sets, .. } => {
            plan.asked.extend(sets.keys().map(|place: &Place| (place.clone(), Offset(0))));
        }
        _ => {}
    }
}

/// Draws a lie that concerns the request's API.
fn draw(seed: &mut Seed, incoming: &Incoming<'_>) -> Lie {
    let api = incoming.header.api.key;
    let mut concerned: Vec<Lie> = Lie::ALL.into_iter().filter(|lie| lie.concerns(api)).collect();
    // Lies about the frame concern every API, so that there is one.
    let drawn = concerned.swap_remove(seed.index(concerned.len()));
    let mut upto = |end: u64| u32::try_from(seed.below(end)).unwrap_or(u32::MAX);
    match drawn {
        // Every answer may be one of these, so that they stay small.
        Lie::ManyPartitions { .. } => Lie::ManyPartitions { count: upto(10_001) },
        Lie::GzipBomb { .. } => Lie::GzipBomb { inflated: upto(1024 * 1024 + 1) },
        other => other,
    }
}
