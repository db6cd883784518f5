//! The state machine does no I/O, reads no clock, starts no thread and rolls no dice; its folders use only what lies below them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folders and files of the state machine, from the lowest up, and what each may use of the others.
const LAYERS: &[(&str, &[&str])] = &[
    ("seed", &[]),
    ("timers", &[]),
    ("config", &[]),
    ("wire", &[]),
    ("log", &[]),
    ("groups", &["wire"]),
    ("purgatory", &["groups", "state", "timers", "wire"]),
    ("state", &["config", "groups", "log", "purgatory", "seed", "timers"]),
    ("faults", &["seed", "wire"]),
    ("history", &["faults"]),
    ("apis", &["cluster", "groups", "purgatory", "seed", "state", "wire"]),
    ("cluster", &["apis", "config", "faults", "groups", "history", "purgatory", "seed", "state", "timers", "wire"]),
];

/// What only drivers may use.
const WORLD: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "std::fs",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "thread::",
    "Mutex",
    "Condvar",
    "HashMap",
    "HashSet",
    "mio::",
    "tokio::",
    "rustix::",
    "socket2::",
    "println!",
    "eprintln!",
    "env::",
];

fn sources(of: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = root.join(format!("{of}.rs"));
    if file.exists() {
        return vec![file];
    }
    let mut found = Vec::new();
    let mut folders = vec![root.join(of)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            match path.is_dir() {
                true if path.file_name().is_some_and(|name| name == "tests") => {}
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found
}

/// The code of a file: without comments, and without its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("it can be read");
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_state_machine_touches_nothing_of_the_world() {
    for (layer, _) in LAYERS {
        for path in sources(layer) {
            let code = code(&path);
            let used: Vec<_> = WORLD.iter().filter(|word| code.contains(**word)).collect();
            assert!(used.is_empty(), "{} uses {used:?}", path.display());
        }
    }
}

#[test]
fn a_folder_uses_only_those_that_it_may() {
    for (layer, may) in LAYERS {
        for path in sources(layer) {
            let code = code(&path);
            for (other, _) in LAYERS.iter().filter(|(other, _)| other != layer && !may.contains(other)) {
                let uses = [format!("crate::{other}::"), format!("    {other}::")];
                // A module of the same name inside the folder is not meant.
                let inside = path.parent().is_some_and(|folder| folder.join(format!("{other}.rs")).exists());
                let is_used = uses.iter().any(|used| code.contains(used)) && !inside;
                assert!(!is_used, "{} uses {other}", path.display());
            }
        }
    }
}

#[test]
fn every_folder_is_a_layer_or_a_driver() {
    const DRIVERS: &[&str] = &["server", "tokio_server", "storage", "bin", "lib.rs", "guide.rs"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root).expect("it is there") {
        let name = entry.expect("it can be read").file_name().into_string().expect("a name in UTF-8");
        let known = LAYERS.iter().any(|(layer, _)| name == *layer || name == format!("{layer}.rs"));
        assert!(known || DRIVERS.contains(&name.as_str()), "{name} is not in the table of layers");
    }
}
