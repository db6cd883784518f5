//! What the system says about this process: its threads, descriptors and memory.
#![expect(dead_code, reason = "each test binary uses a part of it")]

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _},
    path::PathBuf,
    time::Duration,
};

/// The name of the thread that serves.
const THREAD: &str = "kafka08-broker";

fn names_in(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("/proc is there").filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The number of threads.
pub(crate) fn threads() -> usize {
    names_in("/proc/self/task").len()
}

/// The number of open descriptors, the one that is used to count them included.
pub(crate) fn descriptors() -> usize {
    names_in("/proc/self/fd").len()
}

/// The memory that is resident, in bytes.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line is always there");
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes * 1024
}

/// The clock of the threads of all servers of this process. It needs no descriptor when it is read.
pub(crate) struct BrokerClock {
    files: Vec<File>,
}

impl BrokerClock {
    /// Finds the threads of the servers that run now.
    pub(crate) fn new() -> Self {
        let of_brokers = names_in("/proc/self/task").into_iter().filter(|task| {
            // A thread may end in between.
            fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == THREAD)
        });
        Self { files: of_brokers.filter_map(|task| File::open(task.join("schedstat")).ok()).collect() }
    }

    /// The processor time that these threads have taken.
    pub(crate) fn read(&mut self) -> Duration {
        let nanos = self.files.iter_mut().filter_map(|file| {
            let mut stat = String::new();
            file.rewind().ok()?;
            file.read_to_string(&mut stat).ok()?;
            stat.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }
}
