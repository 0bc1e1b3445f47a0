//! See `plumb_clients::fuzz::prometheus`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_clients::fuzz::prometheus(bytes));
