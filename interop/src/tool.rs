//! Java programs against the jars of a release: other people's implementation of the protocol, to judge ours.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

use crate::{Error, Program, ProgramOutput, Release, jars, process::java_flags};

/// A Java main class with its arguments. It is killed when it takes too long.
#[derive(Clone, Debug)]
pub struct Tool {
    class_path: String,
    class: String,
    args: Vec<String>,
    input: String,
    variables: Vec<(String, String)>,
}

impl Tool {
    pub(crate) fn new(jars: &Path, class: &str) -> Self {
        let class_path = jars.join("*").display().to_string();
        Self { class_path, class: class.to_owned(), args: Vec::new(), input: String::new(), variables: Vec::new() }
    }

    /// A tool of a release, by its main class or by the path of a source file, for which `java` must be that of a JDK. It
    /// needs no broker of that release. The jars are fetched on first use.
    ///
    /// # Errors
    /// Maven is missing, or the jars cannot be had.
    pub fn of(release: Release, class: &str) -> Result<Self, Error> {
        Ok(Self::new(&jars::fetch(release.version(), release.pom())?, class))
    }

    /// The main class of a source file, which `javac` compiles against the jars of a release. Unlike a source file that
    /// `java` runs, the program can name its own classes in settings of Kafka's classes.
    ///
    /// # Errors
    /// A JDK or Maven is missing, the jars cannot be had, or the file does not compile.
    pub fn compiled(release: Release, source: &Path) -> Result<Self, Error> {
        let class = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut tool = Self::of(release, &class)?;
        let text = fs::read(source).map_err(Error::io(format!("reading {}", source.display())))?;
        // By its text: another version of the file is another folder.
        let mut hash = DefaultHasher::new();
        (release.version(), text).hash(&mut hash);
        let name = format!("{class}-{:016x}", hash.finish());
        let classes = jars::filled_once(&jars::target().join("interop/classes"), &name, |staging| {
            let (into, file) = (staging.display().to_string(), source.display().to_string());
            let args = ["-nowarn", "-d", &into, "-cp", &tool.class_path, &file];
            Program::new("javac", "default-jdk-headless").args(args).run().map(drop)
        })?;
        tool.class_path = format!("{}:{}", tool.class_path, classes.display());
        Ok(tool)
    }

    /// With these arguments behind those that are there.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// With this as its standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It fails, or does not end within 30 s.
    pub fn run(&self) -> Result<ProgramOutput, Error> {
        let java = Program::new("java", "default-jre-headless").label(&self.class);
        let java = java.args(java_flags("-Xmx128m")).args(["-cp", &self.class_path, &self.class]);
        let java = self.variables.iter().fold(java, |java, (name, value)| java.variable(name, value));
        java.args(self.args.iter().map(String::as_str)).input(self.input.as_bytes()).run()
    }
}
