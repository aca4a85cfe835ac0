//! Fuzzes the target `sessions`. It never does anything itself.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| cofferdam_fuzz_targets::run("sessions", input));
