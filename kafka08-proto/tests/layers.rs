//! The architecture, read from the sources: who may use whom, and what the core never touches.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Layers from the bottom up: each may use itself and those before it. Those of one row do not use each other, except that
/// every layer may use the plain values, and those one another.
const LAYERS: [&[&str]; 8] = [
    &["ids", "error_code", "fate", "limits", "profile", "partitioner", "canary"],
    &["wire"],
    &["message"],
    &["api"],
    &["frame"],
    &["connection"],
    &["probe", "adapter"],
    &["strategies"],
];

/// What a sans-IO core does not name, besides the modules that [`worldly`] looks for.
const FORBIDDEN: [&str; 10] =
    ["Instant::now", "SystemTime", "HashMap", "HashSet", "Mutex", "RwLock", "println!", "dbg!", "rand::", "unsafe"];

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
            } else if path.ends_with("tests.rs") {
                // Unit tests in a file of their own are not code of the core.
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

/// What stands directly behind each `root::` in code, also inside the braces of a `use`.
fn named_after(root: &str, code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for part in code.split(root).skip(1) {
        let names = match part.strip_prefix('{') {
            // `use crate::{a::B, c::{D, E}};`: what stands at the first level.
            Some(list) => {
                let mut depth = 0;
                let inside = list.chars().map_while(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    (depth >= 0).then_some((depth, c))
                });
                inside.filter(|(depth, _)| *depth == 0).map(|(_, c)| c).collect()
            }
            None => part.lines().next().unwrap_or_default().split(',').next().unwrap_or_default().to_owned(),
        };
        for name in names.split(',') {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            named.push(name);
        }
    }
    named
}

/// Every module of this crate that code names by `crate::`.
fn used_layers(code: &str) -> Vec<String> {
    let known = LAYERS.concat();
    named_after("crate::", code).into_iter().filter(|name| known.contains(&name.as_str())).collect()
}

/// Parts of the standard library that reach the world outside, as far as a source may not name them.
fn worldly(path: &Path, code: &str) -> Vec<String> {
    let names_addresses = [Path::new("ids/host_port.rs"), Path::new("adapter/connect_error.rs")].contains(&path);
    let is_address = names_addresses && !code.replace("net::SocketAddr", "").contains("net::");
    let forbidden = |name: &str| match name {
        "fs" | "thread" | "env" | "process" | "os" => true,
        "net" => !is_address,
        _ => false,
    };
    named_after("std::", code).into_iter().filter(|name| forbidden(name)).collect()
}

/// Whether a path of `super`s leaves the layer that the source is in, which only `crate::` should do.
fn climbs_out(path: &Path, code: &str) -> bool {
    let folders = path.components().count() - 1;
    let depth = folders + usize::from(!path.ends_with("mod.rs"));
    code.contains(&"super::".repeat(depth))
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
        assert!(!climbs_out(&source.path, &code(&source.text)), "{}", source.path.display());
    }
}

/// The types and traits that a source defines.
fn defined(code: &str) -> Vec<&str> {
    let item = |line: &'_ str| -> bool { ["struct ", "enum ", "trait "].iter().any(|kind| line.starts_with(kind)) };
    code.lines()
        .filter_map(|line| {
            let line = match line.strip_prefix("pub") {
                Some(rest) => rest.trim_start_matches(|c| c != ' ').trim_start(),
                None => line,
            };
            let name = item(line).then(|| line.split(' ').nth(1))??;
            name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
        })
        .collect()
}

/// Which other sources each source of a layer needs, by their places in the list.
fn needs(sources: &[(PathBuf, String)]) -> Vec<Vec<usize>> {
    let words = |code: &str| -> BTreeSet<String> {
        code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let needs_of = |(n, (path, code)): (usize, &(PathBuf, String))| {
        let named = words(code);
        let own: BTreeSet<&str> = defined(code).into_iter().collect();
        let others = sources.iter().enumerate().filter(|(other, _)| *other != n);
        others
            .filter(|(_, (other, text))| {
                // Private names may stand twice in different folders.
                let is_near = other.parent() == path.parent();
                defined(text).iter().any(|name| {
                    let is_public = text.contains(&format!("pub struct {name}"))
                        || text.contains(&format!("pub enum {name}"))
                        || text.contains(&format!("pub trait {name}"));
                    named.contains(*name) && !own.contains(name) && (is_near || is_public)
                })
            })
            .map(|(other, _)| other)
            .collect()
    };
    sources.iter().enumerate().map(needs_of).collect()
}

/// Sources that need each other, directly or not.
fn cycles(sources: &[(PathBuf, String)]) -> Vec<String> {
    let mut needs = needs(sources);
    // Takes away what needs nothing that is left, until that finds no more.
    let mut left: BTreeSet<usize> = (0..sources.len()).collect();
    while let Some(free) = left.iter().copied().find(|n| needs.get(*n).is_some_and(Vec::is_empty)) {
        left.remove(&free);
        needs.iter_mut().for_each(|needed| needed.retain(|other| *other != free));
    }
    left.iter().filter_map(|n| sources.get(*n)).map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn no_two_files_of_a_layer_need_each_other() {
    // Not `message`, whose sets give their readers as methods, nor `api`, whose errors name its requests.
    for layer in ["ids", "error_code", "wire", "frame", "connection", "adapter"] {
        let files: Vec<_> = sources()
            .into_iter()
            .filter(|source| source.layer == layer && !source.path.ends_with("mod.rs"))
            .map(|source| (source.path, code(&source.text)))
            .collect();
        assert_eq!(cycles(&files), [""; 0], "{layer}");
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
        assert_eq!(worldly(&source.path, &code), [""; 0], "{}", source.path.display());
        for word in FORBIDDEN {
            assert!(!code.contains(word), "{} names {word}", source.path.display());
        }
    }
}

#[test]
fn no_source_is_longer_than_a_person_reads_and_none_unwraps() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", source.path.display());
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
    let address = "use std::{fmt, net::SocketAddr, time::Duration};";
    let address_file = Path::new("ids/host_port.rs");
    assert_eq!(worldly(address_file, address), [""; 0]);
    assert_eq!(worldly(Path::new("connection/mod.rs"), address), ["net"]);
    assert_eq!(worldly(address_file, "use std::{fmt, net::{SocketAddr, TcpStream}};"), ["net"]);
    assert_eq!(
        worldly(address_file, "use std::{\n    collections::{BTreeMap},\n    fs,\n};\nstd::env::var(a)"),
        ["fs", "env"]
    );
    assert!(climbs_out(Path::new("frame/mod.rs"), "use super::api;"));
    assert!(climbs_out(Path::new("limits.rs"), "use super::api;"));
    assert!(climbs_out(Path::new("frame/decoder.rs"), "use super::super::api;"));
    assert!(!climbs_out(Path::new("connection/client/ledger.rs"), "use super::super::Fate;"));
    assert!(sources().len() > 40, "the sources are found");
}
