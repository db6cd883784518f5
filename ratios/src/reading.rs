//! C3: reading a log from its beginning to its end. Ours verifies checksums, librdkafka does not.

use kafka08_blocking::{ConsumerConfig, EndAt, StartAt};

use crate::{
    librdkafka::{self, By},
    log,
    measure::{Per, Race, Ratio, Result},
    peer::Kind,
    readers,
};

/// Title, size of a value, and the goal.
const CASES: [(&str, usize, f64); 2] = [("read 100 B", 100, 6.0), ("read 1 KiB", 1024, 2.5)];

pub(crate) const FROM: StartAt = StartAt::Earliest;
pub(crate) const TO: EndAt = EndAt::HighWatermark;

pub(crate) fn config() -> ConsumerConfig {
    ConsumerConfig::default()
}

pub(crate) fn run() -> Result<()> {
    for (title, value, goal) in CASES {
        let messages = log::messages(value);
        let ratio = |of, to, goal| Ratio { of, to, per: Per::CpuSecond, goal };
        let wall = |of| Ratio { of, to: "librdkafka", per: Per::WallSecond, goal: None };
        Race::new(title, "messages")
            .lane("librdkafka", Kind::Log, value, |address| librdkafka::consume(address, messages, By::Poll))
            .lane("librdkafka, batch", Kind::Log, value, |address| librdkafka::consume(address, messages, By::Batch))
            .lane("floor", Kind::Log, value, |address| crate::floor::read(address, messages))
            .lane("tokio", Kind::Log, value, |address| readers::by_tokio(address, messages, 1))
            .lane("tokio, 4 tasks", Kind::Log, value, |address| readers::by_tokio(address, messages, 4))
            .lane("tokio, owned", Kind::Log, value, |address| readers::owned_by_tokio(address, messages))
            .lane("blocking", Kind::Log, value, |address| readers::by_threads(address, messages, 1))
            .lane("blocking, 4 threads", Kind::Log, value, |address| readers::by_threads(address, messages, 4))
            .lane("blocking, owned", Kind::Log, value, |address| readers::owned_by_thread(address, messages))
            .run(&[
                ratio("floor", "librdkafka", None),
                ratio("librdkafka, batch", "librdkafka", None),
                ratio("tokio", "librdkafka", Some(goal)),
                ratio("tokio, 4 tasks", "librdkafka", Some(goal)),
                ratio("tokio, owned", "librdkafka", None),
                ratio("blocking", "librdkafka", Some(goal)),
                ratio("blocking, 4 threads", "librdkafka", Some(goal)),
                ratio("blocking, owned", "librdkafka", None),
                ratio("tokio", "librdkafka, batch", None),
                ratio("blocking", "librdkafka, batch", None),
                ratio("tokio", "floor", None),
                ratio("blocking", "floor", None),
                wall("floor"),
                wall("tokio"),
                wall("blocking"),
            ])?;
    }
    Ok(())
}
