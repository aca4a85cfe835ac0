//! Fuzzes the target `rpc_http`. It never does anything itself.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| cofferdam_fuzz_targets::run("rpc_http", input));
