//! Runs every target over its corpus and its regressions.

use std::{fs, panic, path::Path};

#[test]
fn every_committed_input_keeps_its_targets_promises() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for (name, target) in kafka08_fuzz::TARGETS {
        let folders = [root.join("corpus").join(name), root.join("regressions").join(name)];
        let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        let mut inputs = 0;
        for file in files {
            let path = file.expect("the corpus can be listed").path();
            let input = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // The panic's own message is printed above; this finds all inputs in one run.
            if panic::catch_unwind(|| target(&input)).is_err() {
                broken.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
            }
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no corpus");
    }
    broken.sort();
    assert!(broken.is_empty(), "these inputs break a promise: {broken:#?}");
}
