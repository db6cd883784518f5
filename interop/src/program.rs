//! Programs that run for one test, within a time limit.

use std::{
    env,
    io::{Read, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{Error, process::dies_with_this_process};

const POLL: Duration = Duration::from_millis(10);

/// A program with its arguments and its input. It is killed when it takes too long.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    /// The name in errors.
    label: String,
    /// Debian's package of the program.
    package: &'static str,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    input: Vec<u8>,
    limit: Duration,
}

/// What a program printed.
#[derive(Clone, Debug)]
pub struct ProgramOutput {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Whether its exit code is 0.
    pub success: bool,
}

/// A program that was started. Dropping it kills the program.
#[derive(Debug)]
pub struct RunningProgram {
    label: String,
    child: Child,
    stdout: Stream,
    stderr: Stream,
    started: Instant,
    limit: Duration,
}

/// What came from a pipe until now, and the thread that reads it.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Program {
    /// The program `name`, a path or a name in the search path. If it is missing, the error names Debian's `package`.
    #[must_use]
    pub fn new(name: impl Into<String>, package: &'static str) -> Self {
        let limit = Duration::from_secs(300);
        let name = name.into();
        let label = name.clone();
        Self { name, label, package, args: Vec::new(), variables: Vec::new(), input: Vec::new(), limit }
    }

    /// With this name in errors.
    pub(crate) fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    /// With these arguments behind those that are there.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// With this as its standard input. Default: nothing.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    /// The program is not installed or cannot be started.
    pub fn start(&self) -> Result<RunningProgram, Error> {
        if !is_installed(&self.name) {
            return Err(Error::MissingProgram { program: self.name.clone(), package: self.package });
        }
        let mut command = dies_with_this_process(&self.name);
        command.args(&self.args).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What the program starts belongs to its group, and ends with it.
        command.process_group(0);
        let mut child = command.spawn().map_err(Error::io(format!("starting {}", self.name)))?;
        let (stdout, stderr) = (Stream::of(child.stdout.take()), Stream::of(child.stderr.take()));
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input.clone();
            // On a thread, because the program may read nothing until its limit. A write fails if the program has ended,
            // and then its status says why.
            thread::spawn(move || stdin.write_all(&input));
        }
        Ok(RunningProgram {
            label: self.label.clone(),
            child,
            stdout,
            stderr,
            started: Instant::now(),
            limit: self.limit,
        })
    }

    /// Runs the program to its end, whatever its exit code is.
    ///
    /// # Errors
    /// The program cannot be started, or does not end within 30 s.
    pub fn output(&self) -> Result<ProgramOutput, Error> {
        self.start()?.wait()
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// As [`Program::output`], and if its exit code is not 0.
    pub fn run(&self) -> Result<ProgramOutput, Error> {
        match self.output()? {
            output if output.success => Ok(output),
            output => Err(Error::Tool {
                class: self.label.clone(),
                why: "failed".to_owned(),
                output: format!("{}{}", output.stdout, output.stderr),
            }),
        }
    }
}

impl RunningProgram {
    /// Waits until the standard output has `text`. Returns what the program printed until then.
    ///
    /// # Errors
    /// The program ends or reaches its limit before.
    pub fn wait_for_output(&mut self, text: &str) -> Result<String, Error> {
        self.wait_for(text, |program| program.stdout.text())
    }

    /// Waits until the standard error has `text`.
    ///
    /// # Errors
    /// As [`RunningProgram::wait_for_output`].
    pub fn wait_for_error(&mut self, text: &str) -> Result<String, Error> {
        self.wait_for(text, |program| program.stderr.text())
    }

    fn wait_for(&mut self, text: &str, printed: impl Fn(&Self) -> String) -> Result<String, Error> {
        loop {
            // The status before the output: what a program prints just before its end counts.
            let status = self.child.try_wait().map_err(Error::io("waiting for a program"))?;
            if status.is_some() {
                self.kill();
                self.join();
            }
            let so_far = printed(self);
            if so_far.contains(text) {
                return Ok(so_far);
            }
            if status.is_some() || self.started.elapsed() > self.limit {
                return Err(self.failure(&format!("did not print {text:?} within {:?}", self.limit)));
            }
            thread::sleep(POLL);
        }
    }

    /// Waits for the program's end.
    ///
    /// # Errors
    /// The program does not end within its limit, and is killed.
    pub fn wait(mut self) -> Result<ProgramOutput, Error> {
        let status = loop {
            match self.child.try_wait().map_err(Error::io("waiting for a program"))? {
                Some(status) => break status,
                None if self.started.elapsed() > self.limit => {
                    return Err(self.failure(&format!("did not end within {:?}", self.limit)));
                }
                None => thread::sleep(POLL),
            }
        };
        // A child of the program may still hold its pipes.
        self.kill();
        self.join();
        Ok(ProgramOutput { stdout: self.stdout.text(), stderr: self.stderr.text(), success: status.success() })
    }

    /// Sends SIGTERM, and waits for the program's end.
    ///
    /// # Errors
    /// As [`RunningProgram::wait`].
    pub fn terminate(self) -> Result<ProgramOutput, Error> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .map_err(Error::io("starting kill"))?;
        self.wait()
    }

    fn failure(&mut self, why: &str) -> Error {
        self.kill();
        self.join();
        let output = format!("{}{}", self.stdout.text(), self.stderr.text());
        Error::Tool { class: self.label.clone(), why: why.to_owned(), output }
    }

    /// Kills the program and everything that it started.
    fn kill(&mut self) {
        // Each fails only when there is nothing left to kill.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn join(&mut self) {
        for stream in [&mut self.stdout, &mut self.stderr] {
            if let Some(reader) = stream.reader.take() {
                let _ = reader.join();
            }
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Stream {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut chunk = [0; 8192];
                // What came before an error is all there is to show.
                while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                    let chunk = chunk.get(..read).unwrap_or_default();
                    into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(chunk);
                }
            })
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Whether `name` is a path that exists, or is in the search path.
fn is_installed(name: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    Path::new(name).is_file()
        || (!name.contains('/') && env::split_paths(&paths).any(|folder| folder.join(name).is_file()))
}
