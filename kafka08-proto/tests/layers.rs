//! The architecture, read from the sources: who may use whom, and what the core never touches.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Layers from the bottom up: each may use itself and those before it. Those of one row do not use each other, except that
/// every layer may use the plain values, and those one another.
const LAYERS: [&[&str]; 7] = [
    &["ids", "error_code", "limits", "profile", "partitioner"],
    &["wire"],
    &["message"],
    &["api"],
    &["frame"],
    &["connection"],
    &["probe"],
];

/// What a sans-IO core does not name. `std::net::SocketAddr` alone is data.
const FORBIDDEN: [&str; 17] = [
    "std::net::Tcp",
    "std::net::Udp",
    "net::TcpStream",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "HashMap",
    "HashSet",
    "Mutex",
    "RwLock",
    "println!",
    "dbg!",
    "rand::",
    "unsafe",
];

struct Source {
    path: PathBuf,
    layer: String,
    text: String,
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("the sources can be listed").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root).expect("below the root");
                let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
                let layer = first.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).expect("a source can be read");
                found.push(Source { path: inside.to_owned(), layer, text });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found
}

/// The code of a source: without comments and without its tests, which come last.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every module of this crate that code names by `crate::`, also inside braces.
fn used_layers(code: &str) -> Vec<String> {
    let known = LAYERS.concat();
    let mut used = Vec::new();
    for part in code.split("crate::").skip(1) {
        let names = match part.strip_prefix('{') {
            // `use crate::{a::B, c::{D, E}};`: what stands at the first level.
            Some(list) => {
                let mut depth = 0;
                let end = list.find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth < 0
                });
                let mut depth = 0;
                let mut first_level = String::new();
                for c in list.get(..end.unwrap_or(0)).unwrap_or_default().chars() {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    if depth == 0 {
                        first_level.push(c);
                    }
                }
                first_level
            }
            None => part.lines().next().unwrap_or_default().to_owned(),
        };
        for name in names.split(',') {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if known.contains(&name.as_str()) {
                used.push(name);
            }
        }
    }
    used
}

fn row(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

/// What is wrong with a source of this layer, by the table.
fn trespasses(layer: &str, code: &str) -> Vec<String> {
    let own = row(layer).expect("every layer is in the table");
    let allowed = |used: &str| row(used).is_some_and(|row| row < own || used == layer || own == 0 && row == 0);
    used_layers(code).into_iter().filter(|used| !allowed(used)).map(|used| format!("{layer} uses {used}")).collect()
}

#[test]
fn every_layer_uses_only_those_above_it_in_the_table() {
    for source in sources().iter().filter(|source| source.layer != "lib") {
        assert_eq!(trespasses(&source.layer, &code(&source.text)), [""; 0], "{}", source.path.display());
    }
}

#[test]
fn frame_and_api_do_not_know_each_other_nor_does_api_know_connections() {
    for source in sources() {
        let used = used_layers(&code(&source.text));
        let forbidden = match source.layer.as_str() {
            "frame" => ["api", "message", "connection"],
            "api" => ["frame", "connection", "probe"],
            _ => continue,
        };
        assert!(used.iter().all(|used| !forbidden.contains(&used.as_str())), "{}: {used:?}", source.path.display());
    }
}

#[test]
fn the_core_touches_no_socket_file_clock_thread_lock_or_dice() {
    for source in sources() {
        let code = code(&source.text);
        for word in FORBIDDEN {
            assert!(!code.contains(word), "{} names {word}", source.path.display());
        }
    }
}

#[test]
fn no_source_is_longer_than_a_person_reads_and_none_unwraps() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 450, "{} has {lines} lines", source.path.display());
        assert!(!code(&source.text).contains(".unwrap()"), "{} unwraps", source.path.display());
    }
}

#[test]
fn these_checks_find_what_they_look_for() {
    let sample = "use crate::{\n    api::{Body, Request},\n    ids::Offset,\n};\nfn f() { crate::connection::g() }\n// crate::probe";
    assert_eq!(used_layers(&code(sample)), ["api", "ids", "connection"]);
    assert_eq!(trespasses("message", &code(sample)), ["message uses api", "message uses connection"]);
    assert_eq!(trespasses("connection", &code(sample)), [""; 0]);
    assert!(code("let x = 1; // Instant::now").contains("let x"));
    assert!(!code("let x = 1; // Instant::now").contains("Instant::now"));
    assert!(sources().len() > 40, "the sources are found");
}
