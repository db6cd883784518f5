//! Client for Apache Kafka 0.8 on tokio: one task owns the socket, cheap handles, futures that may be dropped anywhere.
