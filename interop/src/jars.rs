//! Kafka's jars, by way of Maven.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Error;

/// The folder under which everything of this crate lies: the workspace's `target`.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from)
}

/// The folder that holds every jar of a release, which `pom` names; fetched on first use.
pub(crate) fn fetch(version: &str, pom: &str) -> Result<PathBuf, Error> {
    let root = env::var_os("KAFKA08_JARS").map_or_else(|| target().join("kafka-jars"), PathBuf::from);
    filled_once(&root, version, |staging| maven(pom, staging))
}

/// The folder `name` in `root`, which `fill` has filled, now or in an earlier run. It fills another folder first: only one
/// that is complete ever has the name.
pub(crate) fn filled_once(
    root: &Path,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let complete = root.join(name);
    if complete.is_dir() {
        return Ok(complete);
    }
    fs::create_dir_all(root).map_err(Error::io(format!("creating {}", root.display())))?;
    // Tests of several processes may come here at once: one fills, the others wait and find the folder.
    let lock = root.join(format!("{name}.lock"));
    let lock = File::create(&lock).map_err(Error::io(format!("creating {}", lock.display())))?;
    lock.lock().map_err(Error::io(format!("locking {}", root.display())))?;
    if complete.is_dir() {
        return Ok(complete);
    }
    let staging = root.join(format!("{name}.part"));
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io(format!("clearing {}", staging.display()))(error));
        }
        _ => fs::create_dir_all(&staging).map_err(Error::io(format!("creating {}", staging.display())))?,
    }
    fill(&staging)?;
    fs::rename(&staging, &complete).map_err(Error::io(format!("renaming {}", staging.display())))?;
    Ok(complete)
}

fn maven(pom: &str, into: &Path) -> Result<(), Error> {
    let file = into.join("pom.xml");
    fs::write(&file, pom).map_err(Error::io(format!("writing {}", file.display())))?;
    let output = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."])
        .current_dir(into)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::MissingProgram { program: "mvn".to_owned(), package: "maven" },
            _ => Error::io("starting mvn")(error),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let output = [output.stdout, output.stderr].concat();
    Err(Error::Maven { output: String::from_utf8_lossy(&output).into_owned() })
}
