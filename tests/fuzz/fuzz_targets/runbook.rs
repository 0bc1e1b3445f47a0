//! See `plumb_runbook::document::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_runbook::document::fuzz(bytes));
