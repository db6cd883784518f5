//! How requests end: by answers, deadlines, cancellation, and the end of the connection. All in virtual time.

#[path = "../common/mod.rs"]
mod common;
mod deadlines;
mod disconnects;
mod matching;
mod rig;
mod server;
mod taking_back;
mod without_answer;
