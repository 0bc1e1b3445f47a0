//! See `plumb_clients::fuzz::wire_opa`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_clients::fuzz::wire_opa(bytes));
