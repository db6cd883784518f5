//! One Java process, with its log.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

/// How long a process may take until it is ready: two seconds on an idle machine.
const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A running Java process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    what: String,
    child: Child,
    log: PathBuf,
}

/// A command that dies with this process where the system can arrange it.
pub(crate) fn dies_with_this_process(program: &str) -> Command {
    // setpriv is part of util-linux; without it a test that is killed hard leaves its children behind.
    if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", program]);
        command
    } else {
        Command::new(program)
    }
}

/// Flags for a short life on few cores.
pub(crate) fn java_flags(heap: &str) -> [&str; 3] {
    [heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
}

/// A `java` command with every jar of `jars`.
pub(crate) fn java(jars: &Path, heap: &str) -> Command {
    let mut command = dies_with_this_process("java");
    command.args(java_flags(heap)).arg("-cp").arg(jars.join("*"));
    command.stdin(Stdio::null());
    command
}

/// What an error from starting `java` means.
fn start_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::MissingProgram { program: "java".to_owned(), package: "default-jre-headless" }
        }
        _ => Error::io("starting java")(error),
    }
}

impl Process {
    /// Starts `command`; its output goes to `log`, behind what is there.
    pub(crate) fn start(what: String, mut command: Command, log: PathBuf) -> Result<Self, Error> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io(format!("opening {}", log.display())))?;
        let second = file.try_clone().map_err(Error::io("duplicating a log's handle"))?;
        let child = command.stdout(file).stderr(second).spawn().map_err(start_error)?;
        Ok(Self { what, child, log })
    }

    /// Waits until it has logged `line`, if there is one to wait for, and accepts connections at `address`.
    pub(crate) fn wait_until_ready(&mut self, line: Option<&str>, address: SocketAddr) -> Result<(), Error> {
        let started = Instant::now();
        while started.elapsed() < START {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            let has_line = line.is_none_or(|line| fs::read_to_string(&self.log).is_ok_and(|log| log.contains(line)));
            if has_line && TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        Err(Error::NotReady {
            what: self.what.clone(),
            after: started.elapsed(),
            log: self.log.clone(),
            last_lines: lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n"),
        })
    }

    /// Stops it until [`Process::resume`]: it keeps its connections, and does nothing.
    pub(crate) fn pause(&self) -> Result<(), Error> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        // The child was not waited for, so its id cannot be another process's.
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let sent = kill_process(id.expect("the system gives positive ids"), signal);
        sent.map_err(|error| Error::io(format!("sending {signal:?} to {}", self.what))(error.into()))
    }

    /// Asks it to stop, waits until it has, and kills it if it does not.
    pub(crate) fn terminate(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(15);
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let started = Instant::now();
        while asked.as_ref().is_ok_and(ExitStatus::success) && started.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        self.kill();
    }

    /// Ends it, at once and without a word, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts processes, and does so anew when a port was taken between choosing and using it.
pub(crate) fn start_on_free_ports<T>(start: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    const ATTEMPTS: usize = 3;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match start() {
            Err(Error::NotReady { last_lines, .. }) if attempts < ATTEMPTS && last_lines.contains("in use") => {}
            other => return other,
        }
    }
}

/// A port of 127.0.0.1 as an address.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port of 127.0.0.1 that was free a moment ago. It is below those that the system gives to whoever asks for any (from 32768),
/// so that nobody gets it while a broker is down.
pub(crate) fn free_port() -> Result<u16, Error> {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static ASKED: AtomicU16 = AtomicU16::new(0);
    // Another process of tests looks elsewhere, in most cases; whoever starts a broker tries again if it did not.
    let of_process = (std::process::id() % 200) as u16 * 100;
    let mut error = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..1000 {
        let n = ASKED.fetch_add(1, Relaxed).wrapping_add(of_process) % COUNT;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST + n)) {
            Ok(_) => return Ok(FIRST + n),
            Err(taken) => error = taken,
        }
    }
    Err(Error::io("looking for a free port")(error))
}
