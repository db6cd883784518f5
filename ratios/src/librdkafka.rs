//! librdkafka, which is a program of its own. Its CPU time is that of all its threads.

use std::process::{Command, Stdio};

use crate::{
    measure::{Result, Sample},
    peer::TOPIC,
};

/// What librdkafka is asked to do.
#[derive(Clone, Copy)]
pub(crate) enum Reports {
    /// A delivery report for each record.
    Each,
    None,
}

/// Runs it. It inherits the processor that this process keeps to.
pub(crate) fn produce(address: &str, records: usize, bytes: usize, reports: Reports) -> Result<Sample> {
    let program = std::env::var_os("LIBRDKAFKA_PRODUCER")
        .ok_or("LIBRDKAFKA_PRODUCER is not set; use .ci/long producer-ratios")?;
    let window = std::env::var("LIBRDKAFKA_WINDOW").unwrap_or_else(|_| "0".to_owned());
    let output = Command::new(program)
        .args([address, TOPIC, &records.to_string(), &bytes.to_string(), &window])
        .arg(match reports {
            Reports::Each => "outcomes",
            Reports::None => "sets",
        })
        .stderr(Stdio::inherit())
        .output()?;
    Sample::read(&String::from_utf8(output.stdout)?)
}

/// How librdkafka hands out messages.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Poll,
    Batch,
}

/// Reads a log from its beginning.
pub(crate) fn consume(address: &str, messages: usize, by: By) -> Result<Sample> {
    let program = std::env::var_os("LIBRDKAFKA_CONSUMER")
        .ok_or("LIBRDKAFKA_CONSUMER is not set; use .ci/long consumer-ratios")?;
    let by = match by {
        By::Poll => "poll",
        By::Batch => "batch",
    };
    let output =
        Command::new(program).args([address, TOPIC, &messages.to_string(), by]).stderr(Stdio::inherit()).output()?;
    Sample::read(&String::from_utf8(output.stdout)?)
}
