//! See `kafka08_fuzz::broker_stream`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kafka08_fuzz::broker_stream(data));

#[cfg(not(fuzzing))]
fn main() {}
