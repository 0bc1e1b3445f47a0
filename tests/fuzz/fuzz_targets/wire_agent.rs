//! See `plumb_clients::fuzz::wire_agent`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_clients::fuzz::wire_agent(bytes));
