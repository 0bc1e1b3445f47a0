//! See `plumb_evidence::fuzz::evidence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_evidence::fuzz::evidence(bytes));
