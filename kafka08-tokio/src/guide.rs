//! A guide to the producer, the consumer and the cluster. Every example of it runs as a test.
//!
//! 1. [`guarantees`]: which guarantee each setting gives, the code that gets it, what it costs, and what it does not give.
//! 2. [`reading`]: at least once, at most once, replay, several workers, the two stores of offsets, and what goes wrong.
//! 3. [`coming_from`]: the settings of the Java clients, librdkafka and kafka-python, and what they are here.

/// Which guarantee each setting gives.
pub mod guarantees {
    #![doc = include_str!("../docs/guarantees.md")]
}

/// How to read, and what may be read again.
pub mod reading {
    #![doc = include_str!("../docs/reading.md")]
}

/// The settings of other clients, and what they are here.
pub mod coming_from {
    #![doc = include_str!("../docs/coming_from.md")]
}
