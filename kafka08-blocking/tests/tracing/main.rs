//! What `tracing` is told. A subscriber of the tests keeps spans and events as lines.

mod clusters;
mod connections;
mod consumers;
mod lines;
mod producers;
