//! Compares the codecs with `kafka-protocol` 0.15.1 over as many distinct bodies of each layout as the argument says.
//!
//! ```sh
//! cargo run --release -p kafka08-fuzz --features differential --example differential -- 50000
//! ```

use std::error::Error;

use kafka08_fuzz::differential::{LAYOUTS, compare};

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(50_000), |count| count.parse())?;
    let mut total = 0;
    for (layout, seed) in LAYOUTS.iter().zip(1..) {
        // A body of two bytes has no more than 65 536 values; one of them is as good as another.
        let count = if layout.fields == "h" { count.min(50_000) } else { count };
        compare(layout, count, seed);
        total += count;
        println!("{layout:?}: {count} bodies, no disagreement");
    }
    println!("{total} distinct bodies in all");
    Ok(())
}
