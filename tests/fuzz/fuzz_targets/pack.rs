//! See `plumb_bundle::fuzz::pack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_bundle::fuzz::pack(bytes));
