//! Fuzzes the target `signature`. It never does anything itssignature.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| cofferdam_fuzz_targets::run("signature", input));
