//! Starts real Kafka brokers of the 0.8 line on loopback, for tests.
