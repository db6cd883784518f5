//! Extracts the Rust examples of the READMEs, so that `tests/readmes.rs` runs the code that readers copy.

use std::{env, error::Error, fs, path::Path};

/// The examples of the workspace's README, in its order.
const WORKSPACE: [&str; 14] = [
    "workspace",
    "ten_lines_one_thread",
    "ten_lines_many_threads",
    "ten_lines_tokio",
    "ten_lines_async_std",
    "ten_lines_smol",
    "own_loop",
    "producer_tokio",
    "producer_threads",
    "consumer_tokio",
    "consumer_threads",
    "cluster_tokio",
    "cluster_threads",
    "server",
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    for (readme, fence, names) in [
        // This one is not the documentation of a crate, so rustdoc sees none of its examples.
        ("../README.md", "```rust\n", &WORKSPACE[..]),
        (
            "../kafka08-blocking/README.md",
            "```rust,no_run\n",
            &["blocking", "blocking_producer", "blocking_consumer", "blocking_cluster"],
        ),
        (
            "../kafka08-tokio/README.md",
            "```rust,no_run\n",
            &["tokio", "tokio_producer", "tokio_consumer", "tokio_cluster"],
        ),
        (
            "../kafka08-async-std/README.md",
            "```rust,no_run\n",
            &["async_std", "async_std_producer", "async_std_consumer", "async_std_cluster"],
        ),
    ] {
        println!("cargo::rerun-if-changed={readme}");
        let text = fs::read_to_string(readme)?;
        let blocks: Vec<&str> = text.split(fence).skip(1).collect();
        if blocks.len() != names.len() {
            return Err(format!("{readme} has {} examples; expected: {names:?}", blocks.len()).into());
        }
        for (name, from_block) in names.iter().zip(blocks) {
            let (block, _) = from_block.split_once("```").ok_or_else(|| format!("{name} of {readme} does not end"))?;
            // Lines that begin with `# ` are for rustdoc only, which makes a program of the example.
            let lines = block.lines().filter(|line| !line.starts_with("# "));
            let code = lines.collect::<Vec<_>>().join("\n");
            let code =
                code.replace("\"localhost:9092\"", "broker").replace("\"broker1:9092\", \"broker2:9092\"", "broker");
            fs::write(Path::new(&out).join(format!("{name}.rs")), format!("{{\n{code}\nOk(())\n}}\n"))?;
        }
    }
    Ok(())
}
