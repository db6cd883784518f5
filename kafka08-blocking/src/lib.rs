//! Blocking, pipelining client for Apache Kafka 0.8 over std sockets: one thread, many requests in flight.
