//! Other people's clients judge the embedded broker. With `KAFKA08_FOREIGN_TARGET=real` they judge Kafka 0.8.2.2 in its place,
//! which shows that a test asks for nothing that Kafka does not do.

mod java;
mod kafka_python;
mod kcat;
#[path = "../leaders/mod.rs"]
mod leaders;
mod mixed;
mod page;
mod target;
