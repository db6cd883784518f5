//! How requests end: by answers, deadlines, cancellation, and the end of the connection. All in virtual time.

mod bookkeeping;
mod bounds_of_queues;
#[path = "../common/mod.rs"]
mod common;
mod deadlines;
mod disconnects;
mod forwarding;
mod matching;
mod rig;
mod server;
mod taking_back;
mod touched;
mod without_answer;
