//! The text form of rules and lies.

mod lies;
mod rules;
mod words;

pub(super) use lies::write_lie;
pub(super) use rules::{parse_rule, write_rule};
pub use words::ParseRuleError;
