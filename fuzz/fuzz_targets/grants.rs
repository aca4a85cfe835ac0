//! Fuzzes the target `grants`. It never does anything itsgrants.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| cofferdam_fuzz_targets::run("grants", input));
