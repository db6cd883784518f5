//! Requests without answers (acks 0): which of them a later answer of the same link has confirmed.

use kafka08_proto::ids::NodeId;

use super::{
    Batches,
    node::{Confirm, Node, Sent, Trouble, Written},
};
use crate::{links::Token, machine::LinkId, producer::ProducerEvent};

/// The number of written requests to a broker after which they are confirmed without a flush. It bounds the memory for
/// them.
const MOST_WRITTEN: usize = 1024;

impl<C: Clone> Batches<C> {
    pub(super) fn note_written(&mut self, token: Token, sent: &Sent, records: u64) {
        if records == 0 {
            return;
        }
        let Some(state) = self.nodes.get_mut(&sent.node) else { return };
        state.written.insert(token, Written { link: sent.link, records });
        // A flush waits for everything that was sent before it looked, also for what was not written then.
        let is_waited_for = token < self.awaited && state.confirm != Confirm::Wanted;
        if is_waited_for || (state.written.len() >= MOST_WRITTEN && state.confirm == Confirm::No) {
            state.confirm = Confirm::Wanted;
            self.to_fill.insert(sent.node);
        }
    }

    /// The number from which tokens are not given out yet.
    pub(in crate::producer) fn mark(&self) -> Token {
        Token(self.next_token)
    }

    /// Has everything confirmed that was written.
    pub(in crate::producer) fn confirm_all(&mut self) {
        self.awaited = self.mark();
        for (node, state) in &mut self.nodes {
            if !state.written.is_empty() && state.confirm != Confirm::Wanted {
                // One that is in flight may be before the last write, so another is sent behind it.
                state.confirm = Confirm::Wanted;
                self.to_fill.insert(*node);
            }
        }
    }

    /// Whether everything that was written before a mark was confirmed, or was told to be unconfirmed.
    pub(in crate::producer) fn is_settled(&self, mark: Token) -> bool {
        let first = |state: &Node| state.written.keys().next().copied();
        self.nodes.values().filter_map(first).all(|first| first >= mark)
    }

    /// Tells everything that was written and not confirmed, because nothing will confirm it.
    pub(in crate::producer) fn tell_unconfirmed(&mut self) {
        let nodes: Vec<_> = self.nodes.iter().map(|(node, state)| (*node, written(state))).collect();
        for (node, tokens) in nodes {
            self.handle_unconfirmed(node, &tokens);
        }
    }

    /// Takes the answer to a confirmation: the broker has refused nothing that was written before on this link.
    pub(super) fn confirmed(&mut self, token: Token) {
        let Some((node, link)) = self.end_confirm(token) else { return };
        let Some(state) = self.nodes.get_mut(&node) else { return };
        state.written.retain(|written, what| *written > token || what.link != link);
    }

    /// Takes the failure of a confirmation: nothing that was written before is proved.
    pub(super) fn not_confirmed(&mut self, token: Token) {
        let Some((node, _)) = self.end_confirm(token) else { return };
        let Some(state) = self.nodes.get(&node) else { return };
        let lost: Vec<Token> = state.written.range(..token).map(|(written, _)| *written).collect();
        self.handle_unconfirmed(node, &lost);
    }

    fn end_confirm(&mut self, token: Token) -> Option<(NodeId, LinkId)> {
        self.nodes.iter_mut().find_map(|(node, state)| match state.confirm {
            Confirm::Sent { token: sent, link } if sent == token => {
                state.confirm = Confirm::No;
                Some((*node, link))
            }
            _ => None,
        })
    }

    /// Takes the end of a link with requests that nothing has confirmed.
    pub(in crate::producer) fn handle_unconfirmed(&mut self, node: NodeId, tokens: &[Token]) {
        let Some(state) = self.nodes.get_mut(&node) else { return };
        let records: u64 = tokens.iter().filter_map(|token| state.written.remove(token)).map(|w| w.records).sum();
        if records > 0 {
            self.counts.unconfirmed += records;
            self.events.push_back(ProducerEvent::Unconfirmed { node, records });
        }
    }

    /// A link has ended.
    pub(in crate::producer) fn handle_ended(&mut self, node: NodeId, unconfirmed: &[Token]) {
        self.handle_unconfirmed(node, unconfirmed);
        let silent = self.nodes.get(&node).is_some_and(|state| state.trouble == Some(Trouble::Silent));
        if silent {
            self.set_trouble(node, None);
        }
        self.to_fill.insert(node);
    }
}

fn written(state: &Node) -> Vec<Token> {
    state.written.keys().copied().collect()
}
