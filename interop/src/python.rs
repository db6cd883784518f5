//! A Python with the packages of `python/requirements.txt`.

use std::{
    env,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    process::Command,
};

use crate::{Error, Program, jars};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/requirements.txt");
const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// A Python that has kafka-python and its codecs. They are installed on first use into `target/python`, or into the folder
/// that `KAFKA08_PYTHON` names.
///
/// # Errors
/// Python or its module venv is missing, or pip fails.
pub fn python() -> Result<Program, Error> {
    let root = env::var_os("KAFKA08_PYTHON").map_or_else(|| jars::target().join("python"), Into::into);
    // By the text of the file: with other packages it is another folder.
    let mut hash = DefaultHasher::new();
    REQUIREMENTS.hash(&mut hash);
    let folder = jars::filled_once(&root, &format!("{:016x}", hash.finish()), install)?;
    Ok(Program::new(interpreter(&folder), "python3"))
}

/// By the path of the interpreter, because the scripts beside it hold the path of the folder that was filled.
fn interpreter(folder: &Path) -> String {
    folder.join("bin/python").display().to_string()
}

fn install(folder: &Path) -> Result<(), Error> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r", FILE];
    run(Command::new(interpreter(folder)).args(pip))
}

/// Without the limit of a [`Program`]: pip may wait for a registry.
fn run(command: &mut Command) -> Result<(), Error> {
    let output = command.output().map_err(Error::io(format!("starting {command:?}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Error::Tool {
        class: format!("{command:?}"),
        why: "failed (Debian: apt-get install python3-venv python3-pip)".to_owned(),
        output: String::from_utf8_lossy(&text).into_owned(),
    })
}
