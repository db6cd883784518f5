//! The Apache Kafka 0.8 wire protocol as sans-IO state machines.
