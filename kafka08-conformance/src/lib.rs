#![doc = include_str!("../README.md")]
// The layers. Each uses those to its right only.
//
//     run  ->  suite  ->  check  ->  notation
//       \->  report    target /
//
// The notation knows no request of Kafka, and the runner knows only the Metadata that makes a topic. Everything else about
// the protocol is in the texts of `checks/`, so that a rule can be read, and corrected, without reading Rust.

mod check;
mod notation;
mod report;
mod run;
mod suite;
mod target;

pub use check::{Action, Check, Order, Releases, Step};
pub use notation::{Binding, Mismatch, NotationError, Pattern, Variables};
pub use report::{CheckResult, Counts, Failure, Report, Verdict};
pub use run::{run, run_checks};
pub use suite::{SuiteError, checks, parse_checks};
pub use target::Target;
