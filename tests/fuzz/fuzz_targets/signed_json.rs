//! See `plumb_bundle::fuzz::signed_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_bundle::fuzz::signed_json(bytes));
