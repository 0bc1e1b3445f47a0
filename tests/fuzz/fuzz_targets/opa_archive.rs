//! See `plumb_bundle::fuzz::opa_archive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_bundle::fuzz::opa_archive(bytes));
