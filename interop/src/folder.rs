//! The folder of one test's processes: settings, data and logs.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{Error, jars};

const LOG4J: &str = "log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=[%d] %p %m (%c)%n
";

/// Makes a folder for processes of a release. Only the settings of log4j are in it.
pub(crate) fn create(version: &str) -> Result<PathBuf, Error> {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("{version}-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let folder = jars::target().join("interop").join(name);
    fs::create_dir_all(&folder).map_err(Error::io(format!("creating {}", folder.display())))?;
    write(&folder.join("log4j.properties"), LOG4J)?;
    Ok(folder)
}

/// The argument by which a Java process logs to its standard output.
pub(crate) fn log4j(folder: &Path) -> String {
    format!("-Dlog4j.configuration=file:{}", folder.join("log4j.properties").display())
}

/// Removes a folder, unless the test has failed: then it says where the logs of `what` are.
pub(crate) fn leave(folder: &Path, what: &impl fmt::Display) {
    if thread::panicking() {
        eprintln!("the logs of {what} are in {}", folder.display());
    } else {
        // What cannot be removed lies under target/, and does no harm there.
        let _ = fs::remove_dir_all(folder);
    }
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(format!("writing {}", path.display())))
}
