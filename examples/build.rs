//! Extracts the Rust examples of the READMEs, so that `tests/readmes.rs` runs the code that readers copy.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    for (name, readme) in [
        ("workspace", "../README.md"),
        ("blocking", "../kafka08-blocking/README.md"),
        ("tokio", "../kafka08-tokio/README.md"),
    ] {
        println!("cargo::rerun-if-changed={readme}");
        let text = fs::read_to_string(readme)?;
        let (_, from_block) = text.split_once("```rust,no_run\n").ok_or_else(|| format!("{readme} has no example"))?;
        let (block, _) = from_block.split_once("```").ok_or_else(|| format!("the example of {readme} does not end"))?;
        // Lines that begin with `# ` are for rustdoc only, which makes a program of the example.
        let lines = block.lines().filter(|line| !line.starts_with("# "));
        let code = lines.collect::<Vec<_>>().join("\n").replace("\"localhost:9092\"", "broker");
        fs::write(Path::new(&out).join(format!("{name}.rs")), format!("{{\n{code}\nOk(())\n}}\n"))?;
    }
    Ok(())
}
