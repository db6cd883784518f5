//! What goes wrong: rules, and the plan that they make for each request.
//!
//! This module owns the rules and counts. It knows no connections, no topics and no time: the broker asks
//! [`Faults::decide`] before it acts on a request, and executes the [`Plan`] in the order that is documented there.

mod answers;
mod deliver;
mod effect;
mod engine;
mod lie;
mod messages;
mod plan;
mod rule;
mod target;
mod text;
mod when;

pub(crate) use answers::{apply, merge};
pub(crate) use deliver::{Step, deliver, deliver_nothing, deliver_skipped};
pub use engine::RuleId;
pub(crate) use engine::{Faults, Incoming};
pub use lie::Lie;
pub(crate) use plan::Plan;
pub use rule::{RequestView, Rule};
pub use text::ParseRuleError;

#[cfg(test)]
mod tests;
