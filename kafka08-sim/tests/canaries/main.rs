//! Mistakes that are planted in the client: each must be noticed, and by the invariant that it breaks.
//!
//! They are compiled with `--cfg kafka08_canary` only, so the tests are marked as ignored, and are asked for by name:
//! `.ci/run` runs the first one, `.ci/long canaries` both.

#[cfg(kafka08_canary)]
mod expected;
#[cfg(kafka08_canary)]
mod hunt;
#[cfg(kafka08_canary)]
mod matrix;
#[cfg(kafka08_canary)]
mod tables;

#[cfg(not(kafka08_canary))]
mod without {
    const HOW: &str = "no mistake can be planted: build with RUSTFLAGS='--cfg kafka08_canary'";

    #[test]
    #[ignore = "needs --cfg kafka08_canary"]
    fn every_planted_mistake_is_noticed_by_the_invariant_that_it_breaks() {
        panic!("{HOW}");
    }

    #[test]
    #[ignore = "needs --cfg kafka08_canary"]
    fn every_kind_of_fault_brings_out_a_mistake_that_nothing_else_does() {
        panic!("{HOW}");
    }
}

#[cfg(kafka08_canary)]
mod planted {
    use crate::{expected, hunt::hunt, matrix::matrix, tables};

    /// How many seeds each mistake gets.
    const SEEDS: u64 = 200;
    /// How many seeds each mistake gets with each kind of fault.
    const SEEDS_OF_A_KIND: u64 = 150;

    #[test]
    #[ignore = "run by .ci/run"]
    fn every_planted_mistake_is_noticed_by_the_invariant_that_it_breaks() {
        let caught: Vec<_> = expected::all().map(|expected| (expected, hunt(Some(&expected), SEEDS))).collect();
        println!("\n{}", tables::of_canaries(&caught));
        let sound = hunt(None, SEEDS);
        assert!(sound.seeds.is_empty(), "without a mistake: {:?}", sound.seeds);
        let problems: Vec<String> = caught.iter().filter_map(|(expected, found)| found.problem(expected)).collect();
        assert!(problems.is_empty(), "{problems:#?}");
        let tripped = |invariant| caught.iter().any(|(_, found)| found.seeds_of(invariant) > 0);
        let never: Vec<_> = expected::INVARIANTS.into_iter().filter(|invariant| !tripped(*invariant)).collect();
        assert!(never.is_empty(), "nothing trips {never:?}");
    }

    #[test]
    #[ignore = "takes minutes; run by .ci/long canaries"]
    fn every_kind_of_fault_brings_out_a_mistake_that_nothing_else_does() {
        let found = matrix(SEEDS_OF_A_KIND);
        println!("\n{}", tables::of_faults(&found, SEEDS_OF_A_KIND));
        let without: Vec<_> = found.kinds_without().collect();
        assert!(without.is_empty(), "these kinds of faults bring out nothing: {without:?}");
    }
}
