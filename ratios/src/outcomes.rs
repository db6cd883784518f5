//! C4: records one at a time, and an outcome for each of them.

use crate::{
    librdkafka::{self, Reports},
    machine,
    measure::{Per, Race, Ratio, Result},
    on_blocking, on_tokio,
    peer::Kind,
};

/// Records that may be without an outcome, of all threads together.
pub(crate) const WINDOW: usize = 20_000;
/// Title, size of a value, records of one run, and the goal.
const CASES: [(&str, usize, usize, f64); 2] =
    [("outcomes 100 B", 100, 1_000_000, 3.0), ("outcomes 1 KiB", 1024, 300_000, 2.0)];

pub(crate) fn run() -> Result<()> {
    for (title, bytes, records, goal) in CASES {
        let value = vec![b'v'; bytes];
        let value = value.as_slice();
        let ratio = |of, goal| Ratio { of, to: "librdkafka", per: Per::CpuSecond, goal };
        let threads = |of, to| Ratio { of, to, per: Per::CpuSecond, goal: None };
        Race::new(title, "records")
            .lane("librdkafka", Kind::Broker, 0, |address| librdkafka::produce(address, records, bytes, Reports::Each))
            .lane("machine", Kind::Broker, 0, |address| machine::records(address, records, value))
            .lane("tokio", Kind::Broker, 0, |address| on_tokio::records(address, records, value))
            .lane("blocking", Kind::Broker, 0, |address| on_blocking::records(address, records, value, 1))
            .lane("blocking, 2 threads", Kind::Broker, 0, |address| on_blocking::records(address, records, value, 2))
            .lane("blocking, 4 threads", Kind::Broker, 0, |address| on_blocking::records(address, records, value, 4))
            .run(&[
                ratio("machine", None),
                ratio("tokio", Some(goal)),
                ratio("blocking", Some(goal)),
                ratio("blocking, 2 threads", Some(goal)),
                ratio("blocking, 4 threads", Some(goal)),
                threads("blocking, 4 threads", "blocking"),
                Ratio { of: "tokio", to: "librdkafka", per: Per::WallSecond, goal: None },
                Ratio { of: "blocking", to: "librdkafka", per: Per::WallSecond, goal: None },
            ])?;
    }
    Ok(())
}
