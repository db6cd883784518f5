//! See `kafka08_fuzz::sim`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kafka08_fuzz::sim(data));

#[cfg(not(fuzzing))]
fn main() {}
