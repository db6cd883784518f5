//! Embedded Apache Kafka 0.8 broker for tests and demos: a sans-IO state machine and a thin TCP server.
