//! The architecture, read from the sources: who may use whom, and what the machines never touch.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Layers from the bottom up: each may use itself and those of the rows before it. The layers of the first row may use
/// each other.
const LAYERS: [&[&str]; 9] = [
    &["backoff", "config", "error", "record", "seed", "timers"],
    &["machine"],
    &["view"],
    &["links"],
    &["cluster"],
    &["accumulator"],
    &["assignment"],
    &["producer"],
    &["consumer"],
];

/// What code without I/O, clock, threads, dice and locks does not name.
const FORBIDDEN: [&str; 17] = [
    "Instant::now",
    "SystemTime",
    "HashMap",
    "HashSet",
    "Mutex",
    "RwLock",
    "Condvar",
    "println!",
    "dbg!",
    "rand::",
    "unsafe",
    "std::net",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "std::os",
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            match path.is_dir() {
                _ if is_test => {}
                true => folders.push(path),
                false => found.push((path.strip_prefix(&root).expect("below the root").to_owned(), code(&path))),
            }
        }
    }
    found
}

/// The code of a file: without comments, and without its unit tests, which come last.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("it can be read");
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn layer(path: &Path) -> String {
    let first = path.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn row(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

/// Whether code names a module of the crate, by its path or at the first level of a `use crate::{…}`.
fn uses(code: &str, module: &str) -> bool {
    let list = code.split("use crate::{").skip(1).filter_map(|list| list.split("};").next());
    code.contains(&format!("crate::{module}::"))
        || list.into_iter().any(|list| list.lines().any(|line| line.trim().starts_with(&format!("{module}::"))))
}

#[test]
fn every_layer_uses_only_those_above_it_in_the_table() {
    for (path, code) in sources().iter().filter(|(path, _)| layer(path) != "lib") {
        let name = layer(path);
        let own = row(&name).unwrap_or_else(|| panic!("{name} is not in the table of layers"));
        for other in LAYERS.concat().into_iter().filter(|other| *other != name) {
            let is_allowed = row(other).is_some_and(|row| row < own || own == 0 && row == 0);
            assert!(is_allowed || !uses(code, other), "{} uses {other}", path.display());
        }
    }
}

#[test]
fn the_machines_touch_nothing_of_the_world() {
    for (path, code) in sources() {
        let named: Vec<_> = FORBIDDEN.iter().filter(|word| code.contains(**word)).collect();
        assert!(named.is_empty(), "{} names {named:?}", path.display());
    }
}
